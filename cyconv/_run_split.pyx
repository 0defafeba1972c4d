"""A task by products of bfloat16 parts (_split, kernels.h).

    for each block of terms          window of its channels, or the input in its place
      for each tile of pixels        its pixels gathered, a few terms at a time, and split
      for each panel of outputs      its weights, split; a few steps of them at a time, which stay near, with all tiles:
                                     six products, sums of chunks to the totals
        after the last terms         epilogue: bias, activation, store
                                     tiles with doubtful results: direct sums in their place, then the epilogue

Parts of an infinity are not numbers, and those of a tiny number vanish. Which results that concerns is decided for each
by itself, from its own sum, weights and inputs, so that blocks do not change it.
"""

from libc.stdint cimport int32_t
from libc.string cimport memcpy

from cyconv._gather cimport gather_tile, place_copies
from cyconv._integers cimport CACHE_LINE, ceil_div
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_MAX_COPIES,
    CYC_SPLIT_STEP,
    CYC_SPLIT_TILE,
    cyc_copy,
    cyc_edge,
    cyc_gather_args,
    cyc_span,
    cyc_split_args,
    cyc_split_range,
    cyc_split_taken,
    cyc_tile_args,
    most_tile_rows,
)
from cyconv._panels cimport split_panel, split_ranges
from cyconv._plan cimport Plan
from cyconv._split cimport (
    DIRECT_OUTPUTS,
    DIRECT_TERMS,
    DoubtfulTile,
    chunk_steps,
    clear_range,
    keeps_totals,
    near_end,
    split_bytes,
)
from cyconv._task cimport Operands, Task, channel_address, prepare_window, window_in_input
from cyconv._tile_store cimport store_tile
from cyconv._tiles cimport Spot, SpanList, fill_offsets, fill_tap_offsets, place_spots, plain_tile
from cyconv._winograd_outputs cimport fill_chunks


cdef struct Scratch:
    char *window
    char *terms_window  # that, or the input in its place, at the first channel of the terms in use
    bint in_place
    float *totals  # [output][pixel], if kept [tile], with several blocks of terms [panel of the task][tile]
    float *sums  # of a chunk but the first, [tile]
    char *pixels  # [tile], split
    cyc_split_range *pixel_ranges  # [tile]
    cyc_split_range *weight_ranges  # [panel of the task], where the task packs them
    char *panel  # split weights of one panel, likewise
    int32_t *offsets
    Spot *spots
    Py_ssize_t spot_count
    cyc_edge *edges
    SpanList *lists  # of their taps
    cyc_span *spans
    DoubtfulTile *doubtful  # [tile]: of a panel, in part to be computed again
    Py_ssize_t doubtful_count
    float *direct_panel  # weights of a few terms, as the tile kernel reads them
    float *direct_pixels  # of these terms: [term][pixel]


cdef void find_terms(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t term, Py_ssize_t terms,
    bint by_taps
) noexcept nogil:
    """Bring the pixels of these terms into the window, unless they are where it would be, and set their offsets."""
    cdef Py_ssize_t taps = plan.rows.taps * plan.columns.taps, channel = term // taps
    cdef Py_ssize_t pitch = plan.window.channel_pitch
    if scratch.in_place:
        pitch = operands.source.channel_bytes // plan.kernels.item
        scratch.terms_window = (
            channel_address(plan, operands, task, channel) + task.row * operands.source.row_bytes
        )
    else:
        scratch.terms_window = scratch.window
        prepare_window(plan, operands, task, channel, ceil_div(term + terms, taps) - channel, 0, scratch.window)
    if by_taps:
        fill_tap_offsets(plan, terms, pitch, scratch.offsets)
    else:
        fill_offsets(plan, term, terms, pitch, scratch.offsets, 1)


cdef cyc_split_taken taken_steps(const Plan *plan, const Scratch *scratch, Py_ssize_t index) noexcept nogil:
    """The steps of a tile: all, or those of the kernel rows that some pixel of it needs."""
    cdef const SpanList *wanted = scratch.lists + scratch.spots[index].list
    if not plan.skips:
        return cyc_split_taken(1, 0, 1)
    return cyc_split_taken(
        plan.rows.taps * plan.columns.taps, wanted.first_row * plan.columns.taps, wanted.last_row * plan.columns.taps
    )


cdef void split_block(const Plan *plan, const Task *task, const Scratch *scratch, Py_ssize_t terms) noexcept nogil:
    """Gather and split the pixels of these terms, for all tiles."""
    cdef Py_ssize_t index
    cdef cyc_copy copies[CYC_MAX_COPIES]
    cdef cyc_gather_args args
    cdef cyc_split_taken taken
    args.offsets = scratch.offsets
    args.terms = terms
    args.copies = copies
    for index in range(scratch.spot_count):
        taken = taken_steps(plan, scratch, index)
        args.copy_count = place_copies(plan, task, scratch.spots + index, copies)
        args.window = scratch.terms_window + scratch.spots[index].position * plan.kernels.item
        plan.isa.split.pixels(
            &args, scratch.spots[index].pixels, &taken, plan.problem.split_parts,
            scratch.pixels + index * split_bytes(plan, terms), scratch.pixel_ranges + index,
        )


