"""The C inner loops as Cython sees them; kernels/kernels.h has the contract of each."""

from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memset

cdef extern from "kernels/kernels.h" nogil:
    const Py_ssize_t CYC_CHUNK
    const Py_ssize_t CYC_ROW_BLOCK
    enum: CYC_MAX_PLANE_KERNEL
    Py_ssize_t CYC_PLANE_ROWS(Py_ssize_t vectors) noexcept nogil
    bint CYC_NARROW_STRIPS(Py_ssize_t registers, Py_ssize_t most, Py_ssize_t size, Py_ssize_t vectors) noexcept nogil
    bint CYC_SKIPS_ROWS(Py_ssize_t size, Py_ssize_t stride, Py_ssize_t vectors) noexcept nogil
    bint cyc_unrolls_rows(Py_ssize_t height, Py_ssize_t stride) noexcept nogil
    enum: CYC_MAX_PLANE_STRIDE
    const Py_ssize_t CYC_MAX_SPREAD
    enum: CYC_MAX_TILE_ROWS
    enum: CYC_MAX_TILE_VECTORS
    enum: CYC_WINOGRAD_OUT
    enum: CYC_WINOGRAD_TAPS
    enum: CYC_WINOGRAD_IN
    enum: CYC_WINOGRAD_PRODUCTS
    enum: CYC_WINOGRAD_MAX_TILES
    enum: CYC_WINOGRAD_MIN_TOGETHER
    bint CYC_WINOGRAD_BY_TWO(Py_ssize_t lanes, Py_ssize_t rows, Py_ssize_t tiles) noexcept nogil
    bint CYC_WINOGRAD_USES(Py_ssize_t index, Py_ssize_t outputs) noexcept nogil
    Py_ssize_t CYC_EDGE_ROWS(Py_ssize_t rows)
    Py_ssize_t CYC_KEPT_COLUMNS(Py_ssize_t registers, Py_ssize_t rows, Py_ssize_t vectors)
    bint CYC_KEEPS_TOTALS(Py_ssize_t registers, Py_ssize_t rows, Py_ssize_t vectors)

    const int CYC_F32
    const int CYC_F64
    const int CYC_U32
    const int CYC_U64
    enum: CYC_COMPUTE_DTYPES
    enum: CYC_ARRAY_DTYPES

    const int CYC_FLOAT16
    const int CYC_BFLOAT16
    const int CYC_FLOAT32
    const int CYC_FLOAT64
    const int CYC_INT8
    const int CYC_UINT8
    const int CYC_INT16
    const int CYC_UINT16
    const int CYC_INT32
    const int CYC_UINT32
    const int CYC_INT64
    const int CYC_UINT64

    const int CYC_NO_ACTIVATION
    const int CYC_RELU
    const int CYC_RELU6

    ctypedef struct cyc_tap:
        int32_t broadcast
        int32_t vector
        int32_t edge

    ctypedef struct cyc_edge:
        unsigned char first
        unsigned char last

    ctypedef struct cyc_ahead:
        const char *next
        Py_ssize_t rows
        Py_ssize_t bursts
        Py_ssize_t row_bursts
        Py_ssize_t lines
        Py_ssize_t pitch
        Py_ssize_t gap
        Py_ssize_t step

    ctypedef struct cyc_span:
        int begin
        int end
        int ends_chunk

    ctypedef struct cyc_piece:
        Py_ssize_t offset
        short first
        short count
        int last

    ctypedef struct cyc_tile_args:
        const void *broadcast
        const void *vector
        const cyc_tap *taps
        Py_ssize_t broadcast_step
        Py_ssize_t vector_step
        Py_ssize_t next_vector
        const cyc_edge *edges
        cyc_ahead *ahead
        const cyc_span *spans
        Py_ssize_t span_count
        void *totals
        int carry
        void *out
        Py_ssize_t out_pitch
        const cyc_piece *pieces
        const void *bias
        const void *clamp

    ctypedef struct cyc_rows_args:
        const void *window
        const Py_ssize_t *row_offsets
        const Py_ssize_t *column_offsets
        Py_ssize_t channel_pitch
        Py_ssize_t window_pitch
        const void *weight
        Py_ssize_t channels
        Py_ssize_t kernel_h
        Py_ssize_t kernel_w
        Py_ssize_t stride
        Py_ssize_t rows
        Py_ssize_t columns
        void *out
        Py_ssize_t out_pitch
        const void *bias
        const void *clamp
        int fetches
        const char *next
        Py_ssize_t next_bytes
        Py_ssize_t out_ahead

    ctypedef struct cyc_planes_args:
        const void *input
        Py_ssize_t input_step
        Py_ssize_t input_pitch
        Py_ssize_t input_rows
        Py_ssize_t input_columns
        Py_ssize_t top
        Py_ssize_t left
        const void *weight
        Py_ssize_t planes
        Py_ssize_t outputs
        Py_ssize_t rows
        Py_ssize_t columns
        void *out
        Py_ssize_t out_step
        Py_ssize_t out_pitch
        const void *bias
        const void *clamp
        bint fetches

    ctypedef struct cyc_load_args:
        const char *src
        Py_ssize_t channel_bytes
        Py_ssize_t row_bytes
        Py_ssize_t column_bytes
        void *dst
        Py_ssize_t channel_pitch
        Py_ssize_t row_pitch
        Py_ssize_t channels
        Py_ssize_t rows
        Py_ssize_t columns
        Py_ssize_t before
        Py_ssize_t after
        int alone
        Py_ssize_t phases
        Py_ssize_t phase_pitch
        Py_ssize_t lead
        Py_ssize_t trail
        Py_ssize_t ahead

    ctypedef struct cyc_store_args:
        const void *src
        Py_ssize_t row_step
        const void *bias
        Py_ssize_t bias_step
        int activation
        char *dst
        Py_ssize_t row_bytes
        Py_ssize_t column_bytes
        Py_ssize_t rows
        Py_ssize_t columns
        Py_ssize_t ahead

    enum: CYC_MAX_COPIES
    ctypedef struct cyc_copy:
        int32_t begin "from"
        int32_t to

    ctypedef struct cyc_gather_args:
        const void *window
        const int32_t *offsets
        Py_ssize_t terms
        const cyc_copy *copies
        Py_ssize_t copy_count
        Py_ssize_t rest
        void *dst
        Py_ssize_t width

    ctypedef struct cyc_turned_args:
        const void *totals
        Py_ssize_t pitch
        Py_ssize_t pixels
        Py_ssize_t channels
        const void *bias
        const void *clamp
        void *out
        Py_ssize_t out_pitch
        bint fetches

    ctypedef struct cyc_pixel_args:
        const void *weight
        Py_ssize_t pitch
        const void *pixel
        Py_ssize_t terms
        Py_ssize_t outputs
        void *totals

    ctypedef struct cyc_winograd_input_args:
        const void *window
        Py_ssize_t window_pitch
        Py_ssize_t row_pitch
        Py_ssize_t row_dilation
        Py_ssize_t column_dilation
        Py_ssize_t channels
        Py_ssize_t rows
        Py_ssize_t tiles
        Py_ssize_t short_rows
        Py_ssize_t short_tiles
        Py_ssize_t last_rows
        Py_ssize_t last_columns
        void *out
        Py_ssize_t out_pitch
        Py_ssize_t plane_pitch

    ctypedef struct cyc_winograd_output_args:
        const void *products
        Py_ssize_t plane_pitch
        Py_ssize_t rows
        Py_ssize_t tiles
        Py_ssize_t short_rows
        Py_ssize_t short_tiles
        Py_ssize_t last_rows
        Py_ssize_t last_columns
        Py_ssize_t channels
        void *out
        Py_ssize_t out_pitch
        Py_ssize_t row_pitch
        void *sums

    ctypedef struct cyc_fft_args:
        void *re
        void *im
        Py_ssize_t pitch
        Py_ssize_t points
        const void *twiddles
        Py_ssize_t columns
        void *line
        int inverse

    ctypedef void (*cyc_tile_fn)(const cyc_tile_args *) noexcept
    ctypedef void (*cyc_rows_fn)(const cyc_rows_args *) noexcept
    ctypedef void (*cyc_planes_fn)(const cyc_planes_args *) noexcept
    ctypedef void (*cyc_load_fn)(const cyc_load_args *) noexcept
    ctypedef void (*cyc_store_fn)(const cyc_store_args *) noexcept
    ctypedef void (*cyc_turned_fn)(const cyc_turned_args *) noexcept
    ctypedef void (*cyc_gather_fn)(const cyc_gather_args *) noexcept
    ctypedef void (*cyc_pixel_fn)(const cyc_pixel_args *) noexcept
    ctypedef void (*cyc_pack_fn)(
        const void *weight, Py_ssize_t pitch, Py_ssize_t rows, Py_ssize_t width, Py_ssize_t terms, void *panel
    ) noexcept

    ctypedef void (*cyc_winograd_weight_fn)(
        const void *panel, Py_ssize_t channels, Py_ssize_t width, void *factors, Py_ssize_t plane
    ) noexcept
    ctypedef void (*cyc_winograd_shorten_fn)(const cyc_winograd_input_args *, void *windows) noexcept
    ctypedef void (*cyc_winograd_input_fn)(const cyc_winograd_input_args *) noexcept
    ctypedef void (*cyc_winograd_output_fn)(const cyc_winograd_output_args *) noexcept
    ctypedef void (*cyc_winograd_order_fn)(
        const void *pixels, Py_ssize_t row_pitch, Py_ssize_t tiles, Py_ssize_t dilation, void *out, Py_ssize_t out_pitch
    ) noexcept
    ctypedef void (*cyc_fft_fn)(const cyc_fft_args *) noexcept
    ctypedef void (*cyc_fft_multiply_fn)(
        void *product, const void *a, const void *b, Py_ssize_t count, int add
    ) noexcept

    ctypedef void (*cyc_turn_fn)(
        const void *src, Py_ssize_t pitch, Py_ssize_t rows, void *dst, Py_ssize_t width, Py_ssize_t terms
    ) noexcept
    ctypedef int (*cyc_finite_fn)(const void *values, Py_ssize_t count) noexcept

    ctypedef struct cyc_kernels:
        Py_ssize_t lanes
        Py_ssize_t item
        Py_ssize_t registers
        cyc_tile_fn tile[CYC_MAX_TILE_VECTORS][CYC_MAX_TILE_ROWS]
        cyc_rows_fn rows
        cyc_planes_fn planes[CYC_MAX_PLANE_STRIDE][CYC_MAX_PLANE_KERNEL]
        Py_ssize_t row_vectors
        int permutes
        int deals_phases
        Py_ssize_t winograd_chunk
        cyc_load_fn load[CYC_ARRAY_DTYPES]
        cyc_store_fn store[CYC_ARRAY_DTYPES]
        cyc_turned_fn store_turned
        cyc_gather_fn gather
        cyc_pack_fn pack
        cyc_turn_fn turn
        cyc_finite_fn finite
        cyc_pixel_fn pixel
        cyc_winograd_shorten_fn winograd_shorten
        cyc_winograd_input_fn winograd_input
        cyc_winograd_weight_fn winograd_weight
        cyc_winograd_output_fn winograd_output
        cyc_winograd_output_fn winograd_output_turned
        cyc_winograd_order_fn winograd_order
        cyc_fft_fn fft_columns
        cyc_fft_fn fft_rows
        cyc_fft_multiply_fn fft_multiply

    ctypedef struct cyc_split

    ctypedef struct cyc_isa:
        const char *name
        int (*available)() noexcept
        double (*fma_loop)(Py_ssize_t rounds) noexcept
        const cyc_kernels *dtype[CYC_COMPUTE_DTYPES]
        const cyc_split *split

    enum:
        CYC_HALVED_LINES
        CYC_WHOLE_LINES
        CYC_LATE_LINES
        CYC_NO_LINES
    int cyc_cpu_lines() noexcept
    const cyc_isa *cyc_isas[]


