"""Windows of strided rows, dealt out to a window for each phase: in one pass or several."""

from __future__ import annotations

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
@pytest.mark.parametrize("stride", [2, 3, 4, 5])
def test_all_widths(stride: int, dtype: str, isas, rng):
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
