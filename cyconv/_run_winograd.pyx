"""A task by Winograd's F(4x4, 3x3).

    window             a few channels at a time, split into phases: tiles lie side by side
      input transform  36 factors [factor][channel][tile], which stay in cache
        for a few panels of outputs
          tile kernel  36 products [product][output][tile], each a sum over the channels
          output transform, one output channel after the other: rows of pixels, epilogue

Winograd's sums mix the inputs of a tile, so that a NaN or an infinity reaches outputs which do not see
it. A tile whose 16 results are not all finite before the epilogue is therefore computed again directly,
from the same window: pixel (i, j) of every tile is a direct convolution whose taps begin at (i, j).
"""

from libc.string cimport memchr, memcpy, memset

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_WINOGRAD_IN,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
    CYC_WINOGRAD_TAPS,
    cyc_span,
    cyc_store_args,
    cyc_tap,
    cyc_tile_args,
    cyc_winograd_input_args,
    cyc_winograd_output_args,
    cyc_winograd_split_args,
)
from cyconv._panels cimport pack_factors, pack_panel
from cyconv._plan cimport WINOGRAD_CHUNK, Plan
from cyconv._task cimport Operands, Task, output_address, prepare_window


cdef struct Scratch:
    char *window  # of a few channels
    char *phases  # of the same channels
    char *factors  # of the tiles; the phases of all channels where tiles are computed again
    char *products  # of the panels of a pass
    char *pixels  # of one output channel: four rows for each row of tiles
    char *sums  # of the pixels of each tile
    char *panel  # factors of a panel's weights, where the task makes them; its direct weights
    char *doubtful  # [output][tile]: not finite, to be computed again
    cyc_tap *taps
    cyc_span *spans


cdef struct Block:
    # The tiles of a task.
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t positions  # all of them, and the rest lanes
    Py_ssize_t row_offsets[CYC_WINOGRAD_IN]  # of the rows of a tile, among the phases


