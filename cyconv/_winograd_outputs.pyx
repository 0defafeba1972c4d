"""From Winograd's products to the result of a task: output transform, epilogue, and tiles that are computed again.

Winograd's sums mix the inputs of a tile, so that a NaN or an infinity reaches outputs which do not see
it. A tile whose 16 results are not all finite before the epilogue is therefore computed again
directly, in the order of the direct algorithms.
"""

from libc.string cimport memchr, memcpy

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_TAPS,
    cyc_store_args,
    cyc_tap,
    cyc_tile_args,
    cyc_winograd_output_args,
    most_tile_rows,
)
from cyconv._plan cimport Plan, block_pixels
from cyconv._task cimport Operands, Task, output_address, prepare_window
from cyconv._tiles cimport plain_tile
from cyconv._tile_block cimport TileBlock, first_of_tile


cdef void store_tiles(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t output, Py_ssize_t row,
    Py_ssize_t column, Py_ssize_t columns, Py_ssize_t step, const char *pixels, Py_ssize_t pitch
) noexcept nogil:
    """The epilogue of pixels of a row of tiles: `columns` of them, `step` apart, from `column` of the task on."""
    cdef cyc_store_args args
    cdef Task pixel = task[0]
    pixel.row += first_of_tile(row, plan.rows.dilation)
    pixel.column += column
    args.src = pixels
    args.row_step = pitch
    args.bias = operands.bias + (task.group * plan.problem.out_channels + output) * plan.kernels.item
    args.bias_step = 0
    args.activation = operands.destination.activation
    args.dst = output_address(plan, &operands.destination, &pixel, output)
    args.row_bytes = operands.destination.row_bytes * plan.rows.dilation
    args.column_bytes = operands.destination.column_bytes * step
    args.rows = min(
        <Py_ssize_t>CYC_WINOGRAD_OUT, ceil_div(plan.problem.out_size[0] - pixel.row, plan.rows.dilation)
    )
    args.columns = min(columns, ceil_div(plan.problem.out_size[1] - pixel.column, step))
    # a few rows of an output, and then of the next one far away: no prefetcher of the hardware follows
    args.ahead = 0
    if plan.fetches_results and operands.destination.parts == 1 and output + 1 < plan.problem.out_channels:
        args.ahead = operands.destination.channel_bytes
    operands.destination.store(&args)


cdef void store_row(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block,
    Py_ssize_t output, Py_ssize_t row, const char *pixels
) noexcept nogil:
    """The epilogue of a row of tiles of an output channel, whose pixels begin at `pixels`."""
    cdef Py_ssize_t pitch = CYC_WINOGRAD_OUT * plan.positions
    pixels += row * CYC_WINOGRAD_OUT * block.columns * plan.kernels.item
    if plan.columns.dilation > 1:
        plan.kernels.winograd_order(
            pixels, pitch, block.columns, plan.columns.dilation, scratch.lines, plan.line_pitch
        )
        pixels = scratch.lines
        pitch = plan.line_pitch
    store_tiles(plan, operands, task, output, row, 0, task.column_count, 1, pixels, pitch)


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
        args.short_rows = block.short_rows
        args.short_tiles = block.short_columns
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
            store_row(plan, operands, task, scratch, block, output + index, row, pixels)
    return found


cdef void sum_directly(
    const Plan *plan, const Operands *operands, const Scratch *scratch, Py_ssize_t output, Py_ssize_t outputs,
    Py_ssize_t pixels
) noexcept nogil:
    """Direct sums of a panel for a flat run of window pixels: [output group][vector][output][lane].

    `output` is the panel's first among all groups' outputs, `pixels` counts whole vectors. A group of
    outputs is the most that a tile one vector wide can have.
    """
    cdef Py_ssize_t lanes = plan.kernels.lanes, item = plan.kernels.item, most = most_tile_rows(plan.kernels, 1)
    cdef Py_ssize_t group, first, rows, step
    cdef cyc_tile_args args = plain_tile()
    args.taps = scratch.taps
    args.spans = scratch.spans
    args.span_count = fill_chunks(scratch.spans, plan.terms, CYC_CHUNK)
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
    cdef Py_ssize_t item = plan.kernels.item, lanes = plan.kernels.lanes, most = most_tile_rows(plan.kernels, 1)
    cdef Py_ssize_t first = index - index % most, tile, row, column, pixel, at
    cdef Py_ssize_t rows = min(most, outputs - first)
    for tile in range(block.rows * block.columns):
        if not doubtful[tile]:
            continue
        row = first_of_tile(tile // block.columns, plan.rows.dilation)
        column = first_of_tile(tile % block.columns, plan.columns.dilation)
        for pixel in range(CYC_WINOGRAD_OUT * CYC_WINOGRAD_OUT):
            at = (
                (row + pixel // CYC_WINOGRAD_OUT * plan.rows.dilation) * plan.window.row_pitch
                + column + pixel % CYC_WINOGRAD_OUT * plan.columns.dilation
            )
            at = first * pixels + (at // lanes * rows + index - first) * lanes + at % lanes
            memcpy(scratch.pixels + pixel * item, scratch.products + at * item, item)
        store_tiles(
            plan, operands, task, output, tile // block.columns, column, CYC_WINOGRAD_OUT, plan.columns.dilation,
            scratch.pixels, CYC_WINOGRAD_OUT,
        )


cdef void compute_again(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block
) noexcept nogil:
    """Compute the doubtful tiles of a task directly, panel by panel."""
    cdef Py_ssize_t panel, output, outputs, index, channel, kh, kw, flags = plan.panel_width * plan.positions
    cdef Py_ssize_t pixels = block_pixels(plan, task.row_count, task.column_count)
    cdef char *doubtful
    cdef cyc_tap *tap = scratch.taps
    for channel in range(plan.problem.in_channels):
        for kh in range(CYC_WINOGRAD_TAPS):
            for kw in range(CYC_WINOGRAD_TAPS):
                tap.broadcast = <int>((tap - scratch.taps) * most_tile_rows(plan.kernels, 1))
                tap.vector = <int>(
                    channel * plan.window.channel_pitch + kh * plan.rows.dilation * plan.window.row_pitch
                    + kw * plan.columns.dilation
                )
                tap.edge = 0
                tap += 1
    prepare_window(plan, operands, task, 0, plan.problem.in_channels, 0, scratch.factors)
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
