"""What reading the input takes: copies in windows, and the pixels of tiles, gathered or not."""

from cyconv._blocks cimport (
    MIN_BLOCK_PIXELS,
    MIN_BLOCK_PIXELS_OF_PASSES,
    TILE_WINDOW_BUDGET,
    channels_of_near_panels,
    rows_of_near_panels,
)
from cyconv._integers cimport CACHE_LINE, ceil_div
from cyconv._kernels cimport CYC_MAX_SPREAD
from cyconv._plan cimport Plan, Problem
from cyconv._slots cimport FAR_ARRAYS, MANY_REGISTERS, halves_lines, has_late_lines, has_whole_lines
from cyconv._window cimport Axis

# Of an element of the input that is copied, and of a row in each run of columns.
cdef double WINDOW_SLOTS = 0.45
cdef double WINDOW_ROW_SLOTS = 10.0
# Of an element besides, with a stride for which there is no load that spreads a row over its phases: Emerald Rapids,
# fitted to 40 shapes of tiles. Zen 4, depthwise 3x3/3 by the row kernel, float32 0.47, float64 0.66.
cdef double UNSPREAD_WINDOW_SLOTS = 0.5
# How much longer that takes where lines come late: fitted to 1,900 shapes on Granite Rapids.
cdef double LATE_WINDOW_FACTOR = 1.5
# A line of arrays that come from memory, of groups of several channels, beside what tiles would take for it: Zen 4,
# fitted to 4,400 shapes of few outputs.
cdef double FAR_LINE_SLOTS = 12
# To gather a term of a tile, and each vector of it, of few registers and of whole lines. With fewer outputs than this a
# pixel, once gathered, is not used often enough.
cdef double GATHER_SLOTS = 2
cdef double GATHER_VECTOR_SLOTS = 2.5
cdef double WHOLE_GATHER_SLOTS = 6
cdef double WHOLE_GATHER_VECTOR_SLOTS = 3.5
cdef Py_ssize_t MIN_GATHERED_OUTPUTS = 32


cdef inline bint is_spread(Py_ssize_t stride) noexcept nogil:
    """Whether loads of whole vectors pick every `stride`-th element of a row."""
    return stride <= CYC_MAX_SPREAD and stride & (stride - 1) == 0


cdef double copy_slots(const Plan *plan, double elements, double rows) noexcept nogil:
    """To copy the input of a group into windows, so many elements of each channel, in so many rows."""
    cdef double slots = plan.problem.in_channels * (
        WINDOW_SLOTS * elements + WINDOW_ROW_SLOTS * rows * plan.columns.run_count
    )
    if halves_lines(plan.kernels):
        slots += plan.problem.in_channels * WINDOW_SLOTS * elements * (plan.kernels.item / 4.0 - 1)
    if has_late_lines(plan.kernels):
        slots *= LATE_WINDOW_FACTOR
    if plan.columns.run_count > 1 and not is_spread(plan.columns.stride):
        slots += UNSPREAD_WINDOW_SLOTS * plan.problem.in_channels * elements
    return slots


cdef double window_slots(const Plan *plan) noexcept nogil:
    """To copy the input of a group into the window of an image."""
    cdef const Problem *problem = &plan.problem
    # rows in the padding take as long as others; without gaps, all are copied as one
    return copy_slots(
        plan, <double>problem.in_size[0] * problem.in_size[1], 0 if plan.one_tap else plan.rows.length
    )


cdef double far_slots(const Plan *plan, double elements) noexcept nogil:
    """What so many elements of arrays take more than by tiles, which fetch them while they multiply, where lines are
    halved: those of a group beyond its share of what is near.
    """
    if not halves_lines(plan.kernels):
        return 0
    return FAR_LINE_SLOTS * max(
        0.0, elements * plan.kernels.item - <double>FAR_ARRAYS / plan.problem.groups
    ) / CACHE_LINE


cdef double times_read(const Axis *axis, Py_ssize_t block) noexcept nogil:
    """How often blocks of so many outputs, which overlap, read an input of an axis."""
    cdef Py_ssize_t extent = (axis.taps - 1) * axis.dilation + 1, read
    if block >= axis.out:
        return 1.0
    read = min((block - 1) * axis.stride + extent, block * axis.taps)  # taps further apart have inputs of their own
    return max(1.0, read / <double>(block * axis.stride))


cdef inline bint may_gather(const Plan *plan) noexcept nogil:
    """Whether tiles make so few products of what they load that the pixels of each are better gathered."""
    return (
        (plan.kernels.registers < MANY_REGISTERS or has_whole_lines(plan.kernels))
        and plan.problem.out_channels >= MIN_GATHERED_OUTPUTS
    )


cdef double tile_window_slots(const Plan *plan) noexcept nogil:
    """To copy the input of a group into the windows of blocks, the rows of which overlap."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t extent = (problem.kernel[0] - 1) * problem.dilation[0] + 1, stride = problem.stride[0]
    cdef double slots = window_slots(plan)
    cdef Py_ssize_t channels = channels_of_near_panels(plan), most = problem.out_size[0]
    cdef Py_ssize_t row_bytes, rows, least = ceil_div(MIN_BLOCK_PIXELS, problem.out_size[1])
    if channels > 0:
        most = rows_of_near_panels(plan, problem.out_size[1])
    else:
        channels = problem.in_channels
    row_bytes = channels * plan.window.row_pitch * plan.kernels.item
    rows = min(most, (TILE_WINDOW_BUDGET // max(<Py_ssize_t>1, row_bytes) - extent) // stride + 1)
    if rows < least:  # a part of the channels at a time
        rows = ceil_div(MIN_BLOCK_PIXELS_OF_PASSES, problem.out_size[1])
    return times_read(&plan.rows, rows) * slots


cdef double gather_slots(const Plan *plan, Py_ssize_t pixels) noexcept nogil:
    """To gather all terms of all pixels of an image, in tiles of so many."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t tiles, vectors
    if plan.flat:
        tiles = ceil_div(problem.out_size[0] * problem.out_size[1], pixels)
    else:
        tiles = problem.out_size[0] * ceil_div(problem.out_size[1], pixels)
    vectors = tiles * ceil_div(pixels, plan.kernels.lanes)
    if plan.flat and plan.window.row_pitch > problem.out_size[1]:  # and one where a tile goes on in another row
        vectors += problem.out_size[0]
    if has_whole_lines(plan.kernels):
        return plan.terms * (WHOLE_GATHER_SLOTS * tiles + WHOLE_GATHER_VECTOR_SLOTS * vectors)
    return plan.terms * (GATHER_SLOTS * tiles + GATHER_VECTOR_SLOTS * vectors)


cdef double best_reading(Plan *plan, double (*cost_of_reading)(Plan *, Reading) noexcept nogil) noexcept nogil:
    """The cost of a tile algorithm, whichever way of reading takes least; the plan then has its tile."""
    cdef double cost, best = cost_of_reading(plan, FROM_WINDOW)
    cdef Plan chosen
    cdef int reading
    if not may_gather(plan):
        return best
    chosen = plan[0]
    for reading in range(<int>GATHERED, <int>READINGS):
        cost = cost_of_reading(plan, <Reading>reading)
        if 0 <= cost < best:
            best = cost
            chosen = plan[0]
    plan[0] = chosen
    return best
