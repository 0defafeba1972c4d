"""A task by products of bfloat16 parts (_split, kernels.h).

    for each block of terms          window of its channels, or the input in its place
      for each tile of pixels        its pixels gathered, a few terms at a time, and split
      for each panel of outputs      its weights, split; with all tiles: six products, sums of chunks to the totals
        after the last terms         results that may be wrong: the direct sums in their place
                                     epilogue: bias, activation, store

Parts of a number that is not finite are not numbers, and those of a tiny one vanish. Which results that concerns is
decided for each by itself, from its own weights and inputs, so that blocks do not change it.
"""

from libc.stdint cimport int32_t, uint32_t

from cyconv._gather cimport gather_tile, place_copies
from cyconv._integers cimport CACHE_LINE, ceil_div
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_MAX_COPIES,
    CYC_SPLIT_NO_EXPONENT,
    CYC_SPLIT_STEP,
    CYC_SPLIT_TILE,
    cyc_copy,
    cyc_edge,
    cyc_gather_args,
    cyc_span,
    cyc_split_args,
    cyc_tile_args,
    most_rows,
)
from cyconv._panels cimport split_least, split_panel
from cyconv._plan cimport Plan
from cyconv._run_tiles cimport store_tile
from cyconv._split cimport DIRECT_TERMS, split_bytes
from cyconv._task cimport Operands, Task, channel_address, prepare_window, window_in_input
from cyconv._tiles cimport Spot, SpanList, fill_offsets, place_spots
from cyconv._winograd_outputs cimport fill_chunks


cdef struct Scratch:
    char *window
    char *terms_window  # that, or the input in its place, at the first channel of the terms in use
    bint in_place
    float *totals  # [output][pixel], with several blocks of terms [panel of the task][tile][output][pixel]
    char *pixels  # [tile], split
    int32_t *pixel_least  # [tile][pixel]
    int32_t *output_least  # [panel of the task][output], where the task packs them
    char *panel  # split weights of one panel, likewise
    int32_t *offsets
    Spot *spots
    Py_ssize_t spot_count
    cyc_edge *edges
    SpanList *list
    cyc_span *spans
    float *direct  # sums: [output][pixel]
    float *direct_pixels  # of a few terms: [term][pixel]
    float *direct_panel  # weights of these


cdef void find_terms(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t term, Py_ssize_t terms
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
        prepare_window(plan, operands, task, channel, ceil_div(term + terms, taps) - channel, scratch.window)
    fill_offsets(plan, term, terms, pitch, scratch.offsets, 1)


cdef void split_block(const Plan *plan, const Task *task, const Scratch *scratch, Py_ssize_t terms) noexcept nogil:
    """Gather and split the pixels of these terms, for all tiles."""
    cdef Py_ssize_t index
    cdef cyc_copy copies[CYC_MAX_COPIES]
    cdef cyc_gather_args args
    args.offsets = scratch.offsets
    args.terms = terms
    args.copies = copies
    for index in range(scratch.spot_count):
        args.copy_count = place_copies(plan, task, scratch.spots + index, copies)
        args.window = scratch.terms_window + scratch.spots[index].position * plan.kernels.item
        plan.isa.split.pixels(
            &args, scratch.spots[index].pixels, plan.problem.split_parts,
            scratch.pixels + index * split_bytes(plan, terms), scratch.pixel_least + index * CYC_SPLIT_TILE,
        )


cdef void add_directly(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t output,
    Py_ssize_t outputs, const Spot *spot
) noexcept nogil:
    """The direct sums of a tile."""
    cdef Py_ssize_t most = most_rows(plan.kernels, plan.tile_vectors), step, term, terms, first, rows
    cdef Py_ssize_t row = task.group * plan.problem.out_channels + output
    cdef cyc_tile_args args
    args.taps = NULL
    args.vector = scratch.direct_pixels
    args.vector_step = CYC_SPLIT_TILE
    args.broadcast = scratch.direct_panel
    args.broadcast_step = most
    args.edges = NULL
    args.ahead = NULL
    args.next_vector = 0
    args.spans = scratch.spans
    args.out = NULL
    for step in range(ceil_div(plan.terms, DIRECT_TERMS)):
        term = step * DIRECT_TERMS
        terms = min(<Py_ssize_t>DIRECT_TERMS, plan.terms - term)
        find_terms(plan, operands, task, scratch, term, terms)
        gather_tile(
            plan, task, spot, scratch.terms_window, scratch.in_place, scratch.offsets, terms,
            <char *>scratch.direct_pixels,
        )
        args.span_count = fill_chunks(scratch.spans, terms, CYC_CHUNK)
        args.carry = term > 0
        first = 0
        while first < outputs:
            rows = min(most, outputs - first)
            plan.kernels.pack(
                operands.weight + ((row + first) * plan.terms + term) * plan.kernels.item, plan.terms, rows, most,
                terms, <char *>scratch.direct_panel,
            )
            args.totals = scratch.direct + first * CYC_SPLIT_TILE
            plan.kernels.tile[plan.tile_vectors - 1][rows - 1](&args)
            first += rows


cdef void finish_tile(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t panel,
    const int32_t *output_least, Py_ssize_t index, float *totals
) noexcept nogil:
    """The epilogue of a tile."""
    cdef Py_ssize_t output = panel * plan.panel_width, row, column
    cdef Py_ssize_t outputs = min(plan.panel_width, plan.problem.out_channels - output)
    cdef uint32_t[CYC_SPLIT_TILE] lanes
    cdef const Spot *spot = scratch.spots + index
    if plan.isa.split.doubtful(
        totals, outputs, spot.pixels, output_least, scratch.pixel_least + index * CYC_SPLIT_TILE, lanes
    ):
        add_directly(plan, operands, task, scratch, output, outputs, spot)
        for row in range(outputs):
            for column in range(spot.pixels):
                if lanes[row] >> column & 1:
                    totals[row * CYC_SPLIT_TILE + column] = scratch.direct[row * CYC_SPLIT_TILE + column]
    store_tile(plan, operands, task, <const char *>totals, output, outputs, spot, CYC_SPLIT_TILE)


cdef void run_panel(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch, Py_ssize_t panel,
    const char *weights, const char *ahead, const int32_t *output_least, Py_ssize_t terms, bint first, bint last
) noexcept nogil:
    """All tiles of a block for one panel and one block of terms."""
    cdef Py_ssize_t index, tile_bytes = split_bytes(plan, terms)
    cdef cyc_split_args args
    args.weights = weights
    args.outputs = min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width)
    args.steps = ceil_div(terms, CYC_SPLIT_STEP)
    args.parts = plan.problem.split_parts
    args.totals = scratch.totals
    args.carry = not first
    args.ahead = ahead
    args.ahead_lines = 0
    if ahead != NULL:
        args.ahead_lines = ceil_div(tile_bytes, CACHE_LINE * args.steps * scratch.spot_count)
    if plan.term_blocks > 1:
        args.totals += (panel - task.panel) * scratch.spot_count * CYC_SPLIT_TILE * CYC_SPLIT_TILE
    plan.isa.split.begin(args.outputs)
    for index in range(scratch.spot_count):
        args.pixels = scratch.pixels + index * tile_bytes
        args.pixel_count = scratch.spots[index].pixels
        plan.isa.split.multiply(&args)
        if last:  # the sums are near
            finish_tile(plan, operands, task, scratch, panel, output_least, index, args.totals)
        if plan.term_blocks > 1:
            args.totals += CYC_SPLIT_TILE * CYC_SPLIT_TILE
        args.ahead += args.steps * args.ahead_lines * CACHE_LINE
    plan.isa.split.end()


