"""The transforms of a plan."""

from cyconv._plan cimport Plan


cdef Py_ssize_t line_count(const Plan *plan) noexcept nogil
cdef Py_ssize_t line_elements(const Plan *plan) noexcept nogil
cdef void transform_columns(const Plan *plan, char *const *planes, Py_ssize_t columns, bint inverse) noexcept nogil
cdef void transform_line(
    const Plan *plan, char *const *planes, Py_ssize_t index, char *line, bint inverse
) noexcept nogil
cdef void transform_kernels(
    const Plan *plan, const char *weight, Py_ssize_t count, char *spectra, char *memory, int threads
) noexcept nogil
cdef int fill_spectra(const Plan *plan, const char *weight, char *spectra, int threads) noexcept nogil
