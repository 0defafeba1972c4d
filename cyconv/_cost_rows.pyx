"""The cost of the row kernel and of the plane kernel, in slots (_slots)."""

from cyconv._cost_padding cimport read_share
from cyconv._cost_reading cimport copy_slots, far_slots, times_read, window_slots
from cyconv._integers cimport CACHE_LINE, ceil_div
from cyconv._kernels cimport CYC_CHUNK, CYC_NARROW_STRIPS, CYC_ROW_BLOCK, CYC_SKIPS_ROWS, cyc_unrolls_rows
from cyconv._plan cimport MIN_BLOCK_COLUMNS, Plan, Problem, layout_window
from cyconv._row_blocks cimport (
    ROWS_WINDOW_BUDGET,
    lay_out_rows_window,
    least_rows_window,
    planes_kernel,
    rows_in_place,
)
from cyconv._slots cimport (
    MANY_REGISTERS,
    cycle_slots,
    halves_lines,
    has_late_lines,
    load_slots,
    waits_with_few_registers,
)
from cyconv._window cimport shared_row_stride


cdef enum:
    # Of the smallest window of the row kernel, which takes all channels at once: without a limit, scratch would grow
    # with them. Elements of the rows that one output reads, beyond which it loses; bytes of all, of dilated ones too.
    MAX_ROWS_WINDOW = 64 * 1024
    MAX_ROWS_WINDOW_BYTES = 4 * 1024 * 1024
    # The largest plane kernel that is faster than the row kernel where lines come late.
    MIDDLE_PLANE_KERNEL = 9

# The row kernel, unless all rows and terms are unrolled: each input row that it loads, to find the output rows
# and the ends of chunks; where lines come late; where they are halved, if rows are unrolled and channels are several,
# fitted to 4,500 shapes of Zen 4; and its start.
cdef double ROWS_INPUT_SLOTS = 36
cdef double LATE_ROWS_INPUT_SLOTS = 48
cdef double HALVED_ROWS_INPUT_SLOTS = 24
cdef double ROWS_START_SLOTS = 1000
# With few registers it loads its weights again for every input row, and its window comes from afar.
cdef double FEW_REGISTERS_FACTOR = 1.5
cdef double FEW_REGISTERS_IN_PLACE_FACTOR = 1.2
cdef double LATE_FEW_REGISTERS_FACTOR = 1.6  # besides, where lines come late
# The plane kernel with a stride of two loads each row twice and picks lanes, for which four vectors leave no registers:
# Zen 4, 420 to 520 cycles for 144 products. One or two vectors take no longer than their loads.
cdef double STRIDED_PLANES_FACTOR = 2.0
# The call of a kernel for each output channel; in place, one call has several.
cdef double ROWS_CALL_SLOTS = 180
cdef double ROWS_IN_PLACE_SLOTS = 75
# A line of the result, of several outputs, beyond what the third level keeps of it. Zen 4: 128 outputs of one channel
# of 185x185 take 1.5 to 2.5 ms, in tiles 1.2 ms.
cdef double FAR_RESULT_LINE_SLOTS = 10
cdef double THIRD_LEVEL = 8 * 1024 * 1024.0


cdef inline double row_input_slots(const Plan *plan, bint unrolled) noexcept nogil:
    if has_late_lines(plan.kernels):
        return LATE_ROWS_INPUT_SLOTS
    if halves_lines(plan.kernels) and unrolled and plan.problem.in_channels > 1:
        return HALVED_ROWS_INPUT_SLOTS
    return ROWS_INPUT_SLOTS


