"""Weights in the form that the engine reads, where NumPy would take longer to convert than the engine to use them."""

cimport cython
cimport numpy as np

from cyconv._isa cimport current_isa
from cyconv._kernels cimport CYC_F32, CYC_FLOAT16, cyc_load_args, plain_load

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
