"""NumPy arrays as the engine sees them."""

cimport numpy as np

from cyconv._kernels cimport cyc_kernels, cyc_load_fn
from cyconv._task cimport Destination
from cyconv._window cimport Source


cdef struct Format:
    int compute  # dtype
    int memory  # dtype of an element
    int parts  # elements of a value


cdef bint find_format(np.ndarray array, Format *format) except -1
cdef np.ndarray empty_result(int dimensions, np.npy_intp *shape, np.dtype dtype, const void *like)
cdef int memory_dtype(int dtype) noexcept nogil
cdef int array_dtype(np.ndarray array) except -1
cdef int split_parts(int dtype) noexcept nogil
cdef void set_source(
    Source *source, np.ndarray input, Py_ssize_t leading, cyc_load_fn load, int parts
) noexcept
cdef bint is_readable(
    np.ndarray input, const Source *source, int input_dtype, int dtype, Py_ssize_t item
) noexcept
cdef bint has_channels_last(np.ndarray input, const Source *source) noexcept
cdef void set_destination(
    Destination *to, np.ndarray out, Py_ssize_t leading, const cyc_kernels *kernels, int dtype, int parts,
    int activation, bint floating_sums
) noexcept