cdef extern from "kernels/split.h" nogil:
    const Py_ssize_t CYC_SPLIT_CHUNK
    const Py_ssize_t CYC_SPLIT_STEP
    enum: CYC_SPLIT_TILE
    const int CYC_SPLIT_NO_EXPONENT
    Py_ssize_t CYC_SPLIT_STEP_BYTES(Py_ssize_t parts) noexcept nogil

    ctypedef struct cyc_split_range:
        int32_t least[CYC_SPLIT_TILE]
        int32_t most[CYC_SPLIT_TILE]

    ctypedef struct cyc_split_taken:
        Py_ssize_t period
        Py_ssize_t begin
        Py_ssize_t end

    ctypedef struct cyc_split_args:
        const void *weights
        const void *pixels
        Py_ssize_t outputs
        Py_ssize_t pixel_count
        Py_ssize_t steps
        Py_ssize_t parts
        cyc_split_taken taken
        Py_ssize_t phase
        float *sums
        int resume
        float *totals
        const char *ahead
        Py_ssize_t ahead_lines

    ctypedef int (*cyc_split_granted_fn)() noexcept
    ctypedef void (*cyc_split_weights_fn)(
        const float *weight, Py_ssize_t pitch, Py_ssize_t rows, Py_ssize_t terms, Py_ssize_t taps,
        Py_ssize_t parts, void *out, cyc_split_range *range
    ) noexcept
    ctypedef void (*cyc_split_pixels_fn)(
        const cyc_gather_args *, Py_ssize_t pixel_count, const cyc_split_taken *, Py_ssize_t parts, void *out,
        cyc_split_range *range
    ) noexcept
    ctypedef void (*cyc_split_begin_fn)(Py_ssize_t outputs) noexcept
    ctypedef void (*cyc_split_end_fn)() noexcept
    ctypedef void (*cyc_split_multiply_fn)(const cyc_split_args *) noexcept
    ctypedef int (*cyc_split_doubtful_fn)(
        const float *totals, Py_ssize_t outputs, Py_ssize_t pixels, int left_out,
        const cyc_split_range *output_range, const cyc_split_range *pixel_range, uint32_t *lanes
    ) noexcept

    ctypedef struct cyc_split:
        int speed
        cyc_split_granted_fn granted
        cyc_split_weights_fn weights
        cyc_split_pixels_fn pixels
        cyc_split_begin_fn begin
        cyc_split_multiply_fn multiply
        cyc_split_end_fn end
        cyc_split_doubtful_fn doubtful


cdef inline cyc_load_args plain_load() noexcept nogil:
    """A load of one phase without zeros around it, whose addresses, pitches and counts are yet to be set."""
    cdef cyc_load_args args
    memset(&args, 0, sizeof(args))
    args.phases = 1
    return args


cdef inline Py_ssize_t most_tile_rows(const cyc_kernels *kernels, Py_ssize_t vectors) noexcept nogil:
    """The most rows of a tile of `vectors` vectors; 0 where there is none."""
    cdef Py_ssize_t rows = CYC_MAX_TILE_ROWS
    while rows > 0 and not kernels.tile[vectors - 1][rows - 1]:
        rows -= 1
    return rows
