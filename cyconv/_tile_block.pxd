"""Winograd's tiles of a block, and how many of them need which product, inlined where it is used."""

from cyconv._kernels cimport CYC_WINOGRAD_IN, CYC_WINOGRAD_USES


cdef struct TileBlock:
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t last_rows  # outputs of the last row of tiles
    Py_ssize_t last_columns  # outputs of the last column of tiles


cdef inline Py_ssize_t tiles_of_factor(const TileBlock *block, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Tiles that have a use for factor (i, j)."""
    return (
        (block.rows - (not CYC_WINOGRAD_USES(i, block.last_rows)))
        * (block.columns - (not CYC_WINOGRAD_USES(j, block.last_columns)))
    )
