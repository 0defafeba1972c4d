"""Threads: callers side by side, limits obeyed, the floating point state left as it was."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import cyconv
from cyconv import _engine, _threads

from .arrays import assert_same_bits, data
from .processes import run_python

LAYERS = [
    ((1, 16, 40, 41), (24, 16, 3, 3), {"padding": 1}),
    ((2, 40, 30, 31), (40, 40, 1, 1), {}),
    ((1, 24, 60, 61), (24, 1, 3, 3), {"padding": 1, "groups": 24}),
    ((1, 1, 300, 301), (1, 1, 5, 5), {"padding_mode": "reflect", "padding": 2}),
    ((3, 3, 50, 51), (8, 3, 7, 7), {"stride": 2, "activation": "relu"}),
]

NEEDS_OPENMP = pytest.mark.skipif(
    _engine.openmp_runtime() == "none", reason="this build has no threads of its own"
)


@pytest.mark.parametrize("limit", [1, 2])
def test_eight_callers_at_once_get_the_same_bits(limit: int, isa: str, rng):
    cyconv.set_num_threads(limit)
    jobs = []
    for name in ("float32", "float64", "int16"):
        for x_shape, w_shape, arguments in LAYERS:
            x, w = data(rng, x_shape, name), data(rng, w_shape, name)
            module = of_module = None
            expected = cyconv.conv2d(x, w, **arguments)
            if name == "float32" and "activation" not in arguments:
                module = cyconv.Conv2d(x_shape[1], w_shape[0], w_shape[2:], bias=False, **arguments)
                module.weight = w
                of_module = module(x)
                np.testing.assert_allclose(of_module, expected, rtol=1e-4, atol=1e-4)
            jobs.append((x, w, arguments, module, of_module, expected))
    barrier = threading.Barrier(8)

    def work(seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(jobs))
        barrier.wait(timeout=30)
        for _ in range(3):
            for i in order:
                x, w, arguments, module, of_module, expected = jobs[i]
                assert_same_bits(cyconv.conv2d(x, w, **arguments), expected)
                if module is not None:
                    assert_same_bits(module(x), of_module, "shared layer")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, seed) for seed in range(8)]:
            done.result(timeout=120)


def test_a_fresh_layer_may_meet_all_its_callers_at_once(rng):
    # The first call prepares the held weight; eight first calls must not see it half done.
    x = data(rng, (1, 64, 12, 12), "float32")
    for attempt in range(20):
        layer = cyconv.Conv2d(64, 96, 3, rng=attempt)
        expected = cyconv.Conv2d(64, 96, 3, rng=attempt)(x)
        np.testing.assert_allclose(
            expected, cyconv.conv2d(x, layer.weight, layer.bias), rtol=1e-4, atol=1e-4
        )
        barrier = threading.Barrier(8)

        def work(layer=layer, barrier=barrier) -> np.ndarray:
            barrier.wait(timeout=30)
            return layer(x)

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work) for _ in range(8)]:
                assert_same_bits(done.result(timeout=60), expected)


def test_assignment_during_calls_yields_either_weight(rng):
    x = data(rng, (1, 16, 20, 20), "float32")
    # "auto" may choose another algorithm for held weights, whose results have other bits
    layer = cyconv.Conv2d(16, 32, 3, bias=False, algorithm="direct", rng=0)
    weights = [data(rng, (32, 16, 3, 3), "float32") for _ in range(2)]
    either = [cyconv.conv2d(x, w, algorithm="direct").tobytes() for w in weights]
    layer.weight = weights[0]
    stop = threading.Event()

    def assign() -> None:
        turn = 0
        while not stop.is_set():
            layer.weight = weights[turn % 2]
            turn += 1

    writer = threading.Thread(target=assign)
    writer.start()
    try:
        for _ in range(200):
            assert layer(x).tobytes() in either
    finally:
        stop.set()
        writer.join(timeout=30)


def test_the_gil_is_released(rng):
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("there is no GIL in this interpreter")
    cyconv.set_num_threads(1)
    x, w = np.ones((1, 16, 400, 400), "f4"), np.ones((64, 16, 5, 5), "f4")
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    before = time.perf_counter()
    cyconv.conv2d(x, w)
    after = time.perf_counter()
    done.set()
    ticker.join(timeout=30)
    during = [t for t in ticks if before < t < after]
    assert after - before > 0.01, "the call is too short to tell"
    # Had the call kept the GIL, one tick might slip in at each end and none between.
    assert len(during) > 4


@NEEDS_OPENMP
def test_threadpoolctl_is_obeyed():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = cyconv.get_num_threads()
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert cyconv.get_num_threads() == 1
    assert cyconv.get_num_threads() == before


COUNT = "import cyconv; print(cyconv.get_num_threads())"
COUNT_AFTER_SETTING = "import cyconv; cyconv.set_num_threads(4); print(cyconv.get_num_threads())"


@NEEDS_OPENMP
def test_omp_num_threads_is_obeyed():
    assert run_python(COUNT, OMP_NUM_THREADS="1").stdout.split() == ["1"]
    assert run_python(COUNT, OMP_NUM_THREADS="3").stdout.split() == ["3"]
    assert run_python(COUNT_AFTER_SETTING, OMP_NUM_THREADS="1").stdout.split() == ["1"]
    assert run_python(COUNT_AFTER_SETTING, OMP_NUM_THREADS="6").stdout.split() == ["4"]
    assert run_python(COUNT, OMP_NUM_THREADS="3,2").stdout.split() == ["3"]


@NEEDS_OPENMP
@pytest.mark.parametrize("text", ["", "abc", "0", "-1", "1.5"])
def test_no_number_in_omp_num_threads_leaves_affinity_and_quotas(text: str):
    assert run_python(COUNT, OMP_NUM_THREADS=text).stdout == run_python(COUNT).stdout


@NEEDS_OPENMP
def test_omp_num_threads_is_read_at_import():
    """A runtime that somebody else has loaded may have read another number, or none."""
    late = "import os; os.environ['OMP_NUM_THREADS'] = '1'; import cyconv; "
    assert run_python(late + COUNT).stdout.split() == ["1"]
    library = loaded_runtime()
    if library is not None:
        loaded = f"import ctypes; ctypes.CDLL({library!r}); " + late
        assert run_python(loaded + COUNT).stdout.split() == ["1"]


@NEEDS_OPENMP
def test_omp_thread_limit_is_obeyed():
    limited = run_python(COUNT_AFTER_SETTING, OMP_NUM_THREADS="4", OMP_THREAD_LIMIT="2")
    assert limited.stdout.split() == ["2"]


@NEEDS_OPENMP
def test_a_bound_thread_does_not_count_as_affinity():
    expected = run_python(COUNT).stdout
    assert run_python(COUNT, OMP_PROC_BIND="true").stdout == expected
    assert run_python(COUNT, OMP_PLACES="cores").stdout == expected


def loaded_runtime() -> str | None:
    """Path of the OpenMP runtime that cyconv loads, where it is GNU's."""
    maps = "import cyconv; print(open('/proc/self/maps').read())"
    if _engine.openmp_runtime() != "libgomp" or not os.path.exists("/proc/self/maps"):
        return None
    paths = {line.split()[-1] for line in run_python(maps).stdout.splitlines() if "gomp" in line}
    return paths.pop() if len(paths) == 1 else None


