"""Products of bfloat16 parts: cost, blocks and scratch.

Matrix units multiply bfloat16, of eight bits, sixteen times as fast as the vector units multiply float32. Three of the
former make one of the latter, and six of their nine products its product, in a third of the time or little more
(Henry, Tang, Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations",
2019). Vectors of AVX512_BF16 do so twice as fast, which pays for bfloat16 alone.
"""

from libc.stdint cimport int32_t

from cyconv._blocks cimport most_block_rows, share_rows
from cyconv._cost_padding cimport flat_share, rows_of_tile
from cyconv._cost_reading cimport times_read, window_slots
from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_F32,
    CYC_SPLIT_STEP,
    CYC_SPLIT_TILE,
    cyc_edge,
    cyc_span,
    cyc_split_range,
)
from cyconv._plan cimport ALIGNMENT, MAX_SPAN_LISTS, Plan, Problem, layout_window
from cyconv._slots cimport WHOLE_LINE_CYCLE_PERCENT, cycle_slots
from cyconv._tiles cimport Spot, SpanList, count_spots
from cyconv._window cimport ZEROS


cdef enum:
    # Parts of the pixels of a block, totals of its panels, a window and a panel share a second level of 2 MiB, which
    # all cores with matrix units have.
    SPLIT_TILES_BUDGET = 1280 * 1024  # pixels of a chunk of terms and totals of so many panels:
    FEW_PANELS = 16
    SPLIT_PIXELS_BUDGET = 768 * 1024  # of several chunks
    SPLIT_TOTALS_BUDGET = 768 * 1024
    SPLIT_WINDOW_BUDGET = 256 * 1024
    SPLIT_TAP_WINDOW_BUDGET = 512 * 1024  # of whole groups of channels
    # With as many each panel is used for longer than it takes to come from memory.
    MAX_BLOCK_PIXELS = 512

# Fitted to 6,030 random shapes on Granite Rapids, so that choosing loses least. Of sixteen pairs of pixels, to gather,
# split and store them: the first part and each further one. Where a row ends in them they take two copies.
cdef double PAIRS_SLOTS = 15
cdef double PART_SLOTS = 10
cdef double ROW_COPIES = 0.6
# Of a product of tiles, one output, beside the products: a panel of few takes little less than a full one, as it loads
# the same pixels.
cdef double OUTPUT_SLOTS = 1.1
# Of a tile for one panel, the sums of a chunk.
cdef double CHUNK_SLOTS = 520
# A weight: from beyond the second level; to split it.
cdef double SPLIT_READ_SLOTS = 0.6
cdef double WEIGHT_SLOTS = 1.8
# More, where the weights of a step lie apart.
cdef double APART_SLOTS = 0.5
cdef double SPLIT_START_SLOTS = 6000
# Steps are left out where no more than these remain.
cdef double MOST_TAKEN_SHARE = 0.95


cdef double taken_share(const Plan *plan) noexcept nogil:
    """The share of the steps that tiles take; less than 1 if those of kernel rows over padding are left out.

    Then each step is a tap of as many channels as it has terms. Their weights lie apart, and chunks are others, so that
    has to pay.
    """
    cdef Py_ssize_t taps = plan.rows.taps * plan.columns.taps
    cdef double share
    if plan.rows.mode != ZEROS or plan.problem.in_channels % CYC_SPLIT_STEP or taps > CYC_SPLIT_CHUNK // CYC_SPLIT_STEP:
        return 1
    share = flat_share(&plan.rows, rows_of_tile(&plan.rows, CYC_SPLIT_TILE, plan.problem.out_size[1]))
    return share if share <= MOST_TAKEN_SHARE else 1


