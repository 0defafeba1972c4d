"""The convolution that the suite believes: NumPy loops over kernel taps, from the definition alone.

Nothing here is imported from the package, and nothing is arranged for speed. Integers are exact in
the ring modulo 2^64, of which every narrower integer type is a quotient; floating point sums are
carried as unevaluated pairs of doubles, good to about 100 bits whatever ``long double`` is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MODES = ("zeros", "reflect", "replicate", "circular")


class Geometry(NamedTuple):
    """Where the windows of a convolution lie; padding is (top, bottom, left, right)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    padding_mode: str = "zeros"

    def keywords(self) -> dict[str, object]:
        """Spell the geometry as keyword arguments of ``conv2d``."""
        top, bottom, left, right = self.padding
        return {
            "stride": self.stride,
            "padding": ((top, bottom), (left, right)),
            "dilation": self.dilation,
            "groups": self.groups,
            "padding_mode": self.padding_mode,
        }


def same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int, int, int]:
    """Pad so that stride 1 keeps the size, the odd one out at the bottom and right."""
    total_h, total_w = ((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
    return total_h // 2, total_h - total_h // 2, total_w // 2, total_w - total_w // 2


def source_indices(size: int, before: int, after: int, mode: str) -> list[int]:
    """Name the input index that each padded index reads, -1 for a zero."""
    indices = []
    for i in range(-before, size + after):
        if 0 <= i < size:
            indices.append(i)
        elif mode == "zeros":
            indices.append(-1)
        elif mode == "replicate":
            indices.append(0 if i < 0 else size - 1)
        elif mode == "circular":
            indices.append(i + size if i < 0 else i - size)
        elif mode == "reflect":
            indices.append(-i if i < 0 else 2 * (size - 1) - i)
        else:
            raise AssertionError(mode)
    return indices


def pad(x: np.ndarray, padding: tuple[int, int, int, int], mode: str) -> np.ndarray:
    """Pad the last two axes of `x` by (top, bottom, left, right)."""
    if not any(padding):
        return x
    top, bottom, left, right = padding
    rows = np.array(source_indices(x.shape[-2], top, bottom, mode), dtype=np.intp)
    columns = np.array(source_indices(x.shape[-1], left, right, mode), dtype=np.intp)
    padded = np.zeros((*x.shape[:-2], rows.size, columns.size), dtype=x.dtype)
    if x.size:
        inside = np.ix_(np.flatnonzero(rows >= 0), np.flatnonzero(columns >= 0))
        padded[(..., *inside)] = x[(..., *np.ix_(rows[rows >= 0], columns[columns >= 0]))]
    return padded


def output_size(
    size: tuple[int, int], kernel: tuple[int, int], geometry: Geometry
) -> tuple[int, int]:
    """Count the windows down and across; not positive where the kernel does not fit."""
    top, bottom, left, right = geometry.padding
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    return (
        (size[0] + top + bottom - dh * (kernel[0] - 1) - 1) // sh + 1,
        (size[1] + left + right - dw * (kernel[1] - 1) - 1) // sw + 1,
    )


def taps(x: np.ndarray, kernel: tuple[int, int], geometry: Geometry):
    """Yield (i, j, the input under tap i, j of every window), the padding in place."""
    height, width = output_size(x.shape[2:], kernel, geometry)
    padded = pad(x, geometry.padding, geometry.padding_mode)
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i * dh, i * dh + (height - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (width - 1) * sw + 1, sw)
            yield i, j, padded[:, :, rows, columns]


def conv2d(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, geometry: Geometry) -> np.ndarray:
    """Convolve a batch in the arithmetic of the arrays' own dtype, one tap at a time."""
    n, out_channels, groups = x.shape[0], w.shape[0], geometry.groups
    size = output_size(x.shape[2:], w.shape[2:], geometry)
    split_w = w.reshape(groups, out_channels // groups, *w.shape[1:])
    y = np.zeros((n, groups, out_channels // groups, size[0] * size[1]), dtype=x.dtype)
    for i, j, seen in taps(x, w.shape[2:], geometry):
        channels = seen.reshape(n, groups, w.shape[1], size[0] * size[1])
        y += np.matmul(split_w[..., i, j], channels)
    y = y.reshape(n, out_channels, *size)
    return y if b is None else y + b.reshape(-1, 1, 1)


def magnitude(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, geometry: Geometry) -> np.ndarray:
    """Sum |x||w| + |b| for every output: what rounding errors are measured against."""
    wide = [None if a is None else np.abs(a).astype(np.float64) for a in (x, w, b)]
    return conv2d(*wide, geometry)


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def _split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = a * 134217729.0  # 2^27 + 1: Veltkamp's splitting of 53 bits
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    product = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return product, al * bl - (((product - ah * bh) - al * bh) - ah * bl)


def conv2d_twofold(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, geometry: Geometry
) -> tuple[np.ndarray, np.ndarray]:
    """Convolve doubles to about 100 bits: (high, low), whose unevaluated sum is the result."""
    n, out_channels, groups = x.shape[0], w.shape[0], geometry.groups
    size = output_size(x.shape[2:], w.shape[2:], geometry)
    split_w = w.reshape(groups, out_channels // groups, *w.shape[1:])
    products, errors = [], []
    for i, j, seen in taps(x, w.shape[2:], geometry):
        channels = seen.reshape(n, groups, 1, w.shape[1], size[0] * size[1])
        product, error = _two_product(channels, split_w[None, ..., i, j, None])
        products.append(product)
        errors.append(error)
    high, low = np.concatenate(products, axis=3), np.concatenate(errors, axis=3)
    if b is not None:
        bias = np.broadcast_to(b.reshape(1, groups, -1, 1, 1), (*high.shape[:3], 1, high.shape[4]))
        high, low = (np.concatenate([high, bias], axis=3), np.concatenate([low, 0 * bias], axis=3))
    low = low.sum(axis=3)
    while high.shape[3] > 1:
        half = high.shape[3] // 2
        odd = high[..., 2 * half :, :]
        total, rest = _two_sum(high[..., :half, :], high[..., half : 2 * half, :])
        low = low + rest.sum(axis=3)
        high = np.concatenate([total, odd], axis=3)
    shape = (n, out_channels, *size)
    return high.reshape(shape), low.reshape(shape)


def complex_parts(a: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Split a complex array into contiguous real and imaginary doubles."""
    if a is None:
        return None, None
    return np.ascontiguousarray(a.real, np.float64), np.ascontiguousarray(a.imag, np.float64)


def real_expansion(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, geometry: Geometry
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Write a complex convolution as a real one over twice the channels, for its error bound.

    Channel 2c holds the real and 2c + 1 the imaginary part, of inputs and of outputs alike.
    """
    x2 = np.stack([x.real, x.imag], axis=2).reshape(x.shape[0], -1, *x.shape[2:])
    w2 = np.empty((w.shape[0], 2, w.shape[1], 2, *w.shape[2:]), dtype=np.float64)
    w2[:, 0, :, 0], w2[:, 0, :, 1] = w.real, -w.imag
    w2[:, 1, :, 0], w2[:, 1, :, 1] = w.imag, w.real
    b2 = None if b is None else np.stack([b.real, b.imag], axis=1).reshape(-1).astype(np.float64)
    return x2.astype(np.float64), w2.reshape(-1, 2 * w.shape[1], *w.shape[2:]), b2
