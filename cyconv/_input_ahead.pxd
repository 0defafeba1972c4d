"""What kernels fetch while they multiply: whether arrays are far, and what the next window of tiles is made of."""

from cyconv._blocks cimport TILE_WINDOW_BUDGET
from cyconv._integers cimport CACHE_LINE, ceil_div
from cyconv._isa cimport line_kind
from cyconv._kernels cimport CYC_CHUNK, CYC_HALVED_LINES, CYC_LATE_LINES, cyc_ahead
from cyconv._plan cimport Plan, Problem, input_bytes, result_bytes
from cyconv._slots cimport FAR_ARRAYS, SECOND_LEVEL
from cyconv._task cimport Operands, Task, channel_address, find_task
from cyconv._window cimport Axis, Source, first_input, input_count


cdef enum:
    # Outputs whose products take a core longer than it takes to fetch the pixels. It takes more of them if there is but
    # one chunk, whose tiles fetch all of the next tile long before.
    MIN_FETCHING_OUTPUTS = 24
    MIN_FETCHING_OUTPUTS_OF_CHUNK = 48
    # More channels than prefetchers follow. Zen 4, 24 to 256 of them 1.0 to 1.5 times as fast, three and eight 0.85.
    MIN_FAR_CHANNELS = 24


cdef inline bint is_far(const Plan *plan) noexcept nogil:
    """Whether input and result come from memory, so that kernels fetch what no prefetcher of the hardware follows.
    Where lines come late, other rules were measured.
    """
    return line_kind() != CYC_LATE_LINES and input_bytes(plan) + result_bytes(plan) > FAR_ARRAYS


cdef inline bint fetches_windows(const Plan *plan, bint plain_in_place) noexcept nogil:
    """Whether tiles fetch what the next window is made of: where the products of a line take two cycles, or lines come
    late. Others have no time to spare beside them.

    Images of a window's size are near already. Plain tiles in place fetch the pixels that they are about to read; the
    next block as well where lines come late, a little in each term, and of many channels that are far.
    """
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t channels = problem.groups * problem.in_channels
    cdef Py_ssize_t image = channels * problem.in_size[0] * problem.in_size[1] * plan.kernels.item
    cdef int lines = line_kind()
    if lines == CYC_HALVED_LINES:
        return not plain_in_place or problem.in_channels >= MIN_FAR_CHANNELS and is_far(plan)
    if lines != CYC_LATE_LINES:
        return False
    if plain_in_place:
        return problem.out_channels >= (
            MIN_FETCHING_OUTPUTS if plan.terms > CYC_CHUNK else MIN_FETCHING_OUTPUTS_OF_CHUNK
        )
    # columns of a single row lie in few pages, along which the hardware fetches unless they are far
    return image > (TILE_WINDOW_BUDGET if plan.columns.blocks == 1 else SECOND_LEVEL)


cdef enum:
    # Of inputs whose channels are fetched ahead: short rows of a channel lie in a page, along which the hardware
    # fetches by itself, and of few channels a block takes many rows at a time.
    FAR_ROW_BYTES = 512
    MANY_CHANNELS = 64


cdef inline Py_ssize_t channel_ahead(const Plan *plan, const Operands *operands) noexcept nogil:
    """How far ahead of a row a window's load fetches: to the same row of the next channel, where lines come late and
    the input is far; 0: as it thinks fit.
    """
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t row = problem.in_size[1] * plan.kernels.item
    if line_kind() != CYC_LATE_LINES or row < FAR_ROW_BYTES or problem.in_channels < MANY_CHANNELS:
        return 0
    if operands.source.parts > 1 or problem.in_channels * problem.in_size[0] * row <= SECOND_LEVEL:
        return 0
    return operands.source.channel_bytes


cdef inline void look_ahead_input(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t term, Py_ssize_t first_row,
    Py_ssize_t bursts, Py_ssize_t chunk, cyc_ahead *ahead
) noexcept nogil:
    """Let tiles fetch what a task reads of the input for a block of terms from `term` on, but for the rows before one.

    About as many bursts, of lines of a channel each: rows of the input that follow one another are one piece of memory,
    and so are the columns of a block if there is but one row.
    """
    cdef const Source *source = &operands.source
    cdef const Axis *rows = &plan.rows
    cdef const Axis *columns = &plan.columns
    cdef Py_ssize_t first_column = 0, column_count = columns.size
    cdef Py_ssize_t taps = rows.taps * columns.taps, channel = term // taps
    cdef Py_ssize_t channels = ceil_div(term + min(plan.term_block, plan.terms - term), taps) - channel
    cdef Py_ssize_t first = max(first_row, first_input(rows, task.row)), lines
    cdef Py_ssize_t count = first_input(rows, task.row) + input_count(rows, task.row, task.row_count) - first
    ahead.rows = 0
    if columns.blocks > 1:
        if rows.size > 1:
            return
        first_column = first_input(columns, task.column)
        column_count = input_count(columns, task.column, task.column_count)
    if count <= 0 or column_count == 0 or channels == 0 or source.parts > 1 or bursts == 0:
        return
    if source.column_bytes <= 0 or source.row_bytes != columns.size * source.column_bytes:
        return
    if source.channel_bytes < rows.size * source.row_bytes:
        return
    lines = ceil_div(count * column_count * source.column_bytes, CACHE_LINE)
    ahead.next = (
        channel_address(plan, operands, task, channel) + first * source.row_bytes + first_column * source.column_bytes
    )
    ahead.rows = channels
    ahead.pitch = CACHE_LINE
    ahead.lines = ceil_div(lines, max(<Py_ssize_t>1, bursts // channels))
    ahead.row_bursts = ahead.bursts = ceil_div(lines, ahead.lines)
    ahead.gap = source.channel_bytes - ahead.row_bursts * ahead.lines * CACHE_LINE
    ahead.step = ahead.lines * CACHE_LINE // chunk


cdef inline void look_ahead_window(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t block, Py_ssize_t bursts, cyc_ahead *ahead
) noexcept nogil:
    """Let tiles fetch what the next window is made of: of the next block of terms, or of the first of the next task."""
    cdef Task following
    cdef Py_ssize_t known = 0
    ahead.rows = 0
    if block + 1 < plan.term_blocks:
        look_ahead_input(plan, operands, task, (block + 1) * plan.term_block, 0, bursts, CYC_CHUNK, ahead)
    elif task.following < plan.tasks:
        following = find_task(plan, task.following)
        if (
            plan.term_blocks == 1 and plan.columns.blocks == 1
            and following.image == task.image and following.group == task.group
        ):
            known = first_input(&plan.rows, task.row) + input_count(&plan.rows, task.row, task.row_count)
        look_ahead_input(plan, operands, &following, 0, known, bursts, CYC_CHUNK, ahead)
