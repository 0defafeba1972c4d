"""A task by the row kernel, or by the plane kernel.

    row kernel    a window of all channels, or the input where it lies; one output channel after the other
    plane kernel  planes of one channel, padding and all: several groups at once. Where they lie if they are contiguous
                  and of the compute dtype; otherwise converted in scratch

A kernel stores by itself where the columns of the result are contiguous and of the compute dtype;
everywhere else its sums go through scratch, from where the epilogue writes them.
"""

from cyconv._input_ahead cimport is_far
from cyconv._integers cimport ceil_div, greatest_common_divisor
from cyconv._isa cimport line_kind
from cyconv._kernels cimport (
    CYC_LATE_LINES,
    CYC_ROW_BLOCK,
    cyc_load_args,
    cyc_planes_args,
    cyc_rows_args,
    cyc_store_args,
    plain_load,
)
from cyconv._plan cimport Plan
from cyconv._slots cimport has_late_lines
from cyconv._task cimport (
    Destination,
    Operands,
    Task,
    channel_address,
    clamp_bounds,
    output_address,
    prepare_window,
    takes_vectors,
)
from cyconv._window cimport Source, first_input, input_count, shared_row_step, shared_row_stride


cdef enum:
    # Columns of a plane, in vectors that a strip takes together, beyond which no prefetcher follows its strips: Zen 4,
    # with three of them layers take half the time by one thread and by two, with two 0.8 to 1.4 of it.
    FOLLOWED_STRIPS = 2
    # Where lines come late, the length of rows from which on fetching pays.
    LATE_ROW_BYTES = 2048


cdef struct Scratch:
    char *window
    char *totals  # of a block of one output channel
    Py_ssize_t *offsets  # of the input's rows and columns, where it is read in place


cdef void store_planes(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t output, Py_ssize_t planes,
    const char *values,
) noexcept nogil:
    """Write all pixels of an output channel of `planes` groups from the task's on, whose bias they have already."""
    cdef const Destination *to = &operands.destination
    cdef Py_ssize_t plane_bytes = plan.problem.out_channels // to.parts * to.channel_bytes, plane
    cdef Py_ssize_t pixels = task.row_count * task.column_count
    cdef double zero = 0  # of any compute dtype
    cdef cyc_store_args args
    args.bias = &zero
    args.bias_step = 0
    args.activation = to.activation
    args.column_bytes = to.column_bytes
    args.ahead = 0
    args.row_step = args.columns = task.column_count
    args.rows = task.row_count
    args.row_bytes = to.row_bytes
    if args.row_bytes == args.columns * args.column_bytes:  # rows without gaps are one long row
        args.row_step = args.columns = pixels
        args.rows = planes
        args.row_bytes = plane_bytes
        planes = 1
        if args.row_bytes == args.columns * args.column_bytes:  # and such planes too
            args.columns *= args.rows
            args.rows = 1
    for plane in range(planes):
        args.src = values + plane * pixels * plan.kernels.item
        args.dst = output_address(plan, to, task, output) + plane * plane_bytes
        to.store(&args)


cdef void point_at_input(
    const Plan *plan, const Source *source, const Task *task, Py_ssize_t *table, cyc_rows_args *args
) noexcept nogil:
    """Let the row kernel read the input itself: offsets in units of its rows, in `table`."""
    cdef Py_ssize_t item = plan.kernels.item, pitch = source.row_bytes // item, index
    cdef Py_ssize_t input_rows = (CYC_ROW_BLOCK - 1) * args.stride + plan.rows.taps
    for index in range(input_rows):
        table[index] = index * plan.rows.dilation * pitch
    for index in range(plan.columns.taps):
        table[input_rows + index] = index * plan.columns.dilation
    args.row_offsets = table
    args.column_offsets = table + input_rows
    args.channel_pitch = source.channel_bytes // item
    args.window_pitch = shared_row_step(&plan.rows) * plan.rows.stride * pitch
    args.window = (
        source.data + task.image * source.batch_bytes
        + task.group * plan.problem.in_channels * source.channel_bytes
        + (task.row * plan.rows.stride - plan.rows.before) * source.row_bytes
        + (task.column - plan.columns.before) * item
    )


