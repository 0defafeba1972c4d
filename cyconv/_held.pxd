"""Weights held ready: packed once, and planned for, for all calls of a layer."""

cimport numpy as np

from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Plan, Problem


cdef struct HeldForm:
    const cyc_isa *isa
    Py_ssize_t key  # the width of panels, or that of spectra; less than zero: how weights are split
    Py_ssize_t groups
    bint transformed  # to Winograd's factors
    char *memory
    char *panels  # in it, aligned


cdef struct HeldPlan:
    # What it was made of,
    Problem problem
    const cyc_isa *isa
    int lines
    int algorithm
    int threads
    # and what came of it.
    Plan plan
    Py_ssize_t images  # side by side


cdef enum:
    MAX_HELD_FORMS = 8
    MAX_HELD_PLANS = 4  # a layer sees few sizes of images


cdef class HeldWeight:
    cdef readonly np.ndarray array
    cdef HeldForm forms[MAX_HELD_FORMS]
    cdef int form_count
    cdef HeldPlan plans[MAX_HELD_PLANS]
    cdef int plan_count
    cdef object lock

    cdef bint recall(
        self, const Problem *problem, const cyc_isa *isa, int algorithm, int threads, Plan *plan, Py_ssize_t *images
    ) except -1
    cdef bint keep(
        self, const Problem *problem, const cyc_isa *isa, int algorithm, int threads, const Plan *plan,
        Py_ssize_t images
    ) except -1
    cdef const char *panels(self, const Plan *plan, int threads) except? NULL
