"""The cost model: what each algorithm would take for one group of one image, and the choice.

The list, in order; the cheapest that applies wins and order breaks ties:

    shape, dtype, instruction set
      |
      |-- fft           products of spectra (_fft): large kernels, of few channels
      |-- winograd      36 products for each 4 x 4 outputs instead of 144: 3x3 with stride 1 and enough
      |                 channels to pay for the transforms
      |-- rows          an input row in registers serves every output row whose kernel covers it:
      |                 few output channels for each input (depthwise, filters over images)
      |-- turned tile   vectors over output channels, pixels broadcast: small images, where rows of
      |                 pixels would waste lanes, and dilated ones, where it leaves out most padding
      '-- tile          vectors over pixels, output channels broadcast: everything, last resort

The choice never looks at the batch size, the threads or the layout. The last three, among which
"direct" chooses, sum in the same order, so that their results agree bit for bit.

Time is counted in slots (_slots), of which a core starts two a cycle.
"""

from cyconv._blocks cimport planes_kernel, rows_in_place
from cyconv._cost_winograd cimport winograd_cost
from cyconv._fft cimport fft_cost
from cyconv._integers cimport balanced, ceil_div
from cyconv._kernels cimport (
    CYC_CHUNK,
    CYC_EDGE_ROWS,
    CYC_MAX_TILE_ROWS,
    CYC_MAX_TILE_VECTORS,
    CYC_ROW_BLOCK,
    cyc_unrolls_rows,
)
from cyconv._plan cimport (
    ALGORITHMS,
    AUTO,
    DIRECT,
    FFT,
    MAX_PANELS_IN_PLACE,
    MAX_SPAN_LISTS,
    MIN_BLOCK_COLUMNS,
    ROWS,
    TILE,
    TURNED_TILE,
    WINOGRAD,
    Plan,
    Problem,
)
from cyconv._slots cimport TILE_START_SLOTS, Terms, candidate_rows, load_slots, scalars_slots, vectors_slots
from cyconv._tiles cimport piece_end
from cyconv._window cimport ZEROS, Axis, reading_outputs, reading_taps, shared_row_stride


cdef enum:
    # Elements of the smallest window of the row kernel, which takes all channels at once: without a
    # limit, scratch would grow with the channels.
    MAX_ROWS_WINDOW = 64 * 1024
    # Transforms cannot pay for kernels of fewer taps, and small calls do not wait for their cost.
    MIN_FFT_TAPS = 36
    # With fewer channels its error is more than four times that of the direct algorithms.
    MIN_WINOGRAD_CHANNELS = 6

cdef double EDGE_SLOTS = 10.0  # the least that a term takes which leaves out pixels: they have to be found
cdef double GROUP_START_SLOTS = 250.0  # of a tile algorithm, beside what it takes once
# Of a term in the table of all, turned with its edges; of a kernel row in a list for rows that leave out some terms.
cdef double TERM_SLOTS = 4.0
cdef double TURNED_TERM_SLOTS = 8.0
cdef double SPAN_SLOTS = 8.0
cdef double PACK_SLOTS = 1.0  # of an element of the weight
# Of an element and of a row of the input that are copied; of a row of the result, which cuts flat tiles in pieces,
# and of its store for each output channel.
cdef double WINDOW_SLOTS = 0.45
cdef double WINDOW_ROW_SLOTS = 10.0
cdef double PIECES_SLOTS = 10.0
cdef double PIECE_STORE_SLOTS = 5.0
cdef double SPOT_SLOTS = 30.0  # of a tile beside its call: its address, terms and pieces
cdef double TURNED_SPOT_SLOTS = 15.0  # without pieces
# Of an element of the result of a turned tile: of whole vectors of outputs, and of those that are left.
cdef double TRANSPOSED_STORE_SLOTS = 1.2
cdef double SINGLE_STORE_SLOTS = 2.5
# The row kernel, unless all rows and terms are unrolled: each input row that it loads, to find the output rows
# and the ends of chunks; and its start.
cdef double ROWS_INPUT_SLOTS = 24
cdef double ROWS_START_SLOTS = 1000
# With fewer than this many registers it loads its weights again for every input row.
cdef Py_ssize_t MANY_REGISTERS = 32
cdef double FEW_REGISTERS_FACTOR = 1.2
# The call of a kernel for each output channel; in place, one call has several.
cdef double ROWS_CALL_SLOTS = 180
cdef double ROWS_IN_PLACE_SLOTS = 75
# To find the taps of a tile, against the products that it leaves out: of full tiles with so many sums.
cdef double SKIP_SLOTS = 200
cdef double FULL_TILE = 24


