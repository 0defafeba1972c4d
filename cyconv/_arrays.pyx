"""NumPy arrays as the engine sees them: pointers, strides in bytes, and how elements are converted."""

cimport numpy as np
from libc.stdint cimport uintptr_t
from libc.string cimport memset

from cyconv._integers cimport CACHE_LINE
from cyconv._kernels cimport *
from cyconv._task cimport Destination
from cyconv._window cimport Source

import numpy as np

np.import_array()


cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX


cdef enum:
    LARGE_RESULT = 32 * 1024  # bytes: to compute so many takes much longer than to align them
    KNOWN_NUMBERS = 32  # NumPy's own type numbers are smaller

# The dtype of an array that needs no conversion, for each compute dtype.
cdef int[CYC_COMPUTE_DTYPES] MEMORY_DTYPES = [CYC_FLOAT32, CYC_FLOAT64, CYC_UINT32, CYC_UINT64]

# result dtype: (compute dtype, dtype of an element in memory, elements of a value)
RESULT_DTYPES = {
    "float16": (CYC_F32, CYC_FLOAT16, 1),
    "bfloat16": (CYC_F32, CYC_BFLOAT16, 1),
    "float32": (CYC_F32, CYC_FLOAT32, 1),
    "float64": (CYC_F64, CYC_FLOAT64, 1),
    "complex64": (CYC_F32, CYC_FLOAT32, 2),
    "complex128": (CYC_F64, CYC_FLOAT64, 2),
    "int8": (CYC_U32, CYC_INT8, 1),
    "uint8": (CYC_U32, CYC_UINT8, 1),
    "int16": (CYC_U32, CYC_INT16, 1),
    "uint16": (CYC_U32, CYC_UINT16, 1),
    "int32": (CYC_U32, CYC_INT32, 1),
    "uint32": (CYC_U32, CYC_UINT32, 1),
    "int64": (CYC_U64, CYC_INT64, 1),
    "uint64": (CYC_U64, CYC_UINT64, 1),
}

# The same by type numbers of NumPy, among which bfloat16 has none of its own. Of the two or three numbers that some
# integers have, the one that NumPy's names stand for; without parts: none of these dtypes.
cdef Format[KNOWN_NUMBERS] FORMATS


cdef void fill_formats() except *:
    memset(FORMATS, 0, sizeof(FORMATS))
    for name, (compute, memory, parts) in RESULT_DTYPES.items():
        if name != "bfloat16":
            FORMATS[<int>np.dtype(name).num] = Format(compute, memory, parts)


fill_formats()


cdef bint find_format(np.ndarray array, Format *format) except -1:
    """How the engine sees an array's dtype, whatever its byte order; whether it has that dtype, under this number."""
    cdef int number = np.PyArray_TYPE(array)
    if 0 <= number < KNOWN_NUMBERS:
        format[0] = FORMATS[number]
        return format.parts > 0
    if array.dtype.type.__name__ != "bfloat16":
        return False
    format.compute, format.memory, format.parts = RESULT_DTYPES["bfloat16"]
    return True


cdef np.ndarray empty_result(int dimensions, np.npy_intp *shape, np.dtype dtype, const void *like):
    """An array of undefined values, which begins at the same byte of a cache line as `like` if it is large.

    NumPy's own begin anywhere, so that each vector of 64 bytes is stored to two lines: layers of few terms for each
    result take up to a fifth longer. NULL is a cache line's first byte.
    """
    cdef np.npy_intp elements = 1, bytes
    cdef np.ndarray memory, result
    cdef char *data
    cdef int axis
    for axis in range(dimensions):
        elements *= shape[axis]
    if elements * dtype.itemsize < LARGE_RESULT:
        return np.PyArray_EMPTY(dimensions, shape, dtype.type_num, 0)
    try:
        if elements > (PY_SSIZE_T_MAX - 2 * CACHE_LINE) // dtype.itemsize:
            raise MemoryError
        bytes = elements * dtype.itemsize + 2 * CACHE_LINE
        memory = np.PyArray_EMPTY(1, &bytes, np.NPY_UINT8, 0)
    except MemoryError:  # NumPy's speaks of bytes
        sizes = " x ".join(str(shape[axis]) for axis in range(dimensions))
        raise MemoryError(f"cannot allocate a result of {sizes} elements of {dtype}") from None
    data = np.PyArray_BYTES(memory)
    data += CACHE_LINE - <uintptr_t>data % CACHE_LINE + <uintptr_t>like % CACHE_LINE
    result = np.PyArray_New(
        np.ndarray, dimensions, shape, dtype.type_num, NULL, data, 0, np.NPY_ARRAY_CARRAY, None
    )
    np.set_array_base(result, memory)
    return result


