"""How much of the image, of the channels and of the outputs a task by Winograd's F(4x4, 3x3) takes at a time, and the
scratch for it.

The cost model chooses the block. Here it may become lower, for several threads; that changes no result.
"""

from libc.stdint cimport int32_t

from cyconv._blocks cimport TASKS_PER_THREAD
from cyconv._cost_winograd cimport periods, weights_slots, winograd_rows_slots
from cyconv._integers cimport CACHE_LINE, balanced, ceil_div, odd_lines, round_up
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_MAX_TILE_VECTORS,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
    cyc_span,
    cyc_tap,
    most_tile_rows,
)
from cyconv._plan cimport ALIGNMENT, PRODUCTS_BUDGET, Plan, Problem, block_pixels, layout_window, result_bytes
from cyconv._slots cimport HALVED_SECOND_LEVEL, fetches_far, has_late_lines
from cyconv._winograd_products cimport transforms_weights


cdef enum:
    # Winograd's factors of a panel's weights, where a task makes them, stay in the second-level cache while in use.
    PART_FACTORS_BUDGET = 512 * 1024
    # A few channels of a Winograd block, read back at once.
    WINOGRAD_WINDOW_BUDGET = 16 * 1024
    # More bytes than glibc allocates without asking the system for fresh pages at each call, which take 0.4 ms a
    # megabyte: up to so many blocks make the factors of the weights again sooner.
    REUSED_MEMORY = 32 * 1024 * 1024
    MAX_TRANSFORMS = 4
    # Factors that come late from beyond the second level: two blocks make them again sooner; and so do threads, of one
    # block each.
    FAR_FACTORS = 4 * 1024 * 1024
    # With fewer channels starting the threads twice takes longer than making all factors in each of them.
    MIN_SHARED_CHANNELS = 64
    # Winograd's factors of the inputs that threads share, beside the scratch of each, which has room for as many.
    SHARED_FACTORS_BUDGET = 3 * 1024 * 1024

# What other blocks may take at most of what is estimated with shared outputs: all threads read all weights then, or
# they are read more often.
cdef double LOWER_BLOCKS_MOST_SHARE = 0.92


cdef inline Py_ssize_t factor_bytes(const Plan *plan) noexcept nogil:
    """Of a channel and an output, or of a channel and a tile."""
    return CYC_WINOGRAD_PRODUCTS * plan.kernels.item


cdef bint shares_inputs(const Plan *plan) noexcept nogil:
    """Whether threads that share the outputs of an only block make the factors of its inputs together."""
    cdef Py_ssize_t tiles = plan.block_rows * plan.block_columns, lanes = plan.kernels.lanes
    return (
        plan.problem.in_channels >= MIN_SHARED_CHANNELS and not plan.gathers
        and (plan.turned or tiles % lanes == 0)
        and factor_bytes(plan) * plan.problem.in_channels * round_up(tiles, lanes) <= SHARED_FACTORS_BUDGET
    )


