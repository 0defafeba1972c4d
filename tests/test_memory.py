"""Scratch: under 8 MB per thread beyond packed weights and output at any size; no growth."""

from __future__ import annotations

import os

import pytest

import cyconv
from cyconv import _engine

from .processes import run_python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are reset through /proc"
    ),
]

MEASURE = """
import sys
import numpy as np
import cyconv

def status(field):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024

def peak_above(call):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before

n, c, h, w, o, k, groups, dtype, layout, arguments = eval(sys.argv[1])
dtype = np.dtype(dtype)
if layout == "channels last":
    x = np.ones((n, h, w, c), dtype).transpose(0, 3, 1, 2)
elif layout == "backwards":
    x = np.ones((n, c, h, w), dtype)[:, :, ::-1, ::-1]
else:
    x = np.ones((n, c, h, w), dtype)
held = arguments.pop("held", False)
kernel = (k, k) if isinstance(k, int) else k
weight = np.ones((o, c // groups, *kernel), dtype)
geometry = {k: v for k, v in arguments.items() if k not in ("padding_mode", "algorithm")}
shape = cyconv.conv2d_output_shape(x.shape, weight.shape, **geometry)
out = np.ones(shape, dtype)
arguments.update(groups=groups)
if held:
    layer = cyconv.Conv2d(c, o, kernel, bias=False, dtype=dtype, **arguments)
# The pool of threads and their stacks, the modules that a first call imports.
tiny = np.ones((1, c, *(max(size, 4) for size in kernel)), dtype)
cyconv.conv2d(tiny, weight, groups=groups)
spread = np.ones((1, 8, 100, 100), np.float32)
cyconv.conv2d(spread, np.ones((8, 8, 3, 3), np.float32))
if held:
    extra = peak_above(lambda: layer(x)) - out.nbytes
else:
    extra = peak_above(lambda: cyconv.conv2d(x, weight, **arguments, out=out))
assert out.flat[0] != 1 or held
# What was measured can be: an array of 20 MB is seen.
assert peak_above(lambda: np.ones(20 << 20, np.uint8)) > 19 << 20
print(extra, weight.nbytes, cyconv.get_num_threads())
"""

HD, HUGE = (1080, 1920), (4320, 7680)
KINDS = {
    "one channel 3x3": (1, 1, 1, 3, 1, "f4", "plain", {"padding": 1}),
    "one channel 5x5 float64": (1, 1, 1, 5, 1, "f8", "plain", {"padding": 2}),
    "one channel 31x31": (1, 1, 1, 31, 1, "f4", "plain", {"padding": 15}),
    "one channel 63x63 float64": (1, 1, 1, 63, 1, "f8", "plain", {"padding": 31}),
    "one channel 200x200": (1, 1, 1, 200, 1, "f4", "plain", {"padding": 99}),
    "one channel uint8": (
        1, 1, 1, 5, 1, "u1", "plain", {"padding": 2, "padding_mode": "reflect"},
    ),
    "one channel float16": (1, 1, 1, 3, 1, "f2", "plain", {"padding": 1}),
    "one channel backwards": (1, 1, 1, 3, 1, "f4", "backwards", {"padding": 1}),
    "complex": (1, 1, 1, 3, 1, "c8", "plain", {"padding": 1}),
    "stem of channels-last": (1, 3, 8, 7, 1, "f4", "channels last", {"stride": 2, "padding": 3}),
    "depthwise": (1, 3, 3, 3, 3, "f4", "plain", {"padding": 1}),
    "1x1": (1, 3, 4, 1, 1, "f4", "plain", {}),
    "dilated": (1, 1, 2, 3, 1, "f4", "plain", {"dilation": 40, "padding": 40}),
    "circular": (1, 1, 1, 9, 1, "f4", "plain", {"padding": 4, "padding_mode": "circular"}),
    "layer": (1, 3, 4, 3, 1, "f4", "plain", {"padding": 1, "held": True}),
}  # fmt: skip


def measured(case: tuple) -> tuple[int, int, int]:
    """Measure (extra bytes at the peak, bytes of weights, threads) in a process of its own."""
    # glibc shall give freed scratch back, or a first call would hide what a second one takes.
    eager = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = run_python(MEASURE, repr(case), timeout=120, **eager)
    extra, weights, threads = map(int, done.stdout.split())
    return extra, weights, threads


def image(kind: str, size: tuple[int, int]) -> tuple:
    """Put a kind of layer on one image of a size."""
    n, c, *rest = KINDS[kind]
    return (n, c, *size, *rest)


def allowed(weights: int, threads: int) -> int:
    """Bound the extra memory; packed weights may be wider and padded to whole panels."""
    return (8 << 20) * threads + 4 * weights + (256 << 10)


@pytest.mark.parametrize("kind", KINDS)
def test_peak_at_1080p(kind: str):
    extra, weights, threads = measured(image(kind, HD))
    assert extra <= allowed(weights, threads), f"{extra / 2**20:.1f} MiB"


@pytest.mark.parametrize(
    "kind",
    ["one channel 3x3", "one channel uint8", "stem of channels-last", "depthwise", "dilated"],
)
def test_peak_at_4320p(kind: str):
    extra, weights, threads = measured(image(kind, HUGE))
    assert extra <= allowed(weights, threads), f"{extra / 2**20:.1f} MiB"


