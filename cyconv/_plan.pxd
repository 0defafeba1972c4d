"""The plan of a convolution: its geometry, algorithm, blocks and tables, and no Python object."""

from cyconv._integers cimport CACHE_LINE, round_up
from cyconv._isa cimport line_kind
from cyconv._kernels cimport (
    CYC_F32,
    CYC_F64,
    CYC_HALVED_LINES,
    CYC_MAX_TILE_ROWS,
    cyc_isa,
    cyc_kernels,
    cyc_planes_fn,
    cyc_tap,
)
from cyconv._slots cimport halves_lines
from cyconv._window cimport Axis, Window


cdef enum Algorithm:
    AUTO
    DIRECT  # any of those that sum products: from ROWS on
    FFT
    SPLIT
    WINOGRAD
    ROWS
    TURNED_TILE
    TILE
    ALGORITHMS_END


cdef enum:
    INAPPLICABLE = -2  # what make_plan answers where the wanted algorithm does not apply
    ALIGNMENT = CACHE_LINE  # of each part of the scratch
    MAX_OFFSET = 0x7fffffff  # that a tap can tell, in elements
    # Bytes of a run of turned tiles (_turned_run): so few that they stay in the first level, and so many that a line of
    # the result is seldom stored in two runs.
    TURNED_RUN = 16384
    MIN_BLOCK_COLUMNS = 32
    # Panels that read a plain tile's input where it lies, at most; terms that any number of panels reads there, as the
    # first level holds the lines of a tile, those of the next and a panel.
    MAX_PANELS_IN_PLACE = 10
    MAX_TERMS_IN_PLACE = 48
    # Likewise where lines are halved, whose products take so long that more lines are found in time, but not of any
    # number of pages.
    MAX_HALVED_PANELS_IN_PLACE = 24
    MAX_HALVED_TERMS_IN_PLACE = 160
    MAX_SPAN_LISTS = 32  # lists of the terms that different tiles take
    # Factors of more weights than this would come from memory, which takes longer than making them
    # again from weights a quarter of their size.
    HELD_FACTORS_BUDGET = 16 * 1024 * 1024
    # Winograd's products of a pass of panels, which its output transforms find in the second level.
    PRODUCTS_BUDGET = 1024 * 1024


cdef enum Orientation:
    # Short tiles round otherwise either way, so that those of a wide image have to be as those of each image alone.
    CHEAPER
    PLAIN
    TURNED


cdef struct Problem:
    # What to compute, in real channels: complex counts twice.
    Py_ssize_t batch
    Py_ssize_t groups
    Py_ssize_t in_channels  # of a group
    Py_ssize_t out_channels  # of a group
    Py_ssize_t in_size[2]
    Py_ssize_t kernel[2]
    Py_ssize_t out_size[2]
    Py_ssize_t stride[2]
    Py_ssize_t dilation[2]
    Py_ssize_t before[2]
    int padding_mode
    int dtype  # compute dtype
    int split_parts  # bfloat16 that a value of float32 is the sum of
    int orientation  # of Winograd's products (Orientation)
    bint held  # the weights are packed already
    bint readable  # input elements are of the compute dtype, aligned, side by side in a row
    bint channels_last  # the channels of a pixel of the input lie side by side
    # the elements of an image of the input lie side by side, and those of the whole result, both of the compute dtype;
    # the last field, where `_plans.problem_bytes` ends
    bint contiguous


cdef struct Transforms:
    # What the plan of an FFT has besides; of each axis: vertical, horizontal.
    Py_ssize_t points[2]  # of a transform
    Py_ssize_t extent[2]  # of the kernel, dilated
    Py_ssize_t block[2]  # outputs of a block
    Py_ssize_t blocks[2]
    Py_ssize_t pairs  # of blocks that share a transform
    Py_ssize_t pitch  # elements from row to row of a plane
    bint fused  # one channel in, one out: spectra go line by line through the cache
    Py_ssize_t group_block  # groups whose kernel spectra are in memory together
    Py_ssize_t plane_bytes
    Py_ssize_t line_bytes
    Py_ssize_t spectrum_bytes
    Py_ssize_t input_bytes  # spectra of the input channels
    Py_ssize_t mask_bytes
    char *twiddles[2]  # in one allocation, owned by the plan, that begins with the first


