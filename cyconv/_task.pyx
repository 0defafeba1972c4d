"""A task: the part of a convolution that one thread computes at a time, and the arrays that it touches."""

from libc.math cimport INFINITY

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport CYC_F32, CYC_NO_ACTIVATION, CYC_RELU6
from cyconv._plan cimport TURNED_TILE, Plan, Problem
from cyconv._window cimport Source, find_block, prepare_channels


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


cdef char *channel_address(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel
) noexcept nogil:
    """The first input pixel of a channel of the task's group; not to be written."""
    cdef const Source *source = &operands.source
    channel += task.group * plan.problem.in_channels
    return <char *>source.data + task.image * source.batch_bytes + channel * source.channel_bytes


cdef bint window_in_input(const Plan *plan, const Operands *operands) noexcept nogil:
    """Whether the input is laid out as the window of a tile algorithm would be, which reads nothing beyond it.

    That is a kernel of one tap over whole images. A turned tile reads its pixels only, others whole vectors.
    """
    cdef const Problem *problem = &plan.problem
    cdef const Source *source = &operands.source
    cdef Py_ssize_t item = plan.kernels.item, pixels = problem.out_size[0] * problem.out_size[1], which
    for which in range(2):
        if problem.kernel[which] != 1 or problem.stride[which] != 1 or problem.before[which] != 0:
            return False
        if problem.in_size[which] != problem.out_size[which]:
            return False
    return (
        problem.readable and plan.window.row_pitch == problem.in_size[1]
        and source.row_bytes == plan.window.row_pitch * item
        and source.channel_bytes == plan.window.channel_pitch * item == pixels * item
        and (plan.algorithm == TURNED_TILE or (plan.flat and pixels % plan.kernels.lanes == 0))
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


cdef const void *clamp_bounds(const Plan *plan, int activation, double *storage) noexcept nogil:
    """The bounds of the activation, two elements of the compute dtype, in `storage`."""
    cdef double low = 0.0 if activation != CYC_NO_ACTIVATION else -INFINITY
    cdef double high = 6.0 if activation == CYC_RELU6 else INFINITY
    storage[0] = low
    storage[1] = high
    if plan.problem.dtype == CYC_F32:
        (<float *>storage)[0] = <float>low
        (<float *>storage)[1] = <float>high
    return storage
