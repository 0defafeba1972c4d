"""Windows of strided rows, dealt out to a window for each phase: in one pass or several."""

from __future__ import annotations

import numpy as np
import pytest

from .arrays import guarded, needs_guard_pages
from .exact import assert_exact
from .oracle import Geometry

pytestmark = [
    pytest.mark.core,
    needs_guard_pages,
]

WIDTHS = (*range(1, 38), 63, 64, 65, 129, 260)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint32"])
@pytest.mark.parametrize(
    ("stride", "lines"),
    [(2, "halved"), (2, "late"), (3, "halved"), (4, "halved"), (5, "halved")],
    indirect=["lines"],
)
def test_all_widths(stride: int, lines: str, dtype: str, isas, rng):
    """From fewer columns than a stride on, as many taps as that and more, padding of every phase.

    Nothing beyond the input is read.
    """
    for turn, width in enumerate(WIDTHS):
        taps = stride + turn % (stride + 2)
        for left, right in ((0, 0), (turn % 7, turn % 5), (17, 1), (stride, taps)):
            if width + left + right < taps:
                continue
            rows = 1 + turn % 2 * (stride - 1)
            geometry = Geometry((rows, stride), (turn % 2, 1, left, right), (1, 1), 1)
            x = guarded(rng.integers(-3, 4, (1, 2, 7, width)).astype(dtype), turn % 4 < 2)
            w = rng.integers(-3, 4, (3, 2, 3, taps)).astype(dtype)
            assert_exact(x, w, rng.integers(0, 9, 3).astype(dtype), geometry, isas)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stride", [2, 3, 4, 5])
def test_channels_as_far_apart_as_columns(stride: int, dtype: str, isas, rng):
    """Which looks like channels that come last: of a single pixel, and of windows that overlap."""
    values = rng.integers(-3, 4, (2, 8, 41)).astype(dtype)
    windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(values, 6, axis=2), 3, 1)
    assert windows.strides[1] == windows.strides[3]
    for x in (windows, values[:, :, :1, None], np.moveaxis(values[:, :1, :8, None], 2, 1)):
        w = rng.integers(-3, 4, (3, x.shape[1], stride, stride + 1)).astype(dtype)
        for left, right in ((0, 3), (stride, stride), (stride + 1, stride + 1)):
            geometry = Geometry((stride, stride), (stride, 1, left, right), (1, 1), 1)
            if x.shape[3] + left + right >= w.shape[3] and x.shape[2] + stride + 1 >= stride:
                assert_exact(x, w, rng.integers(0, 9, 3).astype(dtype), geometry, isas)
