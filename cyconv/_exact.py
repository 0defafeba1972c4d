"""Whether integers may be convolved as floats, which takes a third of the time or less.

Sums of products that stay within 2**24, or 2**53, are the same numbers in single, or double,
precision, whatever their order. Processors multiply those faster: where they make two vectors of
floats in a cycle, they take several cycles for one of integers, or piece it together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._operands import FLOAT32, FLOAT64

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_IN_FLOAT32 = 2**24
_LARGEST_IN_FLOAT64 = 2**53
# Of narrower integers the largest that there are will do. Others have to be looked at: one takes as
# long as some forty multiply-adds save, so that each has to serve more of them than that.
_NARROW_BYTES = 2
_LEAST_PER_INPUT = 64
# Below so many multiply-adds, which the calls of NumPy take as long as, integers stay integers.
LEAST_MULTIPLY_ADDS = 500_000


def floating_dtype(
    result: np.dtype[Any],
    x: NDArray[Any],
    w: NDArray[Any],
    b: NDArray[Any] | None,
    output_shape: tuple[int, ...],
) -> np.dtype[Any] | None:
    """Return the dtype in which the sums of integers are exact, and worth it; or None."""
    terms = math.prod(w.shape[1:])
    multiply_adds = math.prod(output_shape) * terms
    if multiply_adds < LEAST_MULTIPLY_ADDS:
        return None
    most = terms * _largest(w)
    bias = 0 if b is None else _largest(b)
    if x.itemsize <= _NARROW_BYTES:
        bound = most * _largest_of(x.dtype) + bias
        if bound <= _LARGEST_IN_FLOAT32:
            return FLOAT32
    if multiply_adds < _LEAST_PER_INPUT * x.size or most + bias > _LARGEST_IN_FLOAT64:
        return None
    bound = most * _largest(x) + bias
    if bound <= _LARGEST_IN_FLOAT32:
        return FLOAT32
    # Doubles are no faster than narrower integers.
    return FLOAT64 if result.itemsize == 8 and bound <= _LARGEST_IN_FLOAT64 else None


def _largest_of(dtype: np.dtype[Any]) -> int:
    if dtype.kind == "b":
        return 1
    limits = np.iinfo(dtype)
    return max(int(limits.max), -int(limits.min))


def _largest(array: NDArray[Any]) -> int:
    """Return the largest magnitude."""
    if array.size == 0:
        return 0
    return max(int(array.max()), -int(array.min()))
