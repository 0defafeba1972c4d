"""Plans of earlier calls, for the next ones like them.

The choice of an algorithm and of its blocks takes 1 to 10 microseconds, as long as a small convolution. A layer keeps
its own plans; all other calls share some.
"""

import threading

from libc.string cimport memcmp, memcpy

from cyconv._isa cimport line_kind
from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Problem, free_plan
from cyconv._wide cimport plan_batch


cdef enum:
    # The plans of kernels with more rows or columns have large tables, and their calls take long.
    MAX_KEPT_TAPS = 1024


cdef inline Py_ssize_t problem_bytes(const Problem *problem) noexcept nogil:
    """The bytes of all fields; behind the last one anything may lie."""
    return <const char *>(&problem.contiguous + 1) - <const char *>problem


cdef inline size_t key_of(const Problem *problem) noexcept nogil:
    """A hash of all fields, word by word as FNV-1a does it byte by byte."""
    cdef Py_ssize_t index
    cdef size_t word, key = <size_t>0xcbf29ce484222325
    for index in range(problem_bytes(problem) // <Py_ssize_t>sizeof(size_t)):
        memcpy(&word, <const char *>problem + index * sizeof(size_t), sizeof(size_t))
        key = (key ^ word) * <size_t>0x100000001b3
    return key


cdef class KeptPlan:
    """A plan and the call that it was made for."""

    def __dealloc__(self):
        free_plan(&self.plan)


cdef class Plans:
    """At most so many plans, of which a new one takes the place of the oldest.

    Who has got one may use it without the GIL while another thread replaces it here.
    """

    def __cinit__(self, Py_ssize_t most):
        self.kept = []
        self.most = min(most, <Py_ssize_t>MAX_PLANS)
        self.oldest = 0
        self.lock = threading.Lock()

    cdef KeptPlan plan_for(
        self, const Problem *problem, const cyc_isa *isa, int algorithm, int threads, int *status
    ):
        """The plan of an earlier call like this one, or else a new one; `status`: that of ``plan_batch``."""
        cdef size_t key = key_of(problem)
        cdef KeptPlan kept
        cdef Py_ssize_t index
        status[0] = 0
        # never waiting: in a child that was forked meanwhile, nobody would release it
        cdef bint locked = self.lock.acquire(False)
        try:
            if locked:
                for index in range(len(self.kept)):
                    if self.keys[index] != key:
                        continue
                    kept = self.kept[index]
                    if (
                        memcmp(&kept.problem, problem, problem_bytes(problem)) == 0 and kept.isa == isa
                        and kept.lines == line_kind() and kept.algorithm == algorithm and kept.threads == threads
                    ):
                        return kept
            kept = KeptPlan()
            kept.problem = problem[0]
            kept.isa = isa
            kept.lines = line_kind()
            kept.algorithm = algorithm
            kept.threads = threads
            status[0] = plan_batch(&kept.plan, problem, isa, algorithm, threads, &kept.images)
            if locked and status[0] == 0 and max(problem.kernel[0], problem.kernel[1]) <= MAX_KEPT_TAPS:
                self.add(key, kept)
            return kept
        finally:
            if locked:
                self.lock.release()

    cdef int add(self, size_t key, KeptPlan kept) except -1:
        if len(self.kept) < self.most:
            self.keys[len(self.kept)] = key
            self.kept.append(kept)
            return 0
        self.kept[self.oldest] = kept
        self.keys[self.oldest] = key
        self.oldest = (self.oldest + 1) % self.most
        return 0
