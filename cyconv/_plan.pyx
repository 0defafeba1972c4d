"""The plan of a convolution: its geometry, algorithm, blocks and tables.

The choice of algorithm, in order; the cheapest that applies wins and order breaks ties:

    shape, dtype, instruction set
      |
      |-- rows          one output channel per input: an input row in registers serves every output
      |                 row that covers it (depthwise, single images, few channels)
      |-- turned tile   vectors over output channels, pixels broadcast: small images, where rows of
      |                 pixels would waste lanes
      '-- tile          vectors over pixels, output channels broadcast: everything, last resort

The choice looks at one group of one image, never at the batch size, the threads or the layout, and
all three sum in the same order, so that their results agree bit for bit.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_MAX_TILE_ROWS,
    CYC_MAX_TILE_VECTORS,
    CYC_ROW_BLOCK,
    cyc_isa,
    cyc_kernels,
    cyc_tap,
)
from cyconv._window cimport Axis, Run, layout_axis, shared_row_pitch


cdef enum:
    # The window of a block, the panels and the running totals share the second-level cache, which
    # has 512 KiB or more on the CPUs of the last ten years.
    WINDOW_BUDGET = 256 * 1024
    PANEL_BUDGET = 192 * 1024
    TOTALS_BUDGET = 256 * 1024
    # The row kernel uses each row a few times only: its window stays in the first level.
    ROWS_WINDOW_BUDGET = 48 * 1024
    # The row kernel takes all channels at once; elements beyond this would not leave it a window.
    MAX_ROWS_WINDOW = 64 * 1024
    # Below this many pixels in a block, reading the panels costs more than using them.
    MIN_BLOCK_PIXELS = 128
    MIN_BLOCK_COLUMNS = 32
    ALIGNMENT = 64
    CACHE_LINE = 64


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline Py_ssize_t round_up(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return ceil_div(a, b) * b


cdef inline Py_ssize_t greatest_common_divisor(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    while b:
        a, b = b, a % b
    return a


cdef inline double load_slots(const cyc_kernels *kernels) noexcept nogil:
    """Time of an unaligned vector load: a second one where it crosses a cache line."""
    return 1.0 + <double>(kernels.lanes * kernels.item) / CACHE_LINE


cdef inline double slots(const cyc_kernels *kernels, Py_ssize_t rows, Py_ssize_t vectors) noexcept nogil:
    """Time of one term of a tile, in multiply-adds of a core that starts and loads two a cycle.

    Loads bound small tiles, and fewer than eight sums cannot hide the four cycles that a
    multiply-add takes.
    """
    return max(max(<double>(rows * vectors), rows + load_slots(kernels) * vectors + 1), 8.0)


cdef inline double vectors_time(
    const cyc_kernels *kernels, Py_ssize_t rows, Py_ssize_t vectors, Py_ssize_t most
) noexcept nogil:
    """Time of `vectors` vectors in tiles of up to `most`."""
    cdef double time = vectors // most * slots(kernels, rows, most)
    if vectors % most:
        time += slots(kernels, rows, vectors % most)
    return time


cdef Py_ssize_t row_stride(const Axis *rows) noexcept nogil:
    """Input rows, counted in dilations, between two output rows that the row kernel takes together."""
    return rows.stride // greatest_common_divisor(rows.stride, rows.dilation)


cdef Py_ssize_t row_step(const Axis *rows) noexcept nogil:
    """Output rows between two output rows that the row kernel takes together."""
    return rows.dilation // greatest_common_divisor(rows.stride, rows.dilation)


cdef inline Py_ssize_t most_rows(const cyc_kernels *kernels, Py_ssize_t vectors) noexcept nogil:
    cdef Py_ssize_t rows = CYC_MAX_TILE_ROWS
    while rows > 0 and not kernels.tile[vectors - 1][rows - 1]:
        rows -= 1
    return rows


cdef inline Py_ssize_t balanced(Py_ssize_t total, Py_ssize_t most) noexcept nogil:
    """The size of equal parts of `total`, none above `most`."""
    return ceil_div(total, ceil_div(total, most))


cdef void layout_window(Plan *plan, Py_ssize_t block_rows, Py_ssize_t block_columns) noexcept nogil:
    cdef Window *window = &plan.window
    layout_axis(&plan.rows, block_rows)
    layout_axis(&plan.columns, block_columns)
    window.item = plan.kernels.item
    window.row_pitch = shared_row_pitch(&plan.columns)
    window.plane_pitch = plan.rows.length * window.row_pitch + plan.columns.longest - window.row_pitch
    window.channel_pitch = plan.columns.run_count * window.plane_pitch


cdef inline Py_ssize_t channel_bytes(const Plan *plan) noexcept nogil:
    return plan.window.channel_pitch * plan.kernels.item


# ---------------------------------------------------------------------------------------------
# The cost of each algorithm for one group of one image, in multiply-add slots; its tile as well.


cdef double tile_cost(Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, vectors, rows, full, rest, pixel_vectors
    cdef Py_ssize_t columns = problem.out_size[1]
    cdef Py_ssize_t by_row = problem.out_size[0] * ceil_div(columns, lanes)
    cdef Py_ssize_t across = ceil_div((problem.out_size[0] - 1) * plan.window.row_pitch + columns, lanes)
    cdef double cost, best = -1
    plan.flat = across < by_row
    for vectors in range(1, CYC_MAX_TILE_VECTORS + 1):
        rows = most_rows(plan.kernels, vectors)
        if rows == 0:
            continue
        rows = balanced(problem.out_channels, rows)
        full = problem.out_channels // rows
        rest = problem.out_channels % rows
        if plan.flat:
            cost = full * vectors_time(plan.kernels, rows, across, vectors)
            cost += vectors_time(plan.kernels, rest, across, vectors) if rest else 0
        else:
            pixel_vectors = ceil_div(columns, lanes)
            cost = full * vectors_time(plan.kernels, rows, pixel_vectors, vectors)
            cost += vectors_time(plan.kernels, rest, pixel_vectors, vectors) if rest else 0
            cost *= problem.out_size[0]
        if best < 0 or cost < best:
            best = cost
            plan.tile_rows = rows
            plan.tile_vectors = vectors
    plan.pixel_tile = plan.tile_vectors * lanes
    plan.panel_width = plan.tile_rows
    return best * plan.terms


cdef double turned_tile_cost(Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, vectors, rows, columns = problem.out_size[1]
    cdef Py_ssize_t out_vectors = ceil_div(problem.out_channels, lanes)
    cdef double cost, best = -1
    plan.flat = False
    for vectors in range(1, CYC_MAX_TILE_VECTORS + 1):
        rows = most_rows(plan.kernels, vectors)
        if rows == 0 or vectors > out_vectors:
            continue
        rows = balanced(columns, rows)
        cost = columns // rows * vectors_time(plan.kernels, rows, out_vectors, vectors)
        if columns % rows:
            cost += vectors_time(plan.kernels, columns % rows, out_vectors, vectors)
        if best < 0 or cost < best:
            best = cost
            plan.tile_rows = rows
            plan.tile_vectors = vectors
    plan.pixel_tile = plan.tile_rows
    plan.panel_width = plan.tile_vectors * lanes
    # a result is written transposed, element by element
    return problem.out_size[0] * (best * plan.terms + 2.0 * columns * problem.out_channels)


cdef double rows_cost(Plan *plan) noexcept nogil:
    """-1 where output rows share no input row, or where all channels would not fit a window."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, pixel_vectors = ceil_div(problem.out_size[1], lanes)
    cdef Py_ssize_t height = problem.kernel[0]
    cdef Py_ssize_t stride = row_stride(&plan.rows), rows = min(problem.out_size[0], CYC_ROW_BLOCK)
    cdef double loads, products, row_time
    if stride > height:
        return -1
    if problem.in_channels * height * (problem.kernel[1] + MIN_BLOCK_COLUMNS) > MAX_ROWS_WINDOW:
        return -1
    plan.flat = False
    plan.tile_rows = CYC_ROW_BLOCK
    plan.tile_vectors = min(pixel_vectors, CYC_MAX_TILE_VECTORS)
    plan.pixel_tile = problem.out_size[1]
    plan.panel_width = 1
    # per kernel column of CYC_ROW_BLOCK rows: each input row is loaded once, each product made once
    loads = ((rows - 1) * stride + height) * pixel_vectors * load_slots(plan.kernels)
    products = rows * height * pixel_vectors
    row_time = max(products, loads + rows * height * ceil_div(pixel_vectors, CYC_MAX_TILE_VECTORS))
    return (
        row_time * problem.kernel[1] * problem.in_channels * problem.out_channels
        * ceil_div(problem.out_size[0], CYC_ROW_BLOCK)
    )


