"""Taps that read zero padding alone, for all outputs, which are taken off a kernel before it is planned for.

    3x3 with padding 1 over 1x1             one tap of nine is left
    7x7 with padding 3 over 2x2             nine of 49
    3x3 dilated and padded by 18 over 14x14 one of nine

Such a kernel is often that of a layer made for larger images. What is left is a kernel like any other, in most cases
without padding. Zero times the weights of the other taps is zero unless they are infinite or NaN: then it is NaN for
all outputs of their channel (`_weights.trim_weight`).
"""

from cyconv._plan cimport WINOGRAD, Problem
from cyconv._window cimport ZEROS


cdef struct Trim:
    # Of each axis: taps of the whole kernel, the first one left and how many are; input that no tap reads before it.
    Py_ssize_t kernel[2]
    Py_ssize_t first[2]
    Py_ssize_t count[2]
    Py_ssize_t unread[2]


cdef enum:
    # Less than one of so many taps is left. Weights that are not held are copied, and those of a large layer come from
    # memory, where writing many again takes longer than leaving taps out tile by tile. Emerald Rapids, 512 to 512
    # channels: @1 by 3x3, one of nine left, 590 us against 700 us (held 13 us against 58 us); @2 by 3x3/2, four of nine
    # left, 1040 us against 560 us (held 160 us against 240 us), 64x1 by 3x3, one of three, 1990 us against 1500 us.
    LEAST_TRIMMED = 3


cdef inline void trim_axis(const Problem *problem, int axis, Trim *trim) noexcept nogil:
    """The taps of one axis that are left."""
    cdef Py_ssize_t dilation = problem.dilation[axis], taps = problem.kernel[axis], before = problem.before[axis]
    # the first tap reads up to here for the last output, the last tap from there on for the first
    cdef Py_ssize_t lead = before - (problem.out_size[axis] - 1) * problem.stride[axis]
    cdef Py_ssize_t end = problem.in_size[axis] + before, first = 0
    trim.kernel[axis] = trim.count[axis] = taps
    trim.first[axis] = trim.unread[axis] = 0
    if lead <= 0 and (taps - 1) * dilation < end:
        return
    if lead > 0:
        first = (lead - 1) // dilation + 1
    end = min(taps, (end - 1) // dilation + 1)
    if first < end:  # else no tap reads anything
        trim.first[axis] = first
        trim.count[axis] = end - first
        trim.unread[axis] = max(<Py_ssize_t>0, first * dilation - before)


cdef inline bint trim_problem(Problem *problem, int algorithm, Trim *trim) noexcept nogil:
    """Take such taps off a problem; whether it did. Winograd's algorithm, asked for by name, takes the kernel as it is,
    as it knows no other than 3x3.
    """
    cdef int axis
    if problem.padding_mode != ZEROS or algorithm == WINOGRAD:
        return False
    for axis in range(2):
        trim_axis(problem, axis, trim)
    if <double>LEAST_TRIMMED * trim.count[0] * trim.count[1] >= <double>trim.kernel[0] * trim.kernel[1]:
        return False
    for axis in range(2):
        problem.kernel[axis] = trim.count[axis]
        problem.before[axis] = max(<Py_ssize_t>0, problem.before[axis] - trim.first[axis] * problem.dilation[axis])
        problem.in_size[axis] -= trim.unread[axis]
    return True
