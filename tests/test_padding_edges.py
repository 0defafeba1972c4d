"""What tiles leave out or read in place: pixels in the padding, and inputs that need no window.

Every test names the algorithm to the engine, since the choice would take another for most shapes.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import assert_same_bits, guarded, poisoned
from .oracle import Geometry

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("lines")]

DTYPES = ("float32", "float64", "uint32", "uint64")


def convolve(x: np.ndarray, w: np.ndarray, geometry: Geometry, algorithm: str) -> np.ndarray:
    """Run one algorithm into a poisoned result."""
    size = oracle.output_size(x.shape[2:], w.shape[2:], geometry)
    out = poisoned((x.shape[0], w.shape[0], *size), x.dtype)
    _engine.convolve(x, w, None, out, *geometry[:3], geometry.groups, "zeros", None, algorithm)
    return out


def exactly(x: np.ndarray, w: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Convolve in a type that holds all sums."""
    wide = "u8" if x.dtype.kind == "u" else "f8"
    return oracle.conv2d(x.astype(wide), w.astype(wide), None, geometry).astype(x.dtype)


def integers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return rng.integers(-3, 4, shape).astype(dtype)


def layers() -> list[tuple[int, int, Geometry]]:
    """Widths around the tiles; taps that read padding for any number of pixels at either end."""
    found = []
    for turn, width in enumerate((*range(1, 18), 21, 27, 28, 29, 33, 42, 57)):
        for taps in (2, 3, 5, 7, 9):
            left, right = (turn + taps) % (taps + 2), turn % (taps + 1)
            dilation, stride = 1 + turn % 3 // 2, 1 + (turn + taps) % 4 // 3
            if width + left + right > dilation * (taps - 1):
                sides = (1, turn % 3, left, right)
                found.append((width, taps, Geometry((1, stride), sides, (1, dilation))))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_in_the_padding(isa: str, dtype: str, rng):
    for width, taps, geometry in layers():
        x, w = integers(rng, (1, 9, 4, width), dtype), integers(rng, (37, 9, 2, taps), dtype)
        y = convolve(x, w, geometry, "turned tile")
        assert np.array_equal(y, exactly(x, w, geometry)), (width, taps, geometry)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_weights_that_are_not_finite_take_part_in_the_padding(isa: str, special: float, rng):
    for width, taps, geometry in layers():
        x = rng.standard_normal((1, 3, 4, width)).astype("f4")
        w = rng.standard_normal((37, 3, 2, taps)).astype("f4")
        w[5, 1, 0, 0] = w[36, 2, 1, -1] = special
        y = convolve(x, w, geometry, "turned tile")
        with np.errstate(invalid="ignore"):
            expected = oracle.conv2d(x.astype("f8"), w.astype("f8"), None, geometry)
        assert np.array_equal(np.isnan(y), np.isnan(expected)), (width, taps, geometry)
        finite = np.isfinite(expected)
        assert np.array_equal(np.isfinite(y), finite), (width, taps, geometry)
        assert np.allclose(y[finite], expected[finite], atol=1e-4), (width, taps, geometry)


