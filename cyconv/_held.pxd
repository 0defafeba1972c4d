"""Weights held ready: packed once, for all calls of a layer."""

cimport numpy as np

from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Plan


cdef struct HeldForm:
    const cyc_isa *isa
    Py_ssize_t width
    Py_ssize_t groups
    bint transformed  # to Winograd's factors
    char *memory
    char *panels  # in it, aligned


cdef enum:
    MAX_HELD_FORMS = 8


cdef class HeldWeight:
    cdef readonly np.ndarray array
    cdef HeldForm forms[MAX_HELD_FORMS]
    cdef int form_count
    cdef object lock

    cdef const char *panels(self, const Plan *plan, int threads) except? NULL
