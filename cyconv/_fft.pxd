"""Convolution by Fourier transforms: the part of the plan that says how."""

from cyconv._plan cimport Plan


cdef enum:
    # A thread's scratch together with the spectra of the kernels, which all share.
    FFT_MEMORY_BUDGET = 8 << 20


cdef double fft_cost(Plan *plan) noexcept nogil
cdef Py_ssize_t held_spectra_bytes(const Plan *plan) noexcept nogil
cdef Py_ssize_t spectra_key(const Plan *plan) noexcept nogil
cdef int plan_fft(Plan *plan) noexcept nogil
