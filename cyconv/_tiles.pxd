"""Where the tiles of a block lie, and which terms each of them takes."""

from libc.stdint cimport int32_t
from libc.string cimport memset

from cyconv._integers cimport round_up
from cyconv._kernels cimport cyc_edge, cyc_piece, cyc_span, cyc_tap, cyc_tile_args
from cyconv._plan cimport ALIGNMENT, Plan
from cyconv._window cimport Axis


cdef struct Spot:
    # A tile of pixels.
    Py_ssize_t position  # first pixel, in the window of the block
    Py_ssize_t pixels
    Py_ssize_t row  # first pixel, in the block
    Py_ssize_t column
    Py_ssize_t list  # its terms, where the weights are finite
    Py_ssize_t edges  # the table of the pixels that they leave out, likewise
    Py_ssize_t out  # bytes from the block's first pixel in the result; 0 with pieces, which count from there
    const cyc_piece *pieces  # NULL: its vectors are whole and lie side by side there
    Py_ssize_t vectors  # that its pixels take
    bint in_line  # whether its pixels lie side by side in the result


cdef struct SpanList:
    # The terms of all channels whose taps lie in a rectangle of the kernel.
    Py_ssize_t first_row
    Py_ssize_t last_row
    Py_ssize_t first_column
    Py_ssize_t last_column
    Py_ssize_t count
    cyc_span *spans
    const cyc_tap *taps  # that the spans are of
    cyc_tap *own_taps  # room for a table of these terms alone; or NULL


cdef struct Placed:
    # The block that the spots and pieces in a scratch belong to: other groups and images have the same. It lies at the
    # beginning of the scratch.
    Py_ssize_t row
    Py_ssize_t rows  # 0: none yet
    Py_ssize_t column
    Py_ssize_t columns
    Py_ssize_t lead  # pixels of the first tile, if it differs
    Py_ssize_t spots
    Py_ssize_t lists


cdef inline Py_ssize_t placed_bytes() noexcept nogil:
    return round_up(sizeof(Placed), ALIGNMENT)


cdef inline cyc_tile_args plain_tile() noexcept nogil:
    """A tile without edges, tables or fetching, whose sums stay in its totals.

    Operands, spans and totals are yet to be set.
    """
    cdef cyc_tile_args args
    memset(&args, 0, sizeof(args))
    return args


cdef inline bint is_whole(const Spot *spot, Py_ssize_t lanes) noexcept nogil:
    """Whether a tile is of whole vectors that lie side by side in the result."""
    return spot.in_line and spot.pixels == spot.vectors * lanes


cdef Py_ssize_t section_end(const Axis *columns, Py_ssize_t column) noexcept nogil
cdef bint find_edges(
    const Axis *columns, Py_ssize_t column, Py_ssize_t pixels, cyc_edge *edges
) noexcept nogil
cdef Py_ssize_t count_spots(const Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
cdef Py_ssize_t count_lists(const Plan *plan) noexcept nogil
cdef Py_ssize_t place_spots(
    const Plan *plan, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t column, Py_ssize_t columns, Py_ssize_t lead,
    Spot *spots, SpanList *lists, Py_ssize_t *list_count, cyc_edge *edges
) noexcept nogil
cdef void place_pieces(
    const Plan *plan, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t out_pitch, Spot *spots, Py_ssize_t spot_count,
    cyc_piece *pieces
) noexcept nogil
cdef void fill_spans(
    const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, const cyc_tap *taps, SpanList *list
) noexcept nogil
cdef void fill_offsets(
    const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, Py_ssize_t channel_pitch, int32_t *offsets,
    Py_ssize_t step
) noexcept nogil
cdef void fill_tap_offsets(
    const Plan *plan, Py_ssize_t terms, Py_ssize_t channel_pitch, int32_t *offsets
) noexcept nogil
cdef void fill_taps(
    const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, Py_ssize_t channel_pitch, cyc_tap *taps
) noexcept nogil
