"""How much of the image, of the terms and of the outputs a task takes at a time."""

from cyconv._kernels cimport cyc_planes_fn
from cyconv._plan cimport Plan


cdef cyc_planes_fn planes_kernel(const Plan *plan) noexcept nogil
cdef bint rows_in_place(const Plan *plan) noexcept nogil
cdef void choose_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
