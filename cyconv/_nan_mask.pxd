"""Which outputs see a NaN."""


cdef bint take_nans(
    char *plane, Py_ssize_t pitch, bint narrow, Py_ssize_t rows, Py_ssize_t columns, unsigned char *mask,
    Py_ssize_t mask_pitch
) noexcept nogil
cdef void spread_mask(
    unsigned char *mask, Py_ssize_t pitch, Py_ssize_t rows, const Py_ssize_t *taps, const Py_ssize_t *dilation
) noexcept nogil
cdef void put_nans(
    char *plane, Py_ssize_t pitch, bint narrow, Py_ssize_t rows, Py_ssize_t columns, const unsigned char *mask,
    Py_ssize_t mask_pitch
) noexcept nogil
