"""Filters a photograph: edges, a blur that reflects at the borders, a bank of strided filters.

Run it: ``python examples/filter_image.py [SHEET.png]``

The photograph (Rear Admiral Grace Hopper, a work of the United States Navy in the public domain)
is among matplotlib's own sample data, so nothing is downloaded.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from PIL import Image

import cyconv

Image32 = NDArray[np.float32]


def photograph() -> Image32:
    """Read the photograph as (3, H, W), red, green and blue from 0 to 1."""
    with Image.open(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")) as file:
        pixels = np.asarray(file.convert("RGB"), np.float32) / np.float32(255)
    # A view with the channels first: conv2d reads it as it lies.
    return pixels.transpose(2, 0, 1)


def edges(grey: Image32) -> Image32:
    """Strength of the gradient of an (H, W) image, from Sobel's two filters."""
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    both = np.stack([across, across.T])[:, None]
    gradient = cyconv.conv2d(grey[None], both, padding="same", padding_mode="replicate")
    strength: Image32 = np.hypot(gradient[0], gradient[1])
    return strength


def blur(image: Image32, sigma: float) -> Image32:
    """Gaussian blur of a (C, H, W) image; every channel has the filter to itself."""
    radius = round(3 * sigma)
    bell = np.exp(-0.5 * (np.arange(-radius, radius + 1, dtype=np.float32) / sigma) ** 2)
    bell /= bell.sum()
    channels = image.shape[0]
    for kernel in (bell[:, None], bell[None, :]):
        weight = np.broadcast_to(kernel, (channels, 1, *kernel.shape))
        image = cyconv.conv2d(
            image, weight, padding="same", groups=channels, padding_mode="reflect"
        )
    return image


def strided_bank(grey: Image32, orientations: int = 8, size: int = 15) -> Image32:
    """Answers of a bank of wavelets in several orientations, on every fourth pixel, rectified."""
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    envelope = np.exp(-(x**2 + y**2) / (2 * (size / 5) ** 2))
    angles = np.pi * np.arange(orientations) / orientations
    waves = [np.cos((x * np.cos(a) + y * np.sin(a)) * (2 * np.pi / 7)) for a in angles]
    bank = np.stack([envelope * wave for wave in waves]).astype(np.float32)
    bank -= bank.mean(axis=(1, 2), keepdims=True)
    layer = cyconv.Conv2d(
        1, orientations, size, stride=4, padding=half, bias=False, activation="relu"
    )
    layer.weight = bank[:, None] / size
    return layer(grey[None])


def sheet(path: Path, picture: Image32, edge: Image32, soft: Image32, bank: Image32) -> None:
    """Write everything onto one page."""
    # Room for the titles, which the layout of nested figures would let touch the edge.
    figure = Figure(figsize=(11, 6.5), layout=ConstrainedLayoutEngine(h_pad=0.06))
    halves: Any = figure.subfigures(2, 1, height_ratios=[2.4, 1])
    top, bottom = halves
    panels = {
        "photograph": picture.transpose(1, 2, 0),
        "edges (Sobel, 2 filters)": edge,
        "blur (Gaussian, reflect)": soft.transpose(1, 2, 0).clip(0, 1),
    }
    for axis, (title, panel) in zip(top.subplots(1, 3), panels.items(), strict=True):
        axis.imshow(panel, cmap="gray_r")
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    bottom.suptitle(f"{len(bank)} oriented 15x15 filters, stride 4, relu", fontsize=10)
    brightest = float(np.quantile(bank, 0.995))
    for axis, answer in zip(bottom.subplots(1, len(bank)), bank, strict=True):
        axis.imshow(answer, cmap="magma", vmin=0, vmax=brightest)
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Filter, write the sheet, and tell what came out."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "filtered.png")
    picture = photograph()
    grey = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), picture, axes=1)
    edge, soft, bank = edges(grey), blur(picture, sigma=5), strided_bank(grey)
    for name, result in {"photograph": picture, "edges": edge, "blur": soft, "bank": bank}.items():
        shape = " x ".join(map(str, result.shape))
        figures = f"mean {result.mean():.3f}  deviation {result.std():.3f}"
        print(f"{name:<11} {shape:<14} {figures}  largest {result.max():.2f}")
    sheet(path, picture, edge, soft, bank)
    print(f"written: {path}")


if __name__ == "__main__":
    main()