cdef void look_ahead(
    const Plan *plan, const Operands *operands, const Task *task, cyc_rows_args *args
) noexcept nogil:
    """Let the row kernel fetch what the next window is made of, and where its results go: of the groups that follow, or
    of the rows that do, if an image is cut into blocks of them.
    """
    cdef const Source *source = &operands.source
    cdef const Destination *to = &operands.destination
    cdef Py_ssize_t channel_bytes = plan.rows.size * plan.columns.size * source.column_bytes, bytes, steps, blocks
    args.next = NULL
    args.next_bytes = args.out_ahead = 0
    if task.in_place or not is_far(plan):
        return
    if greatest_common_divisor(plan.rows.stride, plan.rows.dilation) > 1:  # of whose rows only some are read
        return
    if source.parts > 1 or source.row_bytes != plan.columns.size * source.column_bytes or source.column_bytes < 0:
        return
    if source.channel_bytes != channel_bytes:
        return
    args.next = channel_address(plan, operands, task, 0)
    if plan.rows.blocks * plan.columns.blocks == 1:
        args.next += task.group_count * args.channels * channel_bytes
        bytes = args.channels * channel_bytes
        args.out_ahead = to.channel_bytes
    elif args.channels == 1:
        args.next += first_input(&plan.rows, task.row + task.row_count) * source.row_bytes
        bytes = task.row_count * plan.rows.stride * source.row_bytes // plan.columns.blocks
        args.next += task.column // plan.columns.block * bytes
        args.out_ahead = task.row_count * to.row_bytes
    else:
        return
    steps = min(shared_row_step(&plan.rows), task.row_count)
    blocks = steps * ceil_div(ceil_div(task.row_count, steps), CYC_ROW_BLOCK)
    args.next_bytes = ceil_div(bytes, blocks)


