"""The plan of a convolution: geometry, algorithm, blocks and tables.

``make_plan`` is the first half of the engine, ``run_plan`` (_run) the second; neither needs the GIL.
"""

from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._blocks cimport choose_blocks
from cyconv._cost cimport choose_algorithm
from cyconv._fft cimport plan_fft
from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_MAX_TILE_VECTORS,
    CYC_ROW_BLOCK,
    CYC_WINOGRAD_OUT,
    cyc_edge,
    cyc_isa,
    cyc_piece,
    cyc_span,
    cyc_tap,
)
from cyconv._plan cimport operands_in_line, plane_elements, products
from cyconv._slots cimport halves_lines
from cyconv._split cimport size_split_scratch
from cyconv._tiles cimport Spot, SpanList, count_lists, fill_taps, placed_bytes
from cyconv._window cimport (
    Axis,
    Run,
    find_reading,
    layout_axis,
    shared_row_pitch,
    shared_row_step,
    shared_row_stride,
)
from cyconv._winograd_blocks cimport size_winograd_scratch


cdef enum:
    # Of the lists of the terms that different tiles take.
    SPANS_BUDGET = 256 * 1024
    # Tables of the terms of each list lie in the first level, beside a panel and the pixels.
    NEAR_TAPS_BUDGET = 4 * 1024
    # Where lines are halved, products leave the time to read them from the second level.
    HALVED_TAPS_BUDGET = 16 * 1024


cdef void layout_window(Plan *plan, Py_ssize_t block_rows, Py_ssize_t block_columns) noexcept nogil:
    cdef Window *window = &plan.window
    layout_axis(&plan.rows, block_rows)
    layout_axis(&plan.columns, block_columns)
    window.item = plan.kernels.item
    window.row_pitch = shared_row_pitch(&plan.columns)
    if plan.algorithm == WINOGRAD:
        # its short tiles change their inputs, which then no other row may share; long rows make whole vectors
        window.row_pitch = plan.columns.longest
        if window.row_pitch > plan.kernels.lanes:
            window.row_pitch = round_up(window.row_pitch, plan.kernels.lanes)
    window.plane_pitch = plan.rows.length * window.row_pitch
    if window.row_pitch < plan.columns.longest:  # rows overlap
        window.plane_pitch += plan.columns.longest - window.row_pitch
    window.channel_pitch = plan.columns.run_count * window.plane_pitch


cdef inline Py_ssize_t row_table_bytes(const Plan *plan) noexcept nogil:
    return (
        (CYC_ROW_BLOCK - 1) * shared_row_stride(&plan.rows) + plan.rows.taps + plan.columns.taps
    ) * <Py_ssize_t>sizeof(Py_ssize_t)


