"""How much of the image, of the terms and of the outputs a task takes at a time.

A task takes a block of the output image and a range of output channels; inside it, the terms go by
in blocks too, so that what is in use stays in cache whatever the shape. Blocks never change a
result: sums have the same order in all of them.
"""

from cyconv._integers cimport balanced, ceil_div, round_up
from cyconv._kernels cimport CYC_CHUNK
from cyconv._plan cimport (
    MIN_BLOCK_COLUMNS,
    ROWS,
    SPLIT,
    TILE,
    TURNED_TILE,
    WINOGRAD,
    Plan,
    Problem,
    layout_window,
    stays_in_place,
    tile_pitch,
)
from cyconv._row_blocks cimport choose_row_blocks
from cyconv._slots cimport (
    MANY_REGISTERS,
    Terms,
    has_late_lines,
    scalars_slots,
    vectors_slots,
    wants_near_panels,
)
from cyconv._split cimport choose_split_blocks
from cyconv._tiles cimport count_spots
from cyconv._winograd_blocks cimport choose_winograd_blocks


cdef enum:
    # Blocks in place copy nothing, and end in tiles that are not whole if rows of the result have gaps between them.
    # Cores with many registers have a second level of 1 MiB or more.
    IN_PLACE_BUDGET = 512 * 1024
    # Likewise a block of all rows of a thread, whose tiles are fuller by so much than those of lower ones.
    SHARE_WINDOW_BUDGET = 512 * 1024
    FULLER_PERCENT = 98
    # The panels and the running totals share the second-level cache with the window.
    PANEL_BUDGET = 192 * 1024
    TILE_TOTALS_BUDGET = 512 * 1024
    # Tiles that want their panel near have it in the first level, which has 32 KiB on cores of sixteen registers and
    # 48 on those whose lines come late; the pixels that were gathered for all panels come from the second.
    FEW_REGISTERS_PANEL_BUDGET = 8 * 1024
    NEAR_PANEL_BUDGET = 16 * 1024
    # The running totals of all outputs, where blocks of terms leave room for more rows of fewer channels: beside the
    # window in a second level of 512 KiB, or of 1 MiB or more.
    FEW_REGISTERS_NEAR_TOTALS_BUDGET = 128 * 1024
    NEAR_TOTALS_BUDGET = 256 * 1024
    # Few panels have few running totals, which stay near as well.
    MIN_FAR_PANELS = 4
    # The pixels of a block, put side by side for all its panels, in a second level of 512 KiB beside a panel; and these
    # with the totals of all outputs, unless weights are so many that they come from memory for each block of pixels.
    GATHERED_PIXELS_BUDGET = 192 * 1024
    GATHERED_BUDGET = 320 * 1024
    # Likewise where lines come late, from a second level of 1.25 or 2 MiB.
    LATE_GATHERED_PIXELS_BUDGET = 512 * 1024
    LATE_GATHERED_BUDGET = 1024 * 1024
    FAR_WEIGHTS = 4 * 1024 * 1024
    # Threads that have a block each: panels that another one has packed come late from beyond the second level.
    MAX_PACKINGS = 2
    # A panel that is used once, for a single pixel, has no empty lanes if it comes from beyond that level; inside,
    # vectors that cross the ends of lines take longer than those lanes.
    FAR_PANEL = 1024 * 1024


cdef Py_ssize_t window_budget(const Plan *plan) noexcept nogil:
    """Bytes of the window of a block, which is the input itself where plain tiles find their pixels there."""
    if (
        plan.one_tap and plan.algorithm == TILE and not plan.gathers and stays_in_place(plan, plan.panels)
        and plan.kernels.registers >= MANY_REGISTERS
    ):
        return IN_PLACE_BUDGET
    return TILE_WINDOW_BUDGET


cdef Py_ssize_t most_block_rows(
    Plan *plan, Py_ssize_t most, Py_ssize_t columns, Py_ssize_t channels, Py_ssize_t budget
) noexcept nogil:
    """The most rows, up to `most`, whose window of these columns and channels fits the budget."""
    cdef Py_ssize_t low = 1, high = most, middle
    while low < high:
        middle = (low + high + 1) // 2
        layout_window(plan, middle, columns)
        if window_bytes(plan, channels) <= budget:
            low = middle
        else:
            high = middle - 1
    return low


