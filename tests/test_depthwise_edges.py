"""Depthwise layers, read where they lie: padding of any size, nothing beyond the input."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import assert_same_bits, guarded, needs_guard_pages, poisoned
from .exact import assert_exact
from .oracle import Geometry

pytestmark = pytest.mark.core

SIZES = [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2), (9, 1), (11, 1), (13, 1)]

# On some instruction sets the largest of these kernels are cheaper by transforms.
DIRECT = {"algorithm": "direct"}


@needs_guard_pages
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_nothing_beyond_the_input_is_read(size, stride, name, isas, rng, share, tally: Counter):
    widths = [*range(size, 20), 28, 31, 33, 48, 56, 63, 64, 65, 67, 112, 113, 130, 200]
    for turn, width in enumerate(widths[:: round(1 / share)]):
        channels, height = 1 + turn % 3, size + 3 * stride + turn % 7
        before = (turn % 4, turn % size, (0, 1, size // 2, size - 1, 20)[turn % 5], turn % 3)
        geometry = Geometry((stride, stride), before, (1, 1), channels)
        x = rng.integers(-4, 5, (2, channels, height, width)).astype(name)
        w = rng.integers(-4, 5, (channels, 1, size, size)).astype(name)
        expected = oracle.conv2d(x, w, np.zeros(channels, name), geometry)
        for isa in isas:
            _engine.use_isa(isa)
            for at_end in (False, True):
                out = poisoned(expected.shape, expected.dtype)
                cyconv.conv2d(guarded(x, at_end), w, **geometry.keywords(), **DIRECT, out=out)
                assert np.array_equal(out, expected), (isa, x.shape, geometry)
                tally["exact integer-valued results, depthwise edges"] += 1


@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (1, -1)], ids=["plain", "up", "leftward"])
@pytest.mark.parametrize("depthwise", [True, False], ids=["planes", "windows"])
@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_what_lies_around_rows_takes_no_part(size, stride, depthwise, flip, isas, rng):
    """The input is cut out of NaN, which may be read but must not be met."""
    channels = 4
    for turn, width in enumerate((size, 14, 15, 16, 17, 28, 33, 56)):
        geometry = Geometry(
            (stride, stride),
            (size // 2, 1, size // 2, turn % size),
            (1, 1),
            channels * depthwise or 1,
        )
        around = np.full((2, channels + 2, 30, width + 20), np.nan, np.float32)
        x = around[:, 1:-1, 4:-5, 10:-10][:, :, :: flip[0], :: flip[1]]
        x[:] = rng.integers(-4, 5, x.shape)
        w = rng.integers(-4, 5, (channels, 1 if depthwise else channels, size, size)).astype("f4")
        expected = oracle.conv2d(x, w, np.zeros(channels, np.float32), geometry)
        for isa in isas:
            _engine.use_isa(isa)
            out = poisoned(expected.shape, expected.dtype)
            cyconv.conv2d(x, w, **geometry.keywords(), **DIRECT, out=out)
            assert np.array_equal(out, expected), (isa, x.shape, geometry)


@needs_guard_pages
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_windows_read_nothing_beyond_the_input(stride, name, isas, rng, share):
    """Whole rows go into a window a vector at a time, with the zeros around them."""
    widths = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 34, 47, 63, 64, 65]
    for turn, (width, left) in enumerate(
        itertools.product(widths[:: round(1 / share)], (0, 1, 3, 17))
    ):
        channels = 1 + turn % 3
        geometry = Geometry((stride, stride), (turn % 3, turn % 2, left, turn % 5), (1, 1), 1)
        x = rng.integers(-4, 5, (2, channels, 3 + turn % 6, width)).astype(name)
        w = rng.integers(-4, 5, (5, channels, 2, 1)).astype(name)
        expected = oracle.conv2d(x, w, np.zeros(5, name), geometry)
        for isa in isas:
            _engine.use_isa(isa)
            for at_end in (False, True):
                out = poisoned(expected.shape, expected.dtype)
                cyconv.conv2d(guarded(x, at_end), w, **geometry.keywords(), out=out)
                assert np.array_equal(out, expected), (isa, x.shape, geometry)


@needs_guard_pages
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("size", [2, 4, 5, 8, 16])
def test_patches(size, name, isas, rng):
    """Patches side by side, whose columns a transposition deals out; not with padding."""
    for width, before in (
        (size, 0),
        (3 * size, 0),
        (6 * size + 1, 0),
        (20 * size - 1, 0),
        (7 * size, 2),
    ):
        geometry = Geometry((size, size), (before, 0, before, 1), (1, 1), 1)
        x = rng.integers(-4, 5, (2, 3, 2 * size + 1, width)).astype(name)
        w = rng.integers(-4, 5, (19, 3, size, size)).astype(name)
        b = rng.integers(-4, 5, 19).astype(name)
        expected = oracle.conv2d(x, w, b, geometry)
        for isa in isas:
            _engine.use_isa(isa)
            for at_end in (False, True):
                out = poisoned(expected.shape, expected.dtype)
                cyconv.conv2d(guarded(x, at_end), w, b, **geometry.keywords(), **DIRECT, out=out)
                assert np.array_equal(out, expected), (isa, x.shape, geometry)


@needs_guard_pages
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_planes_taken_together(size, stride, name, isas, rng):
    """A task of several planes, an odd number of them too, and rows of padding left out or not."""
    channels = 59
    for width in (7, 14, 20, 40):
        geometry = Geometry((stride, stride), (size, 1, 2, size - 1), (1, 1), channels)
        x = rng.integers(-4, 5, (1, channels, 8 + width // 3, width)).astype(name)
        w = rng.integers(-4, 5, (channels, 1, size, size)).astype(name)
        b = rng.integers(-4, 5, channels).astype(name)
        expected = oracle.conv2d(x, w, b, geometry)
        spoilt = w.copy()
        spoilt[5, 0, 0, 0] = (
            np.nan
        )  # meets padding in the first row, and nothing else in other planes
        for isa in isas:
            _engine.use_isa(isa)
            for at_end in (False, True):
                out = poisoned(expected.shape, expected.dtype)
                cyconv.conv2d(guarded(x, at_end), w, b, **geometry.keywords(), **DIRECT, out=out)
                assert np.array_equal(out, expected), (isa, x.shape)
                out = poisoned(expected.shape, expected.dtype)
                cyconv.conv2d(
                    guarded(x, at_end), spoilt, b, **geometry.keywords(), **DIRECT, out=out
                )
                assert np.isnan(out[:, 5]).all(), (isa, x.shape)
                others = np.arange(channels) != 5
                assert np.array_equal(out[:, others], expected[:, others]), (isa, x.shape)


@needs_guard_pages
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_nothing_beyond_the_result_is_written(size, stride, threads, isas, rng):
    """Few rows, which are cut into shorter blocks for more threads."""
    cyconv.set_num_threads(threads)
    for rows in range(1, 12):
        channels = (1, 3, 15)[rows % 3]
        geometry = Geometry((stride, stride), (size // 2,) * 4, (1, 1), channels)
        height = (rows - 1) * stride + size - size // 2 * 2
        x = rng.integers(-4, 5, (1, channels, max(1, height), 1300)).astype(np.float32)
        w = rng.integers(-4, 5, (channels, 1, size, size)).astype(np.float32)
        expected = oracle.conv2d(x, w, np.zeros(channels, np.float32), geometry)
        for isa in isas:
            _engine.use_isa(isa)
            for at_end in (False, True):
                out = guarded(poisoned(expected.shape, expected.dtype), at_end)
                cyconv.conv2d(x, w, **geometry.keywords(), **DIRECT, out=out)
                assert np.array_equal(out, expected), (isa, x.shape)


@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_same_bits_as_from_a_window(size, stride, isa, rng):
    """Columns that are not contiguous go through a window, and so do results through scratch."""
    for width in (14, 30, 56, 129):
        x = rng.standard_normal((2, 4, 15, width), np.float32)
        w = rng.standard_normal((8, 1, size, size), np.float32)
        b = rng.standard_normal(8, np.float32)
        keywords = {"stride": stride, "padding": size // 2, "groups": 4, **DIRECT}
        spread = np.repeat(x, 2, axis=3)[..., ::2]
        y = cyconv.conv2d(x, w, b, **keywords)
        assert_same_bits(y, cyconv.conv2d(spread, w, b, **keywords))
        out = np.empty((*y.shape[:3], 2 * y.shape[3]), np.float32)[..., ::2]
        assert_same_bits(y, cyconv.conv2d(x, w, b, **keywords, out=out))


@pytest.mark.parametrize("name", ["float32", "float64", "uint32"])
@pytest.mark.parametrize(
    "kernel", [(1, 1), (1, 4), (1, 31), (3, 5), (1, 64), (1, 65), (2, 70), (1, 150)]
)
def test_a_single_row_of_the_result(kernel, name, isas, rng):
    """Signals, of which no other row uses what is loaded; 64 terms and more make several chunks."""
    for turn, width in enumerate((kernel[1], kernel[1] + 15, 64, 100, 129, 400)):
        groups, channels, outputs = ((3, 1, 1), (2, 2, 2), (1, 3, 1))[turn % 3]
        left = turn % kernel[1]
        geometry = Geometry((1, 1), (0, 0, left, kernel[1] - 1 - left), (1, 1 + turn % 2), groups)
        extent = geometry.dilation[1] * (kernel[1] - 1) + 1
        width = max(width, extent)
        x = rng.integers(0, 5, (2, groups * channels, kernel[0], width)).astype(name)
        w = rng.integers(0, 5, (groups * outputs, channels, *kernel)).astype(name)
        b = rng.integers(0, 9, groups * outputs).astype(name)
        assert_exact(x, w, b, geometry, isas)
        if channels == outputs == 1:
            plan = cyconv.explain(x.shape, w.shape, **geometry.keywords(), dtype=name, **DIRECT)
            assert plan.algorithm == "rows"
