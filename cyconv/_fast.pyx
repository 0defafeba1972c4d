"""The short way through a call: arguments that are plainly right go to the engine at once.

``convolve_plain`` answers None for everything that it cannot prove right; the caller then takes the
long way through ``_arguments`` and ``_operands``, which raises all errors. So nothing is checked
twice and no message is written here.
"""

cimport numpy as np
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_CheckExact
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact
from libc.string cimport memset

from cyconv._arrays cimport Format, empty_result, find_format
from cyconv._engine cimport execute
from cyconv._held cimport HeldWeight
from cyconv._kernels cimport *
from cyconv._plan cimport AUTO, DIRECT, Problem, may_stay_in_place
from cyconv._window cimport ZEROS

from cyconv._exact import LEAST_MULTIPLY_ADDS
from cyconv._weights import widen_halves

__all__ = ["convolve_plain"]

np.import_array()


cdef enum:
    LARGEST = 1 << 20  # of a size or a parameter: products of two are far from overflow

cdef double MOST_ELEMENTS = 2.0**40  # of a result, whose bytes then fit 64 bits
cdef double MOST_INTEGER_PRODUCTS = LEAST_MULTIPLY_ADDS - 1  # of more, floats may serve integers better

# NumPy's type numbers of weight and bias, for each compute dtype.
cdef int[CYC_COMPUTE_DTYPES] OPERAND_NUMBERS = [np.NPY_FLOAT32, np.NPY_FLOAT64, np.NPY_UINT32, np.NPY_UINT64]


cdef struct Padding:
    Py_ssize_t before[2]
    Py_ssize_t after[2]
    bint same  # known with the kernel


cdef inline bint is_text(object value, str text):
    """Whether `value` is this string, no subclass: mostly the same object, but not one that was read from a file."""
    return value is text or PyUnicode_CheckExact(value) and <str>value == text


cdef inline bint small_int(object value, Py_ssize_t *result) noexcept:
    """Whether `value` is an int, no subclass, from 0 to LARGEST."""
    cdef int overflow = 0
    if not PyLong_CheckExact(value):
        return False
    result[0] = PyLong_AsLongAndOverflow(value, &overflow)
    return overflow == 0 and 0 <= result[0] <= LARGEST


cdef inline bint small_pair(object value, Py_ssize_t *pair) noexcept:
    """Whether `value` is such an int, or a tuple of two."""
    if PyTuple_CheckExact(value):
        if PyTuple_GET_SIZE(value) != 2:
            return False
        return small_int(<object>PyTuple_GET_ITEM(value, 0), pair) and small_int(
            <object>PyTuple_GET_ITEM(value, 1), pair + 1
        )
    if not small_int(value, pair):
        return False
    pair[1] = pair[0]
    return True


cdef inline bint read_padding(object value, Padding *padding):
    """Whether `value` is an int, a tuple of two, of two pairs, or a name; `padding` is of zeros."""
    if PyUnicode_CheckExact(value):
        padding.same = is_text(value, "same")
        return padding.same or is_text(value, "valid")
    if small_pair(value, padding.before):
        padding.after[0], padding.after[1] = padding.before[0], padding.before[1]
        return True
    if not PyTuple_CheckExact(value) or PyTuple_GET_SIZE(value) != 2:
        return False
    cdef Py_ssize_t sides[2]
    cdef int which
    for which in range(2):
        sides_of = <object>PyTuple_GET_ITEM(value, which)
        if not PyTuple_CheckExact(sides_of) or not small_pair(sides_of, sides):
            return False
        padding.before[which], padding.after[which] = sides[0], sides[1]
    return True


cdef inline bint plain_array(object value, int dtype) noexcept:
    """Whether `value` is a contiguous native ndarray, no subclass, of this type number."""
    return (
        np.PyArray_CheckExact(value)
        and np.PyArray_TYPE(<np.ndarray>value) == dtype
        and np.PyArray_ISCARRAY_RO(<np.ndarray>value)
    )


