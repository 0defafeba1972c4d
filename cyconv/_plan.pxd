"""The plan of a convolution: its geometry, algorithm, blocks and tables, and no Python object."""

from cyconv._kernels cimport cyc_isa, cyc_kernels, cyc_tap
from cyconv._window cimport Axis, Window


cdef enum Algorithm:
    AUTO
    ROWS
    TURNED_TILE
    TILE
    ALGORITHMS


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


cdef struct Plan:
    Problem problem
    const cyc_isa *isa
    const cyc_kernels *kernels
    int algorithm
    double cost[ALGORITHMS]  # vector multiply-adds of one group, -1 where an entry does not apply

    Axis rows
    Axis columns
    Window window

    # Tiles: `tile_rows` scalars by `tile_vectors` vectors; which of them are outputs and which
    # pixels depends on the algorithm.
    Py_ssize_t tile_rows
    Py_ssize_t tile_vectors
    Py_ssize_t pixel_tile  # pixels of a tile
    Py_ssize_t panel_width  # outputs of a tile, and of a panel of packed weights
    Py_ssize_t panels  # of a group
    bint flat  # tiles run across the ends of rows, through the columns between them

    Py_ssize_t terms  # k: in_channels * kernel[0] * kernel[1]
    Py_ssize_t term_block  # terms of one pass over the window, a multiple of the chunk
    Py_ssize_t term_blocks
    Py_ssize_t channel_block  # channels that a pass can touch
    Py_ssize_t panel_block  # panels of one task
    Py_ssize_t panel_blocks
    Py_ssize_t tiles  # pixel tiles of a full block, at most

    Py_ssize_t tasks
    Py_ssize_t window_bytes
    Py_ssize_t totals_bytes
    Py_ssize_t table_bytes
    Py_ssize_t scratch_bytes  # of one thread

    # Tables, in one allocation
    void *memory
    cyc_tap *taps  # [terms] where there is one term block
    Py_ssize_t *chunk_ends
    Py_ssize_t *row_offsets  # row kernel
    Py_ssize_t *column_offsets  # row kernel

    double multiply_adds  # of the whole convolution


cdef int make_plan(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads
) noexcept nogil
cdef Py_ssize_t row_stride(const Axis *rows) noexcept nogil
cdef Py_ssize_t row_step(const Axis *rows) noexcept nogil
cdef void free_plan(Plan *plan) noexcept nogil
cdef void fill_taps(const Plan *plan, Py_ssize_t first_term, Py_ssize_t terms, cyc_tap *taps, Py_ssize_t *chunk_ends) noexcept nogil
cdef Py_ssize_t tiles_of_block(const Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
