"""Which outputs see a NaN: all that have one in their window, as NaN times anything is NaN.

A transform would carry a NaN to every output of its blocks. So NaN are taken out of its input, which
leaves zeros, and put into the outputs that see them. (Infinity times zero is NaN too, and infinities
of both signs make NaN: what becomes of those depends on the weights, and is left to the direct sums.)
"""

from libc.math cimport INFINITY, NAN

ctypedef fused real:
    float
    double


cdef bint take_from(
    real *plane, Py_ssize_t pitch, Py_ssize_t rows, Py_ssize_t columns, unsigned char *mask, Py_ssize_t mask_pitch
) noexcept nogil:
    cdef Py_ssize_t _row, column
    cdef real value
    cdef bint infinite = False
    for _row in range(rows):
        for column in range(columns):
            value = plane[column]
            infinite |= value == <real>INFINITY or value == -<real>INFINITY
            mask[column] |= value != value
            plane[column] = 0 if value != value else value
        plane += pitch
        mask += mask_pitch
    return not infinite


cdef bint take_nans(
    char *plane, Py_ssize_t pitch, bint narrow, Py_ssize_t rows, Py_ssize_t columns, unsigned char *mask,
    Py_ssize_t mask_pitch
) noexcept nogil:
    """Turn NaN into zeros and mark them in `mask`; False where there is an infinity.

    The plane is of float, if `narrow`, or double, with rows `pitch` elements apart; rows and columns
    count its input elements.
    """
    if narrow:
        return take_from(<float *>plane, pitch, rows, columns, mask, mask_pitch)
    return take_from(<double *>plane, pitch, rows, columns, mask, mask_pitch)


cdef void spread_mask(
    unsigned char *mask, Py_ssize_t pitch, Py_ssize_t rows, const Py_ssize_t *taps, const Py_ssize_t *dilation
) noexcept nogil:
    """From marked inputs to marked outputs: those with a marked input under one of their taps.

    The mask is one line of bytes: its rows are whole, and an output at the end of one that reads on in
    the next is no output of the convolution. Taps join by twos, fours, ..., then by the rest.
    """
    cdef Py_ssize_t which, joined, step, count, index, size = rows * pitch
    for which in range(2):
        joined = 1
        while joined < taps[which]:
            count = min(joined, taps[which] - joined)
            step = count * dilation[which] * (pitch if which == 0 else 1)
            for index in range(size - step):  # ascending, in place: what lies ahead is still unjoined
                mask[index] |= mask[index + step]
            joined += count


cdef void put_into(
    real *plane, Py_ssize_t pitch, Py_ssize_t rows, Py_ssize_t columns, const unsigned char *mask,
    Py_ssize_t mask_pitch
) noexcept nogil:
    cdef Py_ssize_t _row, column
    for _row in range(rows):
        for column in range(columns):
            if mask[column]:
                plane[column] = <real>NAN
        plane += pitch
        mask += mask_pitch


cdef void put_nans(
    char *plane, Py_ssize_t pitch, bint narrow, Py_ssize_t rows, Py_ssize_t columns, const unsigned char *mask,
    Py_ssize_t mask_pitch
) noexcept nogil:
    """Write NaN where the mask is set."""
    if narrow:
        put_into(<float *>plane, pitch, rows, columns, mask, mask_pitch)
    else:
        put_into(<double *>plane, pitch, rows, columns, mask, mask_pitch)
