"""A task: the part of a convolution that one thread computes at a time, and the arrays that it touches."""

from cyconv._integers cimport ceil_div
from cyconv._plan cimport Plan
from cyconv._window cimport find_block, prepare_channels


cdef Task find_task(const Plan *plan, Py_ssize_t index) noexcept nogil:
    """Task number `index`; the parts of one image are neighbours, so that they share its cache."""
    cdef Task task
    cdef Py_ssize_t groups = ceil_div(plan.problem.groups, plan.group_block)
    cdef bint inner = find_block(&plan.columns, index % plan.columns.blocks, &task.column, &task.column_count)
    index //= plan.columns.blocks
    inner = find_block(&plan.rows, index % plan.rows.blocks, &task.row, &task.row_count) and inner
    index //= plan.rows.blocks
    task.panel = index % plan.panel_blocks * plan.panel_block
    task.panel_count = min(plan.panel_block, plan.panels - task.panel)
    index //= plan.panel_blocks
    task.group = index % groups * plan.group_block
    task.group_count = min(plan.group_block, plan.problem.groups - task.group)
    task.image = index // groups
    task.in_place = plan.in_place and inner
    return task


cdef char *output_address(
    const Plan *plan, const Destination *to, const Task *task, Py_ssize_t channel
) noexcept nogil:
    """The first output pixel of the task, of real output channel `channel` of its group."""
    channel += task.group * plan.problem.out_channels
    return (
        to.data + task.image * to.batch_bytes
        + channel // to.parts * to.channel_bytes + channel % to.parts * to.part_bytes
        + task.row * to.row_bytes + task.column * to.column_bytes
    )


cdef void prepare_window(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel, Py_ssize_t channels, char *window
) noexcept nogil:
    prepare_channels(
        &plan.window, &plan.rows, &plan.columns, &operands.source,
        operands.source.data + task.image * operands.source.batch_bytes,
        task.group * plan.problem.in_channels + channel, channels,
        task.row, task.row_count, task.column, task.column_count, window,
    )
