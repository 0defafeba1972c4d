"""Dtypes, data, guarded memory and bit-for-bit comparison, as the test modules share them."""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np
import pytest

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

HALVES = ("float16", "bfloat16")
REALS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
ISAS = ("scalar", "sse2", "avx2", "avx512", "avx512_bf16", "amx", "neon")
ALL = HALVES + REALS + COMPLEX + INTEGERS


def available(names: tuple[str, ...]) -> tuple[str, ...]:
    """Leave bfloat16 out where the package that defines it is missing."""
    return tuple(name for name in names if name != "bfloat16" or ml_dtypes is not None)


def parameters(names: tuple[str, ...]) -> list[object]:
    """Turn dtype names into pytest parameters, bfloat16 skipped with its reason."""
    missing = pytest.mark.skipif(ml_dtypes is None, reason="bfloat16 needs ml_dtypes")
    return [pytest.param(n, marks=missing if n == "bfloat16" else ()) for n in names]


def dtype_of(name: str) -> np.dtype:
    """Look a dtype up by name, bfloat16 among them."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def is_integer(dtype: np.dtype) -> bool:
    """Tell integers from the floating and complex dtypes."""
    return dtype.kind in "iu"


def data(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Draw normal floating point data, or integers from the whole range of the dtype."""
    dtype = dtype_of(name)
    if is_integer(dtype):
        return rng.integers(0, 2**64, shape, dtype=np.uint64).astype(dtype)
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def poisoned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Allocate an output whose unwritten elements cannot pass for results.

    Of floats they are NaN of a payload that no result has, so that `assert_written` tells even
    those from NaN that are right.
    """
    dtype = np.dtype(dtype)
    octet = b"\x5a" if is_integer(dtype) else b"\xff"
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(octet * (count * dtype.itemsize), dtype).reshape(shape).copy()


def assert_written(out: np.ndarray) -> None:
    """Require each element of a once poisoned array of floats to have been written."""
    left = (bits(out).reshape(out.size, -1) == 0xFF).all(axis=1)
    assert not left.any(), f"{int(left.sum())} of {out.size} elements were not written"


def bits(a: np.ndarray) -> np.ndarray:
    """View an array as unsigned bytes, so that NaN equals itself and 0.0 differs from -0.0."""
    return np.frombuffer(a.tobytes(), dtype=np.uint8)


def assert_same_bits(actual: np.ndarray, expected: np.ndarray, context: object = "") -> None:
    """Require equal shape, dtype and bytes."""
    assert isinstance(actual, np.ndarray), context
    assert actual.shape == expected.shape, context
    assert actual.dtype == expected.dtype, context
    if not np.array_equal(bits(actual), bits(expected)):
        wrong = np.argwhere(
            bits(actual).reshape(actual.size, -1) != bits(expected).reshape(actual.size, -1)
        )[:, 0]
        at = np.unravel_index(int(wrong[0]), actual.shape)
        differing = np.unique(wrong).size
        raise AssertionError(
            f"{differing} of {actual.size} elements differ, first at {tuple(map(int, at))}: "
            f"{actual[at]!r} instead of {expected[at]!r}; {context}"
        )


needs_guard_pages = pytest.mark.skipif(
    sys.platform == "win32", reason="pages are protected by mprotect"
)


def guarded(array: np.ndarray, at_end: bool) -> np.ndarray:
    """Copy an array between pages that cannot be read: to the end of its own, or to their start."""
    page = mmap.PAGESIZE
    room = -(-array.nbytes // page) * page
    region = mmap.mmap(-1, room + 2 * page)
    start = page + (room - array.nbytes if at_end else 0)
    placed = np.frombuffer(region, array.dtype, array.size, start).reshape(array.shape)
    placed[:] = array
    address = ctypes.addressof(ctypes.c_char.from_buffer(region))
    for edge in (address, address + page + room):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(edge), ctypes.c_size_t(page), 0) == 0
    return placed