cdef void add_directly(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t panel
) noexcept nogil:
    """The direct sums of the doubtful tiles of a panel."""
    cdef Py_ssize_t most = most_tile_rows(plan.kernels, plan.tile_vectors), step, term, terms, first, rows, index
    cdef Py_ssize_t output = panel * plan.panel_width
    cdef Py_ssize_t outputs = min(plan.panel_width, plan.problem.out_channels - output)
    cdef const char *weight = operands.weight + (
        (task.group * plan.problem.out_channels + output) * plan.terms * plan.kernels.item
    )
    cdef cyc_tile_args args = plain_tile()
    args.vector = scratch.direct_pixels
    args.vector_step = CYC_SPLIT_TILE
    args.broadcast_step = most
    args.spans = scratch.spans
    for step in range(ceil_div(plan.terms, DIRECT_TERMS)):
        term = step * DIRECT_TERMS
        terms = min(<Py_ssize_t>DIRECT_TERMS, plan.terms - term)
        find_terms(plan, operands, task, scratch, term, terms, False)
        args.span_count = fill_chunks(scratch.spans, terms, CYC_CHUNK)
        args.carry = term > 0
        first = 0
        while first < outputs:
            rows = min(most, outputs - first)
            plan.kernels.pack(
                weight + (first * plan.terms + term) * plan.kernels.item, plan.terms, rows, most, terms,
                <char *>(scratch.direct_panel + first * DIRECT_TERMS),
            )
            first += rows
        for index in range(scratch.doubtful_count):
            gather_tile(
                plan, task, scratch.spots + scratch.doubtful[index].spot, scratch.terms_window, scratch.in_place,
                scratch.offsets, terms, <char *>scratch.direct_pixels,
            )
            first = 0
            while first < outputs:
                rows = min(most, outputs - first)
                args.broadcast = scratch.direct_panel + first * DIRECT_TERMS
                args.totals = scratch.doubtful[index].direct + first * CYC_SPLIT_TILE
                plan.kernels.tile[plan.tile_vectors - 1][rows - 1](&args)
                first += rows


cdef void store_totals(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, Py_ssize_t panel,
    Py_ssize_t index, const float *totals
) noexcept nogil:
    cdef Py_ssize_t output = panel * plan.panel_width
    store_tile(
        plan, operands, task, <const char *>totals, output,
        min(plan.panel_width, plan.problem.out_channels - output), scratch.spots + index, CYC_SPLIT_TILE,
    )


cdef void store_doubtful(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t panel
) noexcept nogil:
    """Compute the doubtful results of a panel again, and store the tiles that have some."""
    cdef Py_ssize_t outputs = min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width)
    cdef Py_ssize_t index, row, column
    cdef DoubtfulTile *tile
    add_directly(plan, operands, task, scratch, panel)
    for index in range(scratch.doubtful_count):
        tile = scratch.doubtful + index
        for row in range(outputs):
            if tile.lanes[row] == 0:
                continue
            for column in range(CYC_SPLIT_TILE):
                if tile.lanes[row] >> column & 1:
                    tile.totals[row * CYC_SPLIT_TILE + column] = tile.direct[row * CYC_SPLIT_TILE + column]
        store_totals(plan, operands, task, scratch, panel, tile.spot, tile.totals)


cdef void finish_split_tile(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t panel,
    const cyc_split_range *weights_range, Py_ssize_t index, const float *totals
) noexcept nogil:
    """Store a tile, or keep it until the panel is done, if some results are doubtful."""
    cdef DoubtfulTile *tile = scratch.doubtful + scratch.doubtful_count
    cdef Py_ssize_t outputs = min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width)
    if plan.isa.split.doubtful(
        totals, outputs, scratch.spots[index].pixels, scratch.spots[index].list > 0, weights_range,
        scratch.pixel_ranges + index, tile.lanes,
    ):
        tile.spot = index
        memcpy(tile.totals, totals, sizeof(tile.totals))
        scratch.doubtful_count += 1
    else:
        store_totals(plan, operands, task, scratch, panel, index, totals)