@pytest.mark.parametrize("algorithm", ["tile", "turned tile"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "size", [(1, 1), (7, 7), (14, 14), (8, 8), (5, 13), (16, 4), (40, 40), (33, 50), (70, 32)]
)
@pytest.mark.parametrize("outputs", [5, 35])  # few panels, and many
def test_one_tap_reads_the_input_where_it_lies(
    isa: str, outputs: int, size, dtype: str, algorithm: str, rng
):
    channels = 70  # several chunks
    x = integers(rng, (2, channels, *size), dtype)
    w = integers(rng, (outputs, channels, 1, 1), dtype)
    expected = exactly(x, w, Geometry())
    layouts = {
        "contiguous": x,
        "channels reversed": x[:, ::-1].copy()[:, ::-1],
        "every other channel": np.repeat(x, 2, axis=1)[:, ::2],
        "rows reversed": x[:, :, ::-1].copy()[:, :, ::-1],
        "rows apart": np.repeat(x, 2, axis=2)[:, :, ::2],
        "columns apart": np.repeat(x, 2, axis=3)[..., ::2],
        "batch reversed": x[::-1].copy()[::-1],
        "channels last": x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    }
    if sys.platform != "win32":  # pages are protected by mprotect
        layouts |= {f"guarded, end {end}": guarded(x, end) for end in (False, True)}
    for name, layout in layouts.items():
        assert_same_bits(convolve(layout, w, Geometry(), algorithm), expected, name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "size",
    [
        *[(4, 8), (3, 16), (8, 12), (40, 40), (70, 32), (64, 1), (80, 1), (96, 1), (56, 2)],
        *[(3, 5), (7, 7), (14, 14), (65, 1), (19, 17), (45, 45)],  # no whole vectors
    ],
)
@pytest.mark.parametrize("outputs", [5, 35])
def test_one_tap_begins_at_any_address(isa: str, outputs: int, size, dtype: str, rng):
    """Tiles begin at whole vectors of the input, wherever it lies; the last one may end with it."""
    x, w = integers(rng, (1, 70, *size), dtype), integers(rng, (outputs, 70, 1, 1), dtype)
    expected = exactly(x, w, Geometry())
    line = 64 // x.itemsize
    for first in (0, 1, line // 2, line - 1):
        around = np.zeros(x.size + 2 * line, dtype)
        placed = around[first : first + x.size].reshape(x.shape)
        placed[:] = x
        for gap in (0, 1):  # behind each row of the result
            rows = (*expected.shape[:-1], size[1] + gap)
            results = poisoned((int(np.prod(rows)) + 2 * line,), dtype)
            wanted = results.copy()
            inside = slice(first, len(results) - 2 * line + first)
            out = results[inside].reshape(rows)[..., : size[1]]
            wanted[inside].reshape(rows)[..., : size[1]] = expected
            _engine.convolve(
                placed, w, None, out, (1, 1), (0,) * 4, (1, 1), 1, "zeros", None, "tile"
            )
            assert_same_bits(results, wanted, (first, gap))


@pytest.mark.parametrize("exponent", [20, 31, 32, 40, 56, 58, 60, 61])
@pytest.mark.parametrize("axis", [0, 1])
def test_taps_as_far_apart_as_integers_go(isa: str, exponent: int, axis: int, rng):
    """All taps but one read padding: the result is that of the one, whatever is multiplied."""
    apart, taps = 2**exponent, [1, 1]
    taps[axis] = 3
    dilation, sides = [1, 1], [0, 0, 0, 0]
    dilation[axis] = apart
    sides[2 * axis] = sides[2 * axis + 1] = apart
    geometry = Geometry((1, 1), tuple(sides), tuple(dilation))
    for size in ((64, 4, 9, 9), (64, 1, 4, 4), (1, 1, 40, 300), (1, 17, 30, 31)):
        x = integers(rng, size, "float32")
        w = integers(rng, (size[1], size[1], *taps), "float32")
        middle = w.take([1], axis=2 + axis)
        expected = exactly(x, middle, Geometry((1, 1), (0, 0, 0, 0), (1, 1)))
        for algorithm in ("auto", "rows", "tile", "turned tile"):
            out = poisoned(expected.shape, "float32")
            _engine.convolve(x, w, None, out, *geometry[:3], 1, "zeros", None, algorithm)
            assert np.array_equal(out, expected), (size, algorithm)


@pytest.mark.parametrize("mode", ["zeros", "replicate"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
def test_padding_and_stride_as_large_as_integers_go(
    isa: str, dtype: str, axis: int, mode: str, rng
):
    """Both outputs along the axis read padding before the input: zeros, or its first values."""
    x = rng.integers(1, 9, (2, 3, 5, 6)).astype(dtype)
    w = rng.integers(1, 9, (4, 3, 1, 1)).astype(dtype)
    sides, stride = [0, 0, 0, 0], [1, 1]
    sides[2 * axis], stride[axis] = 2**63 - 1 - x.shape[2 + axis], 2**62
    padding = ((sides[0], sides[1]), (sides[2], sides[3]))
    y = cyconv.conv2d(x, w, stride=stride, padding=padding, padding_mode=mode)
    first = cyconv.conv2d(x.take([0, 0], axis=2 + axis), w)
    assert np.array_equal(y, first * (mode == "replicate"))


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("before", [2**40, 2**58, 2**62])
def test_a_single_column_of_a_batch_far_in_the_padding(isa: str, before: int, kernel: int, rng):
    """One output has no stride that bounds the padding before it."""
    x = rng.integers(1, 9, (64, 16, 4, 5)).astype("float32")
    w = rng.integers(1, 9, (16, 16, kernel, kernel)).astype("float32")
    padding = ((kernel // 2, kernel // 2), (before, 0))
    for algorithm in ("auto", "direct"):
        y = cyconv.conv2d(x, w, stride=(1, 2**63 - 1), padding=padding, algorithm=algorithm)
        assert y.shape == (64, 16, 4, 1)
        assert not y.any()