REGION = """
import ctypes, sys
import cyconv
cyconv.set_num_threads(4)
runtime = ctypes.CDLL(sys.argv[1])
inside = []
region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
    lambda _: inside.append(cyconv.get_num_threads())
)
runtime.GOMP_parallel(region, None, 2, 0)
print(*inside, cyconv.get_num_threads())
"""


@NEEDS_OPENMP
def test_calls_inside_another_parallel_region_are_serial():
    library = loaded_runtime()
    if library is None:
        pytest.skip("regions are opened through GNU's runtime")
    found = run_python(REGION, library, OMP_NUM_THREADS="4").stdout.split()
    assert found == ["1", "1", "4"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this platform")
def test_affinity_is_obeyed():
    pinned = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    assert run_python(pinned + COUNT).stdout.split() == ["1"]
    assert int(run_python(COUNT).stdout) <= len(os.sched_getaffinity(0))


TEAM = """
import os, sys
import numpy as np
import cyconv
def threads():
    return len(os.listdir("/proc/self/task"))
cyconv.set_num_threads(int(sys.argv[1]))
before = threads()
x, w = np.ones((1, 32, 200, 200), "f4"), np.ones((32, 32, 3, 3), "f4")
for _ in range(3):
    cyconv.conv2d(x, w)
print(threads() - before)
"""


@pytest.mark.parametrize(
    ("own", "files", "cpus"),
    [
        (b"0::/\n", {}, None),
        (b"0::/\n", {"cpu.max": "max 100000"}, None),
        (b"0::/\n", {"cpu.max": "150000 100000"}, 2),
        (b"0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        (b"0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "20000 100000"}, 1),
        (b"0::/a/b\n", {"b/cpu.max": "100000 100000"}, None),
        (b"0::/of-the-host\n", {"cpu.max": "200000 100000"}, 2),
        (
            b"4:memory:/m\n2:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"},
            4,
        ),
        (b"1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (b"0::/caf\xe9\n", {"cpu.max": "200000 100000"}, 2),
        (b"garbage\n\n", {"cpu.max": "200000 100000"}, 2),
        (None, {"cpu.max": "100000 0"}, None),
        (None, {"cpu.max": ""}, None),
    ],
)
def test_the_smallest_quota_of_the_cgroups_counts(
    tmp_path: Path, own: bytes | None, files: dict[str, str], cpus: int | None
):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")
    groups = tmp_path / "groups"
    if own is not None:
        groups.write_bytes(own)
    assert _threads.cgroup_cpus(str(tmp_path), str(groups)) == cpus


