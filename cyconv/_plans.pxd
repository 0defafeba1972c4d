"""Plans of earlier calls, for the next ones like them."""

from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Plan, Problem


cdef class KeptPlan:
    # What it was made for,
    cdef Problem problem
    cdef const cyc_isa *isa
    cdef int lines
    cdef int algorithm
    cdef int threads
    # and what came of it: the plan, with its tables, which go with this object, and the images side by side.
    cdef Plan plan
    cdef Py_ssize_t images


cdef enum:
    MAX_PLANS = 64  # most networks have fewer different layers, and a search among as many takes 30 ns


cdef class Plans:
    cdef list kept
    cdef size_t keys[MAX_PLANS]  # of their problems
    cdef Py_ssize_t most
    cdef Py_ssize_t made  # so far, for calls that found none
    cdef object lock

    cdef KeptPlan plan_for(
        self, const Problem *problem, const cyc_isa *isa, int algorithm, int threads, int *status
    )
    cdef KeptPlan find(
        self, size_t key, const Problem *problem, const cyc_isa *isa, int algorithm, int threads
    )
    cdef int add(self, size_t key, KeptPlan kept) except -1