cdef inline void memory_extent(np.ndarray array, const char **begin, const char **end) noexcept:
    """The bytes that an array with elements lies in, whatever its strides."""
    cdef int axis
    cdef Py_ssize_t step
    begin[0] = np.PyArray_BYTES(array)
    end[0] = begin[0] + np.PyArray_ITEMSIZE(array)
    for axis in range(np.PyArray_NDIM(array)):
        step = (np.PyArray_DIM(array, axis) - 1) * np.PyArray_STRIDE(array, axis)
        if step < 0:
            begin[0] += step
        else:
            end[0] += step


cdef inline bint apart(np.ndarray a, np.ndarray b) noexcept:
    """Whether two arrays surely share no memory."""
    cdef const char *a_begin
    cdef const char *a_end
    cdef const char *b_begin
    cdef const char *b_end
    memory_extent(a, &a_begin, &a_end)
    memory_extent(b, &b_begin, &b_end)
    return a_end <= b_begin or b_end <= a_begin


cdef inline np.ndarray operand(np.ndarray array, const Format *format):
    """A contiguous array, of an input's dtype, as the engine takes weights and biases."""
    if np.PyArray_ITEMSIZE(array) >= 4:  # of integers, signs make no difference
        return array
    if format.memory == CYC_FLOAT16:
        return widen_halves(array)
    return np.PyArray_Cast(array, OPERAND_NUMBERS[format.compute])


cdef inline bint read_options(
    object padding_mode, object activation, object algorithm, int *code, int *wanted
):
    """The activation and the algorithm, of zero padding."""
    code[0] = CYC_NO_ACTIVATION
    wanted[0] = AUTO
    if is_text(algorithm, "direct"):
        wanted[0] = DIRECT
    elif not is_text(algorithm, "auto"):
        return False
    if activation is not None:
        if is_text(activation, "relu"):
            code[0] = CYC_RELU
        elif is_text(activation, "relu6"):
            code[0] = CYC_RELU6
        else:
            return False
    return is_text(padding_mode, "zeros")


cdef inline bint read_geometry(object stride, object dilation, object groups, Problem *problem) noexcept:
    return (
        small_pair(stride, problem.stride) and small_pair(dilation, problem.dilation)
        and small_int(groups, &problem.groups)
        and problem.stride[0] > 0 and problem.stride[1] > 0
        and problem.dilation[0] > 0 and problem.dilation[1] > 0 and problem.groups > 0
    )


