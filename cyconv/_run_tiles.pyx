"""A task by tiles, plain or turned: blocks of terms, panels, and the tiles of each.

A kernel stores by itself where the columns of the result are contiguous and of the compute dtype;
everywhere else its sums go through scratch, from where the epilogue writes them.
"""

from libc.stdint cimport int32_t

from cyconv._gather cimport gather_block
from cyconv._integers cimport ceil_div
from cyconv._input_ahead cimport channel_ahead, fetches_windows, is_far, look_ahead_window
from cyconv._kernels cimport (
    CYC_CHUNK,
    cyc_ahead,
    cyc_edge,
    cyc_piece,
    cyc_span,
    cyc_tap,
    cyc_tile_args,
    cyc_turned_args,
)
from cyconv._panels cimport look_ahead_panel, panel_weights, sum_pixel
from cyconv._plan cimport TILE, TURNED_RUN, TURNED_TILE, Plan, operands_in_line, tile_pitch
from cyconv._slots cimport has_late_lines
from cyconv._task cimport (
    Destination,
    Operands,
    Task,
    channel_address,
    clamp_bounds,
    lead_pixels,
    makes_runs,
    output_address,
    prepare_window,
    run_of_pixels,
    takes_vectors,
    window_in_input,
)
from cyconv._tiles cimport (
    Placed,
    Spot,
    SpanList,
    fill_offsets,
    fill_spans,
    fill_taps,
    place_pieces,
    place_spots,
    placed_bytes,
    plain_tile,
)
from cyconv._tile_store cimport finish_tile
from cyconv._turned_run cimport add_to_run, store_run


cdef struct Scratch:
    Placed *placed
    char *window
    bint in_place  # the window is the input itself
    Py_ssize_t channel_pitch  # of the window, in elements
    bint in_line  # operands of terms lie at equal distances, and kernels need no table of them where there are no edges
    char *totals
    char *turned  # the totals of one turned tile, transposed
    char *panel  # packed weights of one panel, where the task packs them
    char *pixels  # of a block of terms, gathered: [tile][term][pixel]
    cyc_tap *taps
    int32_t *offsets  # of the terms in the window, where pixels are gathered from it
    Spot *spots
    cyc_edge *edges
    cyc_piece *pieces
    SpanList *lists


cdef struct Panel:
    # What the tiles of a panel and a block of terms have in common.
    Py_ssize_t output  # the first one
    Py_ssize_t outputs
    const char *packed
    bint finite
    bint last  # of the blocks of terms
    Py_ssize_t terms
    char *totals  # of the first tile
    char *out  # the first output, where the kernel stores it; else NULL
    cyc_ahead *weights_ahead
    cyc_ahead *input_ahead


cdef inline void point_at_terms(
    const Plan *plan, const Scratch *scratch, const Spot *spot, bint finite, cyc_tile_args *args
) noexcept nogil:
    """Let a tile take its terms: without those that read padding, if the weights are finite."""
    cdef const SpanList *terms = scratch.lists + (spot.list if finite else 0)
    args.edges = scratch.edges + spot.edges * plan.columns.taps if spot.edges and finite else NULL
    args.taps = terms.taps
    if scratch.in_line and terms.taps == scratch.taps and args.edges == NULL:
        args.taps = NULL
    args.spans = terms.spans
    args.span_count = terms.count


cdef inline const char *pixels_of(
    const Plan *plan, const Scratch *scratch, const Panel *panel, Py_ssize_t index
) noexcept nogil:
    """The pixels of a spot, in the window or gathered from it."""
    if plan.gathers:
        return scratch.pixels + index * panel.terms * plan.pixel_tile * plan.kernels.item
    return scratch.window + scratch.spots[index].position * plan.kernels.item


cdef inline cyc_ahead *ahead_of(const Panel *panel) noexcept nogil:
    """What a tile fetches: weights, then input."""
    return panel.weights_ahead if panel.weights_ahead.rows else panel.input_ahead


