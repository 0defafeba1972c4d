"""The cost of Winograd's F(4x4, 3x3)."""

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport CYC_WINOGRAD_OUT
from cyconv._plan cimport Plan


cdef enum:
    MAX_WINOGRAD_CHANNELS = 1820  # of which a vector of 64 bytes fits the budget of the inputs' factors


cdef inline Py_ssize_t periods(const Plan *plan, int which) noexcept nogil:
    """Periods of tiles along an axis: without dilation, tiles."""
    return ceil_div(plan.problem.out_size[which], CYC_WINOGRAD_OUT * plan.problem.dilation[which])


cdef Py_ssize_t dilated_tiles(const Plan *plan) noexcept nogil
cdef Py_ssize_t most_tiles(const Plan *plan) noexcept nogil
cdef double weights_slots(const Plan *plan) noexcept nogil
cdef double winograd_cost(Plan *plan) noexcept nogil
cdef double winograd_rows_slots(const Plan *plan, Py_ssize_t rows, double *inputs) noexcept nogil
