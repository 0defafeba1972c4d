"""The blocks of Winograd's F(4x4, 3x3)."""

from cyconv._plan cimport Plan


cdef void choose_winograd_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
cdef void size_winograd_scratch(Plan *plan) noexcept nogil
