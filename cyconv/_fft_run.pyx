"""Running a plan of Fourier transforms.

    for each block of groups         spectra of their kernels                          (prange)
      task = image x group x pair of blocks                                            (prange)
        for each input channel       planes: prepare_channels (_window); spectrum
        for each output channel      sum of products; transformed back into the planes; store

A value that is not finite spoils its whole pair: every frequency depends on it. Such a pair is computed
anew, without its NaN, which are put into the outputs that see them (_nan_mask); and where that is not
finite either, for an infinity or as the transform overflowed, by the direct algorithms (_fallback).
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._fallback cimport run_block_directly, run_directly
from cyconv._kernels cimport (
    CYC_F32,
    CYC_FLOAT32,
    CYC_FLOAT64,
    cyc_load_args,
    cyc_load_fn,
    cyc_store_args,
    plain_load,
)
from cyconv._nan_mask cimport put_nans, spread_mask, take_nans
from cyconv._plan cimport ALIGNMENT, Plan, Problem, Transforms, aligned, result_bytes
from cyconv._shares cimport deal_tasks, share_of_thread, take_task
from cyconv._slots cimport fetches_far
from cyconv._spectra cimport line_count, line_elements, transform_columns, transform_kernels, transform_line
from cyconv._task cimport Destination, Operands
from cyconv._window cimport prepare_channels


cdef enum:
    # Rows of a block's result that are fetched ahead: each is a piece of a row of the image, and no prefetcher of the
    # hardware follows from one to the next.
    ROWS_AHEAD = 2


cdef struct Block:
    Py_ssize_t start[2]  # first output: row, column
    Py_ssize_t count[2]  # outputs; none: the pair has a single block
    Py_ssize_t window[2]  # rows and columns of input under them


cdef struct PairTask:
    Py_ssize_t image
    Py_ssize_t group
    Block blocks[2]


cdef struct Scratch:
    char *planes[2]  # real and imaginary part
    char *line
    char *spectra  # of the input channels
    unsigned char *masks[2]  # of each block: a NaN in the input, then seen by the output


cdef PairTask find_pair(const Plan *plan, Py_ssize_t first_group, Py_ssize_t groups, Py_ssize_t index) noexcept nogil:
    cdef const Transforms *fft = &plan.fft
    cdef PairTask task
    cdef Py_ssize_t pair = index % fft.pairs, number, which
    cdef Py_ssize_t at[2]
    cdef int part
    cdef Block *block
    index //= fft.pairs
    task.group = first_group + index % groups
    task.image = index // groups
    for part in range(2):
        block = &task.blocks[part]
        number = 2 * pair + part
        at[0] = number // fft.blocks[1]
        at[1] = number % fft.blocks[1]
        for which in range(2):
            block.start[which] = at[which] * fft.block[which]
            block.count[which] = max(0, min(fft.block[which], plan.problem.out_size[which] - block.start[which]))
            block.window[which] = (block.count[which] - 1) * plan.problem.stride[which] + fft.extent[which]
        if at[0] >= fft.blocks[0]:
            memset(block, 0, sizeof(Block))
    return task


cdef void fill_plane(
    const Plan *plan, const Operands *operands, const PairTask *task, const Block *block, Py_ssize_t channel,
    char *plane
) noexcept nogil:
    """The input under a block, zeros around it."""
    cdef Py_ssize_t item = plan.kernels.item, pitch = plan.fft.pitch, row
    cdef Py_ssize_t rows = block.window[0], columns = block.window[1]
    if block.count[0] == 0:
        memset(plane, 0, plan.fft.plane_bytes)
        return
    prepare_channels(
        &plan.window, &plan.rows, &plan.columns, &operands.source,
        operands.source.data + task.image * operands.source.batch_bytes,
        task.group * plan.problem.in_channels + channel, 1,
        block.start[0] * plan.problem.stride[0], block.count[0] * plan.problem.stride[0] - plan.problem.stride[0] + 1,
        block.start[1] * plan.problem.stride[1], block.count[1] * plan.problem.stride[1] - plan.problem.stride[1] + 1,
        0, plane,
    )
    for row in range(rows):
        memset(plane + (row * pitch + columns) * item, 0, (pitch - columns) * item)
    memset(plane + rows * pitch * item, 0, (plan.fft.points[0] - rows) * pitch * item)


cdef void store_pair_block(
    const Plan *plan, const Operands *operands, const PairTask *task, const Block *block, Py_ssize_t output,
    char *plane, char *line
) noexcept nogil:
    """Write the outputs of a block, whose sums are in a plane, every stride-th of a row and of all rows."""
    cdef const Destination *to = &operands.destination
    cdef Py_ssize_t item = plan.kernels.item, pitch = plan.fft.pitch, row
    cdef Py_ssize_t channel = task.group * plan.problem.out_channels + output
    cdef cyc_store_args args
    cdef cyc_load_args every = plain_load()
    cdef cyc_load_fn load = plan.kernels.load[CYC_FLOAT32 if plan.problem.dtype == CYC_F32 else CYC_FLOAT64]
    args.src = plane
    args.row_step = plan.problem.stride[0] * pitch
    args.bias = operands.bias + channel * item
    args.bias_step = 0
    args.activation = to.activation
    args.dst = (
        to.data + task.image * to.batch_bytes
        + channel // to.parts * to.channel_bytes + channel % to.parts * to.part_bytes
        + block.start[0] * to.row_bytes + block.start[1] * to.column_bytes
    )
    args.row_bytes = to.row_bytes
    args.column_bytes = to.column_bytes
    args.rows = block.count[0]
    args.columns = block.count[1]
    args.ahead = ROWS_AHEAD * to.row_bytes if fetches_far(plan.kernels, result_bytes(plan), 0) else 0
    if plan.problem.stride[1] == 1:
        to.store(&args)
        return
    every.channels = every.rows = args.rows = 1
    every.columns = args.columns
    every.column_bytes = plan.problem.stride[1] * item
    every.dst = line
    args.src = line
    for row in range(block.count[0]):
        every.src = plane + row * plan.problem.stride[0] * pitch * item
        load(&every)
        to.store(&args)
        args.dst += to.row_bytes


cdef bint fill_planes(
    const Plan *plan, const Operands *operands, const PairTask *task, Py_ssize_t channel, const Scratch *scratch,
    bint masked
) noexcept nogil:
    """The input of both blocks; `masked`, without its NaN. False where there is an infinity besides."""
    cdef const Block *block
    cdef bint finite = True
    cdef int part
    for part in range(2):
        block = &task.blocks[part]
        fill_plane(plan, operands, task, block, channel, scratch.planes[part])
        if masked and block.count[0]:
            finite = take_nans(
                scratch.planes[part], plan.fft.pitch, plan.problem.dtype == CYC_F32, block.window[0], block.window[1],
                scratch.masks[part], plan.fft.points[1],
            ) and finite
    return finite


cdef void put_back_nans(const Plan *plan, const Block *block, char *plane, const unsigned char *mask) noexcept nogil:
    put_nans(
        plane, plan.fft.pitch, plan.problem.dtype == CYC_F32, block.window[0] - plan.fft.extent[0] + 1,
        block.window[1] - plan.fft.extent[1] + 1, mask, plan.fft.points[1],
    )


cdef bint finite_rows(const Plan *plan, const Scratch *scratch, Py_ssize_t rows) noexcept nogil:
    """Whether the first rows of both planes, wrapped outputs and all, are finite."""
    cdef Py_ssize_t elements = rows * plan.fft.pitch
    return plan.kernels.finite(scratch.planes[0], elements) and plan.kernels.finite(scratch.planes[1], elements)


cdef bint run_pair(
    const Plan *plan, const Operands *operands, const PairTask *task, const char *spectra, const Scratch *scratch,
    bint masked
) noexcept nogil:
    """Both blocks of a pair; False where not everything is finite, apart from NaN if `masked`."""
    cdef const Transforms *fft = &plan.fft
    cdef Py_ssize_t lines = line_count(plan), elements = line_elements(plan), channel, output, index
    cdef Py_ssize_t inputs = plan.problem.in_channels
    # the second block may be in the next row of blocks, or none at all
    cdef Py_ssize_t columns = max(task.blocks[0].window[1], task.blocks[1].window[1])
    cdef Py_ssize_t out_columns = columns - fft.extent[1] + 1
    cdef Py_ssize_t out_rows = max(task.blocks[0].window[0], task.blocks[1].window[0]) - fft.extent[0] + 1
    cdef const char *kernels
    cdef char *line
    cdef int part
    if masked:
        memset(scratch.masks[0], 0, fft.mask_bytes)
    for channel in range(inputs):
        if not fill_planes(plan, operands, task, channel, scratch, masked):
            return False
        transform_columns(plan, scratch.planes, columns, False)
        # the first row has the sums of all columns
        if not finite_rows(plan, scratch, 1):
            return False
        if not fft.fused:
            for index in range(lines):
                line = scratch.spectra + channel * fft.spectrum_bytes + index * fft.line_bytes
                transform_line(plan, scratch.planes, index, line, False)
    for part in range(2 if masked else 0):
        spread_mask(
            scratch.masks[part], fft.points[1], task.blocks[part].window[0], plan.problem.kernel, plan.problem.dilation,
        )
    for output in range(plan.problem.out_channels):
        kernels = spectra + output * inputs * fft.spectrum_bytes
        for index in range(lines):
            if fft.fused:
                transform_line(plan, scratch.planes, index, scratch.line, False)
                plan.kernels.fft_multiply(
                    scratch.line, scratch.line, kernels + index * fft.line_bytes, elements, False
                )
            for channel in range(0 if fft.fused else inputs):
                plan.kernels.fft_multiply(
                    scratch.line, scratch.spectra + channel * fft.spectrum_bytes + index * fft.line_bytes,
                    kernels + channel * fft.spectrum_bytes + index * fft.line_bytes, elements, channel > 0,
                )
            transform_line(plan, scratch.planes, index, scratch.line, True)
        transform_columns(plan, scratch.planes, out_columns, True)
        if not finite_rows(plan, scratch, out_rows):
            return False
        for part in range(2):
            if task.blocks[part].count[0]:
                if masked:
                    put_back_nans(plan, &task.blocks[part], scratch.planes[part], scratch.masks[part])
                store_pair_block(
                    plan, operands, task, &task.blocks[part], output, scratch.planes[part], scratch.line
                )
    return True


cdef inline Py_ssize_t thread_bytes(const Plan *plan) noexcept nogil:
    """The memory of a thread: its share, and its scratch."""
    return plan.scratch_bytes + 2 * ALIGNMENT


cdef int run_pair_task(
    const Plan *plan, const Operands *operands, Py_ssize_t first_group, Py_ssize_t groups, Py_ssize_t index,
    const char *spectra, char *memory
) noexcept nogil:
    """0, or -1 without memory."""
    cdef const Transforms *fft = &plan.fft
    cdef PairTask task = find_pair(plan, first_group, groups, index)
    cdef Scratch scratch
    cdef int part, status = 0
    scratch.planes[0] = aligned(memory)
    scratch.planes[1] = scratch.planes[0] + fft.plane_bytes
    scratch.line = scratch.planes[0] + plan.window_bytes
    scratch.spectra = scratch.line + plan.panel_bytes
    spectra += (
        (task.group - first_group) * plan.problem.in_channels * plan.problem.out_channels * fft.spectrum_bytes
    )
    scratch.masks[0] = <unsigned char *>scratch.spectra + plan.totals_bytes
    scratch.masks[1] = scratch.masks[0] + fft.mask_bytes // 2
    if run_pair(plan, operands, &task, spectra, &scratch, False) or run_pair(
        plan, operands, &task, spectra, &scratch, True
    ):
        return 0
    for part in range(2):
        if status == 0 and task.blocks[part].count[0]:
            status = run_block_directly(
                plan, operands, task.image, task.group, task.blocks[part].start, task.blocks[part].count
            )
    return status


cdef int run_pairs_of_thread(
    const Plan *plan, const Operands *operands, Py_ssize_t first_group, Py_ssize_t groups, const char *spectra,
    char *memory, int threads, int thread
) noexcept nogil:
    """0, or less without memory."""
    cdef Py_ssize_t bytes = thread_bytes(plan), index = take_task(memory, bytes, threads, thread)
    cdef int status = 0
    while index >= 0:
        status += run_pair_task(
            plan, operands, first_group, groups, index, spectra, <char *>(share_of_thread(memory, bytes, thread) + 1)
        )
        index = take_task(memory, bytes, threads, thread)
    return status


cdef int run_groups(
    const Plan *plan, const Operands *operands, Py_ssize_t first_group, Py_ssize_t groups, const char *spectra,
    char *memory, int threads
) noexcept nogil:
    """Some groups of all images; 0, or -1 without memory."""
    cdef Py_ssize_t tasks = plan.tasks * groups
    cdef int thread, failed = 0
    threads = <int>min(<Py_ssize_t>threads, tasks)
    deal_tasks(memory, thread_bytes(plan), tasks, threads)
    for thread in prange(threads, num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        failed += run_pairs_of_thread(plan, operands, first_group, groups, spectra, memory, threads, thread)
    return -1 if failed else 0


cdef int run_fft(const Plan *plan, const Operands *operands, int threads) noexcept nogil:
    """Compute the convolution; 0, or -1 without memory."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t kernels = problem.in_channels * problem.out_channels, group = 0, groups
    cdef Py_ssize_t weight_bytes = problem.out_channels * plan.terms * plan.kernels.item
    cdef Py_ssize_t block_bytes = plan.fft.group_block * kernels * plan.fft.spectrum_bytes
    cdef char *memory
    cdef char *spectra
    cdef int status = 0
    if not plan.kernels.finite(operands.weight, problem.groups * problem.out_channels * plan.terms):
        return run_directly(plan, operands, threads)
    if operands.panels != NULL:
        block_bytes = 0
    memory = <char *>malloc(block_bytes + thread_bytes(plan) * threads)
    if memory == NULL:
        return -1
    while group < problem.groups and status == 0:
        groups = min(plan.fft.group_block, problem.groups - group)
        spectra = <char *>operands.panels  # held, of all groups at once
        if spectra == NULL:
            spectra = memory
            transform_kernels(
                plan, operands.weight + group * weight_bytes, groups * kernels, spectra, memory + block_bytes, threads
            )
        status = run_groups(plan, operands, group, groups, spectra, memory + block_bytes, threads)
        group += groups
    free(memory)
    return status
