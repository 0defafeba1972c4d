"""The epilogue of a tile that its kernel does not store: from its totals, row by row, to any strides and dtype."""

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport cyc_store_args
from cyconv._plan cimport TURNED_TILE, Plan, tile_pitch
from cyconv._task cimport Destination, Operands, Task, output_address
from cyconv._tiles cimport Spot


cdef inline void store_tile(
    const Plan *plan, const Operands *operands, const Task *task, const char *totals, Py_ssize_t output,
    Py_ssize_t outputs, const Spot *spot, Py_ssize_t output_pitch
) noexcept nogil:
    """The epilogue of one tile: write the pixels that are valid columns of a row, row by row.

    `totals` has a row of pixels for each output, `output_pitch` elements apart. Columns beyond the
    block's are gaps between window rows.
    """
    cdef const Destination *to = &operands.destination
    cdef cyc_store_args args
    cdef Py_ssize_t pitch = tile_pitch(plan, task.column_count), item = plan.kernels.item
    cdef Py_ssize_t row = spot.row, column = spot.column, done = 0, run
    cdef Py_ssize_t part, parts = to.parts
    args.activation = to.activation
    args.bias_step = parts
    args.row_step = output_pitch * parts
    args.row_bytes = to.channel_bytes
    args.column_bytes = to.column_bytes
    args.ahead = 0
    # rows without gaps, in the window and in the result, are one long row
    cdef bint gapless = pitch == task.column_count and to.row_bytes == task.column_count * to.column_bytes
    while done < spot.pixels and row < task.row_count:
        run = spot.pixels - done
        if not gapless:
            run = min(run, task.column_count - column)
        if run > 0:
            args.columns = run
            # an output is a row of the store; of a complex result, every other one
            for part in range(min(parts, outputs)):
                args.src = totals + (done + part * output_pitch) * item
                args.bias = operands.bias + (task.group * plan.problem.out_channels + output + part) * item
                args.rows = ceil_div(outputs - part, parts)
                args.dst = (
                    output_address(plan, to, task, output + part) + row * to.row_bytes + column * to.column_bytes
                )
                to.store(&args)
        if gapless:
            return
        done += pitch - column
        column = 0
        row += 1


cdef inline void finish_tile(
    const Plan *plan, const Operands *operands, const Task *task, const char *totals, Py_ssize_t vectors,
    Py_ssize_t output, Py_ssize_t outputs, const Spot *spot, char *turned
) noexcept nogil:
    """The epilogue of one tile of so many vectors, which the kernel has left in `totals`; `turned` has their room."""
    cdef Py_ssize_t pitch = vectors * plan.kernels.lanes
    if plan.algorithm == TURNED_TILE:  # to rows of pixels; packing weights is the same transposition
        pitch = round_up(spot.pixels, 4)
        plan.kernels.pack(totals, vectors * plan.kernels.lanes, pitch, pitch, outputs, turned)
        totals = turned
    store_tile(plan, operands, task, totals, output, outputs, spot, pitch)
