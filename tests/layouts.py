"""The same values in every memory layout that an array can have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided


class Subclass(np.ndarray):
    """An ndarray subclass that changes nothing."""


def channels_last(x: np.ndarray) -> np.ndarray:
    """Store the channels of a (N, C, H, W) array next to each other."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def sliced(x: np.ndarray) -> np.ndarray:
    """Embed the array in a larger one, every second element of each axis."""
    base = np.ones(tuple(2 * n + 3 for n in x.shape), dtype=x.dtype)
    view = base[tuple(slice(1, 1 + 2 * n, 2) for n in x.shape)]
    view[...] = x
    return view


def inner(x: np.ndarray) -> np.ndarray:
    """Embed the array in a larger one, rows apart but elements adjacent."""
    base = np.ones(tuple(n + 5 for n in x.shape), dtype=x.dtype)
    view = base[tuple(slice(2, 2 + n) for n in x.shape)]
    view[...] = x
    return view


def reversed_along(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Store the array backwards along `axes`."""
    turn = tuple(slice(None, None, -1 if a in axes else 1) for a in range(x.ndim))
    return np.ascontiguousarray(x[turn])[turn]


def unaligned(x: np.ndarray) -> np.ndarray:
    """Place the contiguous elements at an odd address."""
    storage = np.zeros(x.nbytes + 1, dtype=np.uint8)
    view = storage[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def struct_field(x: np.ndarray) -> np.ndarray:
    """Make the array a field of packed records, its strides no multiple of the item size."""
    records = np.zeros(x.shape, dtype=[("tag", "u1"), ("value", x.dtype), ("end", "u2")])
    records["value"] = x
    return records["value"]


def absurd_unit_strides(x: np.ndarray) -> np.ndarray:
    """Give axes of length 1 strides that would lead out of memory if they were ever used."""
    strides = tuple(
        stride if n > 1 else (2**61 + 7, -(2**62), 2**40 + 1, -3)[axis % 4]
        for axis, (n, stride) in enumerate(zip(x.shape, x.strides, strict=True))
    )
    return as_strided(x, x.shape, strides)


def read_only(x: np.ndarray) -> np.ndarray:
    """Copy the array and lock it."""
    locked = x.copy()
    locked.flags.writeable = False
    return locked


def mapped(x: np.ndarray, path: Path) -> np.ndarray:
    """Keep the array in a file, mapped read-only."""
    np.save(path, x if x.dtype.kind != "V" else x.view(np.uint16))
    file = np.load(path, mmap_mode="r")
    return file if file.dtype == x.dtype else file.view(x.dtype)


def layouts(x: np.ndarray, directory: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array equal to the 4-D `x`)."""
    yield "channels last", channels_last(x)
    yield "Fortran order", np.asfortranarray(x)
    yield "height last", np.ascontiguousarray(x.swapaxes(2, 3)).swapaxes(2, 3)
    yield "batch last", np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    yield "sliced", sliced(x)
    yield "inner", inner(x)
    yield (
        "channels last, inner",
        inner(channels_last(x).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    )
    for axes in ((3,), (2,), (1,), (0, 2), (0, 1, 2, 3)):
        yield f"reversed along {axes}", reversed_along(x, axes)
    yield "reversed, sliced", sliced(x[:, :, ::-1, ::-1].copy())[:, :, ::-1, ::-1]
    yield "unaligned", unaligned(x)
    yield "struct field", struct_field(x)
    yield "unaligned, reversed", unaligned(x[..., ::-1].copy())[..., ::-1]
    yield "absurd strides of unit axes", absurd_unit_strides(x.copy())
    yield "read-only", read_only(x)
    yield "memory-mapped", mapped(x, directory / "array.npy")
    yield "subclass", x.copy().view(Subclass)
    if x.dtype.kind != "V" and x.dtype.itemsize > 1:
        yield "byte-swapped", x.astype(x.dtype.newbyteorder())
        yield "byte-swapped, reversed", reversed_along(x, (1, 3)).astype(x.dtype.newbyteorder())


def aliased(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array whose elements share memory); the values differ from those of `x`."""
    for axis, size in enumerate(x.shape):
        yield f"stride 0 along {axis}", np.broadcast_to(np.take(x, [size // 2], axis), x.shape)
    yield "one element", np.broadcast_to(x[:1, :1, :1, :1], x.shape)
    line = x.reshape(-1)
    item = x.itemsize
    if line.size >= sum(x.shape):
        yield "overlapping windows", as_strided(line, x.shape, (item, item, item, item))
        last = line[sum(x.shape) - 1 :: -1]
        yield "overlapping, backwards", as_strided(last, x.shape, (-item, -item, -item, -item))