cdef Block find_tiles(const Plan *plan, const Task *task) noexcept nogil:
    cdef Block block
    cdef Py_ssize_t row, phase
    block.rows = task.row_count // CYC_WINOGRAD_OUT
    block.columns = task.column_count // CYC_WINOGRAD_OUT
    block.positions = round_up(block.rows * block.columns, plan.kernels.lanes)
    for row in range(CYC_WINOGRAD_IN):
        phase = row % CYC_WINOGRAD_OUT
        # a row of each phase for each row of tiles, and one more of the first two
        block.row_offsets[row] = block.columns * (phase * block.rows + min(phase, 2) + row // CYC_WINOGRAD_OUT)
    return block


cdef Py_ssize_t fill_chunks(cyc_span *spans, Py_ssize_t terms, Py_ssize_t chunk) noexcept nogil:
    """Spans of all terms in chunks; how many."""
    cdef Py_ssize_t index, count = ceil_div(terms, chunk)
    for index in range(count):
        spans[index].begin = <int>(index * chunk)
        spans[index].end = <int>min(terms, (index + 1) * chunk)
        spans[index].ends_chunk = True
    return count


cdef void split_input(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, Block *block,
    Py_ssize_t channel, Py_ssize_t channels, char *phases
) noexcept nogil:
    """The phases of some channels, at most a block of them."""
    cdef cyc_winograd_split_args args
    prepare_window(plan, operands, task, channel, channels, scratch.window)
    args.window = scratch.window
    args.window_pitch = plan.window.channel_pitch
    args.row_pitch = plan.window.row_pitch
    args.channels = channels
    args.rows = task.row_count + CYC_WINOGRAD_TAPS - 1
    args.tiles = block.columns
    args.phases = phases
    args.phases_pitch = CYC_WINOGRAD_IN * plan.phase_pitch
    args.plane_pitch = plan.phase_pitch
    plan.kernels.winograd_split(&args)


cdef void transform_input(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, Block *block
) noexcept nogil:
    cdef Py_ssize_t step, channel
    cdef cyc_winograd_input_args args
    args.phases = scratch.phases
    args.phases_pitch = CYC_WINOGRAD_IN * plan.phase_pitch
    args.plane_pitch = plan.phase_pitch
    args.row_offsets = block.row_offsets
    args.positions = block.positions
    args.out_pitch = plan.positions
    args.out_plane_pitch = plan.factor_pitch
    for step in range(ceil_div(plan.problem.in_channels, plan.channel_block)):
        channel = step * plan.channel_block
        args.channels = min(plan.channel_block, plan.problem.in_channels - channel)
        args.out = scratch.factors + channel * plan.positions * plan.kernels.item
        split_input(plan, operands, task, scratch, block, channel, args.channels, scratch.phases)
        plan.kernels.winograd_input(&args)


cdef void multiply(
    const Plan *plan, cyc_tile_args *args, const char *vector, char *totals, Py_ssize_t rows, Py_ssize_t positions
) noexcept nogil:
    """Sums for `rows` outputs and all positions, in tiles: [tile][output][position]."""
    cdef Py_ssize_t lanes = plan.kernels.lanes, item = plan.kernels.item
    cdef Py_ssize_t tile, position, vectors, width = plan.tile_vectors * lanes
    for tile in range(ceil_div(positions, width)):
        position = tile * width
        vectors = min(plan.tile_vectors, (positions - position) // lanes)
        args.vector = vector + position * item
        args.totals = totals + position * rows * item
        plan.kernels.tile[vectors - 1][rows - 1](args)


cdef inline Py_ssize_t total_offset(
    const Plan *plan, Py_ssize_t position, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t positions
) noexcept nogil:
    """Where ``multiply`` leaves the sum of an output and a position."""
    cdef Py_ssize_t width = plan.tile_vectors * plan.kernels.lanes, first = position - position % width
    return first * rows + row * min(width, positions - first) + position - first


cdef void store_tiles(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t output, Py_ssize_t row,
    Py_ssize_t column, Py_ssize_t columns, const char *pixels, Py_ssize_t pitch
) noexcept nogil:
    """The epilogue of `columns` tiles side by side, the first at (row, column) of the task."""
    cdef cyc_store_args args
    cdef Task pixel = task[0]
    pixel.row += row * CYC_WINOGRAD_OUT
    pixel.column += column * CYC_WINOGRAD_OUT
    args.src = pixels
    args.row_step = pitch
    args.bias = operands.bias + (task.group * plan.problem.out_channels + output) * plan.kernels.item
    args.bias_step = 0
    args.activation = operands.destination.activation
    args.dst = output_address(plan, &operands.destination, &pixel, output)
    args.row_bytes = operands.destination.row_bytes
    args.column_bytes = operands.destination.column_bytes
    args.rows = min(<Py_ssize_t>CYC_WINOGRAD_OUT, plan.problem.out_size[0] - pixel.row)
    args.columns = min(columns * CYC_WINOGRAD_OUT, plan.problem.out_size[1] - pixel.column)
    operands.destination.store(&args)


cdef bint find_doubtful(const Plan *plan, const Scratch *scratch, Py_ssize_t tiles, char *doubtful) noexcept nogil:
    """Mark the tiles of an output channel that are not finite; whether there are any."""
    cdef Py_ssize_t position
    cdef bint found = False
    if plan.kernels.finite(scratch.sums, tiles):
        return False
    for position in range(tiles):
        doubtful[position] = not plan.kernels.finite(scratch.sums + position * plan.kernels.item, 1)
        found = found or doubtful[position]
    return found


cdef bint store_panel(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const Block *block,
    Py_ssize_t panel, const char *products
) noexcept nogil:
    """Output transform and epilogue of a panel's products; whether tiles turned out doubtful."""
    cdef Py_ssize_t item = plan.kernels.item, width = plan.tile_vectors * plan.kernels.lanes
    cdef Py_ssize_t index, tile, position, row, output = panel * plan.panel_width
    cdef Py_ssize_t outputs = min(plan.panel_width, plan.problem.out_channels - output)
    cdef Py_ssize_t pitch = CYC_WINOGRAD_OUT * plan.positions
    cdef bint found = False
    cdef char *doubtful = scratch.doubtful + (panel - task.panel) * plan.panel_width * plan.positions
    cdef cyc_winograd_output_args args
    args.plane_pitch = plan.product_pitch
    args.out_pitch = pitch
    for index in range(outputs):
        for tile in range(ceil_div(block.positions, width)):
            position = tile * width
            args.products = products + total_offset(plan, position, index, outputs, block.positions) * item
            args.positions = min(width, block.positions - position)
            args.out = scratch.pixels + CYC_WINOGRAD_OUT * position * item
            args.sums = scratch.sums + position * item
            plan.kernels.winograd_output(&args)
        found = find_doubtful(
            plan, scratch, block.rows * block.columns, doubtful + index * plan.positions
        ) or found
        for row in range(block.rows):
            store_tiles(
                plan, operands, task, output + index, row, 0, block.columns,
                scratch.pixels + CYC_WINOGRAD_OUT * row * block.columns * item, pitch,
            )
    return found


cdef void fill_pixel_taps(
    const Plan *plan, const Block *block, Py_ssize_t row, Py_ssize_t column, cyc_tap *taps
) noexcept nogil:
    """The direct terms of pixel (row, column) of the tiles."""
    cdef Py_ssize_t channel, kh, kw, term = 0
    for channel in range(plan.problem.in_channels):
        for kh in range(CYC_WINOGRAD_TAPS):
            for kw in range(CYC_WINOGRAD_TAPS):
                taps[term].broadcast = term * plan.panel_width
                taps[term].vector = (
                    (channel * CYC_WINOGRAD_IN + column + kw) * plan.phase_pitch + block.row_offsets[row + kh]
                )
                term += 1


cdef void store_again(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const Block *block,
    Py_ssize_t output, Py_ssize_t index, Py_ssize_t outputs, const char *doubtful
) noexcept nogil:
    """Replace the doubtful tiles of one output by direct sums, which lie [pixel][tile][output][position]."""
    cdef Py_ssize_t item = plan.kernels.item, position, pixel, offset
    for position in range(block.rows * block.columns):
        if not doubtful[position]:
            continue
        offset = total_offset(plan, position, index, outputs, block.positions)
        for pixel in range(CYC_WINOGRAD_OUT * CYC_WINOGRAD_OUT):
            memcpy(
                scratch.pixels + pixel * item,
                scratch.products + (pixel * plan.product_pitch + offset) * item, item,
            )
        store_tiles(
            plan, operands, task, output, position // block.columns, position % block.columns, 1, scratch.pixels,
            CYC_WINOGRAD_OUT,
        )


cdef void compute_again(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, Block *block
) noexcept nogil:
    """Compute the doubtful tiles of a task directly, panel by panel."""
    cdef Py_ssize_t panel, output, outputs, index, row, column, step, channel
    cdef Py_ssize_t item = plan.kernels.item, flags = plan.panel_width * plan.positions
    cdef char *doubtful
    cdef cyc_tile_args args
    args.taps = scratch.taps
    args.spans = scratch.spans
    args.span_count = fill_chunks(scratch.spans, plan.terms, CYC_CHUNK)
    args.carry = False
    args.out = NULL
    args.broadcast = scratch.panel
    for step in range(ceil_div(plan.problem.in_channels, plan.channel_block)):
        channel = step * plan.channel_block
        split_input(
            plan, operands, task, scratch, block, channel,
            min(plan.channel_block, plan.problem.in_channels - channel),
            scratch.factors + channel * CYC_WINOGRAD_IN * plan.phase_pitch * item,
        )
    for panel in range(task.panel, task.panel + task.panel_count):
        doubtful = scratch.doubtful + (panel - task.panel) * flags
        if memchr(doubtful, True, flags) == NULL:
            continue
        output = panel * plan.panel_width
        outputs = min(plan.panel_width, plan.problem.out_channels - output)
        pack_panel(plan, operands.weight, task.group * plan.panels + panel, 0, plan.terms, scratch.panel)
        for row in range(CYC_WINOGRAD_OUT):
            for column in range(CYC_WINOGRAD_OUT):
                fill_pixel_taps(plan, block, row, column, scratch.taps)
                multiply(
                    plan, &args, scratch.factors,
                    scratch.products + (row * CYC_WINOGRAD_OUT + column) * plan.product_pitch * item,
                    outputs, block.positions,
                )
        for index in range(outputs):
            store_again(
                plan, operands, task, scratch, block, output + index, index, outputs,
                doubtful + index * plan.positions,
            )


cdef void run_winograd(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    """Compute one task; `memory` is the thread's scratch, aligned."""
    cdef Py_ssize_t item = plan.kernels.item, step, first, last, panel, index, product
    cdef Py_ssize_t weight_bytes = plan.weight_pitch * item
    cdef const char *weights
    cdef Py_ssize_t panel_bytes = plan.panel_width * plan.positions * item
    cdef Block block = find_tiles(plan, task)
    cdef Scratch scratch
    cdef cyc_tile_args args
    cdef bint found = False
    scratch.window = memory
    scratch.phases = scratch.window + plan.window_bytes
    scratch.factors = scratch.phases + plan.phases_bytes
    scratch.products = scratch.factors + plan.factor_bytes
    scratch.pixels = scratch.products + plan.totals_bytes
    scratch.sums = scratch.pixels + CYC_WINOGRAD_OUT * CYC_WINOGRAD_OUT * plan.positions * item
    scratch.panel = scratch.pixels + plan.turned_bytes
    scratch.taps = <cyc_tap *>(scratch.panel + plan.panel_bytes)
    scratch.doubtful = <char *>scratch.taps + plan.taps_bytes
    scratch.spans = <cyc_span *>(scratch.doubtful + plan.spots_bytes)
    memset(scratch.doubtful, 0, plan.panel_block * plan.panel_width * plan.positions)

    transform_input(plan, operands, task, &scratch, &block)
    args.taps = plan.taps
    args.spans = scratch.spans
    args.span_count = fill_chunks(scratch.spans, plan.problem.in_channels, WINOGRAD_CHUNK)
    args.carry = False
    args.out = NULL
    for step in range(ceil_div(task.panel_count, plan.pass_panels)):
        first = task.panel + step * plan.pass_panels
        last = min(first + plan.pass_panels, task.panel + task.panel_count)
        index = task.group * plan.panels + first
        if plan.packs_in_task:  # a pass is a single panel
            pack_factors(plan, operands.weight, index, scratch.panel)
            weights = scratch.panel
        elif plan.transforms_in_task:
            plan.kernels.winograd_weight(
                operands.panels + index * plan.terms * plan.panel_width * item, plan.problem.in_channels,
                plan.panel_width, scratch.panel, plan.weight_pitch,
            )
            weights = scratch.panel
        else:
            weights = operands.panels + index * CYC_WINOGRAD_PRODUCTS * weight_bytes
        for product in range(CYC_WINOGRAD_PRODUCTS):
            for panel in range(first, last):
                args.broadcast = weights + ((panel - first) * CYC_WINOGRAD_PRODUCTS + product) * weight_bytes
                multiply(
                    plan, &args, scratch.factors + product * plan.factor_pitch * item,
                    scratch.products + product * plan.product_pitch * item + (panel - first) * panel_bytes,
                    min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width), block.positions,
                )
        for panel in range(first, last):
            found = store_panel(
                plan, operands, task, &scratch, &block, panel, scratch.products + (panel - first) * panel_bytes
            ) or found
    if found:
        compute_again(plan, operands, task, &scratch, &block)
