"""How tiles read their pixels, and what that takes."""

from cyconv._blocks cimport (
    MIN_BLOCK_PIXELS,
    MIN_BLOCK_PIXELS_OF_PASSES,
    TILE_WINDOW_BUDGET,
    channels_of_near_panels,
    rows_of_near_panels,
)
from cyconv._cost_rows cimport times_read, window_slots
from cyconv._integers cimport ceil_div
from cyconv._plan cimport Plan, Problem
from cyconv._slots cimport MANY_REGISTERS, has_whole_lines

# To gather a term of a tile, and each vector of it, of few registers and of whole lines. With fewer outputs than this a
# pixel, once gathered, is not used often enough.
cdef double GATHER_SLOTS = 2
cdef double GATHER_VECTOR_SLOTS = 2.5
cdef double WHOLE_GATHER_SLOTS = 6
cdef double WHOLE_GATHER_VECTOR_SLOTS = 3.5
cdef Py_ssize_t MIN_GATHERED_OUTPUTS = 32


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
    return times_read(&plan.rows, rows) * window_slots(plan)


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
