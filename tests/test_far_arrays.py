"""Arrays beyond the caches, of which the row and the plane kernel fetch what comes next.

Planes go by bands of rows, windows fetch what the next one is made of; the bits are those of tiles.
"""

from __future__ import annotations

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import assert_same_bits, assert_written, poisoned
from .oracle import Geometry

pytestmark = pytest.mark.core

FAR_BYTES = 16 << 20

# Input, weight, stride, padding (each side), dilation, groups, dtype.
PLANES = [
    ((1, 40, 236, 237), (40, 1, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 40, "float32"),
    ((1, 1, 1500, 1501), (1, 1, 3, 3), (1, 1), (0, 2, 1, 0), (1, 1), 1, "float32"),
    ((2, 30, 250, 251), (30, 1, 3, 3), (2, 2), (1, 1, 1, 1), (1, 1), 30, "float32"),
    ((1, 3, 850, 1030), (3, 1, 5, 5), (1, 1), (2, 2, 2, 2), (1, 1), 3, "float32"),
    ((1, 12, 401, 320), (24, 1, 7, 7), (1, 1), (3, 3, 3, 3), (1, 1), 12, "float32"),
    ((1, 2, 700, 800), (2, 1, 9, 9), (1, 1), (4, 4, 4, 4), (1, 1), 2, "float64"),
]
WINDOWS = [
    ((1, 150, 165, 165), (150, 1, 6, 6), (3, 3), (1, 0, 2, 1), (1, 1), 150, "float32"),
    ((1, 180, 100, 117), (180, 1, 3, 3), (1, 1), (2, 2, 2, 2), (2, 2), 180, "float32"),
    ((1, 90, 70, 117), (180, 1, 3, 5), (1, 1), (1, 1, 2, 2), (1, 1), 90, "float64"),
    ((1, 2, 1300, 1501), (2, 1, 3, 3), (3, 3), (1, 1, 1, 1), (1, 1), 2, "float32"),
    ((1, 5, 900, 900), (5, 1, 4, 4), (2, 2), (1, 1, 1, 1), (2, 2), 5, "float32"),
    ((50, 8, 96, 97), (2, 4, 3, 5), (1, 1), (1, 1, 2, 2), (1, 1), 2, "float32"),
    ((1, 50, 230, 231), (50, 1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 50, "float32"),
]


@pytest.mark.parametrize("case", PLANES + WINDOWS, ids=str)
@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_bits_are_those_of_tiles(case, threads, isas, rng):
    shape, weight_shape, stride, padding, dilation, groups, dtype = case
    x, w = (rng.standard_normal(size).astype(dtype) for size in (shape, weight_shape))
    geometry = Geometry(stride, padding, dilation, groups)
    size = oracle.output_size(shape[2:], weight_shape[2:], geometry)
    expected, out = (poisoned((shape[0], weight_shape[0], *size), dtype) for _ in range(2))
    assert x.nbytes + out.nbytes > FAR_BYTES
    for isa in isas:
        _engine.use_isa(isa)
        expected[...] = poisoned(out.shape, dtype)
        _engine.convolve(x, w, None, expected, *geometry, "relu", "tile")
        assert_written(expected)
        for kind in ("halved", "late"):
            out[...] = poisoned(out.shape, dtype)
            _engine.suppose_lines(kind)
            _engine.convolve(x, w, None, out, *geometry, "relu", "rows")
            assert_written(out)
            assert_same_bits(out, expected, (isa, kind))


@pytest.mark.parametrize("channels_last", [False, True])
def test_strides_of_far_arrays(channels_last, isas, rng):
    """Whatever strides an array has, the result is that of a copy."""
    x = rng.standard_normal((1, 60, 240, 250)).astype("float32")
    w = rng.standard_normal((60, 1, 3, 3)).astype("float32")
    view = np.ascontiguousarray(x[:, ::-1, ::-1])[:, ::-1, ::-1]
    if channels_last:
        view = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for isa in isas:
        _engine.use_isa(isa)
        for dilation in (1, 2):
            expected = cyconv.conv2d(x, w, groups=60, dilation=dilation, algorithm="direct")
            actual = cyconv.conv2d(view, w, groups=60, dilation=dilation, algorithm="direct")
            assert_same_bits(actual, expected, (isa, dilation))