cdef struct Plan:
    Problem problem
    const cyc_isa *isa
    const cyc_kernels *kernels
    int algorithm

    Axis rows
    Axis columns
    Window window

    # Tiles: `tile_rows` scalars by `tile_vectors` vectors; which of them are outputs and which
    # pixels depends on the algorithm.
    Py_ssize_t tile_rows
    Py_ssize_t tile_vectors
    Py_ssize_t pixel_tile  # pixels of a tile, at most
    Py_ssize_t panel_width  # outputs of a tile, and of a panel of packed weights, empty lanes included
    Py_ssize_t panels  # of a group
    bint flat  # tiles run across the ends of rows, through the columns between them
    bint cut  # tiles end where a tap begins or ceases to read padding
    bint skips  # taps of a tile that read only zero padding are left out
    bint gathers  # each tile's pixels are gathered from the window for all panels at once; flat: without gaps

    bint one_tap  # windows of the tile algorithms look as the input does
    Py_ssize_t terms  # k: in_channels * kernel[0] * kernel[1]
    bint in_place  # row kernel: inner blocks are read where they lie, without a window
    cyc_planes_fn planes  # plane kernel: takes all blocks without a window; or NULL
    Py_ssize_t group_block  # groups of one task
    Py_ssize_t plane_block  # plane kernel: groups that are converted and computed together; 0: read where they lie
    Py_ssize_t term_block  # terms of one pass over the window, a multiple of the chunk
    Py_ssize_t term_blocks
    Py_ssize_t channel_block  # channels that a pass can touch
    Py_ssize_t panel_block  # panels of one task
    Py_ssize_t panel_blocks
    bint packs_in_task  # a panel is used by one task or two, each of which packs it in its own cache
    bint one_pixel  # of a task, which takes all terms at once: no weight is used twice, and no panel is to stay near
    bint takes_weights  # the only pixel, as they lie
    bint transforms_in_task  # Winograd: likewise for the factors of the weights
    Py_ssize_t spots  # tiles of a block, at most
    Py_ssize_t edge_tables  # the first is empty; of the tiles of a row, at most
    Py_ssize_t span_lists  # at most
    Py_ssize_t spans  # of a list, at most
    bint lists_have_taps  # each list has room for a table of its own terms

    # Winograd, whose outputs are those of whole tiles of 4 x 4
    Py_ssize_t block_rows  # of a task, in tiles
    Py_ssize_t block_columns
    Py_ssize_t positions  # tiles of a block, in whole vectors
    bint shares_factors  # threads make those of the inputs together, before the first task
    bint turned  # products have tiles as rows and outputs in the lanes
    Py_ssize_t last_outputs[2]  # of the last row and column of tiles: products of fewer are left out
    Py_ssize_t tiles_pitch  # elements from a factor of one input channel to that of the next
    Py_ssize_t factor_pitch  # elements from one factor of the inputs to the next
    Py_ssize_t weight_pitch  # elements from one factor of a panel's weights to the next
    Py_ssize_t product_pitch  # elements from one product to the next
    Py_ssize_t pixel_pitch  # elements from the pixels of one output to the next
    Py_ssize_t line_pitch  # elements from row to row of the pixels of dilated tiles, once in order
    Py_ssize_t part_channels  # channels whose factors of weights are in use at a time
    Py_ssize_t pass_panels  # panels whose products are made before any of them is transformed
    bint fetches_results  # of the next output while those of one are stored

    Py_ssize_t tasks
    Py_ssize_t shared_bytes  # scratch of all threads together: Winograd's factors, if they share them
    # Parts of the scratch of one thread, in bytes; each algorithm lays out its own.
    Py_ssize_t window_bytes
    Py_ssize_t factor_bytes
    Py_ssize_t totals_bytes
    Py_ssize_t turned_bytes
    Py_ssize_t lines_bytes
    Py_ssize_t sums_bytes
    Py_ssize_t panel_bytes
    Py_ssize_t pixels_bytes
    Py_ssize_t taps_bytes
    Py_ssize_t offsets_bytes
    Py_ssize_t spots_bytes
    Py_ssize_t edges_bytes
    Py_ssize_t pieces_bytes
    Py_ssize_t spans_bytes
    Py_ssize_t ranges_bytes
    Py_ssize_t direct_bytes
    Py_ssize_t doubtful_bytes
    Py_ssize_t scratch_bytes  # of all parts

    void *memory  # of the tables
    cyc_tap *taps  # [terms] where there is one term block, but for operands in line
    Py_ssize_t *row_offsets  # row kernel
    Py_ssize_t *column_offsets  # row kernel

    Transforms fft  # the rest of the plan, with that algorithm

    double multiply_adds  # of the direct sum, of the whole batch
    double slots  # what a group of an image is estimated to take (_slots)
    double once_slots  # of them, those of what all images share


