"""Running a plan of Fourier transforms.

    for each block of groups         spectra of their kernels                          (prange)
      task = image x group x pair of blocks                                            (prange)
        for each input channel       planes: prepare_channels (_window); spectrum
        for each output channel      sum of products; transformed back into the planes; store

A value that is not finite spoils its whole pair: every frequency depends on it. So such a pair is
computed anew by the direct algorithms, which also serves where only the transform overflowed.
"""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport (
    CYC_F32,
    CYC_FFT_LINE_BYTES,
    CYC_FLOAT32,
    CYC_FLOAT64,
    cyc_fft_args,
    cyc_load_args,
    cyc_load_fn,
    cyc_store_args,
)
from cyconv._panels cimport pack_panels, panels_bytes
from cyconv._plan cimport ALIGNMENT, DIRECT, Plan, Problem, Transforms, free_plan, make_plan
from cyconv._run cimport Destination, Operands, run_plan
from cyconv._window cimport prepare_channels


cdef struct Block:
    Py_ssize_t start[2]  # first output: row, column
    Py_ssize_t count[2]  # outputs; none: the pair has a single block
    Py_ssize_t window[2]  # rows and columns of input under them


cdef struct Task:
    Py_ssize_t image
    Py_ssize_t group
    Block blocks[2]


cdef struct Scratch:
    char *planes[2]  # real and imaginary part
    char *line
    char *spectra  # of the input channels


cdef inline char *aligned(char *memory) noexcept nogil:
    return <char *>((<size_t>memory + ALIGNMENT - 1) & ~<size_t>(ALIGNMENT - 1))


cdef Task find_task(const Plan *plan, Py_ssize_t first_group, Py_ssize_t groups, Py_ssize_t index) noexcept nogil:
    cdef const Transforms *fft = &plan.fft
    cdef Task task
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


