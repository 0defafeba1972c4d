"""Running a plan: the loops over tasks, blocks and tiles.

    task = image x group x part of the outputs x block of the output image     (prange)
      for each block of terms          window of its channels: prepare_channels (_window)
        for each panel of outputs      its packed weights stay in cache
          for each tile of pixels      kernel: sums of the terms                (kernels/)
            after the last terms       epilogue: bias, activation, store

A kernel stores by itself where a whole tile lies contiguously in the result; everywhere else its
sums go through scratch, from where the epilogue writes the valid part with any strides and dtype.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_F32,
    CYC_NO_ACTIVATION,
    CYC_RELU6,
    cyc_rows_args,
    cyc_store_args,
    cyc_tap,
    cyc_tile_args,
)
from cyconv._plan cimport ROWS, TURNED_TILE, Plan, fill_taps, row_step, row_stride, tiles_of_block
from cyconv._window cimport prepare_channels


cdef enum:
    ALIGNMENT = 64


cdef struct Task:
    Py_ssize_t image
    Py_ssize_t group
    Py_ssize_t panel  # first panel
    Py_ssize_t panel_count
    Py_ssize_t row  # first output row
    Py_ssize_t row_count
    Py_ssize_t column
    Py_ssize_t column_count


cdef struct Scratch:
    char *window
    char *totals
    cyc_tap *taps
    Py_ssize_t *chunk_ends


cdef inline Task find_task(const Plan *plan, Py_ssize_t index) noexcept nogil:
    """Task number `index`; the parts of one image are neighbours, so that they share its cache."""
    cdef Task task
    task.column = index % plan.columns.blocks * plan.columns.block
    index //= plan.columns.blocks
    task.row = index % plan.rows.blocks * plan.rows.block
    index //= plan.rows.blocks
    task.panel = index % plan.panel_blocks * plan.panel_block
    index //= plan.panel_blocks
    task.group = index % plan.problem.groups
    task.image = index // plan.problem.groups
    task.row_count = min(plan.rows.block, plan.rows.out - task.row)
    task.column_count = min(plan.columns.block, plan.columns.out - task.column)
    task.panel_count = min(plan.panel_block, plan.panels - task.panel)
    return task


cdef inline char *output_address(const Plan *plan, const Destination *to, const Task *task, Py_ssize_t channel) noexcept nogil:
    """The first output pixel of the task, of real output channel `channel` of its group."""
    channel += task.group * plan.problem.out_channels
    return (
        to.data + task.image * to.batch_bytes
        + channel // to.parts * to.channel_bytes + channel % to.parts * to.part_bytes
        + task.row * to.row_bytes + task.column * to.column_bytes
    )


cdef void prepare_window(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel, Py_ssize_t channels, char *window
) noexcept nogil:
    prepare_channels(
        &plan.window, &plan.rows, &plan.columns, &operands.source,
        operands.source.data + task.image * operands.source.batch_bytes,
        task.group * plan.problem.in_channels + channel, channels,
        task.row, task.row_count, task.column, task.column_count, window,
    )


cdef void store_tile(
    const Plan *plan, const Operands *operands, const Task *task, const char *totals, Py_ssize_t output,
    Py_ssize_t outputs, Py_ssize_t pixel, Py_ssize_t pixels, Py_ssize_t output_step, Py_ssize_t pixel_step
) noexcept nogil:
    """The epilogue of one tile: write the pixels that are valid columns of a row, row by row.

    `pixel` counts window positions of the block; those beyond the block's columns are gaps
    between rows. Steps are in elements of `totals`.
    """
    cdef const Destination *to = &operands.destination
    cdef cyc_store_args args
    cdef Py_ssize_t pitch = plan.window.row_pitch, item = plan.kernels.item
    cdef Py_ssize_t row = pixel // pitch, column = pixel % pitch, done = 0, run
    cdef Py_ssize_t part, parts = to.parts
    cdef char *base
    args.activation = to.activation
    args.bias_step = parts
    args.row_step = output_step * parts
    args.column_step = pixel_step
    args.row_bytes = to.channel_bytes
    args.column_bytes = to.column_bytes
    while done < pixels and row < task.row_count:
        run = min(pixels - done, task.column_count - column)
        if run > 0:
            args.columns = run
            # an output is a row of the store; of a complex result, every other one
            for part in range(min(parts, outputs)):
                base = output_address(plan, to, task, output + part)
                args.src = totals + (done * pixel_step + part * output_step) * item
                args.bias = operands.bias + (task.group * plan.problem.out_channels + output + part) * item
                args.rows = (outputs - part + parts - 1) // parts
                args.dst = base + row * to.row_bytes + column * to.column_bytes
                to.store(&args)
        done += pitch - column
        column = 0
        row += 1


cdef void store_block(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t output, const char *values
) noexcept nogil:
    """Write all pixels of one output channel, whose bias they have already."""
    cdef const Destination *to = &operands.destination
    cdef double zero = 0  # of any compute dtype
    cdef cyc_store_args args
    args.src = values
    args.row_step = task.column_count
    args.column_step = 1
    args.bias = &zero
    args.bias_step = 0
    args.activation = to.activation
    args.dst = output_address(plan, to, task, output)
    args.row_bytes = to.row_bytes
    args.column_bytes = to.column_bytes
    args.rows = task.row_count
    args.columns = task.column_count
    to.store(&args)


cdef void run_tiles(const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch) noexcept nogil:
    cdef Py_ssize_t item = plan.kernels.item, lanes = plan.kernels.lanes, taps = plan.rows.taps * plan.columns.taps
    cdef Py_ssize_t width = plan.panel_width, pitch = plan.window.row_pitch
    cdef Py_ssize_t tile_item = plan.tile_rows * plan.tile_vectors * lanes * item
    cdef Py_ssize_t block, term, terms, channel, panel, output, outputs, tile, per_row, pixel, pixels, valid, vectors
    cdef Py_ssize_t tiles = tiles_of_block(plan, task.row_count, task.column_count)
    cdef Py_ssize_t row, column, group_output = task.group * plan.problem.out_channels
    cdef bint turned = plan.algorithm == TURNED_TILE, last, whole
    cdef const Destination *to = &operands.destination
    cdef double clamps[2]
    cdef cyc_tile_args args
    cdef const char *panel_terms
    cdef const char *pixels_base
    args.taps = scratch.taps
    args.chunk_ends = scratch.chunk_ends
    args.begin = 0
    args.clamp = clamp_bounds(plan, to.activation, clamps)
    args.out_pitch = to.out_pitch
    per_row = tiles if plan.flat else tiles // task.row_count
    for block in range(plan.term_blocks):
        term = block * plan.term_block
        terms = min(plan.term_block, plan.terms - term)
        last = block == plan.term_blocks - 1
        channel = term // taps if taps else 0
        prepare_window(plan, operands, task, channel, (term + terms + taps - 1) // taps - channel, scratch.window)
        if plan.term_blocks > 1:
            fill_taps(plan, term, terms, scratch.taps, scratch.chunk_ends)
        args.chunks = (terms + CYC_CHUNK - 1) // CYC_CHUNK
        args.carry = block > 0
        for panel in range(task.panel, task.panel + task.panel_count):
            output = panel * width
            outputs = min(width, plan.problem.out_channels - output)
            panel_terms = operands.panels + ((task.group * plan.panels + panel) * plan.terms + term) * width * item
            args.bias = operands.bias + (group_output + output) * item
            for tile in range(tiles):
                row = tile // per_row
                pixel = tile % per_row * plan.pixel_tile
                if plan.flat:
                    pixels = (task.row_count - 1) * pitch + task.column_count - pixel
                else:
                    pixels = task.column_count - pixel
                pixels = min(pixels, plan.pixel_tile)
                column = pixel
                pixel += row * pitch
                pixels_base = scratch.window + pixel * item
                args.totals = scratch.totals
                if plan.term_blocks > 1:
                    args.totals = scratch.totals + ((panel - task.panel) * tiles + tile) * tile_item
                args.out = NULL
                if turned:
                    args.broadcast = pixels_base
                    args.vector = panel_terms
                    vectors = (outputs + lanes - 1) // lanes
                    plan.kernels.tile[vectors - 1][pixels - 1](&args)
                    if last:
                        store_tile(
                            plan, operands, task, <const char *>args.totals, output, outputs, pixel, pixels,
                            1, vectors * lanes,
                        )
                    continue
                args.broadcast = panel_terms
                args.vector = pixels_base
                vectors = (pixels + lanes - 1) // lanes
                if last and to.direct and pixels == vectors * lanes:
                    whole = column + pixels <= task.column_count
                    if plan.flat:
                        row = pixel // pitch
                        column = pixel % pitch
                        whole = column + pixels <= task.column_count or (
                            pitch == task.column_count and to.row_bytes == pitch * item
                        )
                    if whole:
                        args.out = (
                            output_address(plan, to, task, output) + row * to.row_bytes + column * item
                        )
                plan.kernels.tile[vectors - 1][outputs - 1](&args)
                if last and args.out == NULL:
                    store_tile(
                        plan, operands, task, <const char *>args.totals, output, outputs, pixel, pixels,
                        vectors * lanes, 1,
                    )


cdef void run_rows(const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch) noexcept nogil:
    cdef Py_ssize_t item = plan.kernels.item, pitch = plan.window.row_pitch
    cdef Py_ssize_t step = row_step(&plan.rows), panel, first, index
    cdef const Destination *to = &operands.destination
    cdef bint direct = to.direct and to.row_bytes % item == 0
    cdef double clamps[2]
    cdef cyc_rows_args args
    prepare_window(plan, operands, task, 0, plan.problem.in_channels, scratch.window)
    args.row_offsets = plan.row_offsets
    args.column_offsets = plan.column_offsets
    args.channel_pitch = plan.window.channel_pitch
    args.window_pitch = step * pitch
    args.channels = plan.problem.in_channels
    args.kernel_h = plan.rows.taps
    args.kernel_w = plan.columns.taps
    args.stride = row_stride(&plan.rows)
    args.columns = task.column_count
    args.clamp = clamp_bounds(plan, to.activation, clamps)
    args.out_pitch = step * (to.row_bytes // item if direct else task.column_count)
    for panel in range(task.panel, task.panel + task.panel_count):
        index = task.group * plan.problem.out_channels + panel
        args.weight = operands.weight + index * plan.terms * item
        args.bias = operands.bias + index * item
        for first in range(min(step, task.row_count)):
            args.rows = (task.row_count - first + step - 1) // step
            args.window = scratch.window + first * pitch * item
            if direct:
                args.out = output_address(plan, to, task, panel) + first * to.row_bytes
            else:
                args.out = scratch.totals + first * task.column_count * item
            plan.kernels.rows(&args)
        if not direct:
            store_block(plan, operands, task, panel, scratch.totals)


cdef inline const void *clamp_bounds(const Plan *plan, int activation, double *storage) noexcept nogil:
    """The bounds of the activation, two elements of the compute dtype, in `storage`."""
    cdef double low = 0.0 if activation != CYC_NO_ACTIVATION else -INFINITY
    cdef double high = 6.0 if activation == CYC_RELU6 else INFINITY
    storage[0] = low
    storage[1] = high
    if plan.problem.dtype == CYC_F32:
        (<float *>storage)[0] = <float>low
        (<float *>storage)[1] = <float>high
    return storage


cdef void run_task(const Plan *plan, const Operands *operands, Py_ssize_t index, char *memory) noexcept nogil:
    cdef Task task = find_task(plan, index)
    cdef Scratch scratch
    scratch.window = <char *>((<size_t>memory + ALIGNMENT - 1) & ~<size_t>(ALIGNMENT - 1))
    scratch.totals = scratch.window + plan.window_bytes
    scratch.taps = plan.taps
    scratch.chunk_ends = plan.chunk_ends
    if plan.algorithm == ROWS:
        run_rows(plan, operands, &task, &scratch)
        return
    if plan.term_blocks > 1:
        scratch.taps = <cyc_tap *>(scratch.totals + plan.totals_bytes)
        scratch.chunk_ends = <Py_ssize_t *>(scratch.taps + plan.term_block)
    run_tiles(plan, operands, &task, &scratch)


cdef Py_ssize_t panels_bytes(const Plan *plan) noexcept nogil:
    """Size of all packed weights; 0 where the algorithm reads them as they are."""
    if plan.algorithm == ROWS:
        return 0
    return plan.problem.groups * plan.panels * plan.terms * plan.panel_width * plan.kernels.item


cdef void pack_panels(const Plan *plan, const char *weight, char *panels, int threads) noexcept nogil:
    cdef Py_ssize_t index, output, item = plan.kernels.item
    for index in prange(
        plan.problem.groups * plan.panels, num_threads=threads, use_threads_if=threads > 1, schedule="static"
    ):
        output = index % plan.panels * plan.panel_width
        plan.kernels.pack(
            weight + (index // plan.panels * plan.problem.out_channels + output) * plan.terms * item,
            plan.terms, min(plan.panel_width, plan.problem.out_channels - output), plan.panel_width, plan.terms,
            panels + index * plan.panel_width * plan.terms * item,
        )


cdef int run_plan(const Plan *plan, const Operands *operands, int threads) noexcept nogil:
    """Compute the convolution; 0, or -1 without memory."""
    cdef Py_ssize_t index, scratch_bytes = plan.scratch_bytes + ALIGNMENT
    cdef char *memory = <char *>malloc(scratch_bytes * threads)
    if memory == NULL:
        return -1
    if threads == 1:
        for index in range(plan.tasks):
            run_task(plan, operands, index, memory)
    else:
        for index in prange(plan.tasks, num_threads=threads, schedule="dynamic"):
            run_task(plan, operands, index, memory + threadid() * scratch_bytes)
    free(memory)
    return 0
