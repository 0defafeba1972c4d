"""A task by Winograd's F(4x4, 3x3).

    window             a few channels at a time, in the first-level cache
      input transform  36 factors [factor][channel][tile], or from these
        gather         [factor][tile of the kernel][channel][tile]
        for a few panels of outputs
          tile kernel  36 products, each a sum over the channels: [factor][output][tile], or turned
                       [factor][tile][output]
          output transform to rows of pixels, epilogue

Winograd's sums mix the inputs of a tile, so that a NaN or an infinity reaches outputs which do not see
it. A tile whose 16 results are not all finite before the epilogue is therefore computed again
directly, in the order of the direct algorithms.
"""

from libc.stdint cimport int32_t
from libc.string cimport memchr, memcpy, memset

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_WINOGRAD_IN,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
    CYC_WINOGRAD_TAPS,
    cyc_ahead,
    cyc_span,
    cyc_store_args,
    cyc_tap,
    cyc_tile_args,
    cyc_winograd_output_args,
    most_rows,
)
from cyconv._panels cimport look_ahead, look_ahead_at, pack_factors
from cyconv._plan cimport Plan
from cyconv._slots cimport MANY_REGISTERS
from cyconv._task cimport Operands, Task, output_address, prepare_window
from cyconv._tile_block cimport TileBlock, tiles_of_factor
from cyconv._winograd_factors cimport gather_factors, kernel_tile, tile_block, transform_input


cdef struct Scratch:
    char *window  # of a few channels
    # Of the tiles; one plane further on until they are gathered. The window of all channels where tiles are computed
    # again.
    char *factors
    const char *inputs  # the factors, or those that threads have made together
    char *products  # of the panels of a pass; direct sums where tiles are computed again
    char *pixels  # [output][four rows for each row of tiles]: of one output channel, turned of a panel
    char *sums  # of the pixels of each tile: [tile], turned [tile][output]
    char *panel  # factors of a panel's weights, where the task makes them; its direct weights
    char *doubtful  # [output][tile]: not finite, to be computed again
    cyc_tap *taps
    cyc_span *spans
    int32_t *offsets  # of the channels of a plane, where factors are gathered from it


cdef Py_ssize_t fill_chunks(cyc_span *spans, Py_ssize_t terms, Py_ssize_t chunk) noexcept nogil:
    """Spans of all terms in chunks; how many."""
    cdef Py_ssize_t index, count = ceil_div(terms, chunk)
    for index in range(count):
        spans[index].begin = <int>(index * chunk)
        spans[index].end = <int>min(terms, (index + 1) * chunk)
        spans[index].ends_chunk = True
    return count


cdef inline Py_ssize_t padded_outputs(const Plan *plan, Py_ssize_t outputs) noexcept nogil:
    """Outputs of a panel as its products have them: turned, whole vectors."""
    return round_up(outputs, plan.kernels.lanes) if plan.turned else outputs


