"""Winograd on several threads: factors made together, and other blocks, change no bit."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv

from .arrays import assert_same_bits, poisoned
from .processes import run_python
from .test_threads import NEEDS_OPENMP
from .test_winograd import convolve

pytestmark = pytest.mark.core


@pytest.mark.parametrize("spoilt", [False, True])
@pytest.mark.parametrize(("channels", "size"), [(64, 4), (131, 14), (96, 19)])
def test_threads_share_the_factors_of_one_image(
    channels: int, size: int, spoilt: bool, isa: str, rng
):
    x = rng.standard_normal((1, channels, size, size)).astype("float32")
    w = rng.standard_normal((160, channels, 3, 3)).astype("float32")
    if spoilt:
        x[0, channels // 2 - 1, 0, 1] = np.nan
        x[0, channels - 1, 2, 3] = -np.inf
    out = poisoned((1, 160, size, size), x.dtype)
    cyconv.set_num_threads(1)
    alone = convolve(x, w)
    cyconv.set_num_threads(2)
    cyconv.conv2d(x, w, padding=1, algorithm="winograd", out=out)
    assert_same_bits(out, alone)


# Blocks that as many threads as asked for do not share evenly; prints how many are lower then.
LOWER_BLOCKS = """
import numpy as np
import cyconv

lower = 0
for channels, outputs, size, dilation in ((64, 64, 56, 1), (192, 48, 48, 2), (128, 48, 41, 1)):
    rng = np.random.default_rng(size)
    x = rng.standard_normal((1, channels, size, size)).astype("float32")
    w = rng.standard_normal((outputs, channels, 3, 3)).astype("float32")
    x[0, channels // 2, size // 2, 3] = np.nan
    keywords = {"padding": dilation, "dilation": dilation, "algorithm": "winograd"}
    cyconv.set_num_threads(1)
    alone = cyconv.conv2d(x, w, **keywords)
    scratch = cyconv.explain(x.shape, w.shape, **keywords).scratch_bytes
    for threads in (2, 3, 5):
        cyconv.set_num_threads(threads)
        out = np.full_like(alone, 99)
        cyconv.conv2d(x, w, **keywords, out=out)
        assert np.array_equal(out.view("uint32"), alone.view("uint32")), (size, threads)
        lower += cyconv.explain(x.shape, w.shape, **keywords).scratch_bytes < 0.75 * scratch
print(lower)
"""


@NEEDS_OPENMP
def test_threads_take_lower_blocks(isas: list[str]):
    found = [
        int(run_python(LOWER_BLOCKS, CYCONV_ISA=isa, OMP_NUM_THREADS="5").stdout) for isa in isas
    ]
    assert sum(found) > 0