cdef Py_ssize_t count_pieces(const Axis *axis) noexcept nogil:
    """Pieces of an axis with different taps in the padding, as far as there are lists for."""
    cdef Py_ssize_t output = 0, count = 0
    while output < axis.out and count <= MAX_SPAN_LISTS:
        output = piece_end(axis, output)
        count += 1
    return count


cdef inline double start_slots(const Plan *plan, double term_slots) noexcept nogil:
    """Of a tile algorithm whose tiles are chosen: its tables, and the weights if it has to pack them."""
    cdef double slots = GROUP_START_SLOTS + <double>TILE_START_SLOTS / plan.problem.groups
    slots += term_slots * plan.terms / plan.problem.groups
    if plan.skips:
        slots += SPAN_SLOTS * count_pieces(&plan.rows) * plan.problem.in_channels * plan.problem.kernel[0]
    if plan.problem.held:
        return slots
    return slots + PACK_SLOTS * plan.terms * plan.problem.out_channels


cdef double window_slots(const Plan *plan) noexcept nogil:
    """To copy the input of a group into windows."""
    cdef const Problem *problem = &plan.problem
    cdef double row = 0 if plan.one_tap else WINDOW_ROW_SLOTS  # without gaps, rows are copied as one
    return problem.in_channels * problem.in_size[0] * (WINDOW_SLOTS * problem.in_size[1] + row)


cdef double read_share(const Axis *axis) noexcept nogil:
    """The share of taps that read the input, not zero padding, over all outputs of an axis."""
    cdef Py_ssize_t tap, first, last, reads = 0
    if axis.mode != ZEROS:
        return 1.0
    for tap in range(axis.taps):
        reading_outputs(axis, tap, &first, &last)
        reads += max(0, last - first)
    return <double>reads / axis.taps / axis.out


cdef double skipping_share(const Plan *plan, const Axis *axis) noexcept nogil:
    """The share of taps that remain when those over padding are left out; 1 where that does not pay."""
    cdef double share = read_share(axis)
    return share if (1 - share) * plan.terms * FULL_TILE > SKIP_SLOTS else 1.0


