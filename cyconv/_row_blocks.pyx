"""How much of the image a task of the row kernel takes at a time, and what of it is read where it lies."""

from cyconv._blocks cimport TASKS_PER_THREAD, most_block_rows, share_rows, window_bytes
from cyconv._integers cimport balanced, ceil_div, greatest_common_divisor, round_up
from cyconv._kernels cimport (
    CYC_MAX_PLANE_KERNEL,
    CYC_MAX_PLANE_STRIDE,
    CYC_MAX_TILE_VECTORS,
    CYC_NARROW_STRIPS,
    CYC_PLANE_ROWS,
    CYC_ROW_BLOCK,
    cyc_planes_fn,
)
from cyconv._plan cimport Plan, Problem, layout_window, plane_elements
from cyconv._window cimport ZEROS, Axis


cdef enum:
    MIN_ROWS_BLOCK = 8  # output rows; of fewer, a large part of the input rows would be read again for the next block
    # The most output rows and columns of a block that is read in place, and of planes: a few of its rows stay in the
    # first level, and its columns make whole tiles.
    IN_PLACE_ROWS = 64
    IN_PLACE_COLUMNS = 512
    # Beside what is read in place, the window of a block at the edges, of all channels.
    IN_PLACE_WINDOW_BUDGET = 1024 * 1024
    # Planes that are copied, as those of float16, and their results stay in the first level.
    PLANES_BUDGET = 16 * 1024
    # With the channels last, those that are copied together: two lines of them, of what the second level holds beside
    # the results. Alone, each would read all lines.
    LAST_CHANNELS = 32
    LAST_CHANNELS_BUDGET = 256 * 1024


cdef void find_inner(Axis *axis) noexcept nogil:
    """Set the outputs for which no tap reads padding."""
    axis.inner = axis.reading[0]
    axis.inner_end = max(axis.inner, axis.reading_end[axis.taps - 1])


cdef Py_ssize_t least_rows(const Plan *plan) noexcept nogil:
    """The fewest rows of a block of the row kernel, of which each begins with rows that the one before has read."""
    return min(plan.problem.out_size[0], max(<Py_ssize_t>MIN_ROWS_BLOCK, 2 * plan.problem.kernel[0]))