cdef void run_plain_tiles(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const Panel *panel,
    cyc_tile_args *args
) noexcept nogil:
    """The tiles of a panel with pixels in the lanes. Few terms leave little time for what is beside them."""
    cdef Py_ssize_t index, list_index = -1, edges = -1
    cdef Py_ssize_t totals_bytes = 0
    cdef bint in_place = scratch.in_place
    cdef const Spot *spot = scratch.spots
    args.broadcast = panel.packed
    args.totals = panel.totals
    if plan.term_blocks > 1:
        totals_bytes = plan.tile_rows * plan.tile_vectors * plan.kernels.lanes * plan.kernels.item
    for index in range(scratch.placed.spots):
        if spot.list != list_index or spot.edges != edges:
            list_index = spot.list
            edges = spot.edges
            point_at_terms(plan, scratch, spot, panel.finite, args)
        args.vector = pixels_of(plan, scratch, panel, index)
        args.ahead = ahead_of(panel)
        if in_place:
            args.next_vector = 0
            if args.taps == NULL and index + 1 < scratch.placed.spots:
                args.next_vector = (spot + 1).position - spot.position
        if panel.out != NULL:
            args.out = panel.out + spot.out
            args.pieces = spot.pieces
        plan.kernels.tile[spot.vectors - 1][panel.outputs - 1](args)
        if panel.out == NULL and panel.last:
            finish_tile(
                plan, operands, task, <const char *>args.totals, spot.vectors, panel.output, panel.outputs, spot,
                scratch.turned,
            )
        args.totals = <char *>args.totals + totals_bytes
        spot += 1


cdef void run_turned_tiles(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const Panel *panel,
    cyc_tile_args *args
) noexcept nogil:
    """The tiles of a panel with outputs in the lanes, which are transposed on the way out, some together."""
    cdef Py_ssize_t index, out_vectors = ceil_div(panel.outputs, plan.kernels.lanes)
    cdef Py_ssize_t width = out_vectors * plan.kernels.lanes * plan.kernels.item, done = 0
    cdef const Spot *spot
    cdef cyc_turned_args run
    run.pixels = 0
    run.pitch = out_vectors * plan.kernels.lanes
    run.channels = panel.outputs
    run.bias = args.bias
    run.clamp = args.clamp
    run.out_pitch = args.out_pitch
    run.fetches = has_late_lines(plan.kernels)
    args.vector = panel.packed
    for index in range(scratch.placed.spots):
        spot = scratch.spots + index
        point_at_terms(plan, scratch, spot, panel.finite, args)
        args.broadcast = pixels_of(plan, scratch, panel, index)
        args.ahead = ahead_of(panel)
        if plan.term_blocks == 1 and (done + spot.pixels) * width > TURNED_RUN:
            store_run(plan, &run)
            done = 0
        args.totals = panel.totals + done * width
        done += spot.pixels
        if plan.takes_weights:
            args.totals = sum_pixel(
                plan, operands, task.group * plan.problem.out_channels + panel.output, panel.outputs,
                <const char *>args.broadcast, scratch.totals,
            )
        else:
            plan.kernels.tile[out_vectors - 1][spot.pixels - 1](args)
        if panel.out != NULL and spot.in_line:
            add_to_run(plan, &run, <const char *>args.totals, spot.pixels, panel.out + spot.out)
        elif panel.last:
            finish_tile(
                plan, operands, task, <const char *>args.totals, out_vectors, panel.output, panel.outputs, spot,
                scratch.turned,
            )
    store_run(plan, &run)