cdef Py_ssize_t groups_of_window(const Plan *plan) noexcept nogil:
    """How many groups share a window of the row kernel; 0: even the image of one is more than a window."""
    cdef Py_ssize_t size = plan.problem.in_channels * plan.window.channel_pitch * plan.kernels.item
    return min(plan.problem.groups, ROWS_WINDOW_BUDGET // max(<Py_ssize_t>1, size))


cdef double rows_windows_slots(Plan *plan) noexcept nogil:
    """To copy the input of a group into the windows of the row kernel."""
    cdef const Problem *problem = &plan.problem
    cdef double rows, columns
    cdef Py_ssize_t pieces  # of a row, one for each block
    if groups_of_window(plan) > 0:
        return window_slots(plan)
    lay_out_rows_window(plan)
    pieces = plan.columns.blocks
    rows = problem.in_size[0] * times_read(&plan.rows, plan.rows.block)
    columns = problem.in_size[1] * times_read(&plan.columns, plan.columns.block)
    layout_window(plan, problem.out_size[0], problem.out_size[1])
    return copy_slots(plan, rows * columns, rows * pieces)


cdef inline double planes_cycle_slots(const Plan *plan) noexcept nogil:
    """The `cycle_slots` of the plane kernel. Where lines come late, the weights of 3x3 stay in registers, and strides
    count already: Emerald Rapids, fitted to 1,400 shapes of one to three channels. Large kernels take as long there as
    the row kernel would.
    """
    cdef Py_ssize_t size = plan.problem.kernel[0]
    if has_late_lines(plan.kernels):
        if size <= 3 or plan.problem.stride[0] > 1:
            return 1
        if size > MIDDLE_PLANE_KERNEL:
            return cycle_slots(plan.kernels)
    return (1 + cycle_slots(plan.kernels)) / 2


cdef double rows_cost(Plan *plan) noexcept nogil:
    """-1 where some input row serves no output, and where there are no channels or too many for a window."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, pixel_vectors = ceil_div(problem.out_size[1], lanes)
    cdef Py_ssize_t height = problem.kernel[0]
    cdef Py_ssize_t stride = shared_row_stride(&plan.rows), rows = min(problem.out_size[0], CYC_ROW_BLOCK)
    cdef double loads, products, slots, result
    cdef bint narrow, planes = planes_kernel(plan) != NULL, unrolled = cyc_unrolls_rows(height, stride)
    if stride > height or problem.in_channels == 0:
        return -1
    if problem.in_channels * height * (problem.kernel[1] + MIN_BLOCK_COLUMNS) > MAX_ROWS_WINDOW:
        return -1
    if least_rows_window(plan) > MAX_ROWS_WINDOW_BYTES:
        return -1
    plan.flat = plan.cut = plan.skips = False
    plan.tile_rows = CYC_ROW_BLOCK
    plan.tile_vectors = min(pixel_vectors, plan.kernels.row_vectors)
    plan.pixel_tile = problem.out_size[1]
    plan.panel_width = 1
    # per kernel column of CYC_ROW_BLOCK rows: each input row is loaded once, each product made once
    loads = ((rows - 1) * stride + height) * pixel_vectors * load_slots(plan.kernels)
    products = rows * height * pixel_vectors
    slots = max(products, loads + rows * height * ceil_div(pixel_vectors, plan.kernels.row_vectors))
    slots *= problem.kernel[1] * problem.in_channels * problem.out_channels
    slots *= ceil_div(problem.out_size[0], CYC_ROW_BLOCK)
    slots *= planes_cycle_slots(plan) if planes else cycle_slots(plan.kernels)
    if planes:
        if stride > 1 and plan.tile_vectors > 2:
            slots *= STRIDED_PLANES_FACTOR
        narrow = CYC_NARROW_STRIPS(plan.kernels.registers, plan.kernels.row_vectors, height, pixel_vectors)
        if CYC_SKIPS_ROWS(height, stride, 1 if narrow else plan.tile_vectors):
            slots *= read_share(&plan.rows)
    if plan.kernels.registers < MANY_REGISTERS:
        slots *= FEW_REGISTERS_IN_PLACE_FACTOR if rows_in_place(plan) else FEW_REGISTERS_FACTOR
    if not planes and waits_with_few_registers(plan.kernels):
        slots *= LATE_FEW_REGISTERS_FACTOR
    if not planes and (problem.in_channels > 1 or plan.terms > CYC_CHUNK or not unrolled):
        slots += <double>ROWS_START_SLOTS / max(<Py_ssize_t>1, groups_of_window(plan)) + (
            row_input_slots(plan, unrolled)
            * ((rows - 1) * stride + height) * ceil_div(pixel_vectors, plan.kernels.row_vectors)
            * problem.in_channels * problem.out_channels * ceil_div(problem.out_size[0], CYC_ROW_BLOCK)
        )
    result = <double>problem.out_channels * problem.out_size[0] * problem.out_size[1] * plan.kernels.item
    if problem.out_channels > 1:
        slots += FAR_RESULT_LINE_SLOTS * max(0.0, result - THIRD_LEVEL / problem.groups) / CACHE_LINE
    if problem.in_channels > 1:
        slots += far_slots(plan, <double>problem.in_channels * problem.in_size[0] * problem.in_size[1])
    if rows_in_place(plan):
        return slots + ROWS_IN_PLACE_SLOTS * problem.out_channels
    return slots + rows_windows_slots(plan) + ROWS_CALL_SLOTS * problem.out_channels