cdef double cost_of(Plan *plan, int algorithm) noexcept nogil:
    """The cost of one entry of the list, whose tile the plan then has."""
    if algorithm == ROWS:
        return rows_cost(plan)
    if algorithm == TURNED_TILE:
        return turned_tile_cost(plan)
    return tile_cost(plan)


cdef void choose_algorithm(Plan *plan, int wanted) noexcept nogil:
    cdef int algorithm
    plan.algorithm = wanted
    if wanted == AUTO:
        for algorithm in range(ROWS, <int>ALGORITHMS):
            plan.cost[algorithm] = cost_of(plan, algorithm)
            if plan.cost[algorithm] < 0:
                continue
            if plan.algorithm == AUTO or plan.cost[algorithm] < plan.cost[plan.algorithm]:
                plan.algorithm = algorithm
    plan.cost[plan.algorithm] = cost_of(plan, plan.algorithm)


# ---------------------------------------------------------------------------------------------
# Blocks: how much of the image, the terms and the outputs one task takes at a time.


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
        plan.flat = False

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
    plan.tiles = tiles_of_block(plan, plan.rows.block, plan.columns.block)
    plan.panel_block = plan.panels
    if whole_image * plan.rows.blocks * plan.columns.blocks < threads:
        plan.panel_block = ceil_div(plan.panels, threads)
    if plan.term_blocks > 1:
        low = plan.tiles * plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * item
        plan.panel_block = max(1, min(plan.panel_block, TOTALS_BUDGET // low))
    plan.panel_blocks = ceil_div(plan.panels, plan.panel_block)


cdef Py_ssize_t tiles_of_block(const Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """How many pixel tiles cover a block of this size."""
    if plan.flat:
        return ceil_div((rows - 1) * plan.window.row_pitch + columns, plan.pixel_tile)
    return rows * ceil_div(columns, plan.pixel_tile)


# ---------------------------------------------------------------------------------------------
# Tables


cdef void fill_taps(const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, cyc_tap *taps, Py_ssize_t *chunk_ends) noexcept nogil:
    """Offsets of the terms ``first_term .. first_term + terms``, from the first channel that they touch.

    `first_term` is a multiple of the chunk.
    """
    cdef Py_ssize_t kernel_w = plan.columns.taps, kernel_h = plan.rows.taps
    cdef Py_ssize_t index, pixel, panel, row_run
    cdef Py_ssize_t kw = first_term % kernel_w, kh = first_term // kernel_w % kernel_h, channel = 0
    cdef bint turned = plan.algorithm == TURNED_TILE
    for index in range(terms):
        row_run = plan.rows.tap_run[kh]
        pixel = (
            channel * plan.window.channel_pitch
            + plan.columns.tap_run[kw] * plan.window.plane_pitch
            + (plan.rows.runs[row_run].start + plan.rows.tap_position[kh]) * plan.window.row_pitch
            + plan.columns.tap_position[kw]
        )
        panel = index * plan.panel_width
        taps[index].broadcast = pixel if turned else panel
        taps[index].vector = panel if turned else pixel
        kw += 1
        if kw == kernel_w:
            kw = 0
            kh += 1
            if kh == kernel_h:
                kh = 0
                channel += 1
    for index in range(ceil_div(terms, CYC_CHUNK)):
        chunk_ends[index] = min(terms, (index + 1) * CYC_CHUNK)


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


cdef int make_plan(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads
) noexcept nogil:
    """Fill `plan`; 0, or -1 without memory. The problem has output pixels and output channels."""
    cdef Py_ssize_t kernel_h = problem.kernel[0], kernel_w = problem.kernel[1], chunks, offset = 0
    cdef Py_ssize_t item, slack, totals
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

    item = plan.kernels.item
    slack = CYC_MAX_TILE_VECTORS * plan.kernels.lanes * item  # vectors read past the last pixel
    plan.window_bytes = round_up(plan.channel_block * channel_bytes(plan) + slack, ALIGNMENT)
    totals = plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * item
    if plan.term_blocks > 1:
        totals *= plan.tiles * plan.panel_block
    if plan.algorithm == ROWS:
        totals = plan.rows.block * plan.columns.block * item
    plan.totals_bytes = round_up(totals, ALIGNMENT)
    chunks = ceil_div(plan.term_block, CYC_CHUNK)
    plan.table_bytes = round_up(plan.term_block * sizeof(cyc_tap) + chunks * sizeof(Py_ssize_t), ALIGNMENT)
    if plan.algorithm == ROWS:
        plan.table_bytes = (
            (CYC_ROW_BLOCK - 1) * row_stride(&plan.rows) + kernel_h + kernel_w
        ) * <Py_ssize_t>sizeof(Py_ssize_t)
    plan.scratch_bytes = plan.window_bytes + plan.totals_bytes + ALIGNMENT
    plan.tasks = (
        problem.batch * problem.groups * plan.panel_blocks * plan.rows.blocks * plan.columns.blocks
    )

    plan.taps = <cyc_tap *>malloc(max(<Py_ssize_t>ALIGNMENT, plan.table_bytes))
    if plan.taps == NULL:
        free_plan(plan)
        return -1
    if plan.algorithm == ROWS:
        plan.column_offsets = <Py_ssize_t *>plan.taps
        plan.row_offsets = plan.column_offsets + kernel_w
        fill_row_offsets(plan)
    elif plan.term_blocks > 1:
        # one table per thread, filled anew for each block of terms
        plan.scratch_bytes += plan.table_bytes
    else:
        plan.chunk_ends = <Py_ssize_t *>(plan.taps + plan.term_block)
        fill_taps(plan, 0, plan.terms, plan.taps, plan.chunk_ends)
    return 0


cdef void free_plan(Plan *plan) noexcept nogil:
    free(plan.taps)
    free(plan.memory)
    plan.taps = NULL
    plan.memory = NULL