cdef void multiply(
    const Plan *plan, cyc_tile_args *args, const char *factors, const char *weights, char *products,
    Py_ssize_t outputs, Py_ssize_t tiles
) noexcept nogil:
    """One product of a panel: [tile of the kernel][output][position], or turned [position][output]."""
    cdef Py_ssize_t lanes = plan.kernels.lanes, item = plan.kernels.item, step, first, count, vectors
    cdef Py_ssize_t width = kernel_tile(plan, tiles), pitch = plan.problem.in_channels if plan.gathers else 1
    outputs = padded_outputs(plan, outputs)
    if plan.gathers and plan.turned:
        args.broadcast_step = width
    for step in range(ceil_div(tiles, width)):
        first = step * width
        count = min(width, tiles - first)
        args.totals = products + first * outputs * item
        if plan.turned:
            args.broadcast = factors + first * pitch * item
            args.vector = weights
            plan.kernels.tile[outputs // lanes - 1][count - 1](args)
        else:
            args.broadcast = weights
            args.vector = factors + first * pitch * item
            vectors = ceil_div(count, lanes)
            plan.kernels.tile[vectors - 1][outputs - 1](args)


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


cdef bint find_doubtful(
    const Plan *plan, const char *sums, Py_ssize_t tiles, Py_ssize_t step, char *doubtful
) noexcept nogil:
    """Mark the tiles of an output channel whose sums, `step` apart, are not finite; whether there are any."""
    cdef Py_ssize_t tile
    cdef bint found = False
    for tile in range(tiles):
        doubtful[tile] = not plan.kernels.finite(sums + tile * step * plan.kernels.item, 1)
        found = found or doubtful[tile]
    return found


cdef bint store_panel(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block,
    Py_ssize_t panel, const char *products
) noexcept nogil:
    """Output transform and epilogue of a panel's products; whether tiles turned out doubtful."""
    cdef Py_ssize_t item = plan.kernels.item, width = plan.pixel_tile, index, row, step, first
    cdef Py_ssize_t tiles = block.rows * block.columns
    cdef Py_ssize_t output = panel * plan.panel_width
    cdef Py_ssize_t outputs = min(plan.panel_width, plan.problem.out_channels - output)
    cdef char *doubtful = scratch.doubtful + (panel - task.panel) * plan.panel_width * plan.positions
    cdef const char *pixels = scratch.pixels
    cdef bint finite = True, found = False
    cdef cyc_winograd_output_args args
    args.plane_pitch = plan.product_pitch
    args.row_pitch = CYC_WINOGRAD_OUT * plan.positions
    args.out_pitch = plan.pixel_pitch
    args.channels = padded_outputs(plan, outputs)
    if plan.turned:
        args.products = products
        args.rows = block.rows
        args.tiles = block.columns
        args.last_rows = block.last_rows
        args.last_columns = block.last_columns
        args.out = scratch.pixels
        args.sums = scratch.sums
        plan.kernels.winograd_output_turned(&args)
        finite = plan.kernels.finite(scratch.sums, tiles * args.channels)
    for index in range(outputs):
        if plan.turned:
            pixels = scratch.pixels + index * args.out_pitch * item
            if not finite:
                found = find_doubtful(
                    plan, scratch.sums + index * item, tiles, args.channels, doubtful + index * plan.positions
                ) or found
        else:
            for step in range(ceil_div(tiles, width)):
                first = step * width
                args.tiles = round_up(min(width, tiles - first), plan.kernels.lanes)
                args.products = products + (first * outputs + index * args.tiles) * item
                args.out = scratch.pixels + CYC_WINOGRAD_OUT * first * item
                args.sums = scratch.sums + first * item
                plan.kernels.winograd_output(&args)
            if not plan.kernels.finite(scratch.sums, tiles):
                found = find_doubtful(
                    plan, scratch.sums, tiles, 1, doubtful + index * plan.positions
                ) or found
        for row in range(block.rows):
            store_tiles(
                plan, operands, task, output + index, row, 0, block.columns,
                pixels + CYC_WINOGRAD_OUT * row * block.columns * item, args.row_pitch,
            )
    return found


cdef void sum_directly(
    const Plan *plan, const Operands *operands, const Scratch *scratch, Py_ssize_t output, Py_ssize_t outputs,
    Py_ssize_t pixels
) noexcept nogil:
    """Direct sums of a panel for a flat run of window pixels: [output group][vector][output][lane].

    `output` is the panel's first among all groups' outputs, `pixels` counts whole vectors. A group of
    outputs is the most that a tile one vector wide can have.
    """
    cdef Py_ssize_t lanes = plan.kernels.lanes, item = plan.kernels.item, most = most_rows(plan.kernels, 1)
    cdef Py_ssize_t group, first, rows, step
    cdef cyc_tile_args args
    args.taps = scratch.taps
    args.next_vector = 0
    args.edges = NULL
    args.ahead = NULL
    args.spans = scratch.spans
    args.span_count = fill_chunks(scratch.spans, plan.terms, CYC_CHUNK)
    args.carry = False
    args.out = NULL
    args.broadcast = scratch.panel
    for group in range(ceil_div(outputs, most)):
        first = group * most
        rows = min(most, outputs - first)
        plan.kernels.pack(
            operands.weight + (output + first) * plan.terms * item, plan.terms, rows, most, plan.terms, scratch.panel
        )
        for step in range(pixels // lanes):
            args.vector = scratch.factors + step * lanes * item
            args.totals = scratch.products + (first * pixels + step * lanes * rows) * item
            plan.kernels.tile[0][rows - 1](&args)


cdef void store_again(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block,
    Py_ssize_t output, Py_ssize_t index, Py_ssize_t outputs, Py_ssize_t pixels, const char *doubtful
) noexcept nogil:
    """Replace the doubtful tiles of output `index` of a panel by direct sums."""
    cdef Py_ssize_t item = plan.kernels.item, lanes = plan.kernels.lanes, most = most_rows(plan.kernels, 1)
    cdef Py_ssize_t first = index - index % most, tile, pixel, at
    cdef Py_ssize_t rows = min(most, outputs - first)
    for tile in range(block.rows * block.columns):
        if not doubtful[tile]:
            continue
        for pixel in range(CYC_WINOGRAD_OUT * CYC_WINOGRAD_OUT):
            at = (
                (tile // block.columns * CYC_WINOGRAD_OUT + pixel // CYC_WINOGRAD_OUT) * plan.window.row_pitch
                + tile % block.columns * CYC_WINOGRAD_OUT + pixel % CYC_WINOGRAD_OUT
            )
            at = first * pixels + (at // lanes * rows + index - first) * lanes + at % lanes
            memcpy(scratch.pixels + pixel * item, scratch.products + at * item, item)
        store_tiles(
            plan, operands, task, output, tile // block.columns, tile % block.columns, 1, scratch.pixels,
            CYC_WINOGRAD_OUT,
        )


cdef void compute_again(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block
) noexcept nogil:
    """Compute the doubtful tiles of a task directly, panel by panel."""
    cdef Py_ssize_t panel, output, outputs, index, channel, kh, kw, flags = plan.panel_width * plan.positions
    cdef Py_ssize_t pixels = round_up(
        (task.row_count - 1) * plan.window.row_pitch + task.column_count, plan.kernels.lanes
    )
    cdef char *doubtful
    cdef cyc_tap *tap = scratch.taps
    for channel in range(plan.problem.in_channels):
        for kh in range(CYC_WINOGRAD_TAPS):
            for kw in range(CYC_WINOGRAD_TAPS):
                tap.broadcast = <int>((tap - scratch.taps) * most_rows(plan.kernels, 1))
                tap.vector = <int>(channel * plan.window.channel_pitch + kh * plan.window.row_pitch + kw)
                tap.edge = 0
                tap += 1
    prepare_window(plan, operands, task, 0, plan.problem.in_channels, scratch.factors)
    for panel in range(task.panel, task.panel + task.panel_count):
        doubtful = scratch.doubtful + (panel - task.panel) * flags
        if memchr(doubtful, True, flags) == NULL:
            continue
        output = panel * plan.panel_width
        outputs = min(plan.panel_width, plan.problem.out_channels - output)
        sum_directly(
            plan, operands, scratch, task.group * plan.problem.out_channels + output, outputs, pixels
        )
        for index in range(outputs):
            store_again(
                plan, operands, task, scratch, block, output + index, index, outputs, pixels,
                doubtful + index * plan.positions,
            )


cdef const char *weight_factors(
    const Plan *plan, const Operands *operands, const Scratch *scratch, Py_ssize_t index, Py_ssize_t channel,
    Py_ssize_t channels
) noexcept nogil:
    """The factors of the weights of some channels, from panel number `index` of all groups on."""
    cdef Py_ssize_t taps = CYC_WINOGRAD_TAPS * CYC_WINOGRAD_TAPS
    if plan.packs_in_task:
        pack_factors(plan, operands.weight, index, channel, channels, scratch.panel)
        return scratch.panel
    if plan.transforms_in_task:
        plan.kernels.winograd_weight(
            operands.panels + (index * plan.terms + channel * taps) * plan.panel_width * plan.kernels.item,
            channels, plan.panel_width, scratch.panel, plan.weight_pitch,
        )
        return scratch.panel
    return operands.panels + index * CYC_WINOGRAD_PRODUCTS * plan.weight_pitch * plan.kernels.item


cdef void look_ahead_part(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t panel, Py_ssize_t channel,
    Py_ssize_t bursts, cyc_ahead *ahead
) noexcept nogil:
    """Let tiles fetch the weights of the channels of a panel from `channel` on, or of the next panel behind the last.

    Tiles of twelve sums do not hide it, and the layers that want it take 2% longer.
    """
    cdef Py_ssize_t taps = CYC_WINOGRAD_TAPS * CYC_WINOGRAD_TAPS
    if channel == plan.problem.in_channels:
        channel = 0
        panel += 1
    ahead.rows = 0
    if panel < task.panel + task.panel_count and plan.kernels.registers >= MANY_REGISTERS:
        look_ahead(
            plan, operands, task.group * plan.panels + panel, channel * taps,
            min(plan.part_channels, plan.problem.in_channels - channel) * taps, bursts, plan.kernels.winograd_chunk,
            ahead,
        )


cdef void multiply_pass(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block,
    Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """All products of the panels ``first .. last``, one part of the channels after the other."""
    cdef Py_ssize_t item = plan.kernels.item, panel, product, step, channel, channels, tiles
    cdef Py_ssize_t weight_bytes = plan.weight_pitch * item
    cdef Py_ssize_t panel_bytes = plan.panel_width * plan.positions * item
    cdef const char *weights
    cdef const char *panel_weights
    cdef const char *next_weights
    cdef const char *factors
    cdef char *products
    cdef cyc_ahead ahead
    cdef cyc_tile_args args
    args.taps = NULL
    args.next_vector = 0
    args.broadcast_step = plan.positions if plan.turned else plan.panel_width
    args.vector_step = plan.panel_width if plan.turned else plan.pixel_tile if plan.gathers else plan.positions
    args.edges = NULL
    args.ahead = &ahead
    args.spans = scratch.spans
    args.out = NULL
    for step in range(ceil_div(plan.problem.in_channels, plan.part_channels)):
        channel = step * plan.part_channels
        channels = min(plan.part_channels, plan.problem.in_channels - channel)
        args.span_count = fill_chunks(scratch.spans, channels, plan.kernels.winograd_chunk)
        args.carry = step > 0
        weights = weight_factors(plan, operands, scratch, task.group * plan.panels + first, channel, channels)
        if plan.transforms_in_task:
            tiles = block.rows * block.columns
            look_ahead_part(
                plan, operands, task, first, channel + channels,
                CYC_WINOGRAD_PRODUCTS * ceil_div(tiles, plan.pixel_tile) * args.span_count, &ahead,
            )
        for product in range(CYC_WINOGRAD_PRODUCTS):
            tiles = tiles_of_factor(block, product // CYC_WINOGRAD_IN, product % CYC_WINOGRAD_IN)
            factors = scratch.inputs + (
                product * plan.factor_pitch + channel * (kernel_tile(plan, tiles) if plan.gathers else plan.positions)
            ) * item
            products = scratch.products + product * plan.product_pitch * item
            for panel in range(first, last):
                panel_weights = weights + ((panel - first) * CYC_WINOGRAD_PRODUCTS + product) * weight_bytes
                next_weights = panel_weights + CYC_WINOGRAD_PRODUCTS * weight_bytes
                if panel + 1 == last:
                    next_weights = weights + (product + 1) * weight_bytes
                if not plan.transforms_in_task:  # factors made here are near
                    look_ahead_at(
                        next_weights, channels * plan.panel_width * item,
                        ceil_div(tiles, plan.pixel_tile) * args.span_count, plan.kernels.winograd_chunk, &ahead,
                    )
                multiply(
                    plan, &args, factors, panel_weights, products + (panel - first) * panel_bytes,
                    min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width), tiles,
                )


cdef void run_winograd(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    """Compute one task; `memory` is the thread's scratch, aligned."""
    cdef Py_ssize_t step, first, last, panel
    cdef Py_ssize_t panel_bytes = plan.panel_width * plan.positions * plan.kernels.item
    cdef TileBlock block = tile_block(plan, task)
    cdef Scratch scratch
    cdef bint found = False
    scratch.window = memory
    scratch.factors = scratch.window + plan.window_bytes
    scratch.products = scratch.factors + plan.factor_bytes
    scratch.pixels = scratch.products + plan.totals_bytes
    scratch.sums = scratch.pixels + plan.turned_bytes
    scratch.panel = scratch.sums + plan.sums_bytes
    scratch.taps = <cyc_tap *>(scratch.panel + plan.panel_bytes)
    scratch.doubtful = <char *>scratch.taps + plan.taps_bytes
    scratch.spans = <cyc_span *>(scratch.doubtful + plan.spots_bytes)
    scratch.offsets = <int32_t *>(<char *>scratch.spans + plan.spans_bytes)
    memset(scratch.doubtful, 0, plan.panel_block * plan.panel_width * plan.positions)

    scratch.inputs = operands.factors
    if scratch.inputs == NULL:
        scratch.inputs = scratch.factors
        transform_input(plan, operands, task, scratch.window, scratch.factors)
    if plan.gathers:
        gather_factors(plan, &block, scratch.factors, scratch.offsets)
    for step in range(ceil_div(task.panel_count, plan.pass_panels)):
        first = task.panel + step * plan.pass_panels
        last = min(first + plan.pass_panels, task.panel + task.panel_count)
        multiply_pass(plan, operands, task, &scratch, &block, first, last)
        for panel in range(first, last):
            found = store_panel(
                plan, operands, task, &scratch, &block, panel, scratch.products + (panel - first) * panel_bytes
            ) or found
    if found:
        compute_again(plan, operands, task, &scratch, &block)
