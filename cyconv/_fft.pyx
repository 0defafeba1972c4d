"""Convolution by Fourier transforms: blocks, cost, scratch and twiddle factors.

The image is cut into blocks of outputs (overlap-save). The input under a block is transformed, its
spectrum multiplied by the conjugate of the kernel's, which is correlation, and transformed back; as
the transform is circular, only the outputs whose windows do not wrap around are right, and these are
the block. A block of p points by q has p - extent + 1 by q - extent + 1 of them.

Two neighbouring blocks of one image go through one complex transform, as real and imaginary part:
the kernel is real, so that neither finds its way into the other but by rounding. Which two is a matter
of the geometry alone.

    planes        [points down][pitch]               the input of a pair; then its outputs
      columns     transformed as they lie
      line        [points across][rows of a line]    a few rows of the planes, transposed
    spectrum      [line][re, im][points across][rows of a line]
"""

from libc.math cimport cos, sin
from libc.stdlib cimport malloc
from libc.string cimport memset

from cyconv._integers cimport CACHE_LINE, balanced, ceil_div, round_up
from cyconv._kernels cimport CYC_F32
from cyconv._plan cimport ALIGNMENT, FFT, Plan, Problem, Transforms, free_plan
from cyconv._slots cimport cycle_slots, far_share, has_late_lines


cdef enum:
    LEAST_POINTS = 32
    MOST_POINTS = 1024
    GAP_LINES = 3  # between two rows of a plane, an odd number; one line leaves more of them in the same sets
    # Larger planes than these leave a second-level cache on their way from pass to pass.
    CACHED_PLANES = 5 << 18

cdef double PASS_SLOTS = 3.6  # of a vector of points, for each factor of 2 in their number, and direction
cdef double PRODUCT_SLOTS = 12.0  # of a vector of points: two spectra are loaded and one is stored, far from the core
cdef double BLOCK_SLOTS = 20.0  # of a vector of points: filling the planes, or storing the results
cdef double LATE_BLOCK_SLOTS = 16.0  # likewise where lines come late, and are fetched ahead
cdef double UNCACHED_FACTOR = 2.0
cdef double KERNEL_FACTOR = 1.2  # of a transform: a kernel's is made once, its spectrum written to memory of its own
cdef double TWIDDLE_SLOTS = 100.0  # of a point
# Of a line of the kernels' spectra that comes late from beyond the second level.
cdef double FAR_SPECTRA_LINE_SLOTS = 8.0
cdef double TAU = 6.283185307179586


cdef double group_cost(const Plan *plan, const Transforms *fft, bint held) noexcept nogil:
    """Of all pairs of a group, the spectra of its kernels unless they are held, and its share of the tables."""
    cdef const Problem *problem = &plan.problem
    cdef double vectors = <double>fft.points[0] * fft.points[1] / plan.kernels.lanes
    cdef double passes = 0, slots, transform, transforms = problem.in_channels + problem.out_channels
    cdef double products = <double>problem.in_channels * problem.out_channels
    cdef Py_ssize_t points = fft.points[0] * fft.points[1], spectra
    while points > 1:
        points //= 2
        passes += 1
    transform = PASS_SLOTS * passes + (LATE_BLOCK_SLOTS if has_late_lines(plan.kernels) else BLOCK_SLOTS)
    slots = fft.pairs * (transforms * transform + products * PRODUCT_SLOTS)
    if not held or fft.group_block < problem.groups:
        slots += KERNEL_FACTOR * products * transform
    if 2 * fft.plane_bytes > CACHED_PLANES:
        slots *= UNCACHED_FACTOR
    slots *= vectors * cycle_slots(plan.kernels)
    if has_late_lines(plan.kernels):
        spectra = problem.in_channels * problem.out_channels * fft.spectrum_bytes
        slots += fft.pairs * FAR_SPECTRA_LINE_SLOTS * min(1.0, far_share(spectra)) * spectra / CACHE_LINE
    return slots + TWIDDLE_SLOTS * (fft.points[0] + fft.points[1]) / problem.groups


