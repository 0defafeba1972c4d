"""Integer arithmetic that the planning needs, inlined where it is used."""

cdef extern from "kernels/kernels.h" nogil:
    enum: CACHE_LINE "CYC_LINE_BYTES"


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline Py_ssize_t round_up(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return ceil_div(a, b) * b


cdef inline Py_ssize_t balanced(Py_ssize_t total, Py_ssize_t most) noexcept nogil:
    """The size of equal parts of `total`, none above `most`; both are at least 1."""
    return ceil_div(total, ceil_div(total, most))


cdef inline Py_ssize_t greatest_common_divisor(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    while b:
        a, b = b, a % b
    return a


cdef inline Py_ssize_t odd_lines(Py_ssize_t elements, Py_ssize_t item) noexcept nogil:
    """Elements of an odd number of cache lines, at least `elements`.

    Planes as far apart do not share their places in a cache when many are read or written together.
    """
    return (ceil_div(elements * item, CACHE_LINE) | 1) * CACHE_LINE // item