cdef Py_ssize_t share_rows(
    const Plan *plan, Py_ssize_t block, Py_ssize_t least, Py_ssize_t parts, Py_ssize_t threads
) noexcept nogil:
    """The rows of a block when `parts` other blocks exist for each of them: enough for all threads."""
    cdef Py_ssize_t rows = plan.problem.out_size[0]
    if parts < threads:
        block = min(block, max(least, ceil_div(rows, threads)))
    block = balanced(rows, block)
    if parts * ceil_div(rows, block) < TASKS_PER_THREAD * threads:  # few: as many for each thread
        block = ceil_div(rows, min(rows, round_up(ceil_div(rows, block), threads)))
    return block


cdef double flat_slots(const Plan *plan, Py_ssize_t rows) noexcept nogil:
    """One term of the tiles that run over so many rows and the gaps between them, for one panel."""
    cdef Py_ssize_t pitch = tile_pitch(plan, plan.columns.block), lanes = plan.kernels.lanes, pixels
    cdef Terms terms = Terms(plan.terms, CYC_CHUNK)
    if rows == 0:
        return 0
    pixels = (rows - 1) * pitch + plan.columns.block
    if plan.algorithm == TURNED_TILE:
        return scalars_slots(plan.kernels, pixels, plan.pixel_tile, plan.tile_vectors, plan.tile_vectors, &terms)
    return vectors_slots(plan.kernels, plan.tile_rows, ceil_div(pixels, lanes), plan.tile_vectors, &terms)