cdef void run_rows(
    const Plan *plan, const Operands *operands, const Task *tasks, const Scratch *scratch
) noexcept nogil:
    """The row kernel, for all groups of a task, one output channel after the other."""
    cdef Py_ssize_t item = plan.kernels.item, step = shared_row_step(&plan.rows), group, panel, first, index
    cdef Py_ssize_t group_pitch, row_pitch, next_bytes
    cdef const Destination *to = &operands.destination
    cdef bint direct = takes_vectors(plan, to)
    cdef Task task = tasks[0]
    cdef const char *window
    cdef double clamps[2]
    cdef cyc_rows_args args
    args.channels = plan.problem.in_channels
    args.kernel_h = plan.rows.taps
    args.kernel_w = plan.columns.taps
    args.stride = shared_row_stride(&plan.rows)
    args.columns = task.column_count
    args.clamp = clamp_bounds(plan, to, clamps)
    args.out_pitch = step * (to.row_bytes // item if direct else task.column_count)
    look_ahead(plan, operands, &task, &args)
    next_bytes = args.next_bytes
    if not direct:
        next_bytes = args.out_ahead = 0
    if task.in_place:
        point_at_input(plan, &operands.source, &task, scratch.offsets, &args)
    else:
        prepare_window(plan, operands, &task, 0, task.group_count * args.channels, 0, scratch.window)
        args.window = scratch.window
        args.row_offsets = plan.row_offsets
        args.column_offsets = plan.column_offsets
        args.channel_pitch = plan.window.channel_pitch
        args.window_pitch = step * plan.window.row_pitch
    window = <const char *>args.window
    group_pitch = args.channels * args.channel_pitch * item
    row_pitch = args.window_pitch // step * item
    for group in range(task.group_count):
        task.group = tasks.group + group
        for panel in range(task.panel, task.panel + task.panel_count):
            index = task.group * plan.problem.out_channels + panel
            args.weight = operands.weight + index * plan.terms * item
            args.bias = operands.bias + index * item
            args.fetches = task.in_place and panel == task.panel
            args.next_bytes = next_bytes if panel == task.panel else 0
            for first in range(min(step, task.row_count)):
                args.rows = ceil_div(task.row_count - first, step)
                args.window = window + group * group_pitch + first * row_pitch
                if direct:
                    args.out = output_address(plan, to, &task, panel) + first * to.row_bytes
                else:
                    args.out = scratch.totals + first * task.column_count * item
                plan.kernels.rows(&args)
                args.next += ceil_div(args.rows, CYC_ROW_BLOCK) * args.next_bytes
            if not direct:
                store_planes(plan, operands, &task, panel, 1, scratch.totals)


cdef void point_at_planes(
    const Plan *plan, const Source *source, const Task *task, cyc_planes_args *args
) noexcept nogil:
    """Describe the planes of a task: those of the input, or copies without gaps of what it reads of them."""
    cdef Py_ssize_t item = plan.kernels.item
    args.top = task.row * plan.rows.stride - plan.rows.before
    args.left = task.column * plan.columns.stride - plan.columns.before
    if plan.plane_block == 0:
        args.input_rows = plan.rows.size
        args.input_columns = plan.columns.size
        args.input_pitch = source.row_bytes // item
        args.input_step = source.channel_bytes // item
        return
    args.top -= first_input(&plan.rows, task.row)
    args.left -= first_input(&plan.columns, task.column)
    args.input_rows = input_count(&plan.rows, task.row, task.row_count)
    args.input_columns = args.input_pitch = input_count(&plan.columns, task.column, task.column_count)
    args.input_step = args.input_rows * args.input_columns


cdef void convert_planes(
    const Plan *plan, const Source *source, const Task *task, const cyc_planes_args *planes, char *copies
) noexcept nogil:
    """Copy what a task reads of its planes, as elements of the compute dtype without gaps."""
    cdef cyc_load_args args = plain_load()
    args.src = (
        source.data + task.image * source.batch_bytes + task.group * source.channel_bytes
        + first_input(&plan.rows, task.row) * source.row_bytes
        + first_input(&plan.columns, task.column) * source.column_bytes
    )
    args.channel_bytes = source.channel_bytes
    args.row_bytes = source.row_bytes
    args.column_bytes = source.column_bytes
    args.dst = copies
    args.channel_pitch = planes.input_step
    args.row_pitch = args.columns = planes.input_columns
    args.channels = task.group_count
    args.rows = planes.input_rows
    args.alone = True
    if args.row_bytes == args.columns * args.column_bytes:  # rows without gaps are one long row
        args.columns *= args.rows
        args.rows = 1
        if args.channel_bytes == args.columns * args.column_bytes:  # and such planes too
            args.columns *= args.channels
            args.channels = 1
    if planes.input_step > 0:
        source.load(&args)


cdef bint fetches_bands(const Plan *plan) noexcept nogil:
    """Whether the plane kernel fetches bands of rows: planes that are far, and of several strips. Where lines come
    late, near ones too, but not those whose loads leave no time.
    """
    if line_kind() == CYC_LATE_LINES:
        return (
            has_late_lines(plan.kernels) and plan.problem.kernel[0] > 3 and plan.problem.stride[0] == 1
            and plan.problem.out_size[1] * plan.kernels.item >= LATE_ROW_BYTES
        )
    return (
        is_far(plan) and plan.problem.out_size[1] > FOLLOWED_STRIPS * plan.kernels.row_vectors * plan.kernels.lanes
    )


cdef void run_planes(
    const Plan *plan, const Operands *operands, const Task *tasks, const Scratch *scratch
) noexcept nogil:
    """The plane kernel: groups together where they are copied, with all of their outputs where it may write these."""
    cdef Py_ssize_t item = plan.kernels.item, outputs = plan.problem.out_channels, panel, index
    cdef const Source *source = &operands.source
    cdef const Destination *to = &operands.destination
    cdef bint direct = takes_vectors(plan, to)
    cdef Py_ssize_t together = plan.plane_block, end = tasks.group + tasks.group_count
    cdef Task task = tasks[0]
    cdef double clamps[2]
    cdef cyc_planes_args args
    if together == 0:
        together = task.group_count if direct else 1
    elif outputs > 1 and not direct:  # the kernel takes the outputs of a group one by one
        together = 1
    point_at_planes(plan, source, &task, &args)
    args.rows = task.row_count
    args.columns = task.column_count
    args.out_pitch = to.row_bytes // item if direct else task.column_count
    args.out_step = to.out_pitch if direct else task.row_count * task.column_count
    args.clamp = clamp_bounds(plan, to, clamps)
    args.fetches = direct and fetches_bands(plan)
    args.outputs = outputs if direct else 1
    while task.group < end:
        task.group_count = min(together, end - task.group)
        args.planes = task.group_count * args.outputs
        args.input = source.data + task.image * source.batch_bytes + task.group * source.channel_bytes
        if plan.plane_block:
            convert_planes(plan, source, &task, &args, scratch.window)
            args.input = scratch.window
        for panel in range(task.panel, task.panel + task.panel_count):
            index = task.group * outputs + panel
            args.weight = operands.weight + index * plan.terms * item
            args.bias = operands.bias + index * item
            args.out = output_address(plan, to, &task, panel) if direct else scratch.totals
            plan.planes(&args)
            if direct:  # all outputs of all groups
                break
            store_planes(plan, operands, &task, panel, task.group_count, scratch.totals)
        task.group += task.group_count


cdef void run_row_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    """Compute one task; `memory` is the thread's scratch, aligned."""
    cdef Scratch scratch
    scratch.window = memory
    scratch.totals = memory + plan.window_bytes
    scratch.offsets = <Py_ssize_t *>(scratch.totals + plan.totals_bytes)
    if plan.planes != NULL:
        run_planes(plan, operands, task, &scratch)
    else:
        run_rows(plan, operands, task, &scratch)