cdef void run_panel(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, Py_ssize_t index, bint first,
    Panel *panel
) noexcept nogil:
    """All tiles of a block for one panel of one block of terms, whose packed weights `panel` has."""
    cdef Py_ssize_t item = plan.kernels.item, lanes = plan.kernels.lanes
    cdef bint turned = plan.algorithm == TURNED_TILE
    cdef Py_ssize_t pixel_step = plan.pixel_tile if plan.gathers else scratch.channel_pitch
    cdef const Destination *to = &operands.destination
    cdef double clamps[2]
    cdef cyc_tile_args args = plain_tile()
    panel.output = index * plan.panel_width
    panel.outputs = min(plan.panel_width, plan.problem.out_channels - panel.output)
    panel.totals = scratch.totals
    if plan.term_blocks > 1:
        panel.totals += (
            (index - task.panel) * scratch.placed.spots * plan.tile_rows * plan.tile_vectors * lanes * item
        )
    panel.out = NULL
    if panel.last and takes_vectors(plan, to):
        panel.out = output_address(plan, to, task, panel.output)
    args.broadcast_step = pixel_step if turned else plan.panel_width
    args.vector_step = plan.panel_width if turned else pixel_step
    args.carry = not first
    args.bias = operands.bias + (task.group * plan.problem.out_channels + panel.output) * item
    args.clamp = clamp_bounds(plan, to, clamps)
    args.out_pitch = to.out_pitch
    if turned:
        run_turned_tiles(plan, operands, task, scratch, panel, &args)
    else:
        run_plain_tiles(plan, operands, task, scratch, panel, &args)


cdef void place_block(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t lead, const Scratch *scratch
) noexcept nogil:
    """The spots of a task's block, and the pieces that the tile kernel stores, unless they are there already."""
    cdef Placed *placed = scratch.placed
    cdef Py_ssize_t index, lanes = plan.kernels.lanes
    cdef Spot *spot
    cdef bint gapless = (
        tile_pitch(plan, task.column_count) == task.column_count
        and operands.destination.row_bytes == task.column_count * plan.kernels.item
    )
    if (
        placed.rows == task.row_count and placed.row == task.row
        and placed.columns == task.column_count and placed.column == task.column and placed.lead == lead
    ):
        return
    placed.row = task.row
    placed.rows = task.row_count
    placed.column = task.column
    placed.columns = task.column_count
    placed.lead = lead
    placed.spots = place_spots(
        plan, task.row, task.row_count, task.column, task.column_count, lead, scratch.spots, scratch.lists,
        &placed.lists, scratch.edges,
    )
    for index in range(placed.spots):
        spot = scratch.spots + index
        spot.vectors = ceil_div(spot.pixels, lanes)
        spot.in_line = gapless or spot.column + spot.pixels <= task.column_count
        spot.out = spot.row * operands.destination.row_bytes + spot.column * plan.kernels.item
        spot.pieces = NULL
    if plan.algorithm != TURNED_TILE and takes_vectors(plan, &operands.destination):
        place_pieces(
            plan, task.row_count, task.column_count, operands.destination.row_bytes // plan.kernels.item,
            scratch.spots, placed.spots, scratch.pieces,
        )


