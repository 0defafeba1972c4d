"""Winograd's factors of the inputs of a block."""

from libc.stdint cimport int32_t

from cyconv._integers cimport balanced
from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task
from cyconv._tile_block cimport TileBlock


cdef inline Py_ssize_t kernel_tile(const Plan *plan, Py_ssize_t tiles) noexcept nogil:
    """How many of these tiles the kernel takes together, at most."""
    return balanced(tiles, plan.pixel_tile) if plan.turned and tiles > 0 else plan.pixel_tile


cdef void transform_input(
    const Plan *plan, const Operands *operands, const Task *task, const TileBlock *block, char *window, char *factors
) noexcept nogil
cdef void gather_factors(
    const Plan *plan, const TileBlock *block, char *factors, int32_t *offsets
) noexcept nogil
