"""The transforms of a plan: of planes, down the columns and line by line; of kernels, to their spectra."""

from cython.parallel cimport prange, threadid
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._integers cimport CACHE_LINE, round_up
from cyconv._kernels cimport CYC_F32, cyc_fft_args
from cyconv._plan cimport ALIGNMENT, Plan, Transforms, aligned


cdef inline Py_ssize_t whole_columns(const Plan *plan, Py_ssize_t columns) noexcept nogil:
    """Columns that a transform of the first `columns` takes."""
    return round_up(columns, 2 * CACHE_LINE // plan.kernels.item)


cdef void transform_columns(
    const Plan *plan, char *const *planes, Py_ssize_t columns, bint inverse
) noexcept nogil:
    cdef cyc_fft_args args
    args.re = planes[0]
    args.im = planes[1]
    args.pitch = plan.fft.pitch
    args.points = plan.fft.points[0]
    args.twiddles = plan.fft.twiddles[0]
    args.columns = whole_columns(plan, columns)
    args.line = NULL
    args.inverse = inverse
    plan.kernels.fft_columns(&args)


cdef void transform_line(
    const Plan *plan, char *const *planes, Py_ssize_t index, char *line, bint inverse
) noexcept nogil:
    """A line of rows of the planes, between them and `line`."""
    cdef cyc_fft_args args
    cdef Py_ssize_t offset = index * CACHE_LINE * plan.fft.pitch
    args.re = planes[0] + offset
    args.im = planes[1] + offset
    args.pitch = plan.fft.pitch
    args.points = plan.fft.points[1]
    args.twiddles = plan.fft.twiddles[1]
    args.columns = 0
    args.line = line
    args.inverse = inverse
    plan.kernels.fft_rows(&args)


cdef Py_ssize_t line_count(const Plan *plan) noexcept nogil:
    return plan.fft.points[0] * plan.kernels.item // CACHE_LINE


cdef Py_ssize_t line_elements(const Plan *plan) noexcept nogil:
    """Complex elements of a line."""
    return plan.fft.points[1] * CACHE_LINE // plan.kernels.item


cdef void transform_kernel(const Plan *plan, const char *weight, char *spectrum, char *memory) noexcept nogil:
    """The spectrum of one kernel, over the number of points: what the two transforms multiply by."""
    cdef const Transforms *fft = &plan.fft
    cdef Py_ssize_t row, column, at, index
    cdef Py_ssize_t taps = plan.problem.kernel[1]
    cdef double scale = 1.0 / (<double>fft.points[0] * fft.points[1])
    cdef char *planes[2]
    planes[0] = aligned(memory)
    planes[1] = planes[0] + fft.plane_bytes
    memset(planes[0], 0, 2 * fft.plane_bytes)
    for row in range(plan.problem.kernel[0]):
        for column in range(taps):
            at = row * plan.problem.dilation[0] * fft.pitch + column * plan.problem.dilation[1]
            index = row * taps + column
            if plan.problem.dtype == CYC_F32:
                (<float *>planes[0])[at] = (<const float *>weight)[index] * <float>scale
            else:
                (<double *>planes[0])[at] = (<const double *>weight)[index] * scale
    transform_columns(plan, planes, fft.extent[1], False)  # the others are zero
    for index in range(line_count(plan)):
        transform_line(plan, planes, index, spectrum + index * fft.line_bytes, False)


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
