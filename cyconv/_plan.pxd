"""The plan of a convolution: its geometry, algorithm, blocks and tables, and no Python object."""

from cyconv._kernels cimport cyc_isa, cyc_kernels, cyc_planes_fn, cyc_tap
from cyconv._window cimport Axis, Window


cdef enum Algorithm:
    AUTO
    ROWS
    TURNED_TILE
    TILE
    ALGORITHMS


cdef enum:
    INAPPLICABLE = -2  # what make_plan answers where the wanted algorithm does not apply
    ALIGNMENT = 64  # of each part of the scratch, a cache line
    MIN_BLOCK_COLUMNS = 32


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
    bint held  # the weights are packed already
    bint readable  # input elements are of the compute dtype, aligned, side by side in a row


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
    Py_ssize_t panel_width  # outputs of a tile, and of a panel of packed weights
    Py_ssize_t panels  # of a group
    bint flat  # tiles run across the ends of rows, through the columns between them
    bint cut  # tiles end where a tap begins or ceases to read padding
    bint skips  # taps of a tile that read only zero padding are left out

    Py_ssize_t terms  # k: in_channels * kernel[0] * kernel[1]
    bint in_place  # row kernel: inner blocks are read where they lie, without a window
    cyc_planes_fn planes  # row kernel: reads all blocks where they lie, padding and all; or NULL
    Py_ssize_t group_block  # groups of one task
    Py_ssize_t term_block  # terms of one pass over the window, a multiple of the chunk
    Py_ssize_t term_blocks
    Py_ssize_t channel_block  # channels that a pass can touch
    Py_ssize_t panel_block  # panels of one task
    Py_ssize_t panel_blocks
    bint packs_in_task  # each panel is used by one task, which packs it in its own cache
    Py_ssize_t spots  # tiles of a block, at most
    Py_ssize_t span_lists  # at most
    Py_ssize_t spans  # of a list, at most

    Py_ssize_t tasks
    # Scratch of one thread, in bytes and in this order.
    Py_ssize_t window_bytes
    Py_ssize_t totals_bytes
    Py_ssize_t turned_bytes
    Py_ssize_t panel_bytes
    Py_ssize_t taps_bytes
    Py_ssize_t spots_bytes
    Py_ssize_t pieces_bytes
    Py_ssize_t spans_bytes
    Py_ssize_t scratch_bytes  # their sum

    void *memory  # of the tables
    cyc_tap *taps  # [terms] where there is one term block
    Py_ssize_t *row_offsets  # row kernel
    Py_ssize_t *column_offsets  # row kernel

    double multiply_adds  # of the whole convolution


cdef int make_plan(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads
) noexcept nogil
cdef void free_plan(Plan *plan) noexcept nogil
cdef void layout_window(Plan *plan, Py_ssize_t block_rows, Py_ssize_t block_columns) noexcept nogil
