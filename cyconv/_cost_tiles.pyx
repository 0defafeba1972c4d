"""The cost of the tiles, plain and turned: of each shape of them, and of each way to read their pixels."""

from cyconv._cost_padding cimport Sections, find_sections, flat_term_slots, skipping_share
from cyconv._cost_reading cimport (
    FROM_WINDOW,
    GATHERED,
    GATHERED_IN_ROWS,
    Reading,
    best_reading,
    gather_slots,
    tile_window_slots,
    window_slots,
)
from cyconv._integers cimport balanced, ceil_div
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_EDGE_ROWS,
    CYC_KEPT_COLUMNS,
    CYC_MAX_TILE_ROWS,
    CYC_MAX_TILE_VECTORS,
)
from cyconv._plan cimport (
    MAX_SPAN_LISTS,
    TILE,
    TURNED_TILE,
    Plan,
    Problem,
    stays_in_place,
)
from cyconv._slots cimport (
    LATE_LAST_VECTOR_SLOTS,
    MANY_REGISTERS,
    TILE_START_SLOTS,
    Terms,
    candidate_rows,
    halves_lines,
    has_late_lines,
    kept_rows,
    scalars_slots,
    vectors_slots,
    waits_with_few_registers,
)
from cyconv._window cimport ZEROS, Axis, first_below, reading_taps


# The least that a term takes which leaves out pixels: they have to be found. What that takes beside the products of
# few registers: measured on Zen 3.
cdef double EDGE_SLOTS = 10.0
cdef double HALVED_EDGE_SLOTS = 7.0  # where products take longer beside that; fitted to 4,000 shapes
cdef double FEW_SUMS_EDGE_SLOTS = 2.5
cdef double LATE_FEW_SUMS_EDGE_SLOTS = 5.0
# Of a tile algorithm, beside what it takes once. Emerald Rapids, 1x1 in as many groups as channels: 370 to 600, by the
# row kernel half of it; the choice among 800 grouped layers loses the same with 450 to 650, a quarter more with 250.
cdef double GROUP_START_SLOTS = 500.0
# Of a term in the table of all, turned with its edges; of a kernel row in a list for rows that leave out some terms.
cdef double TERM_SLOTS = 4.0
cdef double TURNED_TERM_SLOTS = 8.0
cdef double SPAN_SLOTS = 8.0
cdef double PACK_SLOTS = 1.0  # of an element of the weight
cdef double HALVED_PACK_SLOTS = 0.4  # where lines are halved: Zen 4, 64 to 1024 channels
# Of a row of the result, which cuts flat tiles in pieces, and of its store for each output channel.
cdef double PIECES_SLOTS = 10.0
cdef double PIECE_STORE_SLOTS = 5.0
# Of a term of a tile on cores whose lines come late, for each of its vectors but the first, in a window, where vectors
# cross the ends of lines; the sums behind whose products that would vanish. Granite Rapids: 600 random shapes.
cdef double CROSSING_SLOTS = 1.5
cdef double CROSSING_SUMS = 40.0
# What a term of the largest turned tile that loads each of its vectors once, 6x4, takes less than LATE_TERM_SLOTS says:
# ten loads for 24 products, where 14x2 takes 16 for 28. Granite Rapids, fitted to 94 shapes.
cdef double FEW_LOADS_SLOTS = 0.8
cdef double SPOT_SLOTS = 30.0  # of a tile beside its call: its address, terms and pieces
cdef double TURNED_SPOT_SLOTS = 15.0  # without pieces
cdef double STORE_SLOTS = 2.0  # of a vector of the result that is a single product; others hide it
# Of an element of the result of a turned tile: of whole vectors of outputs, and of those that are left.
cdef double TRANSPOSED_STORE_SLOTS = 1.2
cdef double SINGLE_STORE_SLOTS = 2.5
# How much longer products of few registers take whose pixels are not gathered.
cdef double FAR_PIXELS_FACTOR = 1.06
# Of a term of a tile whose pixels are read in place: it fetches some that are read later.
cdef double IN_PLACE_TERM_SLOTS = 1
# Of a term of a turned tile in place, if the input does not fit the second level, 2 MiB, with what else is there: a few
# pixels from each of its channels, which nothing fetches in time. Measured on Granite Rapids, whose lines come late.
cdef double FAR_IN_PLACE_TERM_SLOTS = 6
cdef double NEAR_INPUT_BYTES = 1024 * 1024