cdef void run_tiles(
    const Plan *plan, const Operands *operands, const Task *task, Scratch *scratch
) noexcept nogil:
    cdef Py_ssize_t item = plan.kernels.item, taps = plan.rows.taps * plan.columns.taps
    cdef Py_ssize_t block, term, terms, channel, channels, index, bursts, fetching
    cdef Py_ssize_t loaded = -1, loaded_channels = 0
    cdef Py_ssize_t channel_pitch = plan.window.channel_pitch
    cdef bint in_place = window_in_input(plan, operands, task)
    cdef bint plain_in_place = in_place and plan.algorithm == TILE and not plan.gathers
    cdef Panel panel
    cdef cyc_ahead weights_ahead
    cdef cyc_ahead input_ahead
    cdef Task run
    cdef const Task *covered = task  # the pixels, in rows or as one
    panel.weights_ahead = &weights_ahead
    panel.input_ahead = &input_ahead
    if plain_in_place and makes_runs(plan, operands):
        run = run_of_pixels(plan, operands, task)
        covered = &run
        if run.column_count == 0:
            return
    if plan.takes_weights and not plan.gathers:
        in_place = in_place and operands.source.channel_bytes == item
    if in_place:
        channel_pitch = operands.source.channel_bytes // item
    if plan.term_blocks == 1 and channel_pitch == plan.window.channel_pitch and not plan.gathers:
        scratch.taps = plan.taps
    scratch.in_place = in_place
    scratch.channel_pitch = channel_pitch
    scratch.in_line = operands_in_line(plan)
    place_block(plan, operands, covered, lead_pixels(plan, operands, covered) if plain_in_place else 0, scratch)
    for block in range(plan.term_blocks):
        term = block * plan.term_block
        terms = min(plan.term_block, plan.terms - term)
        channel = term // taps
        channels = ceil_div(term + terms, taps) - channel
        if in_place:
            scratch.window = (
                channel_address(plan, operands, task, channel)
                + covered.row * operands.source.row_bytes + covered.column * item
            )
        elif channel != loaded or channels != loaded_channels:  # large kernels have many blocks of terms in a channel
            prepare_window(
                plan, operands, task, channel, channels, channel_ahead(plan, operands), scratch.window
            )
            loaded = channel
            loaded_channels = channels
        if plan.gathers:
            fill_offsets(plan, term, terms, channel_pitch, scratch.offsets, 1)
        # gathered, the operands of all blocks lie alike, and only edges differ
        if scratch.taps != plan.taps and (
            not scratch.in_line or plan.edge_tables > 1 or plan.skips and block == 0
        ):
            fill_taps(plan, term, terms, channel_pitch, scratch.taps)
        for index in range(scratch.placed.lists):
            fill_spans(plan, term, terms, scratch.taps, scratch.lists + index)
        if plan.gathers:
            gather_block(
                plan, task, scratch.spots, scratch.placed.spots, scratch.window, in_place, scratch.offsets, terms,
                scratch.pixels,
            )
        # a burst of each chunk: half of the tiles of all panels fetch input; in place all of them, turned ones if it is
        # far
        bursts = ceil_div(terms, CYC_CHUNK)
        fetching = scratch.placed.spots
        if not plain_in_place and not (in_place and is_far(plan)):
            fetching //= 2
        input_ahead.rows = 0
        if fetches_windows(plan, plain_in_place):
            look_ahead_window(plan, operands, task, block, fetching * task.panel_count * bursts, &input_ahead)
        bursts *= scratch.placed.spots - fetching if input_ahead.rows else scratch.placed.spots
        panel.terms = terms
        panel.last = block == plan.term_blocks - 1
        for index in range(task.panel, task.panel + task.panel_count):
            panel.packed = panel_weights(
                plan, operands, task.group * plan.panels + index, term, terms, scratch.panel, &panel.finite
            )
            weights_ahead.rows = 0
            # a single tile hides nothing, and the hardware follows a panel by itself
            if bursts > 0 and scratch.placed.spots > 1:
                look_ahead_panel(plan, operands, task, index, block, bursts, &weights_ahead)
            if plain_in_place:  # terms fetch input, of which there is more
                weights_ahead.step = 0
            run_panel(plan, operands, covered, scratch, index, block == 0, &panel)


cdef void run_tile_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    """A task by tiles, in a scratch of the plan's bytes."""
    cdef Scratch scratch
    cdef Py_ssize_t list_index
    cdef cyc_span *spans
    scratch.placed = <Placed *>memory
    scratch.window = memory + placed_bytes()
    scratch.totals = scratch.window + plan.window_bytes
    scratch.turned = scratch.totals + plan.totals_bytes
    scratch.panel = scratch.turned + plan.turned_bytes
    scratch.pixels = scratch.panel + plan.panel_bytes
    memory = scratch.pixels + plan.pixels_bytes
    scratch.taps = <cyc_tap *>memory
    memory += plan.taps_bytes
    scratch.offsets = <int32_t *>memory
    memory += plan.offsets_bytes
    scratch.spots = <Spot *>memory
    memory += plan.spots_bytes
    scratch.edges = <cyc_edge *>memory
    memory += plan.edges_bytes
    scratch.pieces = <cyc_piece *>memory
    scratch.lists = <SpanList *>(memory + plan.pieces_bytes)
    spans = <cyc_span *>(scratch.lists + plan.span_lists)
    for list_index in range(plan.span_lists):
        scratch.lists[list_index].spans = spans + list_index * plan.spans
        scratch.lists[list_index].own_taps = NULL
        if plan.lists_have_taps:
            scratch.lists[list_index].own_taps = (
                <cyc_tap *>(spans + plan.span_lists * plan.spans) + list_index * plan.term_block
            )
    run_tiles(plan, operands, task, &scratch)
