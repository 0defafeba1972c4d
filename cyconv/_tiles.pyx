"""Where the tiles of a block lie, and which terms each of them takes.

A tap that reads nothing but zero padding for every pixel of a tile adds zeros as long as the weights
are finite. Leaving such taps out saves up to 18% on a 7x7 image with padding 1 and 23% at dilation 6
on 33x33. Of other taps a turned tile leaves out the first and last few pixels, if those read padding:
another 10% on the 7x7 image. The terms that remain keep their places in the chunks, so the result keeps
its bits.
"""

from libc.stdint cimport int32_t
from libc.string cimport memset

from cyconv._cost_padding cimport Sections, find_sections
from cyconv._integers cimport balanced, ceil_div, round_up
from cyconv._kernels cimport CYC_CHUNK, CYC_EDGE_ROWS, CYC_SPLIT_STEP, cyc_edge, cyc_piece, cyc_span, cyc_tap
from cyconv._plan cimport MAX_SPAN_LISTS, TURNED_TILE, Plan, tile_pitch
from cyconv._window cimport Axis, reading_taps


cdef enum:
    # Beginning a span takes as long as a term of twelve sums: measured on Zen 3, 6.5 cycles.
    MIN_SPAN_TERMS = 4


cdef Py_ssize_t section_end(const Axis *columns, Py_ssize_t column) noexcept nogil:
    """The next column at which a tap begins or ceases to read padding."""
    cdef Py_ssize_t tap, end = columns.out
    for tap in range(columns.taps):
        if column < columns.reading[tap] < end:
            end = columns.reading[tap]
        if column < columns.reading_end[tap] < end:
            end = columns.reading_end[tap]
    return end


cdef bint find_edges(
    const Axis *columns, Py_ssize_t column, Py_ssize_t pixels, cyc_edge *edges
) noexcept nogil:
    """For each kernel column the first and last pixels of a turned tile that read padding; whether any do."""
    cdef Py_ssize_t tap, most = CYC_EDGE_ROWS(pixels)
    cdef bint found = False
    for tap in range(columns.taps):
        edges[tap].first = <unsigned char>min(most, max(<Py_ssize_t>0, columns.reading[tap] - column))
        edges[tap].last = <unsigned char>min(most, max(<Py_ssize_t>0, column + pixels - columns.reading_end[tap]))
        found = found or edges[tap].first or edges[tap].last
    return found


