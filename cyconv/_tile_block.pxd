"""Winograd's tiles of a block, and how many of them need which product, inlined where it is used.

With dilation d, a tile takes every d-th output of an axis, so that d tiles share a period of 4 d outputs.
"""

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport CYC_WINOGRAD_OUT, CYC_WINOGRAD_USES


cdef struct TileBlock:
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t short_rows  # rows of tiles of the last period
    Py_ssize_t short_columns
    Py_ssize_t last_rows  # outputs of these tiles along the axis, at most
    Py_ssize_t last_columns


cdef inline Py_ssize_t tiles_over(Py_ssize_t outputs, Py_ssize_t dilation) noexcept nogil:
    """Tiles along an axis of so many outputs."""
    cdef Py_ssize_t period = CYC_WINOGRAD_OUT * dilation
    return outputs // period * dilation + min(outputs % period, dilation)


cdef inline Py_ssize_t last_tiles(Py_ssize_t outputs, Py_ssize_t dilation) noexcept nogil:
    """Tiles of the last period."""
    return min((outputs - 1) % (CYC_WINOGRAD_OUT * dilation) + 1, dilation)


cdef inline Py_ssize_t outputs_of_last(Py_ssize_t outputs, Py_ssize_t dilation) noexcept nogil:
    """The most outputs along the axis that a tile of the last period has."""
    return ceil_div((outputs - 1) % (CYC_WINOGRAD_OUT * dilation) + 1, dilation)


cdef inline Py_ssize_t first_of_tile(Py_ssize_t tile, Py_ssize_t dilation) noexcept nogil:
    """The first output of a tile along an axis."""
    return CYC_WINOGRAD_OUT * (tile - tile % dilation) + tile % dilation


cdef inline Py_ssize_t tiles_of_factor(const TileBlock *block, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Tiles that have a use for factor (i, j)."""
    return (
        (block.rows - (0 if CYC_WINOGRAD_USES(i, block.last_rows) else block.short_rows))
        * (block.columns - (0 if CYC_WINOGRAD_USES(j, block.last_columns) else block.short_columns))
    )