cdef inline double group_start_slots(const Plan *plan) noexcept nogil:
    return GROUP_START_SLOTS + <double>TILE_START_SLOTS / plan.problem.groups


cdef double least_tile_slots(const Plan *plan) noexcept nogil:
    """What a tile algorithm takes whatever its tiles: it begins, has a table of terms, and copies the input unless it
    may read it in place.
    """
    return (
        group_start_slots(plan) + TERM_SLOTS * plan.terms / plan.problem.groups
        + (0 if plan.one_tap else window_slots(plan))
    )


cdef double start_slots(const Plan *plan, double table_slots) noexcept nogil:
    """Of a tile algorithm whose tiles are chosen: its tables, and the weights if it has to pack them."""
    cdef Py_ssize_t lists
    cdef double slots = group_start_slots(plan), pack = HALVED_PACK_SLOTS if halves_lines(plan.kernels) else PACK_SLOTS
    cdef Sections sections
    slots += table_slots * plan.terms / plan.problem.groups
    if plan.skips:
        lists = min(find_sections(&plan.rows, &sections), <Py_ssize_t>MAX_SPAN_LISTS)
        slots += SPAN_SLOTS * lists * plan.problem.in_channels * plan.problem.kernel[0]
    return slots if plan.problem.held else slots + pack * plan.terms * plan.problem.out_channels