cdef Py_ssize_t most_block_pixels(const Plan *plan) noexcept nogil:
    """The most pixels of a block."""
    cdef Py_ssize_t chunk_terms = chunk_steps(plan) * CYC_SPLIT_STEP
    cdef Py_ssize_t panels = ceil_div(plan.problem.out_channels, CYC_SPLIT_TILE)
    cdef Py_ssize_t tile_bytes = split_bytes(plan, min(plan.terms, chunk_terms))
    if plan.terms > chunk_terms:
        tile_bytes += min(panels, <Py_ssize_t>FEW_PANELS) * CYC_SPLIT_TILE * CYC_SPLIT_TILE * plan.kernels.item
    return min(<Py_ssize_t>MAX_BLOCK_PIXELS, max(<Py_ssize_t>1, SPLIT_TILES_BUDGET // tile_bytes) * CYC_SPLIT_TILE)


cdef double split_cost(Plan *plan) noexcept nogil:
    """-1 where the instruction set makes no such products, of other numbers than float32, without input channels."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t parts = problem.split_parts, products = 6 if parts == 3 else parts * parts
    cdef Py_ssize_t vectors = ceil_div(problem.out_size[0] * problem.out_size[1], plan.kernels.lanes)
    cdef Py_ssize_t steps = ceil_div(plan.terms, CYC_SPLIT_STEP)
    cdef Py_ssize_t panels = ceil_div(problem.out_channels, CYC_SPLIT_TILE), rows
    cdef double slots, weight_slots, output_slots, share, copies = 1
    cdef double cycles = 100 * cycle_slots(plan.kernels) / WHOLE_LINE_CYCLE_PERCENT  # fitted to whole lines
    if plan.isa.split == NULL or problem.dtype != CYC_F32 or plan.terms == 0 or not plan.isa.split.granted():
        return -1
    plan.flat = plan.gathers = True
    plan.cut = False
    output_slots = OUTPUT_SLOTS * cycles + <double>CYC_SPLIT_STEP / plan.isa.split.speed
    share = taken_share(plan)
    plan.skips = share < 1
    plan.tile_rows = plan.panel_width = plan.pixel_tile = CYC_SPLIT_TILE
    plan.tile_vectors = CYC_SPLIT_TILE // plan.kernels.lanes
    if not plan.one_tap:
        copies += ROW_COPIES * plan.kernels.lanes / problem.out_size[1]
    slots = vectors * copies * steps * CYC_SPLIT_STEP / 2 * (PAIRS_SLOTS + (parts - 1) * PART_SLOTS) * cycles
    slots += vectors * steps * products * output_slots * CYC_SPLIT_TILE * panels
    slots *= share
    slots += vectors / 2.0 * panels * ceil_div(steps, chunk_steps(plan)) * CHUNK_SLOTS * cycles
    weight_slots = SPLIT_READ_SLOTS if problem.held else WEIGHT_SLOTS
    if plan.skips and not problem.held:
        weight_slots += APART_SLOTS
    slots += weight_slots * plan.terms * problem.out_channels * cycles
    if not plan.one_tap:
        rows = max(<Py_ssize_t>1, most_block_pixels(plan) // problem.out_size[1])
        slots += times_read(&plan.rows, rows) * window_slots(plan)
    return slots + SPLIT_START_SLOTS * cycles


cdef Py_ssize_t channels_of(const Plan *plan, Py_ssize_t terms) noexcept nogil:
    """Channels that so many terms, of whole chunks, touch at most."""
    cdef Py_ssize_t taps = plan.rows.taps * plan.columns.taps
    return terms // taps if plan.skips else (terms + 2 * taps - 2) // taps


cdef void choose_split_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil:
    """Blocks of the image, of whole chunks of terms and of panels."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t taps = problem.kernel[0] * problem.kernel[1], parts = problem.batch * problem.groups
    cdef Py_ssize_t chunk_terms = chunk_steps(plan) * CYC_SPLIT_STEP, channels, window, rows, fit
    cdef Py_ssize_t pixels = most_block_pixels(plan), columns = min(problem.out_size[1], pixels)
    plan.panels = plan.panel_block = ceil_div(problem.out_channels, CYC_SPLIT_TILE)
    plan.group_block = 1
    layout_window(plan, 1, columns)
    channels = min(problem.in_channels, channels_of(plan, chunk_terms))
    # of one tap the input is the window, if its elements lie as they should
    window = max(<Py_ssize_t>SPLIT_WINDOW_BUDGET, SPLIT_PIXELS_BUDGET if plan.one_tap else 0)
    if plan.skips:
        window = SPLIT_TAP_WINDOW_BUDGET
    while columns > CYC_SPLIT_TILE and channels * plan.window.channel_pitch * plan.kernels.item > window:
        columns = ceil_div(columns, 2)
        layout_window(plan, 1, columns)
    rows = min(problem.out_size[0], max(<Py_ssize_t>1, pixels // columns))
    rows = most_block_rows(plan, rows, columns, channels, window)
    layout_window(plan, rows, columns)
    if parts * plan.rows.blocks * plan.columns.blocks < threads and plan.panels % threads == 0:
        plan.panel_block = plan.panels // threads
    else:
        layout_window(plan, share_rows(plan, rows, 1, parts * plan.columns.blocks, threads), columns)
    plan.spots = count_spots(plan, plan.rows.block, plan.columns.block)

    # Terms: in whole chunks, as many as the window, too, has room for.
    fit = SPLIT_PIXELS_BUDGET // (plan.spots * CYC_SPLIT_TILE * 2 * problem.split_parts)
    fit = min(fit, max(<Py_ssize_t>1, window // (plan.window.channel_pitch * plan.kernels.item) - 1) * taps)
    plan.term_block = min(plan.terms, max(<Py_ssize_t>1, fit // chunk_terms) * chunk_terms)
    plan.term_blocks = ceil_div(plan.terms, plan.term_block)
    plan.channel_block = problem.in_channels
    if plan.term_blocks > 1:
        plan.channel_block = min(problem.in_channels, channels_of(plan, plan.term_block))
        plan.panel_block = max(<Py_ssize_t>1, min(
            plan.panel_block, SPLIT_TOTALS_BUDGET // (plan.spots * CYC_SPLIT_TILE * CYC_SPLIT_TILE * plan.kernels.item)
        ))
    plan.panel_blocks = ceil_div(plan.panels, plan.panel_block)
    plan.packs_in_task = not problem.held and problem.batch * plan.rows.blocks * plan.columns.blocks == 1


cdef void size_split_scratch(Plan *plan) noexcept nogil:
    """Bytes of each part of a thread's scratch."""
    cdef Py_ssize_t item = plan.kernels.item, tile = CYC_SPLIT_TILE, slack = 2 * tile * item  # read past the end
    plan.window_bytes = round_up(plan.channel_block * plan.window.channel_pitch * item + slack, ALIGNMENT)
    if keeps_totals(plan):
        plan.totals_bytes = tile * tile * item * plan.spots * (plan.panel_block if plan.term_blocks > 1 else 1)
    else:
        plan.totals_bytes = tile * tile * item
    if plan.terms > chunk_steps(plan) * CYC_SPLIT_STEP:
        plan.sums_bytes = tile * tile * item * plan.spots
    plan.pixels_bytes = plan.spots * split_bytes(plan, plan.term_block)
    plan.ranges_bytes = (plan.spots + plan.panel_block) * sizeof(cyc_split_range)
    if plan.packs_in_task:
        plan.panel_bytes = split_bytes(plan, plan.term_block)
    plan.offsets_bytes = round_up(plan.term_block * sizeof(int32_t), ALIGNMENT)
    plan.spots_bytes = round_up(plan.spots * sizeof(Spot), ALIGNMENT)
    plan.edges_bytes = round_up(plan.columns.taps * sizeof(cyc_edge), ALIGNMENT)
    plan.span_lists = MAX_SPAN_LISTS if plan.skips else 1
    plan.spans_bytes = round_up(
        plan.span_lists * sizeof(SpanList) + DIRECT_TERMS // CYC_CHUNK * sizeof(cyc_span), ALIGNMENT
    )
    plan.direct_bytes = round_up(DIRECT_TERMS * (DIRECT_OUTPUTS + tile) * item + slack, ALIGNMENT)
    plan.doubtful_bytes = round_up(plan.spots * sizeof(DoubtfulTile), ALIGNMENT)
    plan.scratch_bytes = (
        plan.window_bytes + plan.totals_bytes + plan.sums_bytes + plan.pixels_bytes + plan.panel_bytes
        + plan.direct_bytes + plan.doubtful_bytes + plan.ranges_bytes + plan.offsets_bytes + plan.spots_bytes
        + plan.edges_bytes + plan.spans_bytes
    )
