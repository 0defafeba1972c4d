"""The plan of a convolution: geometry, algorithm, blocks and tables.

A task takes a block of the output image and a range of output channels; inside it, the terms go by
in blocks too, so that what is in use stays in cache whatever the shape. Blocks never change a
result: sums have the same order in all of them.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._cost cimport choose_algorithm
from cyconv._integers cimport balanced, ceil_div, round_up
from cyconv._kernels cimport CYC_CHUNK, CYC_MAX_TILE_VECTORS, CYC_ROW_BLOCK, cyc_isa, cyc_span, cyc_tap
from cyconv._tiles cimport Spot, SpanList, count_spots, fill_taps
from cyconv._window cimport Axis, Run, layout_axis, row_step, row_stride, shared_row_pitch


cdef enum:
    # The window of a block, the panels and the running totals share the second-level cache, which
    # has 512 KiB or more on the CPUs of the last ten years.
    WINDOW_BUDGET = 256 * 1024
    PANEL_BUDGET = 192 * 1024
    TOTALS_BUDGET = 256 * 1024
    # The row kernel uses each row a few times only: its window stays in the first level.
    ROWS_WINDOW_BUDGET = 48 * 1024
    # Below this many pixels in a block, reading the panels costs more than using them.
    MIN_BLOCK_PIXELS = 128
    MIN_BLOCK_COLUMNS = 32
    # Lists of the terms that different tiles take: at most so many, and so large.
    MAX_SPAN_LISTS = 32
    SPANS_BUDGET = 256 * 1024
    ALIGNMENT = 64


cdef inline Py_ssize_t channel_bytes(const Plan *plan) noexcept nogil:
    return plan.window.channel_pitch * plan.kernels.item


cdef void layout_window(Plan *plan, Py_ssize_t block_rows, Py_ssize_t block_columns) noexcept nogil:
    cdef Window *window = &plan.window
    layout_axis(&plan.rows, block_rows)
    layout_axis(&plan.columns, block_columns)
    window.item = plan.kernels.item
    window.row_pitch = shared_row_pitch(&plan.columns)
    window.plane_pitch = plan.rows.length * window.row_pitch + plan.columns.longest - window.row_pitch
    window.channel_pitch = plan.columns.run_count * window.plane_pitch


cdef void choose_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t item = plan.kernels.item, taps = problem.kernel[0] * problem.kernel[1]
    cdef Py_ssize_t rows = problem.out_size[0], columns = problem.out_size[1]
    cdef Py_ssize_t least_channels = min(problem.in_channels, ceil_div(CYC_CHUNK, taps) + 1)
    cdef Py_ssize_t budget = ROWS_WINDOW_BUDGET if plan.algorithm == ROWS else WINDOW_BUDGET
    cdef Py_ssize_t low, high, middle, fit, least_rows, whole_image

    if plan.algorithm == ROWS:
        least_channels = problem.in_channels

    # Columns: all of them, unless the shortest window of one row is already too large.
    layout_window(plan, 1, columns)
    while least_channels * channel_bytes(plan) > budget and columns > MIN_BLOCK_COLUMNS:
        columns = max(MIN_BLOCK_COLUMNS, ceil_div(columns, 2))
        layout_window(plan, 1, columns)
    if columns < problem.out_size[1]:
        plan.flat = plan.cut = False

    # Rows: as many as the window budget holds, with all channels if one row does.
    least_rows = min(rows, ceil_div(MIN_BLOCK_PIXELS, columns))
    if plan.algorithm == ROWS:
        least_rows = min(rows, CYC_ROW_BLOCK)
    layout_window(plan, least_rows, columns)
    fit = problem.in_channels if problem.in_channels * channel_bytes(plan) <= budget else least_channels
    low = 1
    high = rows
    if fit < problem.in_channels:
        high = least_rows
    while low < high:
        middle = (low + high + 1) // 2
        layout_window(plan, middle, columns)
        if fit * channel_bytes(plan) <= budget:
            low = middle
        else:
            high = middle - 1
    # every thread gets a part of a single image, if it has rows enough
    whole_image = problem.batch * problem.groups
    if whole_image < threads:
        low = min(low, max(least_rows, ceil_div(rows, threads)))
    low = balanced(rows, low)
    if whole_image * ceil_div(rows, low) < 8 * threads:  # few tasks: as many for each thread
        low = ceil_div(rows, min(rows, round_up(ceil_div(rows, low), threads)))
    layout_window(plan, low, columns)

    # Terms: a pass whose panel and window stay in cache; chunks are never split.
    plan.term_block = plan.terms
    if plan.algorithm != ROWS:
        low = max(1, PANEL_BUDGET // (plan.panel_width * item * CYC_CHUNK))
        high = plan.terms
        if problem.in_channels * channel_bytes(plan) > budget:
            fit = max(least_channels, budget // channel_bytes(plan))
            high = max(CYC_CHUNK, (fit - 1) * taps)
        plan.term_block = max(CYC_CHUNK, min(low * CYC_CHUNK, high // CYC_CHUNK * CYC_CHUNK))
        if high == plan.terms and plan.terms <= low * CYC_CHUNK * 5 // 4:
            plan.term_block = plan.terms
    plan.term_blocks = max(1, ceil_div(plan.terms, max(1, plan.term_block)))
    if plan.term_blocks > 1:
        plan.term_block = round_up(ceil_div(plan.terms, plan.term_blocks), CYC_CHUNK)
    plan.channel_block = problem.in_channels
    if plan.term_blocks > 1:
        plan.channel_block = min(problem.in_channels, (plan.term_block + 2 * taps - 2) // taps)

    # Outputs: all panels of a group, unless the threads need parts or the totals are too large.
    plan.panels = ceil_div(problem.out_channels, plan.panel_width)
    plan.spots = count_spots(plan, plan.rows.block, plan.columns.block)
    plan.panel_block = plan.panels
    if whole_image * plan.rows.blocks * plan.columns.blocks < threads:
        plan.panel_block = ceil_div(plan.panels, threads)
    if plan.term_blocks > 1:
        low = plan.spots * plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * item
        plan.panel_block = max(1, min(plan.panel_block, TOTALS_BUDGET // low))
    plan.panel_blocks = ceil_div(plan.panels, plan.panel_block)
    plan.packs_in_task = (
        plan.algorithm != ROWS
        and not problem.held
        and problem.batch * plan.rows.blocks * plan.columns.blocks == 1
    )


cdef void size_scratch(Plan *plan) noexcept nogil:
    """Bytes of each part of a thread's scratch."""
    cdef Py_ssize_t item = plan.kernels.item, list_bytes, totals
    cdef Py_ssize_t slack = CYC_MAX_TILE_VECTORS * plan.kernels.lanes * item  # read past the last pixel
    plan.window_bytes = round_up(plan.channel_block * channel_bytes(plan) + slack, ALIGNMENT)
    if plan.algorithm == ROWS:
        plan.totals_bytes = round_up(plan.rows.block * plan.columns.block * item, ALIGNMENT)
        plan.scratch_bytes = plan.window_bytes + plan.totals_bytes
        return
    totals = plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * item
    if plan.term_blocks > 1:
        totals *= plan.spots * plan.panel_block
    plan.totals_bytes = round_up(totals, ALIGNMENT)
    if plan.packs_in_task:
        plan.panel_bytes = round_up(plan.term_block * plan.panel_width * item, ALIGNMENT)
    if plan.term_blocks > 1:  # otherwise the plan has the taps of all terms
        plan.taps_bytes = round_up(plan.term_block * sizeof(cyc_tap), ALIGNMENT)
    plan.spots_bytes = round_up(plan.spots * sizeof(Spot), ALIGNMENT)

    # the list of all terms has a span for each chunk, the others one for each kernel row as well
    plan.span_lists = 1
    plan.spans = ceil_div(plan.term_block, CYC_CHUNK) + 1
    if plan.skips:
        plan.spans += (plan.channel_block + 1) * plan.rows.taps
        list_bytes = plan.spans * sizeof(cyc_span)
        plan.span_lists = min(<Py_ssize_t>MAX_SPAN_LISTS, SPANS_BUDGET // list_bytes)
        plan.skips = plan.span_lists > 1
        plan.span_lists = max(<Py_ssize_t>1, plan.span_lists)
    plan.spans_bytes = round_up(plan.span_lists * (sizeof(SpanList) + plan.spans * sizeof(cyc_span)), ALIGNMENT)
    plan.scratch_bytes = (
        plan.window_bytes + plan.totals_bytes + plan.panel_bytes + plan.taps_bytes
        + plan.spots_bytes + plan.spans_bytes
    )


cdef void fill_row_offsets(Plan *plan) noexcept nogil:
    """Window offsets of the row kernel: its input row i is padded row i * dilation of the block."""
    cdef Py_ssize_t stride = row_stride(&plan.rows), step = row_step(&plan.rows), output, tap, kw
    for output in range(CYC_ROW_BLOCK - 1, -1, -1):  # the first output that has a row, has it last
        for tap in range(plan.rows.taps):
            plan.row_offsets[output * stride + tap] = plan.window.row_pitch * (
                plan.rows.runs[plan.rows.tap_run[tap]].start + plan.rows.tap_position[tap] + output * step
            )
    for kw in range(plan.columns.taps):
        plan.column_offsets[kw] = (
            plan.columns.tap_run[kw] * plan.window.plane_pitch + plan.columns.tap_position[kw]
        )


cdef void set_axis(Axis *axis, const Problem *problem, int which) noexcept nogil:
    axis.size = problem.in_size[which]
    axis.before = problem.before[which]
    axis.taps = problem.kernel[which]
    axis.out = problem.out_size[which]
    axis.mode = problem.padding_mode
    axis.stride = problem.stride[which]
    axis.dilation = problem.dilation[which]


cdef int make_plan(Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads) noexcept nogil:
    """Fill `plan`; 0, or -1 without memory. The problem has output pixels and output channels."""
    cdef Py_ssize_t kernel_h = problem.kernel[0], kernel_w = problem.kernel[1], table_bytes
    cdef char *memory
    cdef int which
    memset(plan, 0, sizeof(Plan))
    plan.problem = problem[0]
    for which in range(2):  # a single output has no stride, a single tap no dilation
        if problem.out_size[which] == 1:
            plan.problem.stride[which] = 1
        if problem.kernel[which] == 1:
            plan.problem.dilation[which] = 1
    plan.isa = isa
    plan.kernels = isa.dtype[problem.dtype]
    plan.terms = problem.in_channels * kernel_h * kernel_w
    plan.multiply_adds = (
        <double>problem.batch * problem.groups * problem.out_channels * plan.terms
        * problem.out_size[0] * problem.out_size[1]
    )

    # the axes' tables first: the layout of the window, on which the choices rest, fills them
    memory = <char *>malloc((kernel_h + kernel_w) * (sizeof(Run) + 2 * sizeof(Py_ssize_t)))
    if memory == NULL:
        return -1
    plan.memory = memory
    plan.rows.runs = <Run *>memory
    plan.columns.runs = plan.rows.runs + kernel_h
    plan.rows.tap_run = <Py_ssize_t *>(plan.columns.runs + kernel_w)
    plan.rows.tap_position = plan.rows.tap_run + kernel_h
    plan.columns.tap_run = plan.rows.tap_position + kernel_h
    plan.columns.tap_position = plan.columns.tap_run + kernel_w
    set_axis(&plan.rows, &plan.problem, 0)
    set_axis(&plan.columns, &plan.problem, 1)
    layout_window(plan, problem.out_size[0], problem.out_size[1])
    choose_algorithm(plan, wanted)
    choose_blocks(plan, threads)
    size_scratch(plan)
    plan.tasks = problem.batch * problem.groups * plan.panel_blocks * plan.rows.blocks * plan.columns.blocks

    table_bytes = plan.terms * <Py_ssize_t>sizeof(cyc_tap) if plan.term_blocks == 1 else 0
    if plan.algorithm == ROWS:
        table_bytes = (
            (CYC_ROW_BLOCK - 1) * row_stride(&plan.rows) + kernel_h + kernel_w
        ) * <Py_ssize_t>sizeof(Py_ssize_t)
    plan.taps = <cyc_tap *>malloc(max(<Py_ssize_t>ALIGNMENT, table_bytes))
    if plan.taps == NULL:
        free_plan(plan)
        return -1
    if plan.algorithm == ROWS:
        plan.column_offsets = <Py_ssize_t *>plan.taps
        plan.row_offsets = plan.column_offsets + kernel_w
        fill_row_offsets(plan)
    elif plan.term_blocks == 1:
        fill_taps(plan, 0, plan.terms, plan.taps)
    return 0


cdef void free_plan(Plan *plan) noexcept nogil:
    free(plan.taps)
    free(plan.memory)
    plan.taps = NULL
    plan.memory = NULL