cdef Py_ssize_t fullest_rows(const Plan *plan, Py_ssize_t most) noexcept nogil:
    """Of the heights from two thirds of `most` up, the one whose tiles take least: the last of a block may be small."""
    cdef Py_ssize_t rows = plan.problem.out_size[0], block, best = most
    cdef double slots, fewest = -1
    for block in range(most, most * 2 // 3, -1):
        slots = rows // block * flat_slots(plan, block) + flat_slots(plan, rows % block)
        if fewest < 0 or slots < fewest:
            fewest = slots
            best = block
    return best


cdef bint fills_share(Plan *plan, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t threads) noexcept nogil:
    """Whether the rows of a thread, as one block, make plain tiles that are fuller than those of blocks of `rows`."""
    cdef double slots
    if plan.algorithm != TILE or not plan.flat or plan.kernels.registers < MANY_REGISTERS:
        return False
    layout_window(plan, rows, columns)
    slots = ceil_div(plan.rows.blocks, threads) * flat_slots(plan, rows)
    rows = ceil_div(plan.problem.out_size[0], threads)
    layout_window(plan, rows, columns)
    return window_bytes(plan, plan.problem.in_channels) <= SHARE_WINDOW_BUDGET and (
        flat_slots(plan, rows) < slots * FULLER_PERCENT / 100
    )


cdef inline Py_ssize_t gathered_terms(const Plan *plan) noexcept nogil:
    """The fewest terms that are gathered together."""
    return max(<Py_ssize_t>1, min(plan.terms, 2 * <Py_ssize_t>CYC_CHUNK))


cdef inline Py_ssize_t pixels_budget(const Plan *plan) noexcept nogil:
    return LATE_GATHERED_PIXELS_BUDGET if has_late_lines(plan.kernels) else GATHERED_PIXELS_BUDGET


cdef inline Py_ssize_t gathered_budget(const Plan *plan) noexcept nogil:
    return LATE_GATHERED_BUDGET if has_late_lines(plan.kernels) else GATHERED_BUDGET


cdef bint takes_weights(const Plan *plan) noexcept nogil:
    """Whether weights that are not held serve a single pixel, which takes all of them as they lie."""
    cdef const Problem *problem = &plan.problem
    return (
        makes_one_pixel(plan) and plan.kernels.pixel != NULL and not problem.held and problem.batch == 1
        and plan.terms >= 4 and problem.out_channels >= plan.kernels.lanes
    )


cdef bint makes_one_pixel(const Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    return (
        plan.algorithm == TURNED_TILE and not plan.skips and problem.out_size[0] * problem.out_size[1] == 1
        and window_bytes(plan, problem.in_channels) <= TILE_WINDOW_BUDGET
    )


cdef Py_ssize_t near_columns(Plan *plan, Py_ssize_t columns, Py_ssize_t budget) noexcept nogil:
    """The columns of a block of long rows, under a kernel of one row, which reads none of them twice: so few that the
    window holds all channels, unless those are too few to read the panels for. Rows in place, as one run, are not cut.
    """
    cdef Py_ssize_t blocks = 2, fewer
    while True:
        fewer = min(columns, round_up(ceil_div(columns, blocks), plan.pixel_tile))
        if fewer < MIN_BLOCK_PIXELS:
            return columns
        layout_window(plan, 1, fewer)
        if window_bytes(plan, plan.problem.in_channels) <= budget:
            return fewer
        blocks *= 2


cdef void choose_tile_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t taps = problem.kernel[0] * problem.kernel[1]
    cdef Py_ssize_t rows = problem.out_size[0], columns = problem.out_size[1]
    cdef Py_ssize_t least_channels = min(problem.in_channels, ceil_div(CYC_CHUNK, taps) + 1)
    cdef Py_ssize_t least, fit, most, totals, parts = problem.batch * problem.groups
    cdef Py_ssize_t window  # bytes, at most
    cdef Py_ssize_t near_channels
    cdef bint by_panels

    # Columns: all of them, unless the shortest window of one row is already too large.
    layout_window(plan, 1, columns)
    plan.takes_weights = takes_weights(plan)
    plan.one_pixel = plan.takes_weights or problem.held and makes_one_pixel(plan)
    if plan.one_pixel and plan.window.channel_pitch > 1:
        plan.gathers = plan.flat = True
    if plan.one_pixel and plan.panels == 1 and plan.terms * plan.panel_width * plan.kernels.item > FAR_PANEL:
        plan.panel_width = problem.out_channels
    window = window_budget(plan)
    near_channels = channels_of_near_panels(plan)
    while columns > MIN_BLOCK_COLUMNS and (
        window_bytes(plan, least_channels) > window
        or plan.gathers and gathered_terms(plan) * columns * plan.kernels.item > pixels_budget(plan)
    ):
        columns = max(MIN_BLOCK_COLUMNS, ceil_div(columns, 2))
        layout_window(plan, 1, columns)
    if (
        plan.rows.taps == 1 and (plan.gathers or not plan.one_tap)
        and near_channels == 0 and window_bytes(plan, problem.in_channels) > window
    ):
        columns = near_columns(plan, columns, window)
    if columns < problem.out_size[1]:
        plan.cut = False
        plan.flat = plan.flat and plan.gathers

    # Rows: as many as the window budget holds, with all channels if enough rows do and panels do not take fewer.
    least = min(rows, ceil_div(MIN_BLOCK_PIXELS, columns))
    layout_window(plan, least, columns)
    fit = problem.in_channels
    if near_channels > 0:
        fit = near_channels
        rows = min(rows, rows_of_near_panels(plan, columns))
    elif window_bytes(plan, fit) > window:
        fit = least_channels
        rows = min(rows, ceil_div(MIN_BLOCK_PIXELS_OF_PASSES, columns))
        if not plan.gathers or plan.terms * problem.out_channels * plan.kernels.item > FAR_WEIGHTS:
            least = rows
    rows = most_block_rows(plan, rows, columns, fit, window)
    if plan.gathers:
        rows = max(least, min(rows, pixels_budget(plan) // (gathered_terms(plan) * columns * plan.kernels.item)))
        if plan.terms > gathered_terms(plan):
            rows = max(least, min(rows, gathered_budget(plan) // (
                (gathered_terms(plan) + problem.out_channels) * columns * plan.kernels.item
            )))
    most = rows
    # An image with many weights is shared by outputs, so that each weight is read by one thread.
    by_panels = parts < threads and shares_panels(plan, threads)
    if by_panels:
        rows = balanced(problem.out_size[0], rows)
    else:
        rows = share_rows(plan, rows, least, parts, threads)
        if parts < threads and window < SHARE_WINDOW_BUDGET and fills_share(plan, rows, columns, threads):
            rows = ceil_div(problem.out_size[0], threads)
            window = SHARE_WINDOW_BUDGET
    layout_window(plan, rows, columns)
    if plan.flat and parts >= threads and plan.rows.blocks > 1:
        layout_window(plan, fullest_rows(plan, most if parts % threads == 0 else rows), columns)
    choose_term_block(plan, least_channels, window)
    totals = totals_of_panel(plan)
    # few channels of short rows, of which the window holds many
    if plan.term_blocks > 1 and totals > TILE_TOTALS_BUDGET:
        layout_window(plan, max(1, plan.rows.block * TILE_TOTALS_BUDGET // totals), columns)
        choose_term_block(plan, least_channels, window)
    if by_panels or parts * plan.rows.blocks * plan.columns.blocks < threads:
        plan.panel_block = ceil_div(plan.panels, threads)
    choose_panel_block(plan)
    plan.packs_in_task = (
        not problem.held and not plan.takes_weights
        and problem.batch * plan.rows.blocks * plan.columns.blocks <= most_packings(plan, threads)
    )


cdef inline Py_ssize_t most_packings(const Plan *plan, Py_ssize_t threads) noexcept nogil:
    """The most blocks of which each packs all weights for itself, a panel at a time where it is used."""
    cdef Py_ssize_t weights = plan.terms * plan.problem.out_channels * plan.kernels.item
    if not has_late_lines(plan.kernels) or plan.gathers or plan.panel_blocks > 1:
        return 1
    if plan.terms > plan.problem.in_channels or weights > FAR_WEIGHTS:
        return 1
    return min(threads, <Py_ssize_t>MAX_PACKINGS)


cdef bint shares_panels(const Plan *plan, Py_ssize_t threads) noexcept nogil:
    """Whether the weights outnumber the input, and the most panels of a thread are its share and an eighth at most."""
    cdef const Problem *problem = &plan.problem
    return (
        plan.terms * problem.out_channels > problem.in_channels * problem.in_size[0] * problem.in_size[1]
        and ceil_div(plan.panels, threads) * threads * 8 <= plan.panels * 9
    )


cdef Py_ssize_t panel_budget(const Plan *plan) noexcept nogil:
    cdef bint few_registers = plan.kernels.registers < MANY_REGISTERS
    if not wants_near_panels(plan.kernels) and not (few_registers and plan.panels < MIN_FAR_PANELS):
        return PANEL_BUDGET
    return FEW_REGISTERS_PANEL_BUDGET if few_registers else NEAR_PANEL_BUDGET


cdef inline Py_ssize_t chunks_of_panel(const Plan *plan) noexcept nogil:
    """The most chunks of terms that a panel has in a pass."""
    return max(<Py_ssize_t>1, panel_budget(plan) // (plan.panel_width * plan.kernels.item * CYC_CHUNK))


cdef inline bint is_near(const Plan *plan, Py_ssize_t chunks) noexcept nogil:
    """Whether a panel of all terms is near enough where one of so many chunks is: a second pass over the totals costs
    more than a quarter of a panel from further away.
    """
    return 4 * plan.terms <= 5 * chunks * CYC_CHUNK


cdef Py_ssize_t channels_of_near_panels(const Plan *plan) noexcept nogil:
    """The channels of a pass whose panel is to be near, which are all that its window needs; 0: there is but one pass,
    or rows of blocks do not overlap, or panels may be far.
    """
    cdef Py_ssize_t taps = plan.problem.kernel[0] * plan.problem.kernel[1], chunks
    if not wants_near_panels(plan.kernels) or plan.gathers or taps == 1:
        return 0
    chunks = chunks_of_panel(plan)
    if is_near(plan, chunks):
        return 0
    return min(plan.problem.in_channels, ceil_div(chunks * CYC_CHUNK, taps) + 1)


cdef Py_ssize_t rows_of_near_panels(const Plan *plan, Py_ssize_t columns) noexcept nogil:
    """The most rows of a block of such passes, by their running totals."""
    cdef Py_ssize_t totals_of_row = columns * plan.problem.out_channels * plan.kernels.item
    cdef Py_ssize_t budget = NEAR_TOTALS_BUDGET
    if plan.kernels.registers < MANY_REGISTERS:
        budget = FEW_REGISTERS_NEAR_TOTALS_BUDGET
    return max(ceil_div(MIN_BLOCK_PIXELS_OF_PASSES, columns), budget // totals_of_row)


cdef void choose_term_block(Plan *plan, Py_ssize_t least_channels, Py_ssize_t window) noexcept nogil:
    """Terms of a pass whose panel and window, of so many bytes at most, stay in cache; chunks are never split."""
    cdef Py_ssize_t taps = plan.rows.taps * plan.columns.taps, channels = plan.problem.in_channels
    cdef Py_ssize_t panel_chunks = chunks_of_panel(plan)
    cdef Py_ssize_t most = plan.terms
    if plan.one_pixel:
        return
    if plan.gathers:
        panel_chunks = max(1, min(
            panel_chunks,
            pixels_budget(plan) // (plan.rows.block * plan.columns.block * plan.kernels.item * CYC_CHUNK),
        ))
    if window_bytes(plan, channels) > window:
        channels = max(least_channels, window // window_bytes(plan, 1))
        if channels < plan.problem.in_channels:  # blocks begin anywhere in a channel
            most = max(CYC_CHUNK, (channels - 1) * taps)
    elif is_near(plan, panel_chunks):
        return
    plan.term_block = max(CYC_CHUNK, min(panel_chunks, most // CYC_CHUNK) * CYC_CHUNK)
    plan.term_blocks = max(1, ceil_div(plan.terms, plan.term_block))
    plan.term_block = min(plan.terms, round_up(ceil_div(plan.terms, plan.term_blocks), CYC_CHUNK))
    plan.term_blocks = max(1, ceil_div(plan.terms, max(1, plan.term_block)))
    if plan.term_blocks > 1:
        plan.channel_block = min(plan.problem.in_channels, (plan.term_block + 2 * taps - 2) // taps)


cdef Py_ssize_t totals_of_panel(const Plan *plan) noexcept nogil:
    """Bytes of the running totals of a panel, of all tiles of a block."""
    return (
        count_spots(plan, plan.rows.block, plan.columns.block)
        * plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * plan.kernels.item
    )


cdef void choose_panel_block(Plan *plan) noexcept nogil:
    """Panels of a task: those that a thread is to take, unless their running totals are too large."""
    plan.spots = count_spots(plan, plan.rows.block, plan.columns.block)
    if plan.one_tap and plan.algorithm == TILE and not plan.gathers:
        plan.spots += 2  # in place a block may begin with a smaller one, and take the last of the next block
    if plan.term_blocks > 1:
        plan.panel_block = max(1, min(plan.panel_block, TILE_TOTALS_BUDGET // totals_of_panel(plan)))
    plan.panel_blocks = ceil_div(plan.panels, plan.panel_block)


cdef void choose_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil:
    """Set the blocks of a plan whose algorithm and tile are chosen."""
    if plan.algorithm == SPLIT:
        choose_split_blocks(plan, threads)
        return
    plan.panels = plan.panel_block = ceil_div(plan.problem.out_channels, plan.panel_width)
    plan.group_block = plan.panel_blocks = plan.term_blocks = 1
    plan.term_block = plan.terms
    plan.channel_block = plan.problem.in_channels
    if plan.algorithm == ROWS:
        choose_row_blocks(plan, threads)
    elif plan.algorithm == WINOGRAD:
        choose_winograd_blocks(plan, threads)
    else:
        choose_tile_blocks(plan, threads)
