"""How many threads a call may use.

The smallest of ``set_num_threads``, what OpenMP allows the calling thread (``OMP_THREAD_LIMIT``, threadpoolctl), and
``OMP_NUM_THREADS`` or, without it, the CPUs that the process may run on and the quotas of its cgroup and of those
around it.
One in a forked child, whose OpenMP threads are gone, and inside another parallel region.
"""

import math
import os

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #else
    #define omp_get_max_threads() 1
    #define omp_in_parallel() 0
    #endif
    #if defined(_OPENMP) && _OPENMP >= 200805
    #define cyc_openmp_limit() omp_get_thread_limit()
    #else
    #define cyc_openmp_limit() omp_get_max_threads() /* before OpenMP 3 */
    #endif
    #ifdef _WIN32
    #include <process.h>
    #define cyc_process_id() ((long)_getpid())
    #else
    #include <unistd.h>
    #define cyc_process_id() ((long)getpid())
    #endif
    #if defined(_OPENMP) && defined(__GNUC__) && !defined(__clang__)
    #define CYC_OPENMP_RUNTIME "libgomp"
    #elif defined(_OPENMP) && defined(_MSC_VER) && !defined(__clang__)
    #define CYC_OPENMP_RUNTIME "vcomp"
    #elif defined(_OPENMP)
    #define CYC_OPENMP_RUNTIME "libomp"
    #else
    #define CYC_OPENMP_RUNTIME "none"
    #endif
    """
    int omp_get_max_threads() nogil
    int cyc_openmp_limit() nogil
    int omp_in_parallel() nogil
    long cyc_process_id() nogil
    const char *CYC_OPENMP_RUNTIME


cdef enum:
    NO_LIMIT = 1 << 30


def _quota(folder):
    """CPUs that the quota of one cgroup allows; None without one."""
    try:
        with open(os.path.join(folder, "cpu.max")) as file:  # version 2
            quota, period = file.read().split()
    except (OSError, ValueError):
        try:
            with open(os.path.join(folder, "cpu.cfs_quota_us")) as file:  # version 1
                quota = file.read()
            with open(os.path.join(folder, "cpu.cfs_period_us")) as file:
                period = file.read()
        except OSError:
            return None
    try:
        cpus = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return None
    return max(1, math.ceil(cpus)) if cpus > 0 else None


def cgroup_cpus(root="/sys/fs/cgroup", own="/proc/self/cgroup"):
    """CPUs that the quotas of the process's cgroup and of those around it allow, at least 1; None without a quota."""
    folders = {root, os.path.join(root, "cpu")}
    try:
        with open(own, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = os.path.join(root, "cpu") if controllers else root
        path = path.strip("/")
        while path:
            folders.add(os.path.join(top, path))
            path = os.path.dirname(path)
    quotas = [cpus for cpus in map(_quota, folders) if cpus is not None]
    return min(quotas, default=None)


def _affinity():
    """CPUs that the process may run on."""
    # These let OpenMP bind the importing thread to one CPU while its runtime is loaded; it has counted them before.
    bound = any(os.environ.get(name) for name in ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"))
    try:
        return omp_get_max_threads() if bound else len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _initial_threads():
    """The most threads of a call as the environment has it: ``OMP_NUM_THREADS``, or what affinity and quotas allow."""
    try:
        # a list has a number for each level of nested regions; a runtime that was loaded before may have read another
        threads = int(os.environ.get("OMP_NUM_THREADS", "").split(",")[0])
    except ValueError:
        threads = 0
    if 0 < threads < NO_LIMIT:
        return threads
    cpus = _affinity()
    return min(cpus, cgroup_cpus() or cpus)


cdef int usable = _initial_threads()
cdef int wanted = NO_LIMIT
cdef long home_process = cyc_process_id()


cdef int thread_limit() noexcept nogil:
    if cyc_process_id() != home_process or omp_in_parallel():
        return 1
    return max(1, min(min(wanted, usable), min(omp_get_max_threads(), cyc_openmp_limit())))


def set_num_threads(int n):
    """Let later calls use at most `n` threads; `n` is at least 1."""
    global wanted
    wanted = n


def get_num_threads():
    """The number of threads that a large call from this thread would use."""
    return thread_limit()


def openmp_runtime():
    """Name of the OpenMP runtime that the engine was built for, or "none"."""
    return CYC_OPENMP_RUNTIME.decode("ascii")
