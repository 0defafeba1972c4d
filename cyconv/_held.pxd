"""Weights held ready: packed once, and planned for, for all calls of a layer."""

cimport numpy as np

from cyconv._kernels cimport cyc_isa, cyc_kernels
from cyconv._plan cimport Plan
from cyconv._plans cimport Plans
from cyconv._trim cimport Trim


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
    MAX_TRIMMED = 4


cdef class TrimmedWeight:
    """What is left of a held weight."""
    cdef Trim trim
    cdef HeldWeight weight
    cdef np.ndarray spoilt  # see `_weights.trim_weight`; or None


cdef class HeldWeight:
    cdef readonly np.ndarray array
    cdef int number
    cdef HeldForm forms[MAX_HELD_FORMS]
    cdef int form_count
    cdef Plans plans
    cdef list trimmed  # TrimmedWeight, up to MAX_TRIMMED
    cdef object lock

    cdef const char *panels(self, const Plan *plan, int threads) except? NULL
    cdef TrimmedWeight trimmed_to(self, const Trim *trim, const cyc_kernels *kernels, int threads)


cdef tuple trimmed_operands(
    const Trim *trim, const cyc_kernels *kernels, np.ndarray weight, HeldWeight held, np.ndarray bias, int threads
)
