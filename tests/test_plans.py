"""Plans that are kept from call to call: each serves those that it was made for, and no other."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import assert_same_bits, data, poisoned
from .oracle import Geometry
from .processes import run_python

MORE_THAN_ARE_KEPT = 90

Call = tuple[np.ndarray, np.ndarray, Geometry, np.ndarray]


@pytest.fixture
def calls(rng: np.random.Generator) -> list[Call]:
    """Problems that differ in one size or another, with what the oracle makes of them."""
    calls = []
    for index in range(MORE_THAN_ARE_KEPT):
        stride, dilation, before = 1 + index % 2, 1 + index // 2 % 2, index // 4 % 3
        geometry = Geometry((stride, 1), (before, 0, 1, before), (1, dilation))
        x = data(rng, (1 + index % 3, 2 + index % 5, 9 + index // 9, 11), "float32")
        w = data(rng, (3 + index % 4, x.shape[1], 3, 2 + index // 45), "float32")
        x, w = np.rint(x % 8), np.rint(w % 8)
        calls.append((x, w, geometry, oracle.conv2d(x, w, None, geometry)))
    return calls


def assert_all_exact(calls: list[Call]) -> None:
    for x, w, geometry, expected in calls:
        out = poisoned(expected.shape, expected.dtype)
        cyconv.conv2d(x, w, **geometry.keywords(), out=out)
        assert np.array_equal(out, expected), (x.shape, w.shape, geometry)


def test_more_problems_than_are_kept(calls: list[Call], isa: str):
    for _ in range(2):
        assert_all_exact(calls)
    before = _engine.plans_made()
    assert_all_exact(calls)
    assert 0 < _engine.plans_made() - before < len(calls), "some are kept, and not all"
    for call in calls:
        assert_all_exact([call])
        before = _engine.plans_made()
        assert_all_exact([call] * 3)
        assert _engine.plans_made() == before


def test_callers_side_by_side_replace_the_plans_of_others(calls: list[Call], isa: str):
    orders = [calls, calls[::-1], calls[::2] + calls[1::2], calls[45:] + calls[:45]]
    with ThreadPoolExecutor(len(orders)) as pool:
        for done in [pool.submit(assert_all_exact, order * 3) for order in orders]:
            done.result()


def test_settings_between_calls_of_one_problem(isas: list[str], rng: np.random.Generator):
    x, w = data(rng, (2, 24, 40, 41), "float32"), data(rng, (40, 24, 3, 3), "float32")
    names = ("direct", "winograd", "tile", "turned tile", "fft")
    settings = [
        (isa, kind, threads, name)
        for isa in isas
        for kind in ("halved", "late", "none")
        for threads in (1, 2)
        for name in names
    ]

    def convolve(isa: str, kind: str, threads: int, algorithm: str) -> np.ndarray:
        _engine.use_isa(isa)
        cyconv.set_num_threads(threads)
        usual = _engine.suppose_lines(kind)
        out = poisoned((2, 40, 40, 41), np.dtype("float32"))
        pads, ones = (1, 1, 1, 1), (1, 1)
        try:
            _engine.convolve(x, w, None, out, ones, pads, ones, 1, "zeros", None, algorithm)
        finally:
            _engine.suppose_lines(usual)
        return out

    cyconv.set_num_threads(2)
    different = len(settings) * cyconv.get_num_threads() // 2  # a single CPU has one thread
    before = _engine.plans_made()
    expected = {setting: convolve(*setting) for setting in settings}
    assert _engine.plans_made() - before == different, "each has a plan of its own"
    for setting in settings[::-1]:
        name = setting[-1]
        assert_same_bits(convolve(*setting), expected[setting], setting)
        if name in ("tile", "turned tile"):
            assert_same_bits(expected[setting], expected[*setting[:3], "direct"], setting)


@pytest.mark.parametrize(
    "shapes",
    [((1, 1, 3, 2100), (2, 1, 1, 1500)), ((1, 2100, 3, 3), (2, 2100, 2, 2))],
    ids=["columns", "terms"],
)
def test_plans_of_large_tables_are_made_each_time(shapes, rng: np.random.Generator):
    x, w = (np.rint(data(rng, shape, "float32") % 8) for shape in shapes)
    expected = oracle.conv2d(x, w, None, Geometry())
    for _ in range(3):
        before = _engine.plans_made()
        np.testing.assert_array_equal(cyconv.conv2d(x, w, algorithm="direct"), expected)
        assert _engine.plans_made() == before + 1


GROWTH = """
import numpy as np
from cyconv import _engine

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

w = np.ones((4, 64, 3, 3), "f4")
def call(height, width):
    x, out = np.ones((1, 64, height, width), "f4"), np.empty((1, 4, height - 2, width - 2), "f4")
    ones = (1, 1)
    _engine.convolve(x, w, None, out, ones, (0,) * 4, ones, 1, "zeros", None, "tile")

for height in range(200, 3, -1):
    call(height, 9)
before = resident()
for height in range(3, 200):
    for width in (7, 8):
        call(height, width)
print(resident() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_plans_that_are_replaced_go():
    grown = int(run_python(GROWTH, OMP_NUM_THREADS="1").stdout)
    assert grown < 1 << 20, grown  # the tables of all 394 are 4 MiB


def test_planning_takes_as_long_as_the_taps_are_many():
    """A signal under a kernel as long as itself: not as long as taps times tiles."""
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        cyconv.explain((1, 1, 1, 44100), (1, 1, 1, 44099), padding="same")
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.2
