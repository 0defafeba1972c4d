"""The blocks of the row kernel."""

from cyconv._kernels cimport cyc_planes_fn
from cyconv._plan cimport Plan


cdef enum:
    # It uses each row a few times only: its window stays in the first level.
    ROWS_WINDOW_BUDGET = 32 * 1024


cdef cyc_planes_fn planes_kernel(const Plan *plan) noexcept nogil
cdef bint rows_in_place(const Plan *plan) noexcept nogil
cdef double least_rows_window(const Plan *plan) noexcept nogil
cdef void lay_out_rows_window(Plan *plan) noexcept nogil
cdef void choose_row_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
