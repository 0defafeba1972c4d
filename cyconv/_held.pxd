"""Weights held ready: packed once, and planned for, for all calls of a layer."""

cimport numpy as np

from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Plan
from cyconv._plans cimport Plans


cdef struct HeldForm:
    const cyc_isa *isa
    # the width of panels; below zero: which spectra (`_fft.spectra_key`), or how weights are split (`_held.form_key`)
    Py_ssize_t key
    Py_ssize_t groups
    bint transformed  # to Winograd's factors
    char *memory
    char *panels  # in it, aligned


cdef enum:
    MAX_HELD_FORMS = 8
    MAX_HELD_PLANS = 4  # a layer sees few sizes of images


cdef class HeldWeight:
    cdef readonly np.ndarray array
    cdef HeldForm forms[MAX_HELD_FORMS]
    cdef int form_count
    cdef Plans plans
    cdef object lock

    cdef const char *panels(self, const Plan *plan, int threads) except? NULL
