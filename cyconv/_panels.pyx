"""Packed weights: panels that the kernels read from one end to the other.

A panel is the weights of one tile's output channels, transposed to [term][output]; it serves the tile
either way round. Behind all panels there is a byte for each: its weights are finite. A single pixel takes weights that
are not held without a panel.
"""

from cython.parallel cimport prange
from libc.stdlib cimport malloc

from cyconv._integers cimport CACHE_LINE, ceil_div
from cyconv._kernels cimport CYC_CHUNK, CYC_WINOGRAD_PRODUCTS, cyc_ahead, cyc_pixel_args, cyc_split_range
from cyconv._plan cimport ALIGNMENT, FFT, ROWS, SPLIT, WINOGRAD, Plan, aligned
from cyconv._split cimport clear_range, split_bytes
from cyconv._task cimport Operands, Task


cdef enum:
    # A part of a panel that stays in the first-level cache while its factors are made, or it is looked at again.
    PANEL_PART_BUDGET = 24 * 1024
    SLACK_BYTES = CACHE_LINE  # a vector is read past the end


cdef void pack_panel(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *panel
) noexcept nogil:
    """Pack some terms of panel number `index` of all groups."""
    cdef Py_ssize_t output = index % plan.panels * plan.panel_width
    cdef Py_ssize_t row = index // plan.panels * plan.problem.out_channels + output
    plan.kernels.pack(
        weight + (row * plan.terms + term) * plan.kernels.item, plan.terms,
        min(plan.panel_width, plan.problem.out_channels - output), plan.panel_width, terms, panel,
    )