cdef void run_split_panel(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t panel,
    const char *weights, const char *ahead, const cyc_split_range *weights_range, Py_ssize_t terms, bint first,
    bint last
) noexcept nogil:
    """All tiles of a block for one panel and one block of terms."""
    cdef Py_ssize_t steps = ceil_div(terms, CYC_SPLIT_STEP), step = 0, end, index
    cdef Py_ssize_t step_bytes = split_bytes(plan, 1), chunk = chunk_steps(plan)
    cdef Py_ssize_t tile = CYC_SPLIT_TILE * CYC_SPLIT_TILE if keeps_totals(plan) else 0
    cdef float *totals = scratch.totals
    cdef bint adds
    cdef cyc_split_args args
    if plan.term_blocks > 1:
        totals += (panel - task.panel) * scratch.spot_count * tile
    args.outputs = min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width)
    args.parts = plan.problem.split_parts
    args.ahead = ahead
    args.ahead_lines = 0
    if ahead != NULL:
        args.ahead_lines = ceil_div(step_bytes, CACHE_LINE * scratch.spot_count)
    scratch.doubtful_count = 0
    plan.isa.split.begin(args.outputs)
    while step < steps:
        end = near_end(plan, step, steps)
        adds = step >= chunk or not first
        args.weights = weights + step * step_bytes
        args.steps = end - step
        args.resume = step % chunk > 0
        for index in range(scratch.spot_count):
            args.pixels = scratch.pixels + (index * steps + step) * step_bytes
            args.pixel_count = scratch.spots[index].pixels
            args.taken = taken_steps(plan, scratch, index)
            args.phase = step % args.taken.period
            args.sums = (scratch.sums if adds else totals) + index * tile
            args.totals = NULL
            if adds and (end % chunk == 0 or end == steps):
                args.totals = totals + index * tile
            plan.isa.split.multiply(&args)
            args.ahead += args.steps * args.ahead_lines * CACHE_LINE
            if last and end == steps:  # the sums are near
                finish_split_tile(plan, operands, task, scratch, panel, weights_range, index, totals + index * tile)
        step = end
    plan.isa.split.end()
    if scratch.doubtful_count:
        store_doubtful(plan, operands, task, scratch, panel)


cdef void run_blocks(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch
) noexcept nogil:
    cdef Py_ssize_t block, term, terms, index, panel, panel_index
    cdef const char *weights
    cdef const char *ahead
    cdef cyc_split_range *found
    for block in range(plan.term_blocks):
        term = block * plan.term_block
        terms = min(plan.term_block, plan.terms - term)
        find_terms(plan, operands, task, scratch, term, terms, plan.skips)
        split_block(plan, task, scratch, terms)
        for index in range(task.panel_count):
            panel = task.panel + index
            panel_index = task.group * plan.panels + panel
            if plan.packs_in_task:
                found = scratch.weight_ranges + index
                split_panel(plan, operands.weight, panel_index, term, terms, scratch.panel, found)
                weights = scratch.panel
                ahead = NULL
            else:
                found = split_ranges(plan, operands.panels) + panel_index
                weights = operands.panels + panel_index * split_bytes(plan, plan.terms) + split_bytes(plan, term)
                ahead = weights + split_bytes(plan, plan.terms) if index + 1 < task.panel_count else NULL
            run_split_panel(
                plan, operands, task, scratch, panel, weights, ahead, found, terms, block == 0,
                block == plan.term_blocks - 1,
            )


cdef void run_split_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    """Compute one task; `memory` is the thread's scratch, aligned."""
    cdef Scratch scratch
    cdef Py_ssize_t lists, index
    scratch.window = memory
    scratch.totals = <float *>(scratch.window + plan.window_bytes)
    scratch.sums = <float *>(<char *>scratch.totals + plan.totals_bytes)
    scratch.pixels = <char *>scratch.sums + plan.sums_bytes
    scratch.panel = scratch.pixels + plan.pixels_bytes
    scratch.direct_panel = <float *>(scratch.panel + plan.panel_bytes)
    scratch.direct_pixels = scratch.direct_panel + DIRECT_TERMS * DIRECT_OUTPUTS
    memory = <char *>scratch.direct_panel + plan.direct_bytes
    scratch.doubtful = <DoubtfulTile *>memory
    memory += plan.doubtful_bytes
    scratch.pixel_ranges = <cyc_split_range *>memory
    scratch.weight_ranges = scratch.pixel_ranges + plan.spots
    memory += plan.ranges_bytes
    scratch.offsets = <int32_t *>memory
    memory += plan.offsets_bytes
    scratch.spots = <Spot *>memory
    memory += plan.spots_bytes
    scratch.edges = <cyc_edge *>memory
    scratch.lists = <SpanList *>(memory + plan.edges_bytes)
    scratch.spans = <cyc_span *>(scratch.lists + plan.span_lists)
    scratch.in_place = window_in_input(plan, operands, task)
    scratch.spot_count = place_spots(
        plan, task.row, task.row_count, task.column, task.column_count, 0, scratch.spots, scratch.lists, &lists,
        scratch.edges,
    )
    for index in range(plan.spots + task.panel_count):
        clear_range(scratch.pixel_ranges + index)
    run_blocks(plan, operands, task, &scratch)
