"""Gathered pixels: those of each tile side by side, term after term."""

from libc.stdint cimport int32_t

from cyconv._kernels cimport cyc_copy
from cyconv._plan cimport Plan
from cyconv._task cimport Task
from cyconv._tiles cimport Spot


cdef Py_ssize_t place_copies(
    const Plan *plan, const Task *task, const Spot *spot, cyc_copy *copies
) noexcept nogil
cdef void gather_tile(
    const Plan *plan, const Task *task, const Spot *spot, const char *window, bint in_place, const int32_t *offsets,
    Py_ssize_t terms, char *pixels
) noexcept nogil
cdef void gather_block(
    const Plan *plan, const Task *task, const Spot *spots, Py_ssize_t spot_count, const char *window, bint in_place,
    const int32_t *offsets, Py_ssize_t terms, char *pixels
) noexcept nogil