CHANNELS = {
    "3x3 of 512": (1, 512, 56, 56, 64, 3, 1, "f4", "plain", {"padding": 1}),
    "3x3 of 512, float64": (1, 512, 56, 56, 64, 3, 1, "f8", "plain", {"padding": 1}),
    "1x1 of 4096": (1, 4096, 40, 40, 32, 1, 1, "f4", "backwards", {}),
    "7x7 depthwise of 512": (1, 512, 60, 60, 512, 7, 512, "f4", "plain", {"padding": 3}),
    "31x31 depthwise of 256": (1, 256, 56, 56, 256, 31, 256, "f4", "plain", {"padding": 15}),
    "31x31 of 3": (1, 3, 200, 200, 8, 31, 1, "f4", "plain", {"padding": 15, "algorithm": "fft"}),
    "strided 11x11 of 64": (1, 64, 200, 200, 8, 11, 1, "f8", "plain", {"stride": 4}),
    "many images": (64, 32, 32, 32, 32, 3, 1, "f4", "plain", {"padding": 1}),
    "wide rows of 64": (1, 64, 5, 20000, 4, 3, 1, "f8", "plain", {"padding": 1}),
    "one output of 64": (1, 64, 130, 600, 1, 3, 1, "f8", "plain", {}),
    "one dilated output of 64": (1, 64, 400, 600, 1, 7, 1, "f8", "plain", {"dilation": 9}),
    "one row of 512": (1, 512, 100, 1100, 1, (1, 60), 1, "f4", "plain", {"dilation": (1, 9)}),
}


@pytest.mark.parametrize("layer", CHANNELS)
def test_peak_with_many_channels(layer: str):
    extra, weights, threads = measured(CHANNELS[layer])
    assert extra <= allowed(weights, threads), f"{extra / 2**20:.1f} MiB"


GROWTH = """
import numpy as np
import cyconv

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

rng = np.random.default_rng(0)
def convolve(count):
    for _ in range(count):
        n, c, h, w, o, kh, kw, pad, stride = rng.integers(1, 12, 9).tolist()
        kh, kw = 1 + kh % 5, 1 + kw % 5
        x = np.ones((1 + n % 2, c, h + 12, w + 12), ("f4", "f8", "f2", "i1", "c8")[n % 5])
        weight = np.ones((o, c, kh, kw), x.dtype)
        cyconv.conv2d(x, weight, padding=pad % 4, stride=1 + stride % 3)
        if n == 3:
            cyconv.Conv2d(c, o, (kh, kw))(x)
        if n == 5:
            try:
                cyconv.conv2d(x, weight, padding=-1)
            except ValueError:
                pass

# The allocator's own pools fill up first.
convolve(5000)
before = resident()
convolve(30000)
print(resident() - before)
"""


def test_memory_does_not_grow_with_the_shapes_seen():
    done = run_python(GROWTH, timeout=300)
    # 100 bytes kept per shape would be 3 MB.
    assert int(done.stdout) < 1 << 20


LIMITED = """
import resource, sys
import numpy as np
import cyconv
algorithm = sys.argv[1]
x = np.ones((1, 64, 64, 64), "f4")
w = np.ones((64, 64, 3, 3), "f4")
if algorithm == "fft":
    x, w = np.ones((1, 1, 300, 300), "f4"), np.ones((1, 1, 31, 31), "f4")
    x[0, 0, 7, 7] = np.inf
cyconv.set_num_threads(1)
expected = cyconv.conv2d(x, w, algorithm=algorithm)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * 4096
outcomes = set()
for spare in range(0, 6 << 20, 64 << 10):
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, resource.RLIM_INFINITY))
    try:
        y = cyconv.conv2d(x, w, algorithm=algorithm)
        outcomes.add("result")
        assert np.array_equal(y, expected)
        del y
    except MemoryError:
        outcomes.add("MemoryError")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
assert "result" in outcomes
print(*sorted(outcomes))
"""


@pytest.mark.parametrize("algorithm", ["direct", "fft"])
def test_memory_that_is_refused_is_a_memory_error(algorithm: str):
    done = run_python(LIMITED, algorithm, OMP_NUM_THREADS="1", MALLOC_ARENA_MAX="1")
    assert done.stdout.split() == ["MemoryError", "result"]


def test_totals_of_short_rows_are_bounded(isa: str):
    """Rows of few columns, most of them padding: a window holds very many."""
    for height in (1600, 64000):
        arguments = {"padding": (1, 15), "dilation": (2, 3), "dtype": "complex64"}
        plan = cyconv.explain((1, 1, height, 7), (20, 1, 28, 2), **arguments)
        assert plan.scratch_bytes < 4 << 20


def test_blocks_of_a_long_row_have_all_channels(isa: str):
    """Columns are so few that the window holds 80 channels, wherever a tile ends."""
    before = _engine.suppose_lines("late")
    # of few registers, pixels are gathered beside the window
    most = 300 << 10 if isa in ("amx", "avx512", "avx512_bf16") else 800 << 10
    try:
        for columns in range(2600, 3600, 7):
            shapes = (1, 80, 1, columns), (384, 80, 1, 3)
            plan = cyconv.explain(*shapes, padding=(0, 1), algorithm="direct")
            assert plan.scratch_bytes <= most, columns
    finally:
        _engine.suppose_lines(before)