cdef double tile_cost(Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, vectors, rows, pixel_vectors
    cdef Py_ssize_t columns = problem.out_size[1], row_count = problem.out_size[0]
    cdef Py_ssize_t first_column, last_column, tiles
    cdef Terms terms = Terms(plan.terms, CYC_CHUNK)
    cdef int keeps
    cdef double cost, best = -1, row_share = skipping_share(plan, &plan.rows), column_share
    # taps that no column of a whole row reads
    reading_taps(&plan.columns, 0, columns, &first_column, &last_column)
    column_share = <double>(last_column - first_column) / plan.columns.taps if plan.columns.mode == ZEROS else 1.0
    pixel_vectors = ceil_div((row_count - 1) * plan.window.row_pitch + columns, lanes)
    plan.cut = False
    plan.flat = pixel_vectors < row_count * ceil_div(columns, lanes)
    if not plan.flat:
        pixel_vectors = ceil_div(columns, lanes)
    for vectors in range(1, CYC_MAX_TILE_VECTORS + 1):
        for keeps in range(2):
            rows = candidate_rows(plan.kernels, vectors, keeps)
            if rows == 0:
                continue
            cost = scalars_slots(plan.kernels, problem.out_channels, rows, pixel_vectors, vectors, &terms)
            if not plan.flat:
                cost *= row_count * row_share
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
    cost = best * plan.terms * column_share + start_slots(plan, TERM_SLOTS)
    cost += PIECES_SLOTS * row_count + SPOT_SLOTS * tiles
    if plan.flat and plan.window.row_pitch > columns:
        cost += PIECE_STORE_SLOTS * row_count * problem.out_channels
    if (
        plan.one_tap and ceil_div(problem.out_channels, plan.tile_rows) <= MAX_PANELS_IN_PLACE
        and row_count * columns % lanes == 0  # else the last vector would end beyond the input
    ):
        return cost
    return cost + window_slots(plan)


cdef double turned_edge_slots(
    const Plan *plan, Py_ssize_t column, Py_ssize_t pixels, Py_ssize_t out_vectors, Py_ssize_t vectors,
    const Terms *terms
) noexcept nogil:
    """One channel and kernel row of a tile of pixels some of which read padding."""
    cdef Py_ssize_t tap, first, last, end = column + pixels, most = CYC_EDGE_ROWS(pixels)
    cdef double sum = 0
    for tap in range(plan.columns.taps):
        reading_outputs(&plan.columns, tap, &first, &last)
        if first < end and last > column:
            first = min(most, max(<Py_ssize_t>0, first - column))
            last = min(most, max(<Py_ssize_t>0, end - last))
            sum += max(
                vectors_slots(plan.kernels, pixels - first - last, out_vectors, vectors, terms),
                EDGE_SLOTS * ceil_div(out_vectors, vectors),
            )
    return sum


cdef double turned_columns_slots(
    const Plan *plan, Py_ssize_t columns, Py_ssize_t most, Py_ssize_t vectors, bint cut
) noexcept nogil:
    """One channel and kernel row of a row of pixels, in tiles of up to `most` pixels."""
    cdef Py_ssize_t out_vectors = ceil_div(plan.problem.out_channels, plan.kernels.lanes)
    cdef Py_ssize_t column = 0, end, pixels, inside, inner = 0, inner_end = columns, unused
    cdef Terms terms = Terms(plan.terms, CYC_CHUNK)
    cdef double sum = 0
    if plan.skips and plan.columns.mode == ZEROS and not plan.flat:  # the columns for which no tap reads padding
        reading_outputs(&plan.columns, 0, &inner, &unused)
        reading_outputs(&plan.columns, plan.columns.taps - 1, &unused, &inner_end)
    while column < columns:
        end = piece_end(&plan.columns, column) if cut else columns
        pixels = balanced(end - column, most)
        while column < end:
            pixels = min(pixels, end - column)
            inside = (min(end, inner_end) - column) // pixels if column >= inner else 0
            if inside > 0:  # tiles that take all taps
                sum += inside * plan.columns.taps * vectors_slots(plan.kernels, pixels, out_vectors, vectors, &terms)
                column += inside * pixels
            else:
                sum += turned_edge_slots(plan, column, pixels, out_vectors, vectors, &terms)
                column += pixels
    return sum


cdef double turned_tile_cost(Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, vectors, rows, tiles
    cdef Py_ssize_t out_vectors = ceil_div(problem.out_channels, lanes), columns = problem.out_size[1]
    cdef double cost, best = -1, row_share = skipping_share(plan, &plan.rows)
    cdef bint edges = skipping_share(plan, &plan.columns) < 1, can_cut = edges
    cdef int cut, keeps
    # tiles beyond the last list take all taps
    if count_pieces(&plan.rows) * (count_pieces(&plan.columns) if can_cut else 1) > MAX_SPAN_LISTS:
        can_cut = False
        row_share = 1.0
    # rows without gaps between them are one long row; where they leave out different taps a tile leaves out those
    # that all of its rows do, which few do of rows shorter than a tile
    plan.flat = plan.window.row_pitch == columns and not edges and (row_share == 1 or columns >= CYC_MAX_TILE_ROWS)
    if plan.flat:
        columns *= problem.out_size[0]
    plan.skips = edges or row_share < 1
    for vectors in range(1, CYC_MAX_TILE_VECTORS + 1):
        for keeps in range(2):
            rows = candidate_rows(plan.kernels, vectors, keeps)
            if rows == 0 or vectors > out_vectors:
                continue
            for cut in range(1 if can_cut else 0, -1, -1):
                cost = turned_columns_slots(plan, columns, rows, vectors, cut)
                if best < 0 or cost < best:
                    best = cost
                    plan.cut = cut
                    plan.pixel_tile = rows
                    plan.tile_vectors = vectors
    if not plan.cut:
        plan.pixel_tile = balanced(columns, plan.pixel_tile)
    plan.tile_rows = plan.pixel_tile
    plan.panel_width = plan.tile_vectors * lanes
    tiles = ceil_div(columns, plan.pixel_tile) * ceil_div(out_vectors, plan.tile_vectors)
    if not plan.flat:
        best *= problem.out_size[0]
        tiles *= problem.out_size[0]
    return (
        start_slots(plan, TURNED_TERM_SLOTS) + TURNED_SPOT_SLOTS * tiles
        + (0 if plan.one_tap else window_slots(plan))
        + best * row_share * problem.in_channels * problem.kernel[0]
        + problem.out_size[0] * problem.out_size[1] * (
            TRANSPOSED_STORE_SLOTS * (problem.out_channels - problem.out_channels % lanes)
            + SINGLE_STORE_SLOTS * (problem.out_channels % lanes)
        )
    )


cdef double rows_cost(Plan *plan) noexcept nogil:
    """-1 where some input row serves no output, and where there are no channels or too many for a window."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, pixel_vectors = ceil_div(problem.out_size[1], lanes)
    cdef Py_ssize_t height = problem.kernel[0]
    cdef Py_ssize_t stride = shared_row_stride(&plan.rows), rows = min(problem.out_size[0], CYC_ROW_BLOCK)
    cdef double loads, products, slots
    if stride > height or problem.in_channels == 0:
        return -1
    if problem.in_channels * height * (problem.kernel[1] + MIN_BLOCK_COLUMNS) > MAX_ROWS_WINDOW:
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
    if plan.kernels.registers < MANY_REGISTERS:
        slots *= FEW_REGISTERS_FACTOR
    if planes_kernel(plan) == NULL and (
        problem.in_channels > 1 or plan.terms > CYC_CHUNK or not cyc_unrolls_rows(height, stride)
    ):
        slots += ROWS_START_SLOTS + (
            ROWS_INPUT_SLOTS * ((rows - 1) * stride + height) * ceil_div(pixel_vectors, plan.kernels.row_vectors)
            * problem.in_channels * problem.out_channels * ceil_div(problem.out_size[0], CYC_ROW_BLOCK)
        )
    if rows_in_place(plan):
        return slots + ROWS_IN_PLACE_SLOTS * problem.out_channels
    return slots + window_slots(plan) + ROWS_CALL_SLOTS * problem.out_channels


cdef double cost_of(Plan *plan, int algorithm) noexcept nogil:
    """The cost of one entry of the list, whose tile the plan then has; negative: does not apply."""
    if algorithm == FFT:
        return fft_cost(plan)
    if algorithm == ROWS:
        return rows_cost(plan)
    if algorithm == TURNED_TILE:
        return turned_tile_cost(plan)
    if algorithm == WINOGRAD:
        return winograd_cost(plan)
    return tile_cost(plan)


cdef bint choose_algorithm(Plan *plan, int wanted) noexcept nogil:
    """Set the algorithm and its tile, if it applies; the window is laid out for the whole image."""
    cdef int algorithm
    cdef double cost, best = -1
    plan.algorithm = wanted
    if wanted == AUTO or wanted == DIRECT:
        for algorithm in range(<int>FFT if wanted == AUTO else <int>ROWS, <int>ALGORITHMS):
            if algorithm == FFT and plan.problem.kernel[0] * plan.problem.kernel[1] < MIN_FFT_TAPS:
                continue
            if algorithm == WINOGRAD and plan.problem.in_channels < MIN_WINOGRAD_CHANNELS:
                continue
            cost = cost_of(plan, algorithm)
            if cost >= 0 and (best < 0 or cost < best):
                best = cost
                plan.algorithm = algorithm
    plan.slots = cost_of(plan, plan.algorithm)
    if plan.algorithm == TILE or plan.algorithm == TURNED_TILE:
        plan.once_slots = start_slots(plan, TERM_SLOTS if plan.algorithm == TILE else TURNED_TERM_SLOTS)
    return plan.slots >= 0
