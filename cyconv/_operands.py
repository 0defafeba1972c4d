"""Turn what the caller passed into arrays that the engine takes.

The engine reads the input in place, whatever its strides, and wants the weight and the bias as
contiguous arrays of the dtype that it computes in.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arguments import BYTES_MAX, shown
from ._held import HeldWeight
from ._weights import expand_complex, widen_halves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    AnyArray = NDArray[Any]
    AnyDType = np.dtype[Any]

FLOAT32 = np.dtype(np.float32)
_FLOAT16 = np.dtype(np.float16)
FLOAT64 = np.dtype(np.float64)
_UINT8 = np.dtype(np.uint8)
_UINT32 = np.dtype(np.uint32)
_UINT64 = np.dtype(np.uint64)

# NumPy has two or three type numbers for some of the sizes of integer; one dtype stands for each.
# Type characters would not do as keys: those of ml_dtypes' types collide with NumPy's.
_CANONICAL: dict[int, AnyDType] = {
    np.dtype(char).num: np.dtype(f"{np.dtype(char).kind}{np.dtype(char).itemsize}")
    for char in "?bBhHiIlLqQefdFD"
}

# What a value of one kind may become without changing its kind, as casting="same_kind" has it.
# bfloat16 has kind "V", and NumPy's own answers for it would let complex numbers through.
_KIND_ORDER = {"b": 0, "u": 1, "i": 2, "f": 3, "V": 3, "c": 4}
_SCALAR_KIND_ORDER: dict[type, int] = {int: 1, float: 3, complex: 4}


class HeldArray:
    """An array that a layer owns, with the forms in which the engine has asked for it.

    The array never changes, so the forms cannot become stale; there is at most one of them for each
    dtype that the engine computes in.
    """

    __slots__ = ("_forms", "array", "prepared")

    def __init__(self, array: AnyArray) -> None:
        array.flags.writeable = False
        self.array = array
        self._forms: dict[tuple[AnyDType, bool], HeldWeight] = {}
        # The form for results of the array's own dtype, once there is one.
        self.prepared: HeldWeight | None = None

    def weight_for(self, result: AnyDType) -> HeldWeight:
        """Return the weight held ready for results of dtype `result`."""
        key = _compute_dtype(result), result.kind == "c"
        form = self._forms.get(key)
        if form is None:
            weight = weight_operand(self.array, result)
            form = self._forms[key] = HeldWeight(weight, self.array.dtype.num)
            # A complex form looks like a plain weight, but has twice the channels.
            if result == self.array.dtype and result.kind != "c":
                self.prepared = form
        return form


def as_array(value: Any, name: str) -> AnyArray:
    """Return `value` as a base-class array, without a copy where there is none to make."""
    if type(value) is np.ndarray:
        return value
    try:
        array = np.asanyarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{name} must be an array or convertible to one, got {type(value).__name__}: {error}"
        ) from error
    _refuse_masked(array, name)
    if isinstance(value, (list, tuple)):
        _refuse_masked_entries(value, name)
    return np.asarray(array)


def canonical_dtype(dtype: AnyDType, name: str) -> AnyDType:
    """Return the native dtype that stands for `dtype`, or raise if cyconv has none."""
    known = _CANONICAL.get(dtype.num)
    if known is not None:
        return known
    if dtype.kind == "V" and dtype.type.__name__ == "bfloat16":
        return dtype if dtype.isnative else dtype.newbyteorder("=")
    raise TypeError(
        f"{name} must be of type bool, (u)int8 to (u)int64, float16, float32, float64, complex64, "
        f"complex128 or ml_dtypes.bfloat16, got {dtype!r}"
    )


def named_dtype(value: Any) -> AnyDType:
    """Return the dtype that an argument `dtype` names; None is float32, as in torch."""
    if value is None:
        return FLOAT32
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise TypeError(f"dtype must name a NumPy dtype, got {shown(value)}") from None
    return canonical_dtype(dtype, "dtype")


def result_dtype(input_dtype: AnyDType, weight_dtype: AnyDType) -> AnyDType:
    """Return the dtype of the result for two dtypes from `canonical_dtype`."""
    if input_dtype == weight_dtype:
        result = input_dtype
    else:
        try:
            result = canonical_dtype(np.result_type(input_dtype, weight_dtype), "the result")
        except TypeError:
            raise TypeError(
                f"input of dtype {input_dtype} and weight of dtype {weight_dtype} have no common "
                "dtype in NumPy; convert one of them"
            ) from None
    if result.kind == "b":
        raise TypeError("input and weight must not both be bool; convert one of them to a number")
    return result


def input_operand(array: AnyArray, dtype: AnyDType, result: AnyDType) -> AnyArray:
    """Return the input, whose canonical dtype is `dtype`, as the engine reads it."""
    if result.kind == "c":
        return array if array.dtype == result else _converted(array, result, "input")
    if not array.dtype.isnative:
        return _converted(array, dtype, "input")
    if dtype.kind == "b":
        return _zeros_and_ones(array)
    return array if array.dtype.num == dtype.num else array.view(dtype)


def _zeros_and_ones(array: AnyArray) -> AnyArray:
    """Return bools as bytes. A mask made with ``view(bool)`` may hold any byte for True."""
    octets = array.view(_UINT8)
    return octets if octets.max(initial=0) <= 1 else (octets != 0).view(_UINT8)


def weight_operand(array: AnyArray, result: AnyDType) -> AnyArray:
    """Return a 4-D weight as a contiguous array of the dtype that the engine computes in."""
    compute = _compute_dtype(result)
    if result.kind != "c":
        return _contiguous(array, compute, "weight")
    weight = _converted(array, result, "weight")
    out_channels, channels, height, width = weight.shape
    if 2 * weight.nbytes > BYTES_MAX:
        raise ValueError(f"weight of shape {array.shape} is too large to be held as real numbers")
    taps = height * width
    real = np.empty((2 * out_channels, 2 * channels, taps), compute)
    expand_complex(weight.view(compute).reshape(out_channels, channels, taps, 2), real)
    return real.reshape(2 * out_channels, 2 * channels, height, width)


def bias_operand(array: AnyArray, result: AnyDType) -> AnyArray:
    """Return a bias, rounded to the dtype of the result, as the engine takes it."""
    compute = _compute_dtype(result)
    if array.dtype != result and result.kind not in "iu":
        array = _converted(array, result, "bias")
    if result.kind == "c":
        # Pairs of (real, imaginary) are the bias of the real convolution.
        return _contiguous(array.reshape(-1), result, "bias").view(compute)
    return _contiguous(array.reshape(-1), compute, "bias")


def bias_array(value: Any, result: AnyDType) -> AnyArray:
    """Return the bias as an array that may be cast to `result`, or raise."""
    if type(value) in _SCALAR_KIND_ORDER:
        return scalar_array(value, result, "bias")
    array = as_array(value, "bias")
    check_same_kind(canonical_dtype(array.dtype, "bias"), result, "bias")
    return array


def scalar_array(value: complex, dtype: AnyDType, name: str) -> AnyArray:
    """Return a Python number as a 0-d array: such a number takes the dtype that it meets."""
    if _SCALAR_KIND_ORDER[type(value)] > _KIND_ORDER[dtype.kind]:
        raise TypeError(f"{name} must be castable to {dtype} under 'same_kind', got {shown(value)}")
    try:
        with np.errstate(all="ignore"):
            array = np.array(value, dtype)
        if dtype.kind in "iu" or keeps_finite(array, value):
            return array
    except OverflowError:
        pass
    raise ValueError(f"{name} must be in the range of {dtype}, got {shown(value)}")


def keeps_finite(array: AnyArray, value: Any) -> bool:
    """Tell whether a scalar did not become infinite by a cast to a dtype that has infinities."""
    parts = (array.real, value.real), (array.imag, value.imag)
    return all(bool(np.isfinite(cast)) or not math.isfinite(part) for cast, part in parts)


def check_same_kind(dtype: AnyDType, target: AnyDType, name: str) -> None:
    """Refuse an array of `dtype` that casting="same_kind" would not cast to `target`."""
    if _KIND_ORDER[dtype.kind] > _KIND_ORDER[target.kind]:
        raise TypeError(f"{name} must be castable to {target} under 'same_kind', got dtype {dtype}")


def cast_copy(array: AnyArray, dtype: AnyDType) -> AnyArray:
    """Return a contiguous copy of `array` as `dtype`."""
    return _converted(array, dtype, "the array")


def check_out(out: Any, shape: tuple[int, ...], dtype: AnyDType) -> AnyArray:
    """Return `out` as a base-class array of the canonical dtype, or raise."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an array, got {shown(out)}")
    _refuse_masked(out, "out")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got shape {out.shape}")
    if out.dtype != dtype:
        raise TypeError(f"out must have dtype {dtype} in native byte order, got {out.dtype!r}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    array = np.asarray(out)
    return array if array.dtype.num == dtype.num else array.view(dtype)


def needs_temporary(out: AnyArray, others: tuple[AnyArray | None, ...]) -> bool:
    """Tell whether writing to `out` might change one of `others` or another element of `out`."""
    if _may_overlap_itself(out):
        return True
    return any(other is not None and np.may_share_memory(out, other) for other in others)


def _may_overlap_itself(array: AnyArray) -> bool:
    if array.flags.c_contiguous:
        return False
    span = array.itemsize
    # From the innermost axis outwards, each step must clear everything that lies inside it.
    for step, length in sorted(
        (abs(s), n) for s, n in zip(array.strides, array.shape, strict=True)
    ):
        if length > 1:
            if step < span:
                return True
            span += step * (length - 1)
    return False


def _compute_dtype(result: AnyDType) -> AnyDType:
    kind, itemsize = result.kind, result.itemsize
    if kind == "i" or kind == "u":
        return _UINT64 if itemsize == 8 else _UINT32
    if kind == "c":
        return FLOAT64 if itemsize == 16 else FLOAT32
    return FLOAT64 if itemsize == 8 else FLOAT32


def _contiguous(array: AnyArray, dtype: AnyDType, name: str) -> AnyArray:
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype.isnative:
        if array.dtype == dtype:
            return array if array.dtype.num == dtype.num else array.view(dtype)
        if array.dtype.kind == "i" and array.itemsize == dtype.itemsize and dtype.kind == "u":
            return array.view(dtype)
    return _converted(array, dtype, name)


def _converted(array: AnyArray, dtype: AnyDType, name: str) -> AnyArray:
    if array.size * dtype.itemsize > BYTES_MAX:
        raise ValueError(
            f"{name} of shape {array.shape} and dtype {array.dtype} is too large to be converted "
            f"to {dtype}"
        )
    try:
        if array.dtype == _FLOAT16 and dtype == FLOAT32 and array.flags.carray:
            return widen_halves(array)
        with np.errstate(all="ignore"):
            return array.astype(dtype, order="C")
    except MemoryError:
        raise MemoryError(
            f"cannot allocate {name} of shape {array.shape} as an array of {dtype}"
        ) from None


def _refuse_masked(array: AnyArray, name: str) -> None:
    # A masked array can exist only once numpy.ma has been imported, which takes a while.
    masked = sys.modules.get("numpy.ma")
    if masked is not None and isinstance(array, masked.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array: the mask would be ignored; pass {name}.filled(...)"
        )


def _refuse_masked_entries(value: list[Any] | tuple[Any, ...], name: str) -> None:
    if "numpy.ma" in sys.modules:
        for entry in value:
            if isinstance(entry, (list, tuple)):
                _refuse_masked_entries(entry, name)
            elif isinstance(entry, np.ndarray):
                _refuse_masked(entry, name)