cdef inline Py_ssize_t terms_of_part(const Plan *plan, Py_ssize_t taps) noexcept nogil:
    """The terms of a part of a panel, of whole channels of so many taps each, and in whole lines if they are enough."""
    cdef Py_ssize_t line = CACHE_LINE // plan.kernels.item
    cdef Py_ssize_t channels = max(<Py_ssize_t>1, PANEL_PART_BUDGET // (taps * plan.panel_width * plan.kernels.item))
    if channels > line:
        channels -= channels % line
    return channels * taps


cdef bint pack_finite(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *panel
) noexcept nogil:
    """Like `pack_panel`; whether the weights are finite."""
    cdef Py_ssize_t most = terms_of_part(plan, 1), step, done, count
    cdef bint finite = True
    cdef char *part
    for step in range(ceil_div(terms, most)):
        done = step * most
        count = min(most, terms - done)
        part = panel + done * plan.panel_width * plan.kernels.item
        pack_panel(plan, weight, index, term + done, count, part)
        finite = plan.kernels.finite(part, count * plan.panel_width) and finite
    return finite


cdef void look_ahead(
    const Plan *plan, const Operands *operands, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, Py_ssize_t bursts,
    Py_ssize_t chunk, cyc_ahead *ahead
) noexcept nogil:
    """Let tiles fetch some terms of panel number `index` of all groups, in about as many bursts, one for each chunk.

    Weights that are yet to be packed are fetched across their rows: a line of each, then the next line of each. That
    is as many lines for every burst as there are outputs, and a row's own few would be too few.
    """
    cdef Py_ssize_t item = plan.kernels.item, output = index % plan.panels * plan.panel_width
    cdef Py_ssize_t rows, row = index // plan.panels * plan.problem.out_channels + output
    if not plan.packs_in_task:
        look_ahead_at(
            operands.panels + (index * plan.terms + term) * plan.panel_width * item,
            max(<Py_ssize_t>1, terms * plan.panel_width * item),  # without input channels there are no terms
            bursts, chunk, ahead,
        )
        return
    rows = min(plan.panel_width, plan.problem.out_channels - output)
    ahead.next = operands.weight + (row * plan.terms + term) * item
    ahead.rows = max(<Py_ssize_t>1, ceil_div(<Py_ssize_t>(<size_t>ahead.next % CACHE_LINE) + terms * item, CACHE_LINE))
    ahead.pitch = plan.terms * item
    ahead.row_bursts = min(rows, max(<Py_ssize_t>1, bursts // ahead.rows))
    ahead.lines = ceil_div(rows, ahead.row_bursts)
    ahead.bursts = ahead.row_bursts
    ahead.gap = CACHE_LINE - ahead.row_bursts * ahead.lines * ahead.pitch
    ahead.step = ahead.lines // chunk * ahead.pitch


cdef void look_ahead_at(
    const char *memory, Py_ssize_t size, Py_ssize_t bursts, Py_ssize_t chunk, cyc_ahead *ahead
) noexcept nogil:
    """Let tiles fetch `size` bytes, in at most so many bursts, for chunks of so many terms."""
    ahead.next = memory
    ahead.rows = 1
    ahead.pitch = CACHE_LINE
    ahead.lines = ceil_div(ceil_div(size, CACHE_LINE), max(<Py_ssize_t>1, bursts))
    ahead.row_bursts = ahead.bursts = ceil_div(size, max(<Py_ssize_t>1, ahead.lines) * CACHE_LINE)
    ahead.gap = 0
    ahead.step = ahead.lines * CACHE_LINE // chunk


cdef char *sum_pixel(
    const Plan *plan, const Operands *operands, Py_ssize_t first, Py_ssize_t outputs, const char *pixel, char *totals
) noexcept nogil:
    """The sums of the only pixel for some outputs of all groups, in `totals`; where they begin there.

    Fewer than a vector end one, with those before them.
    """
    cdef cyc_pixel_args args
    cdef Py_ssize_t item = plan.kernels.item
    args.outputs = max(outputs, plan.kernels.lanes)
    args.weight = operands.weight + (first + outputs - args.outputs) * plan.terms * item
    args.pitch = args.terms = plan.terms
    args.pixel = pixel
    args.totals = totals
    plan.kernels.pixel(&args)
    return totals + (args.outputs - outputs) * item


cdef inline Py_ssize_t panel_count(const Plan *plan) noexcept nogil:
    return plan.problem.groups * plan.panels


cdef char *finite_flags(const Plan *plan, const char *panels) noexcept nogil:
    """A byte for each panel, behind the panels: its weights are finite."""
    return <char *>panels + panel_count(plan) * plan.panel_width * plan.terms * plan.kernels.item


cdef bint holds_factors(const Plan *plan) noexcept nogil:
    """Whether the packed weights are Winograd's factors."""
    return plan.algorithm == WINOGRAD and not plan.transforms_in_task


cdef Py_ssize_t panels_bytes(const Plan *plan) noexcept nogil:
    """Size of all packed weights; 0 where they are read as they are, or packed by the tasks."""
    if plan.algorithm == FFT or plan.algorithm == ROWS or plan.packs_in_task or plan.takes_weights:
        return 0
    if plan.algorithm == SPLIT:
        return panel_count(plan) * (split_bytes(plan, plan.terms) + <Py_ssize_t>sizeof(cyc_split_range))
    if holds_factors(plan):
        return panel_count(plan) * CYC_WINOGRAD_PRODUCTS * plan.weight_pitch * plan.kernels.item
    return panel_count(plan) * (plan.panel_width * plan.terms * plan.kernels.item + 1) + SLACK_BYTES


cdef const char *panel_weights(
    const Plan *plan, const Operands *operands, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *room,
    bint *finite
) noexcept nogil:
    """Some terms of panel number `index` of all groups; `finite`: whether those that read padding may be left out.

    Packed in `room` where the task packs them; NULL where kernels take weights as they lie.
    """
    finite[0] = True
    if plan.takes_weights:
        return NULL
    if not plan.packs_in_task:
        finite[0] = not plan.skips or finite_flags(plan, operands.panels)[index]
        return operands.panels + (index * plan.terms + term) * plan.panel_width * plan.kernels.item
    if plan.skips:
        finite[0] = pack_finite(plan, operands.weight, index, term, terms, room)
    else:
        pack_panel(plan, operands.weight, index, term, terms, room)
    return room


cdef void look_ahead_panel(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t panel, Py_ssize_t block,
    Py_ssize_t bursts, cyc_ahead *ahead
) noexcept nogil:
    """Let tiles fetch the weights that follow those of a panel and a block of terms: of the next panel, or of the first
    for the next block.
    """
    cdef Py_ssize_t term = block * plan.term_block, index = task.group * plan.panels
    ahead.rows = 0
    if panel + 1 < task.panel + task.panel_count:
        index += panel + 1
    elif block + 1 < plan.term_blocks:
        index += task.panel
        term += plan.term_block
    else:
        return
    look_ahead(
        plan, operands, index, term, min(plan.term_block, plan.terms - term), bursts, CYC_CHUNK, ahead
    )


cdef void pack_factors(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t first, Py_ssize_t channels, char *factors
) noexcept nogil:
    """Transform some channels of panel number `index` of all groups to [factor][channel][output]."""
    cdef char part[PANEL_PART_BUDGET + SLACK_BYTES]
    cdef Py_ssize_t item = plan.kernels.item, taps = plan.terms // plan.problem.in_channels, step, done, count
    cdef Py_ssize_t most = terms_of_part(plan, taps) // taps
    for step in range(ceil_div(channels, most)):
        done = step * most
        count = min(most, channels - done)
        pack_panel(plan, weight, index, (first + done) * taps, count * taps, part)
        plan.kernels.winograd_weight(
            part, count, plan.panel_width, factors + done * plan.panel_width * item, plan.weight_pitch
        )


cdef void split_panel(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *panel,
    cyc_split_range *found
) noexcept nogil:
    """Split some terms of panel number `index` of all groups."""
    cdef Py_ssize_t output = index % plan.panels * plan.panel_width
    cdef Py_ssize_t row = index // plan.panels * plan.problem.out_channels + output
    plan.isa.split.weights(
        <const float *>weight + row * plan.terms + term, plan.terms,
        min(plan.panel_width, plan.problem.out_channels - output), terms,
        plan.rows.taps * plan.columns.taps if plan.skips else 1, plan.problem.split_parts, panel, found,
    )


cdef cyc_split_range *split_ranges(const Plan *plan, const char *panels) noexcept nogil:
    """The sizes of split weights, one for each panel, behind the panels."""
    return <cyc_split_range *>(<char *>panels + panel_count(plan) * split_bytes(plan, plan.terms))


cdef void pack_panels(const Plan *plan, const char *weight, char *panels, int threads) noexcept nogil:
    """Pack all weights."""
    cdef Py_ssize_t index, elements = plan.panel_width * plan.terms
    cdef char *panel
    for index in prange(panel_count(plan), num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        if plan.algorithm == SPLIT:
            clear_range(split_ranges(plan, panels) + index)
            split_panel(
                plan, weight, index, 0, plan.terms, panels + index * split_bytes(plan, plan.terms),
                split_ranges(plan, panels) + index,
            )
            continue
        if holds_factors(plan):
            panel = panels + index * CYC_WINOGRAD_PRODUCTS * plan.weight_pitch * plan.kernels.item
            pack_factors(plan, weight, index, 0, plan.problem.in_channels, panel)
            continue
        panel = panels + index * elements * plan.kernels.item
        finite_flags(plan, panels)[index] = pack_finite(plan, weight, index, 0, plan.terms, panel)


cdef char *make_panels(const Plan *plan, const char *weight, int threads, char **owned) noexcept nogil:
    """All weights, packed and aligned; NULL without memory. The caller frees `owned`."""
    owned[0] = <char *>malloc(panels_bytes(plan) + ALIGNMENT)
    if owned[0] == NULL:
        return NULL
    pack_panels(plan, weight, aligned(owned[0]), threads)
    return aligned(owned[0])