cdef Py_ssize_t positions_of(const Axis *axis, Py_ssize_t block) noexcept nogil:
    """Of the runs of an axis, for a block of so many outputs (`_window.layout_axis`)."""
    cdef Py_ssize_t common = greatest_common_divisor(axis.stride, axis.dilation)
    cdef Py_ssize_t phases = min(axis.taps, axis.stride // common), step = axis.dilation // common
    return phases * block + (axis.taps - phases) * min(block, step)


cdef double least_rows_window(const Plan *plan) noexcept nogil:
    """Bytes of the smallest window of the row kernel, which takes all channels at once."""
    cdef Py_ssize_t columns = min(plan.problem.out_size[1], CYC_MAX_TILE_VECTORS * plan.kernels.lanes)
    return (
        <double>plan.problem.in_channels * positions_of(&plan.rows, least_rows(plan))
        * positions_of(&plan.columns, columns) * plan.kernels.item
    )


cdef bint choose_in_place(Plan *plan) noexcept nogil:
    """Whether most of a large image can be read where it lies; blocks are set if so.

    The inner columns are whole vectors, so that nothing beyond the input is read.
    """
    cdef Axis *rows = &plan.rows
    cdef Axis *columns = &plan.columns
    cdef Py_ssize_t lanes = plan.kernels.lanes, channels = plan.problem.in_channels, block, width
    cdef Py_ssize_t step = CYC_MAX_TILE_VECTORS * lanes, least = least_rows(plan)
    if not plan.problem.readable or columns.stride != 1:
        return False
    find_inner(rows)
    find_inner(columns)
    columns.inner_end -= (columns.inner_end - columns.inner) % lanes
    least = max(least, rows.inner, rows.out - rows.inner_end)
    if columns.inner_end - columns.inner >= IN_PLACE_COLUMNS and rows.inner_end - rows.inner >= IN_PLACE_ROWS:
        width = round_up(balanced(columns.inner_end - columns.inner, IN_PLACE_COLUMNS), step)
        block = most_block_rows(plan, IN_PLACE_ROWS, width, channels, IN_PLACE_WINDOW_BUDGET)
        while block < least and width > step:
            width = round_up(width // 2, step)
            block = most_block_rows(plan, IN_PLACE_ROWS, width, channels, IN_PLACE_WINDOW_BUDGET)
        layout_window(plan, block, width)
        if block >= least and max(columns.inner, columns.out - columns.inner_end) <= width:
            return True
    rows.inner = columns.inner = 0
    rows.inner_end = rows.out
    columns.inner_end = columns.out
    return False


cdef cyc_planes_fn planes_kernel(const Plan *plan) noexcept nogil:
    """The kernel that reads planes of this problem where they lie, if arrays of its dtype do; or NULL."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t size = problem.kernel[0], stride = problem.stride[0]
    if (
        problem.padding_mode != ZEROS or problem.in_channels != 1
        or problem.out_size[0] < CYC_ROW_BLOCK or problem.dilation[0] != 1 or problem.dilation[1] != 1
        or size != problem.kernel[1] or size > CYC_MAX_PLANE_KERNEL
        or stride != problem.stride[1] or stride > CYC_MAX_PLANE_STRIDE
    ):
        return NULL
    return plan.kernels.planes[stride - 1][size - 1]


cdef bint rows_in_place(const Plan *plan) noexcept nogil:
    """Whether the row kernel would read most of an image where it lies, if arrays of its dtype and layout do."""
    cdef const Problem *problem = &plan.problem
    return planes_kernel(plan) != NULL or (
        problem.stride[1] == 1 and problem.out_size[1] - 2 * problem.before[1] >= IN_PLACE_COLUMNS
        and problem.out_size[0] - 2 * problem.before[0] >= IN_PLACE_ROWS
    )


cdef void lay_out_rows_window(Plan *plan) noexcept nogil:
    """Lay out the window of a block of the row kernel, which takes all channels at once: the largest for one thread."""
    cdef Py_ssize_t channels = plan.problem.in_channels, columns = plan.problem.out_size[1]
    cdef Py_ssize_t step = CYC_MAX_TILE_VECTORS * plan.kernels.lanes, least = least_rows(plan), size, rows
    layout_window(plan, least, columns)
    size = window_bytes(plan, channels)
    if size > ROWS_WINDOW_BUDGET and columns > step:
        columns = round_up(balanced(columns, max(step, columns * ROWS_WINDOW_BUDGET // size)), step)
    rows = most_block_rows(plan, plan.problem.out_size[0], columns, channels, ROWS_WINDOW_BUDGET)
    layout_window(plan, max(least, rows), columns)


cdef void share_lines(Plan *plan, Py_ssize_t least, Py_ssize_t threads) noexcept nogil:
    """Blocks of planes whose elements lie side by side, channel by channel: some lines of them, of fewer rows."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t groups = min(problem.groups, <Py_ssize_t>LAST_CHANNELS)
    cdef Py_ssize_t row_bytes = (
        groups * plan.kernels.item * plan.columns.block * problem.stride[1] * problem.stride[0]
    )
    cdef Py_ssize_t rows = min(plan.rows.block, max(least, LAST_CHANNELS_BUDGET // row_bytes))
    plan.group_block = plan.plane_block = groups
    layout_window(
        plan, share_rows(plan, rows, least, problem.batch * ceil_div(problem.groups, groups), threads),
        plan.columns.block,
    )


cdef void choose_row_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil:
    """Blocks of the row kernel."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t rows = problem.out_size[0], columns = problem.out_size[1], channels = problem.in_channels
    cdef Py_ssize_t step = CYC_MAX_TILE_VECTORS * plan.kernels.lanes, parts = problem.batch * problem.groups
    cdef Py_ssize_t least = least_rows(plan)
    plan.group_block = 1
    plan.planes = planes_kernel(plan)
    if plan.planes != NULL:
        if CYC_NARROW_STRIPS(
            plan.kernels.registers, plan.kernels.row_vectors, problem.kernel[0], ceil_div(columns, plan.kernels.lanes)
        ):
            plan.tile_vectors = 1
        plan.tile_rows = CYC_PLANE_ROWS(plan.tile_vectors)
        columns = round_up(balanced(columns, IN_PLACE_COLUMNS), step)
        layout_window(plan, share_rows(
            plan, min(rows, IN_PLACE_ROWS * IN_PLACE_COLUMNS // columns), least, parts, threads
        ), min(problem.out_size[1], columns))
        if plan.rows.blocks * plan.columns.blocks == 1:
            plan.group_block = max(1, problem.groups // (TASKS_PER_THREAD * threads))
        if problem.channels_last and problem.groups > 1:
            share_lines(plan, least, threads)
        elif not problem.readable:
            plan.plane_block = 1
            if problem.out_channels == 1:
                plan.plane_block = max(1, min(
                    plan.group_block, PLANES_BUDGET // (plane_elements(plan) * plan.kernels.item)
                ))
        return
    plan.in_place = choose_in_place(plan)
    if plan.in_place:
        return
    lay_out_rows_window(plan)
    layout_window(plan, share_rows(plan, plan.rows.block, least, parts, threads), plan.columns.block)
    if plan.rows.blocks * plan.columns.blocks == 1:  # small images: several groups in a window
        plan.group_block = max(1, min(
            ROWS_WINDOW_BUDGET // window_bytes(plan, channels), problem.groups // (TASKS_PER_THREAD * threads)
        ))
