"""Gathered pixels: those of each tile side by side, term after term.

A tile of sixteen registers makes twelve products of the eight operands of a term, and whole vectors of a line are
multiplied in half a cycle, so that a tile has to find its operands near. In the window the pixels of neighbouring
terms lie a row or a plane apart, in as many cache lines; gathered once for all panels they are read from one end to
the other. The gaps between the rows of the window stay behind: 14 x 14 outputs are 196 pixels, not 210.
"""

from libc.stdint cimport int32_t
from libc.string cimport memset

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport CYC_MAX_COPIES, cyc_copy, cyc_gather_args
from cyconv._plan cimport TILE, Plan
from cyconv._task cimport Task
from cyconv._tiles cimport Spot


cdef Py_ssize_t place_copies(
    const Plan *plan, const Task *task, const Spot *spot, cyc_copy *copies
) noexcept nogil:
    """The vectors that bring the pixels of a tile together, row by row; how many."""
    cdef Py_ssize_t pitch = plan.window.row_pitch, lanes = plan.kernels.lanes
    cdef Py_ssize_t source = 0, done = 0, column = spot.column, count = 0, end, index
    while done < spot.pixels:
        end = spot.pixels
        if pitch > task.column_count:
            end = min(end, done + task.column_count - column)
        for index in range(ceil_div(end - done, lanes)):
            copies[count].begin = <int32_t>(source + index * lanes)
            copies[count].to = <int32_t>(done + index * lanes)
            count += 1
        source += pitch - column
        column = 0
        done = end
    return count


cdef void gather_tile(
    const Plan *plan, const Task *task, const Spot *spot, const char *window, bint in_place, const int32_t *offsets,
    Py_ssize_t terms, char *pixels
) noexcept nogil:
    """Gather the pixels of one tile for some terms: pixels[term][pixel]; arguments as below."""
    cdef Py_ssize_t left
    cdef cyc_copy copies[CYC_MAX_COPIES]
    cdef cyc_gather_args args
    args.offsets = offsets
    args.terms = terms
    args.copies = copies
    args.width = plan.pixel_tile
    args.copy_count = place_copies(plan, task, spot, copies)
    args.rest = 0
    if in_place:
        left = (plan.problem.in_size[0] - task.row) * plan.problem.in_size[1] - spot.position
        if copies[args.copy_count - 1].begin + plan.kernels.lanes > left:
            args.rest = spot.pixels - copies[args.copy_count - 1].to
    args.window = window + spot.position * plan.kernels.item
    args.dst = pixels
    plan.kernels.gather(&args)


cdef void gather_block(
    const Plan *plan, const Task *task, const Spot *spots, Py_ssize_t spot_count, const char *window, bint in_place,
    const int32_t *offsets, Py_ssize_t terms, char *pixels
) noexcept nogil:
    """Gather the pixels of all tiles of a block for one block of terms: pixels[tile][term][pixel].

    `offsets` are those of the terms. A window has room behind it for the vectors that end beyond; with `in_place`
    it is the input itself, of which nothing behind a channel is read.
    """
    cdef Py_ssize_t index, tile_bytes = terms * plan.pixel_tile * plan.kernels.item
    for index in range(spot_count):
        if plan.algorithm == TILE and spots[index].pixels % plan.kernels.lanes:
            # the lanes past the last pixel: products of whatever lies there might be slow
            memset(pixels + index * tile_bytes, 0, tile_bytes)
        gather_tile(plan, task, spots + index, window, in_place, offsets, terms, pixels + index * tile_bytes)
