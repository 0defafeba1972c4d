"""One convolution three ways: as a layer, as a function, as a sliding window over a 2-D array.

Run it: ``python examples/three_ways.py``
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import cyconv.functional as F
from cyconv import nn

Matrix = NDArray[np.float32]


def sliding_window(image: Matrix, kernel: Matrix, stride: int = 1, padding: int = 0) -> Matrix:
    """Convolve as one would on paper: lay the kernel on a window, multiply, add, move on."""
    image = np.pad(image, padding)
    rows = (image.shape[0] - kernel.shape[0]) // stride + 1
    columns = (image.shape[1] - kernel.shape[1]) // stride + 1
    result = np.empty((rows, columns), image.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            window = image[top : top + kernel.shape[0], left : left + kernel.shape[1]]
            result[i, j] = (window * kernel).sum()
    return result


def compare(title: str, image: Matrix, kernel: Matrix, stride: int = 1, padding: int = 0) -> None:
    """Convolve in every way, assert that the numbers agree, and print them."""
    geometry: dict[str, Any] = {"stride": stride, "padding": padding}
    # One image of one channel: (N, C, H, W), and a weight of (O, C, kH, kW).
    batch, weight = image[None, None], kernel[None, None]

    layer = nn.Conv2d(1, 1, kernel.shape, bias=False, **geometry)
    layer.weight = weight
    by_layer = layer(batch)[0, 0]
    by_function = F.conv2d(batch, weight, **geometry)[0, 0]
    by_array = F.conv2d(image, kernel, **geometry)
    by_hand = sliding_window(image, kernel, **geometry)

    # The values are small whole numbers, so every sum is exact and the ways agree to the last bit.
    for other in (by_function, by_array, by_hand):
        np.testing.assert_array_equal(by_layer, other)
    rows, columns = kernel.shape
    print(f"{title}: {image.shape[0]}x{image.shape[1]} input, {rows}x{columns} kernel, ", end="")
    print(f"stride {stride}, padding {padding}")
    print(by_layer, "\n")


def main() -> None:
    """Three convolutions; the last one moves the window two cells at a time."""
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)
    compare(
        "no bias",
        np.arange(16, dtype=np.float32).reshape(4, 4),
        np.array([[1, 2, 3], [0, 1, 0]], np.float32),
    )
    image = np.arange(25, dtype=np.float32).reshape(5, 5) % 7
    compare("padded", image, kernel, padding=1)
    compare("with stride", image, kernel, stride=2, padding=1)
    print("layer, function, 2-D array and sliding window agree")


if __name__ == "__main__":
    main()
