"""Winograd's factors of the inputs of a block: transformed, and gathered where tiles have few registers.

A tile of the kernel reads six of the factors of each channel, of a cache line or more. With many channels these
lines and a panel fill the first-level cache, so that it pays to put the six side by side, once for all panels.
"""

from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport (
    CYC_MAX_COPIES,
    CYC_WINOGRAD_IN,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
    CYC_WINOGRAD_TAPS,
    cyc_copy,
    cyc_gather_args,
    cyc_winograd_input_args,
)
from cyconv._plan cimport Plan, input_bytes
from cyconv._slots cimport HALVED_SECOND_LEVEL, fetches_far
from cyconv._task cimport Operands, Task, prepare_window
from cyconv._tile_block cimport TileBlock, tiles_of_factor
from cyconv._window cimport ZEROS


cdef void clear_overhang(const Plan *plan, const Task *task, Py_ssize_t channels, char *window) noexcept nogil:
    """Replace by zeros what no output of a task sees, of windows in which the last tiles overhang the result.

    With zero padding it is zeros. Other modes find inputs there, whose size would count for the error of the tile.
    """
    cdef Py_ssize_t item = plan.kernels.item, pitch = plan.window.row_pitch, row, _
    cdef Py_ssize_t more_rows = (CYC_WINOGRAD_TAPS - 1) * plan.rows.dilation
    cdef Py_ssize_t more_columns = (CYC_WINOGRAD_TAPS - 1) * plan.columns.dilation
    cdef Py_ssize_t rows = task.row_count + more_rows, columns = task.column_count + more_columns
    cdef Py_ssize_t seen_rows = min(rows, plan.problem.out_size[0] - task.row + more_rows)
    cdef Py_ssize_t seen_columns = min(columns, plan.problem.out_size[1] - task.column + more_columns)
    for _ in range(channels):
        if seen_columns < columns:
            for row in range(seen_rows):
                memset(window + (row * pitch + seen_columns) * item, 0, (columns - seen_columns) * item)
        if seen_rows < rows:
            memset(window + seen_rows * pitch * item, 0, ((rows - seen_rows - 1) * pitch + columns) * item)
        window += plan.window.channel_pitch * item


cdef void transform_channels(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t first, Py_ssize_t last, char *window,
    char *out, Py_ssize_t plane_pitch
) noexcept nogil:
    """The factors of channels ``first .. last``: [factor][channel][tile], and up to a vector beyond the last one.

    `window` has room for those of a few channels.
    """
    cdef Py_ssize_t channel = first, ahead
    cdef bint fetches = operands.source.parts == 1 and fetches_far(
        plan.kernels, input_bytes(plan), HALVED_SECOND_LEVEL
    )
    cdef TileBlock block = tile_block(plan, task)
    cdef cyc_winograd_input_args args
    args.window = window
    args.window_pitch = plan.window.channel_pitch
    args.row_pitch = plan.window.row_pitch
    args.row_dilation = plan.rows.dilation
    args.column_dilation = plan.columns.dilation
    args.rows = block.rows
    args.tiles = block.columns
    args.short_rows = block.short_rows
    args.short_tiles = block.short_columns
    args.last_rows = block.last_rows
    args.last_columns = block.last_columns
    args.out_pitch = plan.tiles_pitch
    args.plane_pitch = plane_pitch
    while channel < last:
        args.channels = min(plan.channel_block, last - channel)
        args.out = out + (channel - first) * plan.tiles_pitch * plan.kernels.item
        # the channels that follow have the time that the transform of these takes
        ahead = args.channels * operands.source.channel_bytes if fetches and channel + args.channels < last else 0
        prepare_window(plan, operands, task, channel, args.channels, ahead, window)
        if plan.problem.padding_mode != ZEROS:
            clear_overhang(plan, task, args.channels, window)
        if block.last_columns < CYC_WINOGRAD_OUT:
            plan.kernels.winograd_shorten(&args, window)
        plan.kernels.winograd_input(&args)
        channel += args.channels


cdef void transform_input(
    const Plan *plan, const Operands *operands, const Task *task, char *window, char *factors
) noexcept nogil:
    """The factors of the tiles of a block, of all channels. Where they are going to be gathered, the first plane is
    left free.
    """
    if plan.gathers:
        factors += plan.factor_pitch * plan.kernels.item
    transform_channels(plan, operands, task, 0, plan.problem.in_channels, window, factors, plan.factor_pitch)


cdef void transform_share(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t share, Py_ssize_t shares, char *memory,
    char *factors
) noexcept nogil:
    """The factors of the channels of one thread, into those of all. `memory` is its scratch.

    What lies up to a vector beyond its last channel is another thread's, so the channels that reach there take a way
    round.
    """
    cdef Py_ssize_t item = plan.kernels.item, channels = plan.problem.in_channels, product
    cdef Py_ssize_t first = share * channels // shares, last = (share + 1) * channels // shares
    cdef Py_ssize_t tail = min(last - first, ceil_div(plan.kernels.lanes, plan.tiles_pitch))
    cdef Py_ssize_t pitch = tail * plan.tiles_pitch + plan.kernels.lanes
    cdef char *own = memory + plan.window_bytes
    transform_channels(
        plan, operands, task, first, last - tail, memory, factors + first * plan.tiles_pitch * item, plan.factor_pitch
    )
    transform_channels(plan, operands, task, last - tail, last, memory, own, pitch)
    for product in range(CYC_WINOGRAD_PRODUCTS):
        memcpy(
            factors + (product * plan.factor_pitch + (last - tail) * plan.tiles_pitch) * item,
            own + product * pitch * item, tail * plan.tiles_pitch * item,
        )


cdef void gather_factors(
    const Plan *plan, const TileBlock *block, char *factors, int32_t *offsets
) noexcept nogil:
    """Put the factors of each tile of the kernel side by side: [factor][tile of the kernel][channel][tile].

    Each plane goes to the place of the one before, which is done with. `offsets` has room for those of the channels
    of a plane.
    """
    cdef Py_ssize_t item = plan.kernels.item, lanes = plan.kernels.lanes, channels = plan.problem.in_channels
    cdef Py_ssize_t product, tiles, width, step, first, index
    cdef cyc_copy copies[CYC_MAX_COPIES]
    cdef cyc_gather_args args
    for index in range(channels):
        offsets[index] = <int32_t>(index * plan.tiles_pitch)
    for index in range(CYC_MAX_COPIES):
        copies[index].begin = copies[index].to = <int32_t>(index * lanes)
    args.offsets = offsets
    args.terms = channels
    args.copies = copies
    args.rest = 0
    for product in range(CYC_WINOGRAD_PRODUCTS):
        tiles = tiles_of_factor(block, product // CYC_WINOGRAD_IN, product % CYC_WINOGRAD_IN)
        width = args.width = kernel_tile(plan, tiles)
        for step in range(ceil_div(tiles, width)):
            first = step * width
            args.copy_count = ceil_div(min(width, tiles - first), lanes)
            args.window = factors + ((product + 1) * plan.factor_pitch + first) * item
            args.dst = factors + (product * plan.factor_pitch + first * channels) * item
            plan.kernels.gather(&args)
