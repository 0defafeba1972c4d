"""A task by Winograd's F(4x4, 3x3).

    window             a few channels at a time, in the first-level cache
      input transform  36 factors [factor][channel][tile], or from these
        gather         [factor][tile of the kernel][channel][tile]       (_winograd_factors)
        for a few panels of outputs
          tile kernel  36 products, each a sum over the channels: [factor][output][tile], or turned
                       [factor][tile][output]
          output transform to rows of pixels, epilogue                    (_winograd_outputs)
"""

from libc.stdint cimport int32_t
from libc.string cimport memset

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport (
    CYC_WINOGRAD_IN,
    CYC_WINOGRAD_PRODUCTS,
    CYC_WINOGRAD_TAPS,
    cyc_ahead,
    cyc_span,
    cyc_tap,
    cyc_tile_args,
)
from cyconv._panels cimport look_ahead, look_ahead_at, pack_factors
from cyconv._plan cimport Plan
from cyconv._slots cimport MANY_REGISTERS
from cyconv._task cimport Operands, Task
from cyconv._tiles cimport plain_tile
from cyconv._tile_block cimport TileBlock, tiles_of_factor
from cyconv._winograd_factors cimport gather_factors, kernel_tile, tile_block, transform_input
from cyconv._winograd_outputs cimport Scratch, compute_again, fill_chunks, padded_outputs, store_panel


cdef void multiply(
    const Plan *plan, cyc_tile_args *args, const char *factors, const char *weights, char *products,
    Py_ssize_t outputs, Py_ssize_t tiles
) noexcept nogil:
    """One product of a panel: [tile of the kernel][output][position], or turned [position][output].

    Few channels leave little time for what is beside them.
    """
    cdef Py_ssize_t lanes = plan.kernels.lanes, item = plan.kernels.item
    cdef Py_ssize_t width = kernel_tile(plan, tiles), pitch = plan.problem.in_channels if plan.gathers else 1
    cdef Py_ssize_t rows, vectors, padded = padded_outputs(plan, outputs)
    cdef Py_ssize_t step_bytes = width * pitch * item, totals_bytes = width * padded * item
    cdef bint turned = plan.turned
    if plan.gathers and turned:
        args.broadcast_step = width
    args.totals = products
    if turned:
        args.vector = weights
        vectors = padded // lanes
        rows = width
    else:
        args.broadcast = weights
        vectors = width // lanes
        rows = padded
    while tiles > 0:
        if turned:
            args.broadcast = factors
            rows = min(rows, tiles)
        else:
            args.vector = factors
            if tiles < width:
                vectors = ceil_div(tiles, lanes)
        plan.kernels.tile[vectors - 1][rows - 1](args)
        tiles -= width
        factors += step_bytes
        args.totals = <char *>args.totals + totals_bytes


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
    cdef const char *weights_of_panel
    cdef const char *next_weights
    cdef const char *factors
    cdef char *products
    cdef cyc_ahead ahead
    cdef cyc_tile_args args = plain_tile()
    args.broadcast_step = plan.tiles_pitch if plan.turned else plan.panel_width
    args.vector_step = plan.panel_width if plan.turned else plan.pixel_tile if plan.gathers else plan.tiles_pitch
    args.ahead = &ahead
    args.spans = scratch.spans
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
                product * plan.factor_pitch + channel * (kernel_tile(plan, tiles) if plan.gathers else plan.tiles_pitch)
            ) * item
            products = scratch.products + product * plan.product_pitch * item
            for panel in range(first, last):
                weights_of_panel = weights + ((panel - first) * CYC_WINOGRAD_PRODUCTS + product) * weight_bytes
                next_weights = weights_of_panel + CYC_WINOGRAD_PRODUCTS * weight_bytes
                if panel + 1 == last:
                    next_weights = weights + (product + 1) * weight_bytes
                if not plan.transforms_in_task:  # factors made here are near
                    look_ahead_at(
                        next_weights, channels * plan.panel_width * item,
                        ceil_div(tiles, plan.pixel_tile) * args.span_count, plan.kernels.winograd_chunk, &ahead,
                    )
                multiply(
                    plan, &args, factors, weights_of_panel, products + (panel - first) * panel_bytes,
                    min(plan.panel_width, plan.problem.out_channels - panel * plan.panel_width), tiles,
                )


cdef void run_winograd_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
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
    scratch.lines = scratch.pixels + plan.turned_bytes
    scratch.sums = scratch.lines + plan.lines_bytes
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
