"""Window preparation: the strip of input that a block of outputs reads, padded and converted.

A tap k of output coordinate x reads padded coordinate ``x * stride + k * dilation``. Split by its
remainder modulo the stride (its phase), consecutive outputs read consecutive positions:

    padded coordinate     0  1  2  3  4  5  6  7      stride 2, taps at 0, 1, 2
    phase 0               0     1     2     3         taps 0 and 2 share a run, one position apart
    phase 1                  0     1     2     3      tap 1 has its own

so that stride and dilation end here, and a kernel sees nothing but contiguous runs. Padding ends
here too: of a run, the coordinates before, inside and after the input are three stretches, and in every
padding mode each stretch is an equally spaced walk through the input, or zeros.
"""

from libc.string cimport memset

from cyconv._integers cimport ceil_div, greatest_common_divisor
from cyconv._isa cimport line_kind
from cyconv._kernels cimport CYC_LATE_LINES, CYC_MAX_SPREAD, cyc_load_args


cdef enum:
    ZEROS_ONLY = -1


cdef struct Stretch:
    Py_ssize_t start  # first position
    Py_ssize_t count
    Py_ssize_t source  # input coordinate of the first position, or ZEROS_ONLY
    Py_ssize_t step  # input coordinates per position


cdef inline Py_ssize_t steps_to(Py_ssize_t distance, Py_ssize_t stride) noexcept nogil:
    """How many strides are not less than a distance above zero; neither their sum nor their product is made."""
    return (distance - 1) // stride + 1


cdef Py_ssize_t shared_row_stride(const Axis *rows) noexcept nogil:
    """Input rows, counted in dilations, between two output rows that the row kernel takes together."""
    return rows.stride // greatest_common_divisor(rows.stride, rows.dilation)