cdef void run_blocks(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch
) noexcept nogil:
    cdef Py_ssize_t block, term, terms, index, panel, panel_index
    cdef const char *weights
    cdef const char *ahead
    cdef int32_t *least
    for block in range(plan.term_blocks):
        term = block * plan.term_block
        terms = min(plan.term_block, plan.terms - term)
        find_terms(plan, operands, task, scratch, term, terms)
        split_block(plan, task, scratch, terms)
        for index in range(task.panel_count):
            panel = task.panel + index
            panel_index = task.group * plan.panels + panel
            if plan.packs_in_task:
                least = scratch.output_least + index * CYC_SPLIT_TILE
                split_panel(plan, operands.weight, panel_index, term, terms, scratch.panel, least)
                weights = scratch.panel
                ahead = NULL
            else:
                least = split_least(plan, operands.panels) + panel_index * CYC_SPLIT_TILE
                weights = operands.panels + panel_index * split_bytes(plan, plan.terms) + split_bytes(plan, term)
                ahead = weights + split_bytes(plan, plan.terms) if index + 1 < task.panel_count else NULL
            run_panel(
                plan, operands, task, scratch, panel, weights, ahead, least, terms, block == 0,
                block == plan.term_blocks - 1,
            )


cdef void run_split_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    """Compute one task; `memory` is the thread's scratch, aligned."""
    cdef Scratch scratch
    cdef Py_ssize_t lists, index
    scratch.window = memory
    scratch.totals = <float *>(scratch.window + plan.window_bytes)
    scratch.pixels = <char *>scratch.totals + plan.totals_bytes
    scratch.panel = scratch.pixels + plan.pixels_bytes
    scratch.direct = <float *>(scratch.panel + plan.panel_bytes)
    scratch.direct_panel = scratch.direct + CYC_SPLIT_TILE * CYC_SPLIT_TILE
    scratch.direct_pixels = scratch.direct_panel + DIRECT_TERMS * CYC_SPLIT_TILE
    memory = <char *>scratch.direct + plan.direct_bytes
    scratch.pixel_least = <int32_t *>memory
    scratch.output_least = scratch.pixel_least + plan.spots * CYC_SPLIT_TILE
    memory += plan.least_bytes
    scratch.offsets = <int32_t *>memory
    memory += plan.offsets_bytes
    scratch.spots = <Spot *>memory
    memory += plan.spots_bytes
    scratch.edges = <cyc_edge *>memory
    scratch.list = <SpanList *>(memory + plan.edges_bytes)
    scratch.spans = <cyc_span *>(scratch.list + 1)
    scratch.in_place = window_in_input(plan, operands, task)
    scratch.spot_count = place_spots(
        plan, task.row, task.row_count, task.column, task.column_count, 0, scratch.spots, scratch.list, &lists,
        scratch.edges,
    )
    for index in range((plan.spots + task.panel_count) * CYC_SPLIT_TILE):
        scratch.pixel_least[index] = CYC_SPLIT_NO_EXPONENT
    run_blocks(plan, operands, task, &scratch)