cdef bint lay_out(const Plan *plan, Transforms *fft) noexcept nogil:
    """Blocks and bytes for the points that are set; whether the kernel fits them, and memory its spectra."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t item = plan.kernels.item, line = CACHE_LINE // item, most, room, which
    cdef Py_ssize_t kernels = problem.in_channels * problem.out_channels
    for which in range(2):
        most = (fft.points[which] - fft.extent[which]) // problem.stride[which] + 1
        if fft.points[which] < fft.extent[which]:
            return False
        fft.block[which] = balanced(problem.out_size[which], most)
        fft.blocks[which] = ceil_div(problem.out_size[which], fft.block[which])
    fft.pairs = ceil_div(fft.blocks[0] * fft.blocks[1], 2)
    # rows a power of two apart would share the sets of a cache
    fft.pitch = fft.points[1] + GAP_LINES * line
    fft.plane_bytes = fft.points[0] * fft.pitch * item
    fft.line_bytes = 2 * fft.points[1] * CACHE_LINE
    fft.spectrum_bytes = 2 * fft.points[0] * fft.points[1] * item
    fft.mask_bytes = 2 * fft.points[0] * fft.points[1]
    if kernels > FFT_MEMORY_BUDGET // fft.spectrum_bytes:  # before a product can overflow
        return False
    fft.input_bytes = 0 if fft.fused else problem.in_channels * fft.spectrum_bytes
    room = FFT_MEMORY_BUDGET - (2 * fft.plane_bytes + fft.line_bytes + fft.input_bytes + fft.mask_bytes)
    fft.group_block = 0 if room < 0 else min(problem.groups, room // (kernels * fft.spectrum_bytes))
    return fft.group_block > 0


cdef double fft_cost(Plan *plan) noexcept nogil:
    """The cost of the best block, which the plan then has; -1 for integers and where no block is large enough.

    Blocks are chosen as if no spectra were held, so that a layer gives the same bits as a call.
    """
    cdef const Problem *problem = &plan.problem
    cdef Transforms fft
    cdef double cost, best = -1
    cdef Py_ssize_t which
    if not plan.kernels.fft_columns or problem.in_channels == 0:
        return -1
    memset(&fft, 0, sizeof(fft))
    for which in range(2):
        fft.extent[which] = problem.dilation[which] * (problem.kernel[which] - 1) + 1
    fft.fused = problem.in_channels == 1 and problem.out_channels == 1
    fft.points[0] = LEAST_POINTS
    while fft.points[0] <= MOST_POINTS:
        fft.points[1] = LEAST_POINTS
        while fft.points[1] <= MOST_POINTS:
            if lay_out(plan, &fft):
                cost = group_cost(plan, &fft, False)
                if best < 0 or cost < best:
                    best = cost
                    plan.fft = fft
            fft.points[1] *= 2
        fft.points[0] *= 2
    return best if best < 0 else group_cost(plan, &plan.fft, problem.held)


cdef void root_of_unity(Py_ssize_t index, Py_ssize_t points, double *re, double *im) noexcept nogil:
    """exp(-2 pi i index / points), from angles of the first octant: each part is good to an ulp or so."""
    cdef Py_ssize_t quarter = points // 4, turns = index // quarter % 4, rest = index % quarter
    cdef double across, up, angle
    if 2 * rest <= quarter:
        angle = TAU * rest / points
        across = cos(angle)
        up = sin(angle)
    else:
        angle = TAU * (quarter - rest) / points
        across = sin(angle)
        up = cos(angle)
    re[0] = across if turns == 0 else -up if turns == 1 else -across if turns == 2 else up
    im[0] = -up if turns == 0 else -across if turns == 1 else up if turns == 2 else across


cdef void fill_twiddles(char *table, Py_ssize_t points, int dtype) noexcept nogil:
    """The twiddle factors of transforms of `points`, as the kernels want them."""
    cdef Py_ssize_t size = points, at = 0, index, multiple
    cdef double re, im
    while size > 4:
        for index in range(size // 4):
            for multiple in range(1, 4):
                root_of_unity(index * multiple, size, &re, &im)
                if dtype == CYC_F32:
                    (<float *>table)[at] = <float>re
                    (<float *>table)[at + 1] = <float>im
                else:
                    (<double *>table)[at] = re
                    (<double *>table)[at + 1] = im
                at += 2
        size //= 4


cdef Py_ssize_t held_spectra_bytes(const Plan *plan) noexcept nogil:
    """Of the spectra that a held weight keeps; 0 where there are none, or too many to keep."""
    if plan.algorithm != FFT or not plan.problem.held or plan.fft.group_block < plan.problem.groups:
        return 0
    return (
        plan.problem.groups * plan.problem.in_channels * plan.problem.out_channels * plan.fft.spectrum_bytes
    )


cdef Py_ssize_t spectra_key(const Plan *plan) noexcept nogil:
    """A negative number that tells apart the spectra of one weight, by what they depend on."""
    cdef Py_ssize_t key = 0, which
    for which in range(2):
        key = (key * MOST_POINTS + plan.problem.dilation[which]) * MOST_POINTS + plan.fft.points[which] // LEAST_POINTS
    return -1 - key


cdef int plan_fft(Plan *plan) noexcept nogil:
    """Finish a plan whose blocks are chosen: window, scratch, twiddle factors. 0, or -1 without memory."""
    cdef Transforms *fft = &plan.fft
    cdef Py_ssize_t item = plan.kernels.item, which
    cdef char *table
    # The window of a block has every row and column between its first and its last tap.
    plan.rows.run_count = plan.columns.run_count = 1
    plan.rows.stride = plan.columns.stride = 1
    plan.rows.block = fft.block[0]
    plan.columns.block = fft.block[1]
    plan.rows.runs[0].first = plan.rows.runs[0].start = 0
    plan.rows.runs[0].length = fft.block[0] - 1 + fft.extent[0]
    plan.columns.runs[0].first = plan.columns.runs[0].start = 0
    plan.columns.runs[0].length = fft.block[1] - 1 + fft.extent[1]
    plan.window.item = item
    plan.window.row_pitch = fft.pitch
    plan.window.plane_pitch = plan.window.channel_pitch = fft.points[0] * fft.pitch

    plan.tasks = plan.problem.batch * fft.pairs
    plan.window_bytes = round_up(2 * fft.plane_bytes, ALIGNMENT)
    plan.panel_bytes = fft.line_bytes
    plan.totals_bytes = fft.input_bytes
    plan.scratch_bytes = plan.window_bytes + plan.panel_bytes + plan.totals_bytes + fft.mask_bytes
    table = <char *>malloc(2 * (fft.points[0] + fft.points[1]) * item)
    if table == NULL:
        free_plan(plan)
        return -1
    for which in range(2):
        fft.twiddles[which] = table
        fill_twiddles(table, fft.points[which], plan.problem.dtype)
        table += 2 * fft.points[which] * item
    return 0