cdef Py_ssize_t count_spots(const Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """How many tiles cover a block of this size."""
    cdef Py_ssize_t column = 0, end, count = 0
    if plan.flat:
        return ceil_div((rows - 1) * tile_pitch(plan, columns) + columns, plan.pixel_tile)
    if not plan.cut:
        return rows * ceil_div(columns, plan.pixel_tile)
    while column < columns:
        end = section_end(&plan.columns, column)
        count += ceil_div(end - column, plan.pixel_tile)
        column = end
    return rows * count


cdef Py_ssize_t count_lists(const Plan *plan) noexcept nogil:
    """How many lists find work if each tile lies in a section of the rows and in one of the columns."""
    cdef Sections sections
    cdef Py_ssize_t row_sections = find_sections(&plan.rows, &sections)
    return min(<Py_ssize_t>MAX_SPAN_LISTS, 1 + row_sections * find_sections(&plan.columns, &sections))


cdef Py_ssize_t find_list(
    SpanList *lists, Py_ssize_t *count, Py_ssize_t most, const SpanList *wanted
) noexcept nogil:
    """The index of a list for these taps, added if there is room; 0, all taps, if not."""
    cdef Py_ssize_t index
    for index in range(count[0]):
        if (
            lists[index].first_row == wanted.first_row and lists[index].last_row == wanted.last_row
            and lists[index].first_column == wanted.first_column and lists[index].last_column == wanted.last_column
        ):
            return index
    if count[0] == most:
        return 0
    index = count[0]
    lists[index].first_row = wanted.first_row
    lists[index].last_row = wanted.last_row
    lists[index].first_column = wanted.first_column
    lists[index].last_column = wanted.last_column
    count[0] += 1
    return index


cdef Py_ssize_t list_for(
    const Plan *plan, Py_ssize_t row, Py_ssize_t row_end, Py_ssize_t column, Py_ssize_t column_end,
    SpanList *lists, Py_ssize_t *list_count
) noexcept nogil:
    """The list of the taps that some pixel of these rows and columns needs."""
    cdef SpanList wanted
    if not plan.skips:
        return 0
    reading_taps(&plan.rows, row, row_end, &wanted.first_row, &wanted.last_row)
    reading_taps(&plan.columns, column, column_end, &wanted.first_column, &wanted.last_column)
    return find_list(lists, list_count, plan.span_lists, &wanted)


cdef Py_ssize_t place_spots(
    const Plan *plan, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t column, Py_ssize_t columns, Py_ssize_t lead,
    Spot *spots, SpanList *lists, Py_ssize_t *list_count, cyc_edge *edges
) noexcept nogil:
    """Place the tiles of the block at (row, column), rows by columns; how many.

    With a `lead`, of flat tiles, the first one has so many pixels, and the last one ends with the block in a whole
    vector, the first pixels of which are those of the tile before, too.

    The first list is that of all taps; lists get their taps here and their spans by ``fill_spans``. The
    first table of edges has none; each tile of a row may get one of its own, which other rows share.
    """
    cdef Py_ssize_t tiles = 0, tables = 1
    cdef Py_ssize_t pitch = tile_pitch(plan, columns), count = 0, position, end, y, x, size, last_row, section
    memset(edges, 0, plan.columns.taps * sizeof(cyc_edge))
    lists[0].first_row = lists[0].first_column = 0
    lists[0].last_row = plan.rows.taps
    lists[0].last_column = plan.columns.taps
    list_count[0] = 1
    if plan.flat:
        end = (rows - 1) * pitch + columns
        position = y = x = 0
        while position < end:
            size = min(plan.pixel_tile, end - position)
            if lead > 0:
                if position == 0:
                    size = lead
                elif position + size == end:
                    size = round_up(size, plan.kernels.lanes)
                    position = end - size
                    y = position // pitch
                    x = position % pitch
            last_row = y if x + size <= pitch else (position + size - 1) // pitch
            spots[count].position = y * plan.window.row_pitch + x
            spots[count].edges = 0
            spots[count].pixels = size
            spots[count].row = y
            spots[count].column = x
            if y == last_row:
                spots[count].list = list_for(
                    plan, row + y, row + y + 1, column + x, column + x + size, lists, list_count
                )
            else:
                spots[count].list = list_for(
                    plan, row + y, row + last_row + 1, column, column + columns, lists, list_count
                )
            count += 1
            position += size
            x += size
            if x >= pitch:  # divisions take longer than all else here
                y = position // pitch
                x = position % pitch
        return count
    for y in range(rows):
        x = 0
        while x < columns:
            section = min(columns, section_end(&plan.columns, column + x) - column) if plan.cut else columns
            size = plan.pixel_tile
            if plan.algorithm == TURNED_TILE:
                size = balanced(section - x, size)
            while x < section:
                spots[count].position = y * pitch + x
                spots[count].pixels = min(size, section - x)
                spots[count].row = y
                spots[count].column = x
                spots[count].list = list_for(
                    plan, row + y, row + y + 1, column + x, column + x + spots[count].pixels, lists, list_count
                )
                spots[count].edges = 0
                if y > 0:
                    spots[count].edges = spots[count - tiles].edges
                elif tables < plan.edge_tables and find_edges(
                    &plan.columns, column + x, spots[count].pixels, edges + tables * plan.columns.taps
                ):
                    spots[count].edges = tables
                    tables += 1
                x += spots[count].pixels
                count += 1
        if y == 0:
            tiles = count
    return count


cdef void place_pieces(
    const Plan *plan, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t out_pitch, Spot *spots, Py_ssize_t spot_count,
    cyc_piece *pieces
) noexcept nogil:
    """The lanes of each vector of the tiles that are valid columns of a row, and where they go.

    A vector has a piece, and one more for each row that ends in it; those of whole vectors that lie side by side in the
    result have none. Offsets count from the block's first pixel in a result whose rows lie `out_pitch` elements apart.
    """
    cdef Py_ssize_t pitch = tile_pitch(plan, columns), lanes = plan.kernels.lanes
    cdef Py_ssize_t index, vector, row, column, pixels, first, end, gapless = 0, count = 0
    if pitch == columns and out_pitch == columns:  # rows without gaps are one long row
        gapless = columns
        columns *= rows
        pitch = columns
    for index in range(spot_count):
        if is_whole(spots + index, lanes):
            continue
        spots[index].out = 0
        spots[index].pieces = pieces + count
        row = 0 if gapless else spots[index].row
        column = spots[index].row * gapless + spots[index].column
        for vector in range(ceil_div(spots[index].pixels, lanes)):
            pixels = min(lanes, spots[index].pixels - vector * lanes)
            first = 0
            while True:
                end = min(pixels, first + max(<Py_ssize_t>0, columns - column))
                pieces[count].offset = row * out_pitch + column - first
                pieces[count].first = <short>first
                pieces[count].count = <short>(end - first)
                first += min(pixels - first, pitch - column)
                pieces[count].last = first == pixels
                column += first - pieces[count].first
                count += 1
                if column == pitch:
                    column = 0
                    row += 1
                if first == pixels:
                    break


cdef void add_terms(SpanList *list, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Append the terms ``begin .. end``, split at the ends of chunks."""
    cdef Py_ssize_t stop
    cdef cyc_span *last
    while begin < end:
        last = list.spans + max(<Py_ssize_t>0, list.count - 1)
        stop = min(end, (begin // CYC_CHUNK + 1) * CYC_CHUNK)
        if list.count > 0 and last.end == begin and (last.end - 1) // CYC_CHUNK == begin // CYC_CHUNK:
            last.end = <int>stop
        else:
            if list.count > 0 and (last.end - 1) // CYC_CHUNK != begin // CYC_CHUNK:
                last.ends_chunk = True
            last = list.spans + list.count
            last.begin = <int>begin
            last.end = <int>stop
            last.ends_chunk = False
            list.count += 1
        begin = stop


cdef void add_term(SpanList *list, Py_ssize_t index, const cyc_tap *tap) noexcept nogil:
    """Append a term to the list's own table, and to a span that ends with its chunk."""
    cdef cyc_span *last = list.spans + max(<Py_ssize_t>0, list.count - 1)
    cdef int at = last.end if list.count > 0 else 0
    # until the next one is begun, `ends_chunk` is the chunk of a span
    if list.count == 0 or last.ends_chunk != index // CYC_CHUNK:
        if list.count > 0:
            last.ends_chunk = True
        last = list.spans + list.count
        last.begin = at
        last.ends_chunk = <int>(index // CYC_CHUNK)
        list.count += 1
    list.own_taps[at] = tap[0]
    last.end = at + 1


cdef void fill_spans(
    const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, const cyc_tap *taps, SpanList *list
) noexcept nogil:
    """The spans of a list's taps among the terms ``first_term .. first_term + terms``.

    `first_term` is a multiple of the chunk, and spans count from it; `taps` are the operands of these terms. Where
    spans would be of a few terms only, the list has a table of its own, without the terms between them.
    """
    cdef Py_ssize_t width = plan.columns.taps, taps_of_all = plan.rows.taps * width, channel, row, begin, end, index
    cdef Py_ssize_t run = list.last_column - list.first_column, rows = list.last_row - list.first_row
    list.count = 0
    list.taps = taps
    if rows == plan.rows.taps and run == width:
        add_terms(list, 0, terms)
    else:
        if list.own_taps != NULL and run < width and run < MIN_SPAN_TERMS:
            list.taps = list.own_taps
        if run == width:  # whole rows are one run
            run *= rows
            rows = 1
        for channel in range(first_term // taps_of_all, ceil_div(first_term + terms, taps_of_all)):
            for row in range(list.first_row, list.first_row + rows):
                begin = channel * taps_of_all + row * width + list.first_column - first_term
                end = min(terms, begin + run)
                begin = max(<Py_ssize_t>0, begin)
                if list.taps == taps:
                    add_terms(list, begin, end)
                else:
                    for index in range(begin, end):
                        add_term(list, index, taps + index)
    if list.count == 0:
        list.spans[0].begin = list.spans[0].end = 0
        list.count = 1
    list.spans[list.count - 1].ends_chunk = True


cdef void fill_offsets(
    const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, Py_ssize_t channel_pitch, int32_t *offsets,
    Py_ssize_t step
) noexcept nogil:
    """Pixels of the terms ``first_term .. first_term + terms``, from the first channel that they touch.

    `channel_pitch` is that of the window, or of the input in its place; offsets lie `step` apart.
    """
    cdef Py_ssize_t kernel_w = plan.columns.taps, kernel_h = plan.rows.taps, index
    cdef Py_ssize_t kw = first_term % kernel_w, kh = first_term // kernel_w % kernel_h, channel = 0
    cdef Py_ssize_t period = min(terms, kernel_w * kernel_h), done = period
    for index in range(period):
        offsets[index * step] = <int32_t>(
            channel * channel_pitch
            + plan.columns.tap_run[kw] * plan.window.plane_pitch
            + (plan.rows.runs[plan.rows.tap_run[kh]].start + plan.rows.tap_position[kh]) * plan.window.row_pitch
            + plan.columns.tap_position[kw]
        )
        kw += 1
        if kw == kernel_w:
            kw = 0
            kh += 1
            if kh == kernel_h:
                kh = 0
                channel += 1
    channel = 0
    while done < terms:  # the same terms of the next channel
        channel += 1
        for index in range(min(period, terms - done)):
            offsets[(done + index) * step] = <int32_t>(offsets[index * step] + channel * channel_pitch)
        done += period


cdef void fill_tap_offsets(
    const Plan *plan, Py_ssize_t terms, Py_ssize_t channel_pitch, int32_t *offsets
) noexcept nogil:
    """Pixels of as many terms, each tap of CYC_SPLIT_STEP channels after the others, then of the next ones."""
    cdef Py_ssize_t taps = plan.rows.taps * plan.columns.taps, step = CYC_SPLIT_STEP, tap, index, done
    for tap in range(taps):
        fill_offsets(plan, tap, 1, channel_pitch, offsets + tap * step, 1)
        for index in range(1, step):
            offsets[tap * step + index] = <int32_t>(offsets[tap * step] + index * channel_pitch)
    done = taps * step
    for index in range(terms - done):
        offsets[done + index] = <int32_t>(offsets[index] + step * channel_pitch)


cdef void fill_taps(
    const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, Py_ssize_t channel_pitch, cyc_tap *taps
) noexcept nogil:
    """Operands of these terms: pixels as ``fill_offsets`` finds them, or as they are gathered; and panels."""
    cdef Py_ssize_t index, kw = first_term % plan.columns.taps, step = sizeof(cyc_tap) // sizeof(int32_t)
    cdef bint turned = plan.algorithm == TURNED_TILE
    cdef int32_t *pixels = &taps.broadcast if turned else &taps.vector
    cdef int32_t *outputs = &taps.vector if turned else &taps.broadcast
    if not plan.gathers:
        fill_offsets(plan, first_term, terms, channel_pitch, pixels, step)
    else:
        for index in range(terms):
            pixels[index * step] = <int32_t>(index * plan.pixel_tile)
    for index in range(terms):
        outputs[index * step] = <int32_t>(index * plan.panel_width)
        taps[index].edge = <int32_t>kw if turned else 0
        kw = kw + 1 if kw + 1 < plan.columns.taps else 0
