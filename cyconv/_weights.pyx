"""Weights in the form that the engine reads, where NumPy would take longer to convert than the engine to use them."""

cimport cython
cimport numpy as np
from cython.parallel cimport prange
from libc.string cimport memcpy

from cyconv._isa cimport current_isa
from cyconv._kernels cimport CYC_F32, CYC_FLOAT16, cyc_kernels, cyc_load_args, plain_load
from cyconv._trim cimport Trim

import numpy as np

__all__ = ["expand_complex", "widen_halves"]

np.import_array()


def widen_halves(np.ndarray halves not None):
    """Convert float16 to float32.

    Parameters
    ----------
    halves : ndarray
        C-contiguous, of float16 in native byte order.

    Returns
    -------
    ndarray
        C-contiguous, of float32 and the same shape.
    """
    cdef np.ndarray out = np.PyArray_EMPTY(np.PyArray_NDIM(halves), np.PyArray_DIMS(halves), np.NPY_FLOAT32, 0)
    cdef cyc_load_args args = plain_load()
    args.src = np.PyArray_BYTES(halves)
    args.dst = np.PyArray_DATA(out)
    args.column_bytes = np.PyArray_ITEMSIZE(halves)
    args.channels = args.rows = 1
    args.columns = np.PyArray_SIZE(halves)
    current_isa().dtype[CYC_F32].load[CYC_FLOAT16](&args)
    return out


def expand_complex(const cython.floating[:, :, :, ::1] weight not None, cython.floating[:, :, ::1] real not None):
    """Write complex weights as the real ones of two channels for each.

    (wr + i wi)(xr + i xi) has the rows [wr, -wi] for the real part and [wi, wr] for the imaginary one.

    Parameters
    ----------
    weight : memoryview, (out_channels, in_channels, taps, 2)
        Real and imaginary parts.
    real : memoryview, (2 * out_channels, 2 * in_channels, taps)
        Where the real weights go.
    """
    cdef Py_ssize_t output, channel, _, tap, taps = weight.shape[2], pairs = weight.shape[1] * taps
    cdef const cython.floating *source
    cdef cython.floating *first
    cdef cython.floating *second
    if weight.shape[0] == 0 or pairs == 0:
        return
    for output in range(weight.shape[0]):
        source = &weight[output, 0, 0, 0]
        first = &real[2 * output, 0, 0]
        second = &real[2 * output + 1, 0, 0]
        if taps == 1:  # a loop that compilers turn into vectors
            for channel in range(pairs):
                first[2 * channel] = second[2 * channel + 1] = source[2 * channel]
                first[2 * channel + 1] = -source[2 * channel + 1]
                second[2 * channel] = source[2 * channel + 1]
            continue
        for _ in range(weight.shape[1]):
            for tap in range(taps):
                first[tap] = second[taps + tap] = source[2 * tap]
                first[taps + tap] = -source[2 * tap + 1]
                second[tap] = source[2 * tap + 1]
            source += 2 * taps
            first += 2 * taps
            second += 2 * taps


cdef inline void copy_rows(
    const char *filters, Py_ssize_t channels, const Trim *trim, Py_ssize_t item, Py_ssize_t row_bytes, char *left
) noexcept nogil:
    """Copy what is left of the filters of one output; `row_bytes`, of a row that is left, is mostly a constant."""
    cdef Py_ssize_t channel, row, pitch = trim.kernel[1] * item
    filters += (trim.first[0] * trim.kernel[1] + trim.first[1]) * item
    for row in range(trim.count[0]):
        for channel in range(channels):
            memcpy(
                left + (channel * trim.count[0] + row) * row_bytes,
                filters + channel * trim.kernel[0] * pitch,
                row_bytes,
            )
        filters += pitch


cdef inline void copy_taps(
    const char *filters, Py_ssize_t channels, const Trim *trim, Py_ssize_t item, char *left
) noexcept nogil:
    """Likewise; `item` is a constant."""
    if trim.count[1] == 1:
        copy_rows(filters, channels, trim, item, item, left)
    elif trim.count[1] == 2:
        copy_rows(filters, channels, trim, item, 2 * item, left)
    elif trim.count[1] == 3:
        copy_rows(filters, channels, trim, item, 3 * item, left)
    else:
        copy_rows(filters, channels, trim, item, trim.count[1] * item, left)


cdef object spoilt_outputs(np.ndarray weight, const Trim *trim):
    """NaN for each output some weight of which is not finite, of those that are not left; 0 for others."""
    others = weight.copy()
    others[
        ..., trim.first[0]:trim.first[0] + trim.count[0], trim.first[1]:trim.first[1] + trim.count[1]
    ] = 0
    return np.where(np.isfinite(others).all((1, 2, 3)), 0, np.nan).astype(weight.dtype)


cdef bint trim_output(
    const char *filters, Py_ssize_t channels, const Trim *trim, const cyc_kernels *kernels, char *left
) noexcept nogil:
    """Copy what is left of the filters of one output; whether all its weights are finite."""
    # the copy first: it takes less time than the filters from memory, and hardly more besides
    if kernels.item == sizeof(float):
        copy_taps(filters, channels, trim, sizeof(float), left)
    else:
        copy_taps(filters, channels, trim, sizeof(double), left)
    return kernels.finite(filters, channels * trim.kernel[0] * trim.kernel[1])


cdef tuple trim_weight(np.ndarray weight, const Trim *trim, const cyc_kernels *kernels, int threads):
    """The taps of a weight that are left; and what the bias of each output has added, 0 or NaN, or None.

    It is C-contiguous, of the compute dtype of `kernels`, (out_channels, channels, kH, kW) or (kH, kW). Infinite times
    zero padding is NaN, and NaN remains: in all outputs of a channel, as all of them read padding there.
    """
    cdef np.ndarray left
    cdef np.npy_intp[4] shape
    cdef const char *filters
    cdef char *to
    cdef Py_ssize_t output, filters_bytes, left_bytes, spoilt = 0
    if np.PyArray_NDIM(weight) == 2:
        weight = weight[None, None]
    for output in range(2):
        shape[output] = np.PyArray_DIM(weight, output)
        shape[2 + output] = trim.count[output]
    left = np.PyArray_EMPTY(4, shape, np.PyArray_TYPE(weight), 0)
    filters = np.PyArray_BYTES(weight)
    to = np.PyArray_BYTES(left)
    filters_bytes = shape[1] * trim.kernel[0] * trim.kernel[1] * kernels.item
    left_bytes = shape[1] * trim.count[0] * trim.count[1] * kernels.item
    for output in prange(
        shape[0], nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="static"
    ):
        spoilt += not trim_output(
            filters + output * filters_bytes, shape[1], trim, kernels, to + output * left_bytes
        )
    return left, spoilt_outputs(weight, trim) if spoilt else None