cdef Py_ssize_t shared_row_step(const Axis *rows) noexcept nogil:
    """Output rows between two output rows that the row kernel takes together, or as many as there are."""
    return min(rows.out, rows.dilation // greatest_common_divisor(rows.stride, rows.dilation))


cdef void find_reading(Axis *axis) noexcept nogil:
    """Set the outputs for which each tap reads the input and not padding."""
    cdef Py_ssize_t tap, lead, last
    for tap in range(axis.taps):
        lead = axis.before - tap * axis.dilation  # x * stride - lead is the input coordinate
        last = axis.size - 1 + lead
        axis.reading[tap] = min(axis.out, steps_to(lead, axis.stride)) if lead > 0 else 0
        axis.reading_end[tap] = min(axis.out, last // axis.stride + 1) if last >= 0 else 0


cdef void reading_taps(
    const Axis *axis, Py_ssize_t output, Py_ssize_t end, Py_ssize_t *first, Py_ssize_t *last
) noexcept nogil:
    """The taps ``first .. last`` outside of which no output of ``output .. end`` reads the input."""
    first[0] = first_below(axis.reading, axis.taps, end)
    last[0] = first_below(axis.reading_end, axis.taps, output + 1)
    if last[0] <= first[0]:
        first[0] = last[0] = 0


cdef void layout_axis(Axis *axis, Py_ssize_t block) noexcept nogil:
    """Group the taps of an axis into runs, for blocks of `block` outputs.

    Taps of one phase whose positions touch or overlap share a run; a tap further away starts
    another, so that a large dilation does not make a large window.
    """
    cdef Py_ssize_t tap, position, run, common = greatest_common_divisor(axis.stride, axis.dilation)
    # to the nearest earlier tap of a phase, in taps and in positions
    cdef Py_ssize_t apart = axis.stride // common, step = axis.dilation // common
    axis.block = block
    axis.blocks = (
        (axis.inner > 0) + ceil_div(axis.inner_end - axis.inner, block) + (axis.inner_end < axis.out)
    )
    axis.run_count = 0
    for tap in range(axis.taps):
        if tap >= apart and step <= block:
            run = axis.tap_run[tap - apart]
            position = axis.tap_position[tap - apart] + step
        else:
            run = axis.run_count
            position = 0
            axis.run_count += 1
            axis.runs[run].first = tap * axis.dilation
        axis.tap_run[tap] = run
        axis.tap_position[tap] = position
        axis.runs[run].length = position + block
    axis.length = 0
    axis.longest = 0
    for run in range(axis.run_count):
        axis.runs[run].start = axis.length
        axis.length += axis.runs[run].length
        axis.longest = max(axis.longest, axis.runs[run].length)


cdef bint find_block(const Axis *axis, Py_ssize_t index, Py_ssize_t *first, Py_ssize_t *count) noexcept nogil:
    """The outputs of block number `index`; whether it is an inner one."""
    cdef Py_ssize_t end
    if axis.inner > 0:
        if index == 0:
            first[0] = 0
            count[0] = axis.inner
            return False
        index -= 1
    first[0] = axis.inner + index * axis.block
    end = axis.inner_end if first[0] < axis.inner_end else axis.out
    first[0] = min(first[0], axis.inner_end)
    count[0] = min(axis.block, end - first[0])
    return first[0] < axis.inner_end


cdef int stretches_of(
    const Axis *axis, const Run *run, Py_ssize_t first_output, Py_ssize_t count, Stretch *stretches
) noexcept nogil:
    """The stretches of a run for the outputs ``first_output .. first_output + count``; how many."""
    cdef Py_ssize_t size = axis.size, stride = axis.stride
    cdef Py_ssize_t length = run.length - axis.block + count
    cdef Py_ssize_t first = first_output * stride + run.first - axis.before
    cdef Py_ssize_t low = 0, high = length  # positions inside the input: low .. high
    cdef Py_ssize_t at
    cdef int used = 0
    if first < 0:
        low = min(length, steps_to(-first, stride))
    if first + (length - 1) * stride >= size:
        high = max(low, steps_to(size - first, stride) if size > first else 0)
    if low > 0:
        stretches[0] = Stretch(0, low, ZEROS_ONLY, 0)
        if axis.mode == REFLECT:
            stretches[0].source = -first
            stretches[0].step = -stride
        elif axis.mode == REPLICATE:
            stretches[0].source = 0
        elif axis.mode == CIRCULAR:
            stretches[0].source = first + size
            stretches[0].step = stride
        used = 1
    if high > low:
        stretches[used] = Stretch(low, high - low, first + low * stride, stride)
        used += 1
    if length > high:
        at = first + high * stride
        stretches[used] = Stretch(high, length - high, ZEROS_ONLY, 0)
        if axis.mode == REFLECT:
            stretches[used].source = 2 * (size - 1) - at
            stretches[used].step = -stride
        elif axis.mode == REPLICATE:
            stretches[used].source = size - 1
        elif axis.mode == CIRCULAR:
            stretches[used].source = at - size
            stretches[used].step = stride
        used += 1
    return used


cdef Py_ssize_t shared_row_pitch(const Axis *columns) noexcept nogil:
    """The shortest distance between window rows.

    With zero padding, the zeros after one row may be the zeros before the next: a row of L
    positions with values in low .. high needs a pitch of max(high, L - low), not L.
    """
    cdef Py_ssize_t run, low, high, pitch = columns.block
    cdef Stretch stretches[3]
    cdef int index, used
    if columns.mode != ZEROS or columns.blocks > 1:
        return columns.longest
    for run in range(columns.run_count):
        low = 0
        high = columns.runs[run].length
        used = stretches_of(columns, &columns.runs[run], 0, columns.block, stretches)
        for index in range(used):
            if stretches[index].source == ZEROS_ONLY:
                if stretches[index].start == 0:
                    low = stretches[index].count
                else:
                    high = stretches[index].start
        if low < columns.runs[run].length:
            pitch = max(pitch, high, columns.runs[run].length - low)
    return pitch


cdef inline bint is_dealt(Py_ssize_t stride) noexcept nogil:
    """Whether all phases of a row are picked in one pass. Of two, cores that wait for lines are no faster so."""
    return stride == CYC_MAX_SPREAD or stride == 2 and line_kind() != CYC_LATE_LINES


cdef bint deal_phases(
    const Axis *columns, const Source *source, Py_ssize_t column, Py_ssize_t column_count, Stretch *stretch,
    cyc_load_args *args
) noexcept nogil:
    """Let a load take all phases of a row at once, if kernels do; `stretch` are its positions but zeros."""
    cdef Py_ssize_t stride = columns.stride, first = column * stride - columns.before
    cdef Py_ssize_t positions = columns.longest - columns.block + column_count
    cdef Py_ssize_t low = max(<Py_ssize_t>0, -first), high = min(positions * stride, columns.size - first)
    args.phases = 1
    args.lead = args.trail = 0
    if not source.deals_phases or not is_dealt(stride) or columns.run_count < stride:
        return False
    if columns.mode != ZEROS or columns.dilation > 1 or high <= low:
        return False
    stretch.start = low // stride
    stretch.count = ceil_div(high, stride) - stretch.start
    stretch.source = first + low
    stretch.step = stride
    args.phases = stride
    args.lead = low % stride
    args.trail = (stretch.start + stretch.count) * stride - high
    return True


cdef bint deals_out_columns(
    const Axis *rows, const Axis *columns, const Source *source, Py_ssize_t row, Py_ssize_t row_count,
    Py_ssize_t column, Py_ssize_t column_count
) noexcept nogil:
    """Whether rows of the input are dealt out in turn to as many column runs: a wide stride without gaps, no padding.

    With a stride of two, a row of a phase is as fast picked from vectors, but where patches lie side by side.
    """
    cdef Py_ssize_t first_row = row * rows.stride - rows.before, first_column = column * columns.stride - columns.before
    cdef Py_ssize_t stride = columns.stride
    return (
        source.turn != NULL and columns.dilation == 1
        and (columns.taps == stride and stride > 1 or columns.taps > stride and stride > 2)
        and first_column >= 0 and first_column + (column_count - 1) * stride + columns.taps <= columns.size
        and first_row >= 0
        and first_row + (row_count - 1) * rows.stride + (rows.taps - 1) * rows.dilation < rows.size
    )


cdef void deal_out_rows(
    const Window *window, const Axis *columns, const Source *source, const cyc_load_args *args
) noexcept nogil:
    """Load rows for all column runs at once: a transposition of each row. ``args`` is that of the first run.

    The last taps beyond a multiple of the stride have a position more.
    """
    cdef Py_ssize_t channel, row, stride = columns.stride, more = columns.taps % stride
    cdef Py_ssize_t positions = args.columns - (more > 0)
    cdef const char *src
    cdef char *dst
    for channel in range(args.channels):
        for row in range(args.rows):
            src = args.src + channel * args.channel_bytes + row * args.row_bytes
            dst = <char *>args.dst + (channel * args.channel_pitch + row * args.row_pitch) * window.item
            source.turn(src, stride, positions, dst, window.plane_pitch, stride)
            if more > 0:
                source.turn(
                    src + positions * stride * window.item, stride, 1, dst + positions * window.item,
                    window.plane_pitch, more,
                )


cdef void clear_rows(const Window *window, char *dst, Py_ssize_t length, const cyc_load_args *args) noexcept nogil:
    """Rows of zeros, of all phases of a load."""
    cdef Py_ssize_t phase
    for phase in range(args.phases):
        memset(
            dst + phase * window.plane_pitch * window.item, 0,
            ((args.rows - 1) * window.row_pitch + length) * window.item,
        )


cdef void prepare_channels(
    const Window *window, const Axis *rows, const Axis *columns, const Source *source, const char *image,
    Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t row, Py_ssize_t row_count, Py_ssize_t column,
    Py_ssize_t column_count, Py_ssize_t ahead, char *dst
) noexcept nogil:
    """Write the windows of some channels for the outputs at (row, column), row_count by column_count.

    `image` is the input of one batch entry, `channel` counts real channels (the parts of a complex
    channel apart), `dst` is the first one's place in scratch. What lies `ahead` bytes after them is fetched, if not 0.
    """
    cdef Stretch row_stretches[3]
    cdef Stretch column_stretches[3]
    cdef cyc_load_args args
    cdef Py_ssize_t row_run, column_run, length, index, part, parts = source.parts, item = window.item
    cdef int row_index, column_index, row_used, column_used
    cdef bint only_zeros, deals = False
    cdef bint all_phases = deal_phases(columns, source, column, column_count, column_stretches, &args)
    cdef Py_ssize_t run_offset, offset
    cdef const char *src
    args.channel_bytes = source.channel_bytes
    args.channel_pitch = window.channel_pitch * parts
    args.row_pitch = window.row_pitch
    args.alone = columns.mode == ZEROS
    args.phase_pitch = window.plane_pitch
    args.ahead = ahead
    if not all_phases:
        deals = deals_out_columns(rows, columns, source, row, row_count, column, column_count)
    for column_run in range(1 if deals or all_phases else columns.run_count):
        if all_phases:
            column_used = 1
            length = columns.longest - columns.block + column_count
        else:
            column_used = stretches_of(columns, &columns.runs[column_run], column, column_count, column_stretches)
            length = columns.runs[column_run].length - columns.block + column_count
        only_zeros = not all_phases
        for column_index in range(column_used):
            only_zeros = only_zeros and column_stretches[column_index].source == ZEROS_ONLY
        for row_run in range(rows.run_count):
            row_used = stretches_of(rows, &rows.runs[row_run], row, row_count, row_stretches)
            run_offset = column_run * window.plane_pitch + rows.runs[row_run].start * window.row_pitch
            for row_index in range(row_used):
                offset = run_offset + row_stretches[row_index].start * window.row_pitch
                args.rows = row_stretches[row_index].count
                if only_zeros or row_stretches[row_index].source == ZEROS_ONLY:
                    for index in range(channels):
                        clear_rows(window, dst + (offset + index * window.channel_pitch) * item, length, &args)
                    continue
                args.row_bytes = row_stretches[row_index].step * source.row_bytes
                for column_index in range(column_used):
                    if column_stretches[column_index].source == ZEROS_ONLY:
                        continue  # written by load, as the zeros around the values
                    args.before = args.after = 0
                    args.columns = column_stretches[column_index].count
                    if columns.mode == ZEROS:
                        args.before = column_stretches[column_index].start
                        args.after = length - args.before - args.columns
                    args.column_bytes = column_stretches[column_index].step * source.column_bytes
                    args.rows = row_stretches[row_index].count
                    if (
                        args.columns == window.row_pitch and args.row_bytes == args.columns * args.column_bytes
                        and args.lead == 0 and args.trail == 0
                    ):
                        args.columns *= args.rows  # rows without gaps are one long row
                        args.rows = 1
                    src = (
                        image
                        + row_stretches[row_index].source * source.row_bytes
                        + column_stretches[column_index].source * source.column_bytes
                    )
                    offset += column_stretches[column_index].start - args.before
                    for part in range(min(parts, channels)):
                        index = channel + part
                        args.channels = (channels - part + parts - 1) // parts
                        args.src = src + index // parts * source.channel_bytes + index % parts * source.part_bytes
                        args.dst = dst + (offset + part * window.channel_pitch) * item
                        if deals:
                            deal_out_rows(window, columns, source, &args)
                        else:
                            source.load(&args)
                    offset -= column_stretches[column_index].start - args.before