@NEEDS_OPENMP
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_no_more_threads_start_than_asked_for():
    assert run_python(TEAM, "1", OMP_NUM_THREADS="4").stdout.split() == ["0"]
    assert run_python(TEAM, "3", OMP_NUM_THREADS="4").stdout.split() == ["2"]


def test_the_setting_of_openmp_is_left_alone():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def limits() -> list[int]:
        pools = threadpoolctl.threadpool_info()
        return [p["num_threads"] for p in pools if p["user_api"] == "openmp"]

    before = limits()
    cyconv.set_num_threads(1)
    cyconv.conv2d(np.ones((1, 32, 100, 100), "f4"), np.ones((32, 32, 3, 3), "f4"))
    assert limits() == before


MANY = """
import hashlib, sys
import numpy as np
import cyconv
from cyconv import _engine
digest = hashlib.sha256()
for isa in _engine.available_isas():
    _engine.use_isa(isa)
    rng = np.random.default_rng(7)
    for n, c, h, w, o, k, groups in [
        (1, 3, 200, 200, 20, 3, 1), (3, 64, 28, 28, 64, 3, 1), (1, 256, 14, 14, 256, 1, 1),
        (1, 32, 100, 100, 32, 3, 32), (7, 40, 30, 30, 15, 5, 5),
        (1, 131, 14, 14, 160, 3, 1), (1, 1, 600, 600, 1, 7, 1),
    ]:
        x = rng.standard_normal((n, c, h, w)).astype(np.float32)
        weight = rng.standard_normal((o, c // groups, k, k)).astype(np.float32)
        for dtype in ("f4", "f8"):
            y = cyconv.conv2d(x.astype(dtype), weight.astype(dtype), padding=1, groups=groups)
            digest.update(y.tobytes())
print(_engine.get_num_threads(), digest.hexdigest())
"""


@NEEDS_OPENMP
@pytest.mark.slow
def test_thread_counts_beyond_the_processors_give_the_same_bits():
    found = [run_python(MANY, OMP_NUM_THREADS=str(n)).stdout.split() for n in (1, 2, 5)]
    assert len({digest for _, digest in found}) == 1, found
    assert [int(threads) for threads, _ in found] == [1, 2, 5]


def control_bits() -> int:
    """Read MXCSR without its exception flags, by way of C's fegetenv."""
    environment = (ctypes.c_uint32 * 64)()
    ctypes.CDLL(None).fegetenv(ctypes.byref(environment))
    return environment[7] & 0xFFC0


HAS_MXCSR = sys.platform == "linux" and platform.machine() == "x86_64"


@pytest.mark.skipif(not HAS_MXCSR, reason="reads glibc's fenv_t of x86-64")
def test_mxcsr_is_left_alone(isa: str, rng):
    assert control_bits() == 0x1F80, "the test reads the wrong word"
    for name in ("float32", "float64", "float16", "complex64", "uint8"):
        for x_shape, w_shape, arguments in LAYERS:
            if name == "complex64":
                arguments = {k: v for k, v in arguments.items() if k != "activation"}
            cyconv.conv2d(data(rng, x_shape, name), data(rng, w_shape, name), **arguments)
            assert control_bits() == 0x1F80


def test_subnormals_survive_in_every_thread(isa: str):
    cyconv.set_num_threads(3)
    x = np.full((4, 16, 60, 60), 1e-42, dtype=np.float32)
    y = cyconv.conv2d(x, np.ones((8, 16, 1, 1), dtype=np.float32))
    assert (y == np.float32(1e-42) * 16).all()

    def halves() -> bool:
        return bool((np.full(1000, 5e-324) * 1.0 > 0).all())

    assert halves()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(halves).result()


def test_the_process_environment_is_left_alone():
    script = """
import os
before = dict(os.environ)
import numpy
import cyconv
cyconv.set_num_threads(2)
cyconv.conv2d(numpy.ones((1, 32, 100, 100), "f4"), numpy.ones((32, 32, 3, 3), "f4"))
assert dict(os.environ) == before
"""
    run_python(script)


def test_free_threaded_builds_keep_the_gil_off():
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("this interpreter has the GIL")
    run_python("import sys, cyconv; assert not sys._is_gil_enabled()")