cdef int memory_dtype(int dtype) noexcept nogil:
    """The dtype of an array that needs no conversion, for a compute dtype."""
    return MEMORY_DTYPES[dtype]


cdef int array_dtype(np.ndarray array) except -1:
    """The dtype of an element in memory; of a complex array, that of its parts."""
    cdef Format format
    if find_format(array, &format):
        return format.memory
    return RESULT_DTYPES[array.dtype.name][1]


cdef int split_parts(int dtype) noexcept nogil:
    """How many bfloat16, of eight significant bits each, hold those of a value of this dtype."""
    return 2 if dtype == CYC_FLOAT16 else 1 if dtype == CYC_BFLOAT16 else 3


cdef void set_source(
    Source *source, np.ndarray input, Py_ssize_t leading, cyc_load_fn load, int parts
) noexcept:
    """Describe the input; `leading` axes of four are missing, with a single entry each."""
    source.data = np.PyArray_BYTES(input)
    source.batch_bytes = np.PyArray_STRIDE(input, 0) if leading == 0 else 0
    source.channel_bytes = np.PyArray_STRIDE(input, 1 - leading) if leading < 2 else 0
    source.row_bytes = np.PyArray_STRIDE(input, 2 - leading)
    source.column_bytes = np.PyArray_STRIDE(input, 3 - leading)
    source.parts = parts
    source.part_bytes = np.PyArray_ITEMSIZE(input) // 2
    source.load = load


cdef bint is_readable(
    np.ndarray input, const Source *source, int input_dtype, int dtype, Py_ssize_t item
) noexcept:
    """Whether elements are of the compute dtype, aligned, and side by side in a row."""
    return (
        input_dtype == MEMORY_DTYPES[dtype]
        and source.parts == 1
        and source.column_bytes == item
        and source.row_bytes % item == 0
        and source.channel_bytes % item == 0
        and np.PyArray_ISALIGNED(input)
    )


cdef bint has_channels_last(np.ndarray input, const Source *source) noexcept:
    """Whether the channels of a pixel lie side by side, and pixels behind each other."""
    return source.channel_bytes == np.PyArray_ITEMSIZE(input) and source.column_bytes > source.channel_bytes


cdef void set_destination(
    Destination *to, np.ndarray out, Py_ssize_t leading, const cyc_kernels *kernels, int dtype, int parts,
    int activation, bint floating_sums
) noexcept:
    """Describe the result; a kernel writes it directly where it is laid out as kernels write."""
    cdef Py_ssize_t item = kernels.item
    to.data = np.PyArray_BYTES(out)
    to.batch_bytes = np.PyArray_STRIDE(out, 0) if leading == 0 else 0
    to.channel_bytes = np.PyArray_STRIDE(out, 1 - leading) if leading < 2 else 0
    to.row_bytes = np.PyArray_STRIDE(out, 2 - leading)
    # the stride of a single column says nothing, and must not look as if rows had no gaps between them
    to.column_bytes = np.PyArray_STRIDE(out, 3 - leading)
    if np.PyArray_DIM(out, 3 - leading) == 1:
        to.column_bytes = np.PyArray_ITEMSIZE(out)
    to.parts = parts
    to.part_bytes = np.PyArray_ITEMSIZE(out) // 2
    to.activation = activation
    to.floating = CYC_FLOAT16 <= dtype <= CYC_FLOAT64
    to.store = kernels.store[dtype]
    to.out_pitch = to.channel_bytes // item
    to.stored_by_kernel = (
        np.PyArray_ITEMSIZE(out) == item
        and parts == 1
        and to.column_bytes == item
        and to.channel_bytes % item == 0
        and np.PyArray_ISALIGNED(out)
        and to.floating == floating_sums
        and (to.floating or activation == CYC_NO_ACTIVATION)
    )
