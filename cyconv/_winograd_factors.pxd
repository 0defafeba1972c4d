"""Winograd's factors of the inputs of a block."""

from libc.stdint cimport int32_t

from cyconv._integers cimport balanced
from cyconv._kernels cimport CYC_WINOGRAD_OUT
from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task
from cyconv._tile_block cimport TileBlock, last_tiles, tiles_over


cdef inline Py_ssize_t kernel_tile(const Plan *plan, Py_ssize_t tiles) noexcept nogil:
    """How many of these tiles the kernel takes together, at most."""
    return balanced(tiles, plan.pixel_tile) if plan.turned and tiles > 0 else plan.pixel_tile


cdef inline TileBlock tile_block(const Plan *plan, const Task *task) noexcept nogil:
    """The tiles of a task."""
    cdef TileBlock block
    cdef Py_ssize_t rows = min(task.row_count, plan.problem.out_size[0] - task.row)
    cdef Py_ssize_t columns = min(task.column_count, plan.problem.out_size[1] - task.column)
    block.rows = tiles_over(rows, plan.rows.dilation)
    block.columns = tiles_over(columns, plan.columns.dilation)
    block.short_rows = last_tiles(rows, plan.rows.dilation)
    block.short_columns = last_tiles(columns, plan.columns.dilation)
    block.last_rows = block.last_columns = CYC_WINOGRAD_OUT
    if task.row + task.row_count == plan.rows.out:
        block.last_rows = plan.last_outputs[0]
    if task.column + task.column_count == plan.columns.out:
        block.last_columns = plan.last_outputs[1]
    return block


cdef void transform_input(
    const Plan *plan, const Operands *operands, const Task *task, char *window, char *factors
) noexcept nogil
cdef void transform_share(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t share, Py_ssize_t shares, char *memory,
    char *factors
) noexcept nogil
cdef void gather_factors(
    const Plan *plan, const TileBlock *block, char *factors, int32_t *offsets
) noexcept nogil