cdef int make_plan(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads
) noexcept nogil
cdef void free_plan(Plan *plan) noexcept nogil
cdef void layout_window(Plan *plan, Py_ssize_t block_rows, Py_ssize_t block_columns) noexcept nogil


cdef inline double products(const Problem *problem) noexcept nogil:
    """Multiply-adds of the direct sum."""
    return (
        <double>problem.batch * problem.groups * problem.out_channels * problem.in_channels
        * problem.kernel[0] * problem.kernel[1] * problem.out_size[0] * problem.out_size[1]
    )


cdef inline double input_bytes(const Plan *plan) noexcept nogil:
    """Of the elements of the whole batch, in the compute dtype."""
    cdef const Problem *problem = &plan.problem
    return (
        <double>problem.batch * problem.groups * problem.in_channels
        * problem.in_size[0] * problem.in_size[1] * plan.kernels.item
    )


cdef inline double result_bytes(const Plan *plan) noexcept nogil:
    """Likewise, of the result."""
    cdef const Problem *problem = &plan.problem
    return (
        <double>problem.batch * problem.groups * problem.out_channels
        * problem.out_size[0] * problem.out_size[1] * plan.kernels.item
    )


cdef inline Py_ssize_t tile_pitch(const Plan *plan, Py_ssize_t columns) noexcept nogil:
    """From a row of a block of `columns` to the next, in pixels as its tiles run over them. A block of more columns
    than the window has is a run of pixels in place (_task), which has one row.
    """
    return columns if plan.gathers and plan.flat else max(plan.window.row_pitch, columns)


cdef inline bint operands_in_line(const Plan *plan) noexcept nogil:
    """Whether tiles find the operands of all terms at equal distances, which the kernels of floats make use of."""
    return (plan.problem.dtype == CYC_F32 or plan.problem.dtype == CYC_F64) and (plan.gathers or plan.one_tap)


cdef inline Py_ssize_t plane_elements(const Plan *plan) noexcept nogil:
    """Input elements that a block of the plane kernel reads of a plane, at most."""
    cdef Py_ssize_t rows = (plan.rows.block - 1) * plan.rows.stride + plan.rows.taps
    cdef Py_ssize_t columns = (plan.columns.block - 1) * plan.columns.stride + plan.columns.taps
    return min(rows, plan.rows.size) * min(columns, plan.columns.size)


cdef inline Py_ssize_t block_pixels(const Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Window pixels from the first output to the last, in whole vectors."""
    return round_up((rows - 1) * plan.window.row_pitch + columns, plan.kernels.lanes)


cdef inline char *aligned(char *memory) noexcept nogil:
    """The first address from `memory` on that is aligned."""
    return <char *>((<size_t>memory + ALIGNMENT - 1) & ~<size_t>(ALIGNMENT - 1))


cdef inline bint stays_in_place(const Plan *plan, Py_ssize_t panels) noexcept nogil:
    """Whether so many panels read the input of plain tiles where it lies, if that is possible."""
    if panels <= MAX_PANELS_IN_PLACE or plan.terms <= MAX_TERMS_IN_PLACE:
        return True
    return (
        halves_lines(plan.kernels)
        and panels <= MAX_HALVED_PANELS_IN_PLACE and plan.terms <= MAX_HALVED_TERMS_IN_PLACE
    )


cdef inline bint may_stay_in_place(Py_ssize_t terms, Py_ssize_t outputs) noexcept nogil:
    """Likewise, by the terms and outputs of a group, while there is no plan: with panels as wide as they can be."""
    if outputs <= MAX_PANELS_IN_PLACE * CYC_MAX_TILE_ROWS or terms <= MAX_TERMS_IN_PLACE:
        return True
    return (
        line_kind() == CYC_HALVED_LINES
        and outputs <= MAX_HALVED_PANELS_IN_PLACE * CYC_MAX_TILE_ROWS and terms <= MAX_HALVED_TERMS_IN_PLACE
    )