cdef inline Py_ssize_t whole_columns(const Plan *plan, Py_ssize_t columns) noexcept nogil:
    """Columns that a transform of the first `columns` takes."""
    return round_up(columns, 2 * CYC_FFT_LINE_BYTES // plan.kernels.item)


cdef void transform_columns(
    const Plan *plan, const Scratch *scratch, Py_ssize_t columns, bint inverse
) noexcept nogil:
    cdef cyc_fft_args args
    args.re = scratch.planes[0]
    args.im = scratch.planes[1]
    args.pitch = plan.fft.pitch
    args.points = plan.fft.points[0]
    args.twiddles = plan.fft.twiddles[0]
    args.columns = whole_columns(plan, columns)
    args.line = NULL
    args.inverse = inverse
    plan.kernels.fft_columns(&args)


cdef void transform_line(
    const Plan *plan, const Scratch *scratch, Py_ssize_t index, char *line, bint inverse
) noexcept nogil:
    """A line of rows of the planes, between them and `line`."""
    cdef cyc_fft_args args
    cdef Py_ssize_t offset = index * CYC_FFT_LINE_BYTES * plan.fft.pitch
    args.re = scratch.planes[0] + offset
    args.im = scratch.planes[1] + offset
    args.pitch = plan.fft.pitch
    args.points = plan.fft.points[1]
    args.twiddles = plan.fft.twiddles[1]
    args.columns = 0
    args.line = line
    args.inverse = inverse
    plan.kernels.fft_rows(&args)


cdef inline Py_ssize_t line_count(const Plan *plan) noexcept nogil:
    return plan.fft.points[0] * plan.kernels.item // CYC_FFT_LINE_BYTES


cdef inline Py_ssize_t line_elements(const Plan *plan) noexcept nogil:
    """Complex elements of a line."""
    return plan.fft.points[1] * CYC_FFT_LINE_BYTES // plan.kernels.item


# ---------------------------------------------------------------------------------------------
# Kernel spectra


cdef void transform_kernel(const Plan *plan, const char *weight, char *spectrum, char *memory) noexcept nogil:
    """The spectrum of one kernel, over the number of points: what the two transforms multiply by."""
    cdef const Transforms *fft = &plan.fft
    cdef Py_ssize_t item = plan.kernels.item, row, column, at, index
    cdef Py_ssize_t taps = plan.problem.kernel[1]
    cdef double scale = 1.0 / (<double>fft.points[0] * fft.points[1])
    cdef Scratch scratch
    scratch.planes[0] = aligned(memory)
    scratch.planes[1] = scratch.planes[0] + fft.plane_bytes
    memset(scratch.planes[0], 0, 2 * fft.plane_bytes)
    for row in range(plan.problem.kernel[0]):
        for column in range(taps):
            at = row * plan.problem.dilation[0] * fft.pitch + column * plan.problem.dilation[1]
            index = row * taps + column
            if plan.problem.dtype == CYC_F32:
                (<float *>scratch.planes[0])[at] = (<const float *>weight)[index] * <float>scale
            else:
                (<double *>scratch.planes[0])[at] = (<const double *>weight)[index] * scale
    transform_columns(plan, &scratch, fft.extent[1], False)  # the others are zero
    for index in range(line_count(plan)):
        transform_line(plan, &scratch, index, spectrum + index * fft.line_bytes, False)


cdef void transform_kernels(
    const Plan *plan, const char *weight, Py_ssize_t count, char *spectra, char *memory, int threads
) noexcept nogil:
    """The spectra of `count` kernels; `memory` is each thread's scratch, one behind the other."""
    cdef Py_ssize_t index, scratch_bytes = plan.scratch_bytes + ALIGNMENT
    cdef Py_ssize_t weight_bytes = plan.problem.kernel[0] * plan.problem.kernel[1] * plan.kernels.item
    threads = <int>min(<Py_ssize_t>threads, count)
    for index in prange(count, num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        transform_kernel(
            plan, weight + index * weight_bytes, spectra + index * plan.fft.spectrum_bytes,
            memory + threadid() * scratch_bytes,
        )


cdef int fill_spectra(const Plan *plan, const char *weight, char *spectra, int threads) noexcept nogil:
    """The spectra of all kernels; 0, or -1 without memory."""
    cdef Py_ssize_t count = plan.problem.groups * plan.problem.in_channels * plan.problem.out_channels
    cdef char *memory = <char *>malloc((plan.scratch_bytes + ALIGNMENT) * threads)
    if memory == NULL:
        return -1
    transform_kernels(plan, weight, count, spectra, memory, threads)
    free(memory)
    return 0


# ---------------------------------------------------------------------------------------------
# A pair of blocks


cdef void fill_plane(
    const Plan *plan, const Operands *operands, const Task *task, const Block *block, Py_ssize_t channel, char *plane
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
        plane,
    )
    for row in range(rows):
        memset(plane + (row * pitch + columns) * item, 0, (pitch - columns) * item)
    memset(plane + rows * pitch * item, 0, (plan.fft.points[0] - rows) * pitch * item)


cdef void store_block(
    const Plan *plan, const Operands *operands, const Task *task, const Block *block, Py_ssize_t output, char *plane,
    char *line
) noexcept nogil:
    """Write the outputs of a block, whose sums are in a plane, every stride-th of a row and of all rows."""
    cdef const Destination *to = &operands.destination
    cdef Py_ssize_t item = plan.kernels.item, pitch = plan.fft.pitch, row
    cdef Py_ssize_t channel = task.group * plan.problem.out_channels + output
    cdef cyc_store_args args
    cdef cyc_load_args every
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
    if plan.problem.stride[1] == 1:
        to.store(&args)
        return
    memset(&every, 0, sizeof(every))
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


cdef int run_direct(const Problem *problem, const Plan *plan, Operands *operands, int threads) noexcept nogil:
    """A problem by the direct algorithms; 0, or -1 without memory."""
    cdef Plan direct
    cdef char *panels = NULL
    cdef int status = make_plan(&direct, problem, plan.isa, DIRECT, threads)
    if status != 0:
        return -1
    if panels_bytes(&direct):
        panels = <char *>malloc(panels_bytes(&direct))
        status = -1 if panels == NULL else 0
    if status == 0:
        if panels != NULL:
            pack_panels(&direct, operands.weight, panels, threads)
        operands.panels = panels
        status = run_plan(&direct, operands, threads)
    free(panels)
    free_plan(&direct)
    return status


cdef int run_block_directly(
    const Plan *plan, const Operands *operands, const Task *task, const Block *block
) noexcept nogil:
    """All outputs of a block by the direct algorithms, as a problem of their own."""
    cdef Problem problem = plan.problem
    cdef Operands part = operands[0]
    cdef Py_ssize_t item = plan.kernels.item, channel, which
    problem.batch = problem.groups = 1
    problem.held = False
    for which in range(2):
        problem.before[which] -= block.start[which] * problem.stride[which]
        problem.out_size[which] = block.count[which]
    channel = task.group * problem.in_channels
    part.source.data += (
        task.image * part.source.batch_bytes + channel // part.source.parts * part.source.channel_bytes
    )
    channel = task.group * problem.out_channels
    part.destination.data += (
        task.image * part.destination.batch_bytes
        + channel // part.destination.parts * part.destination.channel_bytes
        + block.start[0] * part.destination.row_bytes + block.start[1] * part.destination.column_bytes
    )
    part.weight += channel * plan.terms * item
    part.bias += channel * item
    return run_direct(&problem, plan, &part, 1)


cdef bint finite_rows(const Plan *plan, const Scratch *scratch, Py_ssize_t rows) noexcept nogil:
    """Whether the first rows of both planes, wrapped outputs and all, are finite."""
    cdef Py_ssize_t elements = rows * plan.fft.pitch
    return plan.kernels.finite(scratch.planes[0], elements) and plan.kernels.finite(scratch.planes[1], elements)


cdef bint run_pair(
    const Plan *plan, const Operands *operands, const Task *task, const char *spectra, const Scratch *scratch
) noexcept nogil:
    """Both blocks of a pair; False where not everything is finite."""
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
    for channel in range(inputs):
        for part in range(2):
            fill_plane(plan, operands, task, &task.blocks[part], channel, scratch.planes[part])
        transform_columns(plan, scratch, columns, False)
        # the first row has the sums of all columns
        if not finite_rows(plan, scratch, 1):
            return False
        if not fft.fused:
            for index in range(lines):
                line = scratch.spectra + channel * fft.spectrum_bytes + index * fft.line_bytes
                transform_line(plan, scratch, index, line, False)
    for output in range(plan.problem.out_channels):
        kernels = spectra + output * inputs * fft.spectrum_bytes
        for index in range(lines):
            if fft.fused:
                transform_line(plan, scratch, index, scratch.line, False)
                plan.kernels.fft_multiply(
                    scratch.line, scratch.line, kernels + index * fft.line_bytes, elements, False
                )
            for channel in range(0 if fft.fused else inputs):
                plan.kernels.fft_multiply(
                    scratch.line, scratch.spectra + channel * fft.spectrum_bytes + index * fft.line_bytes,
                    kernels + channel * fft.spectrum_bytes + index * fft.line_bytes, elements, channel > 0,
                )
            transform_line(plan, scratch, index, scratch.line, True)
        transform_columns(plan, scratch, out_columns, True)
        if not finite_rows(plan, scratch, out_rows):
            return False
        for part in range(2):
            if task.blocks[part].count[0]:
                store_block(
                    plan, operands, task, &task.blocks[part], output, scratch.planes[part], scratch.line
                )
    return True


cdef int run_task(
    const Plan *plan, const Operands *operands, Py_ssize_t first_group, Py_ssize_t groups, Py_ssize_t index,
    const char *spectra, char *memory
) noexcept nogil:
    """0, or -1 without memory."""
    cdef const Transforms *fft = &plan.fft
    cdef Task task = find_task(plan, first_group, groups, index)
    cdef Scratch scratch
    cdef int part, status = 0
    scratch.planes[0] = aligned(memory)
    scratch.planes[1] = scratch.planes[0] + fft.plane_bytes
    scratch.line = scratch.planes[0] + plan.window_bytes
    scratch.spectra = scratch.line + plan.panel_bytes
    spectra += (
        (task.group - first_group) * plan.problem.in_channels * plan.problem.out_channels * fft.spectrum_bytes
    )
    if run_pair(plan, operands, &task, spectra, &scratch):
        return 0
    for part in range(2):
        if status == 0 and task.blocks[part].count[0]:
            status = run_block_directly(plan, operands, &task, &task.blocks[part])
    return status


cdef int run_groups(
    const Plan *plan, const Operands *operands, Py_ssize_t first_group, Py_ssize_t groups, const char *spectra,
    char *memory, int threads
) noexcept nogil:
    """Some groups of all images; 0, or -1 without memory."""
    cdef Py_ssize_t index, tasks = plan.tasks * groups, scratch_bytes = plan.scratch_bytes + ALIGNMENT
    cdef int failed = 0
    threads = <int>min(<Py_ssize_t>threads, tasks)
    for index in prange(tasks, num_threads=threads, use_threads_if=threads > 1, schedule="dynamic"):
        failed += run_task(
            plan, operands, first_group, groups, index, spectra, memory + threadid() * scratch_bytes
        )
    return -1 if failed else 0


cdef int run_fft(const Plan *plan, const Operands *operands, int threads) noexcept nogil:
    """Compute the convolution; 0, or -1 without memory."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t kernels = problem.in_channels * problem.out_channels, group = 0, groups
    cdef Py_ssize_t weight_bytes = problem.out_channels * plan.terms * plan.kernels.item
    cdef Py_ssize_t block_bytes = plan.fft.group_block * kernels * plan.fft.spectrum_bytes
    cdef Problem whole
    cdef Operands copy
    cdef char *memory
    cdef char *spectra
    cdef int status = 0
    if not plan.kernels.finite(operands.weight, problem.groups * problem.out_channels * plan.terms):
        whole = problem[0]
        whole.held = False
        copy = operands[0]
        return run_direct(&whole, plan, &copy, threads)
    if operands.panels != NULL:
        block_bytes = 0
    memory = <char *>malloc(block_bytes + (plan.scratch_bytes + ALIGNMENT) * threads)
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