cdef double shared_slots(const Plan *plan, Py_ssize_t parts, Py_ssize_t threads, double weights) noexcept nogil:
    """What the busiest thread has to do where threads share the outputs of each block, and `weights` for its weights.
    All of them transform its inputs, unless they do so together.
    """
    cdef double inputs, slots = winograd_rows_slots(plan, plan.block_rows // plan.rows.dilation, &inputs)
    cdef Py_ssize_t panels = ceil_div(plan.panels, threads), shares = ceil_div(plan.panels, panels)
    cdef double share = min(1.0, <double>(panels * plan.panel_width) / plan.problem.out_channels)
    slots = (slots + weights - inputs) * share
    slots += inputs / threads if parts == 1 and shares_inputs(plan) else inputs
    return ceil_div(parts * shares, threads) * slots


cdef Py_ssize_t rows_for_threads(
    const Plan *plan, Py_ssize_t parts, Py_ssize_t threads, double weights
) noexcept nogil:
    """The periods of rows of a block with which the busiest thread has least to do; 0 if that is less where threads
    share the outputs of each block.
    """
    cdef Py_ssize_t all_rows = periods(plan, 0), most = plan.block_rows // plan.rows.dilation, rows, best = 0
    cdef double inputs, slots, least = LOWER_BLOCKS_MOST_SHARE * shared_slots(plan, parts, threads, weights)
    parts //= plan.rows.blocks
    for rows in range(most, 0, -1):
        if rows != balanced(all_rows, rows):  # fewer make as many blocks
            continue
        slots = winograd_rows_slots(plan, rows, &inputs) + weights
        slots *= ceil_div(parts * ceil_div(all_rows, rows), threads)
        if slots < least:
            least = slots
            best = rows
    return best


cdef Py_ssize_t most_transforms(const Plan *plan, Py_ssize_t threads) noexcept nogil:
    """The most blocks of which each makes the factors of all weights for itself, in parts that stay near.

    Lower ones, for several threads, do as well, if that takes the busiest less in all.
    """
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t factors = factor_bytes(plan) * problem.in_channels * problem.groups * problem.out_channels
    if problem.held:  # more blocks hold them
        return 1
    if factors > REUSED_MEMORY:
        return MAX_TRANSFORMS
    if not has_late_lines(plan.kernels):
        return 1
    return max(<Py_ssize_t>2 if factors > FAR_FACTORS else <Py_ssize_t>1, min(threads, <Py_ssize_t>MAX_TRANSFORMS))


cdef void choose_winograd_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil:
    """The block that the cost model found, or a lower one; its outputs are shared where there are few blocks."""
    cdef Py_ssize_t parts, blocks, rows, most, chunk = plan.kernels.winograd_chunk
    layout_window(plan, plan.block_rows * CYC_WINOGRAD_OUT, plan.block_columns * CYC_WINOGRAD_OUT)
    blocks = plan.problem.batch * plan.rows.blocks * plan.columns.blocks
    parts = blocks * plan.problem.groups
    plan.transforms_in_task = transforms_weights(plan) and blocks <= most_transforms(plan, threads)
    if parts % threads and parts < TASKS_PER_THREAD * threads:
        rows = rows_for_threads(plan, parts, threads, weights_slots(plan) if plan.transforms_in_task else 0.0)
        if rows > 0:
            plan.block_rows = rows * plan.rows.dilation
            layout_window(plan, plan.block_rows * CYC_WINOGRAD_OUT, plan.block_columns * CYC_WINOGRAD_OUT)
        else:
            plan.panel_block = ceil_div(plan.panels, threads)
            plan.panel_blocks = ceil_div(plan.panels, plan.panel_block)
    plan.shares_factors = parts == 1 and plan.panel_blocks > 1 and shares_inputs(plan)
    plan.part_channels = plan.problem.in_channels
    plan.packs_in_task = plan.transforms_in_task and not plan.problem.held
    if plan.transforms_in_task:
        most = max(1, PART_FACTORS_BUDGET // (factor_bytes(plan) * plan.panel_width * chunk)) * chunk
        most = round_up(balanced(plan.part_channels, most), chunk)
        plan.part_channels = min(plan.part_channels, most)
    plan.channel_block = max(1, min(
        plan.problem.in_channels, WINOGRAD_WINDOW_BUDGET // (plan.window.channel_pitch * plan.kernels.item)
    ))
    plan.fetches_results = fetches_far(plan.kernels, result_bytes(plan), HALVED_SECOND_LEVEL)


cdef void size_winograd_scratch(Plan *plan) noexcept nogil:
    """Bytes of each part of a thread's scratch."""
    cdef Py_ssize_t item = plan.kernels.item, channels = plan.problem.in_channels
    # read past the end, by tiles and by transforms
    cdef Py_ssize_t slack = max(<int>CYC_MAX_TILE_VECTORS, <int>CYC_WINOGRAD_OUT) * plan.kernels.lanes * item
    cdef Py_ssize_t channel_bytes = plan.window.channel_pitch * item
    cdef Py_ssize_t outputs = plan.panel_width if plan.turned else 1  # that are transformed together
    plan.positions = round_up(plan.block_rows * plan.block_columns, plan.kernels.lanes)
    plan.tiles_pitch = plan.block_rows * plan.block_columns if plan.turned else plan.positions
    # lines of many channels displace each other where they take turns in half of the sets of the first level
    if plan.turned and plan.tiles_pitch * item % (2 * CACHE_LINE) == 0:
        plan.tiles_pitch += CACHE_LINE // item
    # a vector is written past the last channel
    plan.factor_pitch = channels * plan.tiles_pitch + plan.kernels.lanes
    if plan.gathers:
        plan.factor_pitch = max(
            plan.factor_pitch, channels * round_up(plan.positions, plan.pixel_tile) + plan.kernels.lanes
        )
        plan.offsets_bytes = round_up(channels * sizeof(int32_t), ALIGNMENT)
    plan.factor_pitch = odd_lines(plan.factor_pitch, item)
    plan.weight_pitch = odd_lines(plan.part_channels * plan.panel_width, item)
    plan.pass_panels = 1
    if not plan.transforms_in_task:
        plan.pass_panels = max(1, min(
            plan.panel_block,
            PRODUCTS_BUDGET // (CYC_WINOGRAD_PRODUCTS * plan.panel_width * plan.positions * item),
        ))
    plan.product_pitch = odd_lines(plan.pass_panels * plan.panel_width * plan.positions, item)
    plan.window_bytes = round_up(plan.channel_block * channel_bytes + slack, ALIGNMENT)
    # the window of all channels takes its place where tiles are computed again
    plan.factor_bytes = round_up(
        max((CYC_WINOGRAD_PRODUCTS + plan.gathers) * plan.factor_pitch * item, channels * channel_bytes + slack),
        ALIGNMENT
    )
    # likewise the direct sums of a panel that of the products
    plan.totals_bytes = max(
        CYC_WINOGRAD_PRODUCTS * plan.product_pitch * item,
        round_up(plan.panel_width * block_pixels(plan, plan.rows.block, plan.columns.block) * item, ALIGNMENT),
    )
    plan.pixel_pitch = odd_lines(CYC_WINOGRAD_OUT * CYC_WINOGRAD_OUT * plan.positions, item)
    plan.turned_bytes = round_up(outputs * plan.pixel_pitch * item + slack, ALIGNMENT)
    if plan.columns.dilation > 1:
        plan.line_pitch = odd_lines(CYC_WINOGRAD_OUT * plan.block_columns + plan.kernels.lanes, item)
        plan.lines_bytes = CYC_WINOGRAD_OUT * plan.line_pitch * item
    plan.sums_bytes = round_up(outputs * plan.positions * item, ALIGNMENT)
    # the direct weights of a few outputs, where tiles are computed again
    plan.panel_bytes = round_up(plan.terms * most_tile_rows(plan.kernels, 1) * item + slack, ALIGNMENT)
    if plan.transforms_in_task:
        plan.panel_bytes = max(plan.panel_bytes, CYC_WINOGRAD_PRODUCTS * plan.weight_pitch * item)
    plan.taps_bytes = round_up(plan.terms * sizeof(cyc_tap), ALIGNMENT)
    plan.spots_bytes = round_up(plan.panel_block * plan.panel_width * plan.positions, ALIGNMENT)
    plan.spans_bytes = round_up(
        max(ceil_div(plan.terms, CYC_CHUNK), ceil_div(plan.part_channels, plan.kernels.winograd_chunk))
        * sizeof(cyc_span), ALIGNMENT
    )
    plan.scratch_bytes = (
        plan.window_bytes + plan.factor_bytes + plan.totals_bytes + plan.turned_bytes + plan.lines_bytes
        + plan.sums_bytes + plan.panel_bytes + plan.taps_bytes + plan.spots_bytes + plan.spans_bytes
        + plan.offsets_bytes
    )
    plan.shared_bytes = plan.factor_bytes if plan.shares_factors else 0