cdef double tile_cost(Plan *plan, Reading reading) noexcept nogil:
    """With vectors over pixels; negative: does not read them so."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, vectors, rows, pixel_vectors
    cdef Py_ssize_t columns = problem.out_size[1], row_count = problem.out_size[0]
    cdef Py_ssize_t first_column, last_column, tiles
    cdef Terms terms = Terms(plan.terms, CYC_CHUNK)
    cdef int keeps
    cdef bint gathers = reading != FROM_WINDOW
    cdef double cost, best = -1, row_share = skipping_share(plan, &plan.rows), column_share
    if reading == GATHERED_IN_ROWS:  # vectors leave lanes empty at the end of each row
        return -1
    # taps that no column of a whole row reads
    reading_taps(&plan.columns, 0, columns, &first_column, &last_column)
    column_share = <double>(last_column - first_column) / plan.columns.taps if plan.columns.mode == ZEROS else 1.0
    pixel_vectors = ceil_div((row_count - 1) * plan.window.row_pitch + columns, lanes)
    plan.cut = False
    # rows without gaps are one long row, unless they leave out different taps
    plan.flat = pixel_vectors < row_count * ceil_div(columns, lanes) or (
        plan.window.row_pitch == columns and row_share == 1
    )
    plan.gathers = gathers
    if gathers:
        plan.flat = True
        pixel_vectors = ceil_div(row_count * columns, lanes)
    if not plan.flat:
        pixel_vectors = ceil_div(columns, lanes)
    for vectors in range(1, CYC_MAX_TILE_VECTORS + 1):
        for keeps in range(2):
            rows = kept_rows(plan.kernels, vectors, keeps)
            if rows == 0:
                continue
            cost = scalars_slots(plan.kernels, problem.out_channels, rows, pixel_vectors, vectors, &terms)
            if not gathers and not plan.one_tap and has_late_lines(plan.kernels):
                rows = balanced(problem.out_channels, rows)
                cost += (
                    ceil_div(pixel_vectors, vectors) * ceil_div(problem.out_channels, rows)
                    * CROSSING_SLOTS * (vectors - 1) * (1 - rows * vectors / CROSSING_SUMS)
                )
            if not plan.flat:
                cost *= row_count * row_share
            elif row_share < 1:
                cost = flat_term_slots(
                    plan, cost, ceil_div(pixel_vectors, vectors) * ceil_div(problem.out_channels, rows),
                    vectors * lanes, columns if gathers else plan.window.row_pitch,
                )
            if best < 0 or cost < best:
                best = cost
                plan.tile_rows = balanced(problem.out_channels, rows)
                plan.tile_vectors = vectors
    plan.pixel_tile = plan.tile_vectors * lanes
    plan.panel_width = plan.tile_rows
    plan.skips = row_share < 1 or column_share < 1
    tiles = ceil_div(pixel_vectors, plan.tile_vectors) * ceil_div(problem.out_channels, plan.tile_rows)
    if not plan.flat:
        tiles *= row_count
    if plan.kernels.registers < MANY_REGISTERS and not gathers:
        best *= FAR_PIXELS_FACTOR
    cost = best * plan.terms * column_share + start_slots(plan, TERM_SLOTS)
    cost += PIECES_SLOTS * row_count + SPOT_SLOTS * tiles
    if plan.terms == 1:
        cost += STORE_SLOTS * ceil_div(row_count * columns, lanes) * problem.out_channels
    if gathers:
        return cost + gather_slots(plan, plan.pixel_tile) + (0 if plan.one_tap else tile_window_slots(plan))
    if plan.flat and plan.window.row_pitch > columns:
        cost += PIECE_STORE_SLOTS * row_count * problem.out_channels
    if (
        plan.one_tap and stays_in_place(plan, ceil_div(problem.out_channels, plan.tile_rows))
        # else the last vector would end beyond the input, or beyond the vectors of the tile before
        and (row_count * columns % lanes == 0 or plan.flat and row_count * columns > plan.pixel_tile)
    ):
        return cost + IN_PLACE_TERM_SLOTS * tiles * plan.terms
    return cost + tile_window_slots(plan)


cdef struct TurnedTerm:
    # A term in tiles of up to so many vectors of all outputs, by the pixels that take part, of one that leaves out some
    # too; negative: not known yet. Calls of small layers wait for the choice, which comes back to these few numbers for
    # each tap of each tile.
    Py_ssize_t vectors
    double[CYC_MAX_TILE_ROWS + 1] slots
    double[CYC_MAX_TILE_ROWS + 1] edge_slots


cdef void begin_term(TurnedTerm *term, Py_ssize_t vectors) noexcept nogil:
    cdef Py_ssize_t pixels
    term.vectors = vectors
    for pixels in range(CYC_MAX_TILE_ROWS + 1):
        term.slots[pixels] = -1


cdef Py_ssize_t few_loads_rows(const Plan *plan, Py_ssize_t vectors) noexcept nogil:
    """Rows of the largest tile that loads each vector once, where there is a larger one and lines come late; or 0.

    Pixels in place are to be read in as long runs as can be, as they may lie far away.
    """
    cdef Py_ssize_t rows = kept_rows(plan.kernels, vectors, False)
    if plan.one_tap or not has_late_lines(plan.kernels) or rows == candidate_rows(plan.kernels, vectors, False):
        return 0
    return rows


cdef inline bint loads_last_vector(const Plan *plan, Py_ssize_t pixels, Py_ssize_t vectors) noexcept nogil:
    """Whether each row of a tile loads the last vector, where lines come late. Pixels in place leave the time for it
    (docs/cost-model.md, "where each row loads the last vector").
    """
    return has_late_lines(plan.kernels) and CYC_KEPT_COLUMNS(plan.kernels.registers, pixels, vectors) < vectors


cdef void find_term(const Plan *plan, TurnedTerm *term, Py_ssize_t pixels) noexcept nogil:
    cdef Terms terms = Terms(plan.terms, CYC_CHUNK)
    cdef Py_ssize_t vectors = ceil_div(plan.problem.out_channels, plan.kernels.lanes)
    cdef Py_ssize_t tiles = ceil_div(vectors, term.vectors)
    term.slots[pixels] = vectors_slots(plan.kernels, pixels, vectors, term.vectors, &terms)
    term.edge_slots[pixels] = max(
        term.slots[pixels], (HALVED_EDGE_SLOTS if halves_lines(plan.kernels) else EDGE_SLOTS) * tiles
    )
    if pixels == few_loads_rows(plan, term.vectors):
        term.slots[pixels] -= FEW_LOADS_SLOTS * (vectors // term.vectors)
    if plan.one_tap and loads_last_vector(plan, pixels, term.vectors):
        term.slots[pixels] -= LATE_LAST_VECTOR_SLOTS * (vectors // term.vectors)
    if plan.kernels.registers < MANY_REGISTERS:
        term.edge_slots[pixels] += tiles * (
            LATE_FEW_SUMS_EDGE_SLOTS if waits_with_few_registers(plan.kernels) else FEW_SUMS_EDGE_SLOTS
        )


cdef inline double term_slots(const Plan *plan, TurnedTerm *term, Py_ssize_t pixels, bint edge) noexcept nogil:
    if term.slots[pixels] < 0:
        find_term(plan, term, pixels)
    return term.edge_slots[pixels] if edge else term.slots[pixels]


cdef double turned_edge_slots(
    const Plan *plan, TurnedTerm *term, Py_ssize_t column, Py_ssize_t pixels, bint all_taps
) noexcept nogil:
    """One channel and kernel row of a tile of pixels some of which read padding, all of them with `all_taps` too.

    Looks only at taps that begin or cease to read inside the tile, and at one of the many between them.
    """
    cdef const Axis *columns = &plan.columns
    cdef Py_ssize_t first, last, next_tap, end = column + pixels, most = CYC_EDGE_ROWS(pixels)
    cdef Py_ssize_t begin_first = first_below(columns.reading, columns.taps, end)
    cdef Py_ssize_t begin_last = first_below(columns.reading, columns.taps, column + 1)
    cdef Py_ssize_t cease_first = first_below(columns.reading_end, columns.taps, end)
    cdef Py_ssize_t cease_last = first_below(columns.reading_end, columns.taps, column + 1)
    cdef Py_ssize_t tap = 0 if all_taps else begin_first, end_tap = columns.taps if all_taps else cease_last
    cdef double sum = 0
    while tap < end_tap:
        first = min(most, max(<Py_ssize_t>0, columns.reading[tap] - column))
        last = min(most, max(<Py_ssize_t>0, end - columns.reading_end[tap]))
        next_tap = tap + 1
        if not (begin_first <= tap < begin_last or cease_first <= tap < cease_last):
            next_tap = end_tap
            if tap < begin_first:
                next_tap = min(next_tap, begin_first)
            if tap < cease_first:
                next_tap = min(next_tap, cease_first)
        sum += (next_tap - tap) * term_slots(plan, term, pixels - first - last, True)
        tap = next_tap
    return sum


cdef double turned_columns_slots(
    const Plan *plan, TurnedTerm *term, Py_ssize_t columns, Py_ssize_t most, bint all_taps
) noexcept nogil:
    """One channel and kernel row of a row of pixels, in tiles of up to `most` pixels."""
    cdef Py_ssize_t column = 0, pixels = balanced(columns, most), inside, inner = 0, inner_end = columns
    cdef double sum = 0
    if plan.skips and plan.columns.mode == ZEROS and not plan.flat:  # the columns for which no tap reads padding
        inner = plan.columns.reading[0]
        inner_end = plan.columns.reading_end[plan.columns.taps - 1]
    while column < columns:
        pixels = min(pixels, columns - column)
        inside = (min(columns, inner_end) - column) // pixels if column >= inner else 0
        if inside > 0:  # tiles that take all taps
            sum += inside * plan.columns.taps * term_slots(plan, term, pixels, False)
            column += inside * pixels
        else:
            sum += turned_edge_slots(plan, term, column, pixels, all_taps)
            column += pixels
    return sum


cdef double turned_sections_slots(
    const Plan *plan, TurnedTerm *term, const Sections *sections, Py_ssize_t most
) noexcept nogil:
    """Likewise, of a row that is cut where a tap begins or ceases to read padding."""
    cdef Py_ssize_t index, pixels, left, column = 0
    cdef double slots, sum = 0
    for index in range(sections.count):
        left = sections.end[index] - column
        pixels = balanced(left, most)
        slots = left // pixels * term_slots(plan, term, pixels, sections.taps[index] < plan.columns.taps)
        if left % pixels:
            slots += term_slots(plan, term, left % pixels, True)
        sum += sections.taps[index] * slots
        column = sections.end[index]
    return sum


cdef double turned_tile_cost(Plan *plan, Reading reading) noexcept nogil:
    """With vectors over output channels; negative: does not read pixels so."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, vectors, rows, tiles
    cdef Py_ssize_t out_vectors = ceil_div(problem.out_channels, lanes), columns = problem.out_size[1]
    cdef Py_ssize_t row_lists, column_lists = 1
    cdef double cost, listed, best = -1, row_share = skipping_share(plan, &plan.rows)
    cdef bint gathers = reading != FROM_WINDOW
    cdef bint edges = reading != GATHERED and skipping_share(plan, &plan.columns) < 1
    cdef int cut, which
    cdef TurnedTerm term
    cdef Sections row_sections, sections
    if reading == GATHERED_IN_ROWS and not edges and row_share == 1:
        return -1
    row_lists = find_sections(&plan.rows, &row_sections)
    sections.count = 0
    if edges:
        column_lists = find_sections(&plan.columns, &sections)
    # rows without gaps between them are one long row; where they leave out different taps a tile leaves out those
    # that all of its rows do, which few do of rows shorter than a tile
    plan.gathers = gathers
    plan.flat = reading == GATHERED or reading == FROM_WINDOW and (
        plan.window.row_pitch == columns and not edges and (row_share == 1 or columns >= CYC_MAX_TILE_ROWS)
    )
    if plan.flat:
        columns *= problem.out_size[0]
    plan.skips = edges or row_share < 1
    for vectors in range(1, min(<Py_ssize_t>CYC_MAX_TILE_VECTORS, out_vectors) + 1):
        begin_term(&term, vectors)
        for which in range(3):
            rows = few_loads_rows(plan, vectors) if which == 2 else candidate_rows(plan.kernels, vectors, which)
            if rows == 0:
                continue
            for cut in range(1 if edges and row_lists * column_lists <= MAX_SPAN_LISTS else 0, -1, -1):
                if cut:
                    cost = row_share * turned_sections_slots(plan, &term, &sections, rows)
                else:
                    cost = row_share * turned_columns_slots(plan, &term, columns, rows, False)
                    # tiles beyond the last list take all taps
                    listed = MAX_SPAN_LISTS / <double>(row_lists * min(column_lists, ceil_div(columns, rows)))
                    if listed < 1:
                        cost = (
                            listed * cost + (1 - listed) * turned_columns_slots(plan, &term, columns, rows, True)
                        )
                if best < 0 or cost < best:
                    best = cost
                    plan.cut = cut
                    plan.pixel_tile = rows
                    plan.tile_vectors = vectors
    if plan.kernels.registers < MANY_REGISTERS and not gathers:
        best *= FAR_PIXELS_FACTOR
    if not plan.cut:
        plan.pixel_tile = balanced(columns, plan.pixel_tile)
    plan.tile_rows = plan.pixel_tile
    plan.panel_width = plan.tile_vectors * lanes
    tiles = ceil_div(columns, plan.pixel_tile) * ceil_div(out_vectors, plan.tile_vectors)
    if not plan.flat:
        best *= problem.out_size[0]
        tiles *= problem.out_size[0]
    if (
        plan.one_tap and not gathers and has_late_lines(plan.kernels)
        and <double>plan.terms * problem.in_size[0] * problem.in_size[1] * plan.kernels.item > NEAR_INPUT_BYTES
    ):
        best += FAR_IN_PLACE_TERM_SLOTS * tiles
    return (
        start_slots(plan, TURNED_TERM_SLOTS) + TURNED_SPOT_SLOTS * tiles
        + (gather_slots(plan, plan.pixel_tile) if gathers else 0)
        + (0 if plan.one_tap else tile_window_slots(plan))
        + best * problem.in_channels * problem.kernel[0]
        + problem.out_size[0] * problem.out_size[1] * (
            TRANSPOSED_STORE_SLOTS * (problem.out_channels - problem.out_channels % lanes)
            + SINGLE_STORE_SLOTS * (problem.out_channels % lanes)
        )
    )


cdef double tiles_cost(Plan *plan, int algorithm) noexcept nogil:
    """The cost of TILE or of TURNED_TILE, whose tile the plan then has."""
    return best_reading(plan, turned_tile_cost if algorithm == TURNED_TILE else tile_cost)


cdef double tiles_start_slots(const Plan *plan) noexcept nogil:
    """What the images of a batch take once, in tiles that are chosen."""
    return start_slots(plan, TERM_SLOTS if plan.algorithm == TILE else TURNED_TERM_SLOTS)