cdef inline bint find_shape(
    np.ndarray x, np.ndarray w, Padding *padding, Problem *problem, np.npy_intp *shape, bint *in_place
) noexcept:
    """The four sizes of the result, the padding, and whether tiles may read pixels where they lie."""
    cdef Py_ssize_t leading = 4 - np.PyArray_NDIM(x), kernel_axis = np.PyArray_NDIM(w) - 2
    cdef Py_ssize_t channels, outputs, extent, padded, size
    cdef int which
    cdef double elements = 1
    if not (kernel_axis == 2 and 0 <= leading <= 1) and not (
        kernel_axis == 0 and leading == 2 and problem.groups == 1
    ):
        return False
    channels = np.PyArray_DIM(x, 1 - leading) if leading < 2 else 1
    outputs = np.PyArray_DIM(w, 0) if kernel_axis == 2 else 1
    size = np.PyArray_DIM(w, 1) if kernel_axis == 2 else 1
    if size == 0 or outputs == 0 or outputs % problem.groups or channels != size * problem.groups:
        return False
    in_place[0] = may_stay_in_place(size, outputs // problem.groups)
    shape[0] = np.PyArray_DIM(x, 0) if leading == 0 else 1
    shape[1] = outputs
    for which in range(2):
        size = np.PyArray_DIM(x, 2 + which - leading)
        extent = np.PyArray_DIM(w, kernel_axis + which)
        if not (0 < size <= LARGEST and 0 < extent <= LARGEST):
            return False
        extent = problem.dilation[which] * (extent - 1) + 1
        if padding.same:
            padding.before[which] = (extent - 1) // 2
            padding.after[which] = extent // 2
        problem.before[which] = padding.before[which]
        padded = padding.before[which] + size + padding.after[which]
        if extent > padded or (padding.same and problem.stride[which] > 1):
            return False
        shape[2 + which] = (padded - extent) // problem.stride[which] + 1
        in_place[0] = in_place[0] and extent == 1 and padded == size and problem.stride[which] == 1
    for which in range(4):
        elements *= shape[which]
    return 0 < elements <= MOST_ELEMENTS


cdef inline bint fits(np.ndarray y, int axes, const np.npy_intp *shape) noexcept:
    """Whether an array has a shape."""
    cdef int axis
    if np.PyArray_NDIM(y) != axes:
        return False
    for axis in range(axes):
        if np.PyArray_DIM(y, axis) != shape[axis]:
            return False
    return True


def convolve_plain(
    object input, object weight, object bias, object stride, object padding, object dilation, object groups,
    object padding_mode, object activation, object algorithm, object out,
):
    """Convolve, if the arguments are plainly right.

    Parameters
    ----------
    input : object
        An ndarray of 4, 3 or 2 axes, in native byte order and not complex; of integers, for a few products.
    weight : object
        A contiguous ndarray of the same dtype, or its HeldWeight.
    bias : object
        A contiguous ndarray of the same dtype, or None.
    stride, padding, dilation : object
        Ints or pairs of ints; padding also two pairs, or a name.
    groups, padding_mode, activation, algorithm : object
        As for ``conv2d``.
    out : object
        A contiguous ndarray of the same dtype and the result's shape, apart from all others, or None.

    Returns
    -------
    ndarray or None
        None if an argument is anything else, or anything is wrong.
    """
    cdef HeldWeight held = None
    cdef np.ndarray x, w, b = None, y
    cdef Problem problem
    cdef Padding sides
    cdef Format format
    cdef np.npy_intp shape[4]
    cdef Py_ssize_t leading
    cdef int number, code, wanted
    cdef bint in_place  # then lines of the result are best where those of the pixels are
    if not np.PyArray_CheckExact(input) or not read_options(padding_mode, activation, algorithm, &code, &wanted):
        return None
    x = input
    number = np.PyArray_TYPE(x)
    if not np.PyArray_ISNOTSWAPPED(x) or not find_format(x, &format) or format.parts > 1:
        return None
    if type(weight) is HeldWeight:
        held = weight
        if held.number != number:
            return None
        w = held.array
    elif plain_array(weight, number):
        w = weight
    else:
        return None
    memset(&problem, 0, sizeof(problem))  # plans are found by its bytes
    memset(&sides, 0, sizeof(sides))
    if not read_geometry(stride, dilation, groups, &problem) or not read_padding(padding, &sides):
        return None
    if not find_shape(x, w, &sides, &problem, shape, &in_place):
        return None
    if format.compute != CYC_F32 and format.compute != CYC_F64:
        if <double>np.PyArray_SIZE(w) * shape[0] * shape[2] * shape[3] > MOST_INTEGER_PRODUCTS:
            return None
    leading = 4 - np.PyArray_NDIM(x)
    if bias is not None:
        if not plain_array(bias, number) or not fits(bias, 1, shape + 1):
            return None
        b = bias
    if out is None:
        y = empty_result(
            <int>(4 - leading), shape + leading, x.dtype,
            np.PyArray_BYTES(x) if in_place and np.PyArray_ISALIGNED(x) else NULL,
        )
    else:
        if not plain_array(out, number) or not np.PyArray_ISWRITEABLE(<np.ndarray>out):
            return None
        y = out
        if not fits(y, <int>(4 - leading), shape + leading):
            return None
        if not (apart(y, x) and apart(y, w) and (b is None or apart(y, b))):
            return None
    problem.padding_mode = ZEROS
    problem.dtype = format.compute
    execute(
        &problem, x, w if held is not None else operand(w, &format), held, None if b is None else operand(b, &format),
        y, leading, format.memory, format.memory, 1, code, wanted,
    )
    return y
