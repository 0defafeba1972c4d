"""Packed weights."""

from cyconv._kernels cimport cyc_ahead, cyc_split_range
from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task


cdef Py_ssize_t panels_bytes(const Plan *plan) noexcept nogil
cdef bint holds_factors(const Plan *plan) noexcept nogil
cdef void pack_factors(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t first, Py_ssize_t channels, char *factors
) noexcept nogil
cdef char *sum_pixel(
    const Plan *plan, const Operands *operands, Py_ssize_t first, Py_ssize_t outputs, const char *pixel, char *totals
) noexcept nogil
cdef void look_ahead(
    const Plan *plan, const Operands *operands, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, Py_ssize_t bursts,
    Py_ssize_t chunk, cyc_ahead *ahead
) noexcept nogil
cdef void look_ahead_at(
    const char *memory, Py_ssize_t size, Py_ssize_t bursts, Py_ssize_t chunk, cyc_ahead *ahead
) noexcept nogil
cdef void split_panel(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *panel,
    cyc_split_range *found
) noexcept nogil
cdef cyc_split_range *split_ranges(const Plan *plan, const char *panels) noexcept nogil
cdef void pack_panels(const Plan *plan, const char *weight, char *panels, int threads) noexcept nogil
cdef char *make_panels(const Plan *plan, const char *weight, int threads, char **owned) noexcept nogil
cdef const char *panel_weights(
    const Plan *plan, const Operands *operands, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *room,
    bint *finite
) noexcept nogil
cdef void look_ahead_panel(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t panel, Py_ssize_t block,
    Py_ssize_t bursts, cyc_ahead *ahead
) noexcept nogil