cdef void size_direct_scratch(Plan *plan) noexcept nogil:
    """Bytes of each part of a thread's scratch, of tiles or the row kernel."""
    cdef Py_ssize_t item = plan.kernels.item, list_bytes, table_bytes, totals, pieces, width
    cdef Py_ssize_t slack = CYC_MAX_TILE_VECTORS * plan.kernels.lanes * item  # read past the last pixel
    plan.window_bytes = round_up(
        plan.group_block * plan.channel_block * plan.window.channel_pitch * item + slack, ALIGNMENT
    )
    if plan.algorithm == ROWS:
        if plan.planes != NULL:
            plan.window_bytes = 0
            if plan.plane_block:
                plan.window_bytes = round_up(plan.plane_block * plane_elements(plan) * item, ALIGNMENT)
        plan.taps_bytes = round_up(row_table_bytes(plan), ALIGNMENT) if plan.in_place else 0
        totals = max(<Py_ssize_t>1, plan.plane_block) * plan.rows.block * plan.columns.block * item
        plan.totals_bytes = round_up(totals + slack, ALIGNMENT)
        plan.scratch_bytes = plan.window_bytes + plan.totals_bytes + plan.taps_bytes
        return
    totals = plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * item
    if plan.term_blocks > 1:
        totals *= plan.spots * plan.panel_block
    elif plan.algorithm == TURNED_TILE:
        totals = max(totals, min(TURNED_RUN, plan.spots * totals))
    # a vector is read past the end, and a turned tile's pixels count in fours
    totals += slack
    if plan.algorithm == TURNED_TILE:
        width = plan.tile_vectors * plan.kernels.lanes
        totals += 3 * width * item
        plan.turned_bytes = round_up(round_up(plan.tile_rows, 4) * width * item + slack, ALIGNMENT)
    plan.totals_bytes = round_up(totals, ALIGNMENT)
    if plan.packs_in_task:
        plan.panel_bytes = round_up(plan.term_block * plan.panel_width * item, ALIGNMENT)
    if plan.gathers:
        plan.pixels_bytes = round_up(plan.spots * plan.term_block * plan.pixel_tile * item + slack, ALIGNMENT)
        plan.offsets_bytes = round_up(plan.term_block * sizeof(int32_t), ALIGNMENT)
    if plan.term_blocks > 1 or plan.one_tap or plan.gathers:  # otherwise the plan has the taps of all terms
        plan.taps_bytes = round_up(plan.term_block * sizeof(cyc_tap), ALIGNMENT)
    plan.spots_bytes = round_up(plan.spots * sizeof(Spot), ALIGNMENT)
    plan.edge_tables = 1
    if plan.algorithm == TURNED_TILE and plan.skips and not plan.flat and not plan.cut:
        plan.edge_tables += ceil_div(plan.columns.block, plan.pixel_tile)
    plan.edges_bytes = round_up(plan.edge_tables * plan.columns.taps * sizeof(cyc_edge), ALIGNMENT)
    if plan.algorithm != TURNED_TILE:
        pieces = plan.spots * plan.tile_vectors + plan.rows.block
        if plan.one_tap:  # in place the last tile may repeat pixels of the one before, each of them a row
            pieces += plan.kernels.lanes
        plan.pieces_bytes = round_up(pieces * sizeof(cyc_piece), ALIGNMENT)

    # the list of all terms has a span for each chunk, the others one for each kernel row as well
    plan.span_lists = 1
    plan.spans = ceil_div(plan.term_block, CYC_CHUNK) + 1
    list_bytes = plan.spans * sizeof(cyc_span)
    if plan.skips:
        plan.spans += (plan.channel_block + 1) * plan.rows.taps
        list_bytes = plan.spans * sizeof(cyc_span)
        table_bytes = plan.term_block * sizeof(cyc_tap)
        # rather a table that lists share than lists too few
        plan.lists_have_taps = table_bytes <= NEAR_TAPS_BUDGET or (
            halves_lines(plan.kernels) and table_bytes <= HALVED_TAPS_BUDGET
            and count_lists(plan) * (list_bytes + table_bytes) <= SPANS_BUDGET
        )
        if plan.lists_have_taps:
            list_bytes += table_bytes
        plan.span_lists = max(<Py_ssize_t>1, min(<Py_ssize_t>MAX_SPAN_LISTS, SPANS_BUDGET // list_bytes))
    plan.spans_bytes = round_up(plan.span_lists * (sizeof(SpanList) + list_bytes), ALIGNMENT)
    plan.scratch_bytes = (
        placed_bytes() + plan.window_bytes + plan.totals_bytes + plan.turned_bytes + plan.panel_bytes
        + plan.pixels_bytes + plan.taps_bytes + plan.offsets_bytes + plan.spots_bytes + plan.edges_bytes
        + plan.pieces_bytes + plan.spans_bytes
    )


cdef void size_scratch(Plan *plan) noexcept nogil:
    if plan.algorithm == WINOGRAD:
        size_winograd_scratch(plan)
    elif plan.algorithm == SPLIT:
        size_split_scratch(plan)
    else:
        size_direct_scratch(plan)


cdef void fill_row_offsets(Plan *plan) noexcept nogil:
    """Window offsets of the row kernel: its input row i is padded row i * dilation of the block."""
    cdef Py_ssize_t stride = shared_row_stride(&plan.rows), step = shared_row_step(&plan.rows), output, tap, kw
    # an input row may belong to several outputs: the lowest, written last, is the one sure to exist
    for output in range(CYC_ROW_BLOCK - 1, -1, -1):
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
    axis.inner_end = axis.out
    find_reading(axis)


cdef void round_to_tiles(Axis *axis) noexcept nogil:
    """Let the outputs of an axis be those of whole periods of whole tiles."""
    axis.out = axis.inner_end = round_up(axis.out, CYC_WINOGRAD_OUT * axis.dilation)


cdef bint tells_offsets(const Plan *plan) noexcept nogil:
    """Whether a tap can tell where the terms of a block lie, in its window and in its panel."""
    return (
        <double>plan.channel_block * plan.window.channel_pitch <= MAX_OFFSET
        and <double>plan.term_block * plan.panel_width <= MAX_OFFSET
    )


cdef bint allocate_axes(Plan *plan) noexcept nogil:
    """Memory for the tables of the axes, which the layout of the window fills; False without."""
    cdef Py_ssize_t height = plan.problem.kernel[0], width = plan.problem.kernel[1]
    cdef char *memory
    if max(height, width) > MAX_OFFSET:  # of more taps, no offset could tell
        return False
    memory = <char *>malloc((height + width) * (sizeof(Run) + 4 * sizeof(Py_ssize_t)))
    if memory == NULL:
        return False
    plan.memory = memory
    plan.rows.runs = <Run *>memory
    plan.columns.runs = plan.rows.runs + height
    plan.rows.tap_run = <Py_ssize_t *>(plan.columns.runs + width)
    plan.rows.tap_position = plan.rows.tap_run + height
    plan.columns.tap_run = plan.rows.tap_position + height
    plan.columns.tap_position = plan.columns.tap_run + width
    plan.rows.reading = plan.columns.tap_position + width
    plan.rows.reading_end = plan.rows.reading + height
    plan.columns.reading = plan.rows.reading_end + height
    plan.columns.reading_end = plan.columns.reading + width
    return True


cdef bint make_tables(Plan *plan) noexcept nogil:
    """The offsets of the terms, where all tasks have the same; False without memory."""
    cdef bint has_taps = plan.algorithm in (SPLIT, TURNED_TILE, TILE) and (
        plan.term_blocks == 1 and not plan.gathers and not operands_in_line(plan)
    )
    cdef Py_ssize_t table_bytes = plan.terms * <Py_ssize_t>sizeof(cyc_tap) if has_taps else 0
    if plan.algorithm == ROWS:
        table_bytes = row_table_bytes(plan)
    plan.taps = <cyc_tap *>malloc(max(<Py_ssize_t>ALIGNMENT, table_bytes))
    if plan.taps == NULL:
        return False
    if plan.algorithm == ROWS:
        plan.column_offsets = <Py_ssize_t *>plan.taps
        plan.row_offsets = plan.column_offsets + plan.problem.kernel[1]
        fill_row_offsets(plan)
    elif has_taps:
        fill_taps(plan, 0, plan.terms, plan.window.channel_pitch, plan.taps)
    return True


cdef int make_plan(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads
) noexcept nogil:
    """Fill `plan`; 0, -1 without memory, or INAPPLICABLE.

    The problem has output pixels and output channels. A plan that failed needs no ``free_plan``.
    """
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
    plan.terms = problem.in_channels * problem.kernel[0] * problem.kernel[1]
    plan.one_tap = True
    for which in range(2):
        plan.one_tap = plan.one_tap and (
            problem.kernel[which] == 1 and plan.problem.stride[which] == 1 and problem.before[which] == 0
            and problem.in_size[which] == problem.out_size[which]
        )
    plan.multiply_adds = products(problem)

    if not allocate_axes(plan):
        return -1
    set_axis(&plan.rows, &plan.problem, 0)
    set_axis(&plan.columns, &plan.problem, 1)
    layout_window(plan, problem.out_size[0], problem.out_size[1])  # on which the choice rests
    if not choose_algorithm(plan, wanted):
        free_plan(plan)
        return INAPPLICABLE
    if plan.algorithm == FFT:
        return plan_fft(plan)
    if plan.algorithm == WINOGRAD:
        round_to_tiles(&plan.rows)
        round_to_tiles(&plan.columns)
    choose_blocks(plan, threads)
    size_scratch(plan)
    if plan.algorithm in (SPLIT, TURNED_TILE, TILE) and not tells_offsets(plan):
        free_plan(plan)
        return -1
    plan.tasks = (
        problem.batch * ceil_div(problem.groups, plan.group_block) * plan.panel_blocks
        * plan.rows.blocks * plan.columns.blocks
    )
    if not make_tables(plan):
        free_plan(plan)
        return -1
    return 0


cdef void free_plan(Plan *plan) noexcept nogil:
    free(plan.taps)
    free(plan.memory)
    free(plan.fft.twiddles[0])
    plan.taps = NULL
    plan.memory = NULL
    plan.fft.twiddles[0] = NULL
