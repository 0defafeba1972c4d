"""Plans of earlier calls, for the next ones like them.

The choice of an algorithm and of its blocks takes 1 to 10 microseconds, as long as a small convolution. A layer keeps
its own plans; all other calls share some.
"""

import threading

from libc.string cimport memcmp, memcpy

from cyconv._isa cimport line_kind
from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Plan, Problem, free_plan
from cyconv._wide cimport plan_batch


cdef enum:
    # Plans of more terms, or of kernels with more rows or columns, may have larger tables than 100 KiB, and their calls
    # take long.
    MAX_KEPT_TERMS = 8192
    MAX_KEPT_TAPS = 1024


cdef inline Py_ssize_t problem_bytes(const Problem *problem) noexcept nogil:
    """The bytes of all fields; behind the last one anything may lie."""
    return <const char *>(&problem.contiguous + 1) - <const char *>problem


cdef inline size_t mix(size_t key, size_t word) noexcept nogil:
    return (key ^ word) * <size_t>0x100000001b3


cdef inline size_t key_of(const Problem *problem, const cyc_isa *isa, int algorithm, int threads) noexcept nogil:
    """A hash of all that a plan is made for, word by word as FNV-1a is byte by byte; its high bits depend on all."""
    cdef Py_ssize_t index
    cdef size_t word, key = <size_t>0xcbf29ce484222325
    for index in range(problem_bytes(problem) // <Py_ssize_t>sizeof(size_t)):
        memcpy(&word, <const char *>problem + index * sizeof(size_t), sizeof(size_t))
        key = mix(key, word)
    return mix(mix(mix(mix(key, <size_t>isa), <size_t>line_kind()), <size_t>algorithm), <size_t>threads)


cdef class KeptPlan:
    """A plan and the call that it was made for."""

    def __dealloc__(self):
        free_plan(&self.plan)


cdef bint has_small_tables(const Problem *problem) noexcept nogil:
    cdef Py_ssize_t height = problem.kernel[0], width = problem.kernel[1]
    if max(height, width) > MAX_KEPT_TAPS:
        return False
    return problem.in_channels <= MAX_KEPT_TERMS // (height * width)


cdef class Plans:
    """At most so many plans.

    Who has got one may use it without the GIL while another thread replaces it here.
    """

    def __cinit__(self, Py_ssize_t most):
        self.kept = []
        self.most = min(most, <Py_ssize_t>MAX_PLANS)
        self.made = 0
        self.lock = threading.Lock()

    cdef KeptPlan plan_for(
        self, const Problem *problem, const cyc_isa *isa, int algorithm, int threads, int *status
    ):
        """The plan of an earlier call like this one, or else a new one; `status`: that of ``plan_batch``."""
        cdef size_t key = key_of(problem, isa, algorithm, threads)
        cdef KeptPlan kept = self.find(key, problem, isa, algorithm, threads)
        cdef Plan *plan
        cdef Py_ssize_t images = 0
        cdef bint small = has_small_tables(problem)
        status[0] = 0
        if kept is not None:
            return kept
        kept = KeptPlan()
        kept.problem = problem[0]
        kept.isa = isa
        kept.lines = line_kind()
        kept.algorithm = algorithm
        kept.threads = threads
        plan = &kept.plan
        self.made += 1
        if small:
            status[0] = plan_batch(plan, problem, isa, algorithm, threads, &images)
        else:
            with nogil:  # kernels of millions of taps take seconds; others about as long as this takes
                status[0] = plan_batch(plan, problem, isa, algorithm, threads, &images)
        kept.images = images
        if status[0] == 0 and small:
            self.add(key, kept)
        return kept

    cdef KeptPlan find(
        self, size_t key, const Problem *problem, const cyc_isa *isa, int algorithm, int threads
    ):
        cdef KeptPlan kept
        cdef Py_ssize_t index
        # never waiting: in a child that was forked meanwhile, nobody would release it
        if not self.lock.acquire(False):
            return None
        try:
            for index in range(len(self.kept)):
                if self.keys[index] != key:
                    continue
                kept = self.kept[index]
                if (
                    memcmp(&kept.problem, problem, problem_bytes(problem)) == 0 and kept.isa == isa
                    and kept.lines == line_kind() and kept.algorithm == algorithm and kept.threads == threads
                ):
                    return kept
            return None
        finally:
            self.lock.release()

    cdef int add(self, size_t key, KeptPlan kept) except -1:
        """Keep a plan, in the place of one that its key picks if there are too many.

        With the oldest in its place, calls that come by in turn, one more than are kept, would find none of theirs.
        """
        cdef Py_ssize_t index
        if not self.lock.acquire(False):
            return 0
        try:
            index = len(self.kept)
            if index < self.most:
                self.kept.append(kept)
            else:
                index = <Py_ssize_t>((key >> (8 * sizeof(size_t) - 16)) % <size_t>self.most)
                self.kept[index] = kept
            self.keys[index] = key
            return 0
        finally:
            self.lock.release()
