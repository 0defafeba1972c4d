"""What freed memory holds costs no time: products of subnormal numbers take 150 cycles each."""

from __future__ import annotations

import platform

import pytest

from cyconv import _engine

from .processes import run_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        platform.libc_ver()[0] != "glibc", reason="the allocator is to fill the memory it gives"
    ),
]

# input; weight; stride, padding, dilation: lanes past the last pixel in windows, gathered pixels
# and factors
LAYERS = {
    "gathered": ((1, 7, 10, 10), (203, 7, 2, 2), 1, 0, 1),
    "window": ((1, 20, 17, 17), (40, 20, 3, 3), 2, 1, 1),
    "winograd": ((1, 12, 50, 50), (20, 12, 3, 3), 1, 1, 1),
    "winograd, a row": ((1, 16, 32, 32), (16, 16, 3, 3), 1, 1, 1),
    "winograd, dilated": ((1, 64, 53, 53), (96, 64, 3, 3), 1, 3, 3),
    "few channels": ((1, 8, 60, 60), (8, 8, 3, 3), 1, 1, 1),
}

TIME = """
import sys, time
import numpy as np
import cyconv

x_shape, w_shape, stride, padding, dilation = eval(sys.argv[1])
cyconv.set_num_threads(1)
x, w = np.ones(x_shape, "f4"), np.ones(w_shape, "f4")
best = 1.0
for _ in range(200):
    start = time.perf_counter()
    cyconv.conv2d(x, w, None, stride, padding, dilation)
    best = min(best, time.perf_counter() - start)
print(best)
"""

# Bytes of which floats are subnormal when multiplied, or ordinary numbers: the allocator fills
# memory with the complement of the lowest byte.
SUBNORMAL, ORDINARY = 0x7F, 0xC0

# Of both, one after the other: the neighbours of a virtual machine may make one of two runs half as
# long again, but not all of them.
ROUNDS = 4


def seconds(layer: tuple, isa: str, fill: int) -> float:
    done = run_python(TIME, repr(layer), CYCONV_ISA=isa, MALLOC_PERTURB_=str(fill))
    return float(done.stdout)


@pytest.mark.parametrize("isa", _engine.available_isas())
@pytest.mark.parametrize("layer", LAYERS)
def test_no_time_is_lost_on_garbage(layer: str, isa: str):
    best = {SUBNORMAL: 1.0, ORDINARY: 1.0}
    for _ in range(ROUNDS):
        for fill in best:
            best[fill] = min(best[fill], seconds(LAYERS[layer], isa, fill))
        if best[SUBNORMAL] < 1.5 * best[ORDINARY] + 5e-6:
            return
    pytest.fail(f"{best[SUBNORMAL]:.6f} s with subnormal numbers, {best[ORDINARY]:.6f} s without")
