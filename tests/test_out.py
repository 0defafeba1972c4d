"""``out=`` takes any writable strides, overlaps nothing in effect, and is untouched on an error.

Without it large results begin with a cache line.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import cyconv

from .arrays import ALL, assert_same_bits, data, dtype_of, parameters, poisoned
from .layouts import (
    absurd_unit_strides,
    channels_last,
    reversed_along,
    sliced,
    struct_field,
    unaligned,
)

pytestmark = pytest.mark.core

WRITABLE = {
    "contiguous": np.array,
    "channels last": channels_last,
    "Fortran order": np.asfortranarray,
    "sliced": sliced,
    "reversed across": lambda a: reversed_along(a, (3,)),
    "reversed down": lambda a: reversed_along(a, (2,)),
    "reversed along all": lambda a: reversed_along(a, (0, 1, 2, 3)),
    "unaligned": unaligned,
    "struct field": struct_field,
    "absurd strides of unit axes": lambda a: absurd_unit_strides(a.copy()),
}
# Beyond what a strip holds, so that rows are still to be read when the first ones are written.
LARGE = (2, 4, 250, 260)
LAYERS = {
    "dense": ((2, 3, 6, 37), (15, 3, 3, 3), {"padding": 1}),
    "1x1": ((1, 5, 4, 40), (17, 5, 1, 1), {}),
    "deep and small": ((1, 16, 7, 7), (33, 16, 3, 3), {"padding": 1}),
    "depthwise": ((1, 5, 8, 35), (5, 1, 3, 3), {"groups": 5, "padding": 1}),
    "one channel": ((1, 1, 12, 70), (1, 1, 5, 5), {"stride": 2}),
    "one output": ((1, 4, 3, 3), (2, 4, 3, 3), {}),
    "large": ((1, 2, 150, 300), (3, 2, 3, 3), {"padding": 1}),
}


@pytest.mark.parametrize("name", parameters(ALL))
@pytest.mark.parametrize("layer", LAYERS)
def test_layouts_of_out(layer: str, name: str, isa: str, rng):
    x_shape, w_shape, arguments = LAYERS[layer]
    x, w, b = (data(rng, s, name) for s in (x_shape, w_shape, w_shape[:1]))
    expected = cyconv.conv2d(x, w, b, **arguments)
    for layout, place in WRITABLE.items():
        out = place(poisoned(expected.shape, expected.dtype))
        owner = out.base if layout == "sliced" else None
        margin = None if owner is None else owner.copy()
        assert cyconv.conv2d(x, w, b, **arguments, out=out) is out, layout
        assert_same_bits(out, expected, layout)
        if owner is not None and margin is not None:
            # Nothing between the elements of the view may change.
            margin[tuple(slice(1, 1 + 2 * n, 2) for n in out.shape)] = out
            assert_same_bits(owner, margin, layout)


@pytest.mark.parametrize("name", parameters(ALL))
def test_out_of_unbatched_and_plain_arrays(name: str, rng):
    x, w, b = (data(rng, s, name) for s in ((3, 6, 7), (4, 3, 3, 3), (4,)))
    expected = cyconv.conv2d(x, w, b)
    out = sliced(poisoned((4, 4, 5), expected.dtype))
    assert cyconv.conv2d(x, w, b, out=out) is out
    assert_same_bits(out, expected)
    expected = cyconv.conv2d(x[0], w[0, 0])
    out = poisoned((5, 4), expected.dtype).T
    assert cyconv.conv2d(x[0], w[0, 0], out=out) is out
    assert_same_bits(out, expected)


@pytest.mark.parametrize("name", parameters(("float32", "float16", "complex128", "uint8")))
def test_out_may_be_the_input(name: str, isa: str, rng):
    x, w = data(rng, LARGE, name), data(rng, (4, 4, 3, 3), name)
    expected = cyconv.conv2d(x, w, padding=1)
    result = cyconv.conv2d(x, w, padding=1, out=x)
    assert result is x
    assert_same_bits(x, expected)
    for arguments in ({}, {"padding": 1}):
        point = data(rng, (4, 1, 1, 1), name)
        x = data(rng, LARGE, name)
        weight = point if not arguments else data(rng, (4, 1, 3, 3), name)
        expected = cyconv.conv2d(x, weight, groups=4, **arguments)
        cyconv.conv2d(x, weight, groups=4, **arguments, out=x)
        assert_same_bits(x, expected)


@pytest.mark.parametrize("name", ["float32", "float64", "int16"])
@pytest.mark.parametrize("shift", [-400, -7, -1, 1, 7, 400])
def test_out_may_overlap_the_input_in_part(shift: int, name: str, isa: str, rng):
    size = 2 * 300 * 310
    store = data(rng, (size + 800,), name)
    x = store[400 : 400 + size].reshape(1, 2, 300, 310)
    out = store[400 + shift : 400 + shift + size].reshape(1, 2, 300, 310)
    w = data(rng, (2, 2, 3, 3), name)
    expected = cyconv.conv2d(x.copy(), w, padding=1)
    assert cyconv.conv2d(x, w, padding=1, out=out) is out
    assert_same_bits(out, expected)


def test_out_may_be_the_input_backwards(isa: str, rng):
    x = data(rng, LARGE, "float32")
    w = data(rng, (4, 4, 3, 3), "float32")
    expected = cyconv.conv2d(x, w, padding=1)
    out = x[:, ::-1, ::-1, ::-1]
    cyconv.conv2d(x, w, padding=1, out=out)
    assert_same_bits(out, expected)


def test_out_may_hold_the_weight_or_the_bias(isa: str, rng):
    store = data(rng, (1, 4, 5, 5), "float32")
    x = data(rng, (1, 4, 5, 5), "float32")
    w = store.reshape(-1)[:36].reshape(4, 1, 3, 3)
    expected = cyconv.conv2d(x, w.copy(), groups=4, padding=1)
    cyconv.conv2d(x, w, groups=4, padding=1, out=store)
    assert_same_bits(store, expected)
    store = data(rng, (1, 4, 5, 5), "float32")
    w, b = data(rng, (4, 1, 3, 3), "float32"), store[0, 0, 0, 1:5]
    expected = cyconv.conv2d(x, w, b.copy(), groups=4, padding=1)
    cyconv.conv2d(x, w, b, groups=4, padding=1, out=store)
    assert_same_bits(store, expected)


def test_out_may_interleave_with_the_input(isa: str, rng):
    store = data(rng, (1, 2, 300, 400), "float32")
    x, out = store[..., ::2], store[..., 1::2]
    w = data(rng, (2, 2, 3, 3), "float32")
    kept, expected = x.copy(), cyconv.conv2d(x.copy(), w, padding=1)
    cyconv.conv2d(x, w, padding=1, out=out)
    assert_same_bits(out.copy(), expected)
    assert_same_bits(x.copy(), kept)


@pytest.mark.parametrize("name", ["float32", "int32"])
def test_out_may_overlap_itself(name: str, isa: str, rng):
    x, w = data(rng, (1, 2, 6, 20), name), data(rng, (3, 2, 3, 3), name)
    expected = cyconv.conv2d(x, w)
    item = expected.itemsize
    store = poisoned((80,), dtype_of(name))
    out = as_strided(store, expected.shape, (0, item, 2 * item, item))
    assert cyconv.conv2d(x, w, out=out) is out
    places = as_strided(np.arange(80), expected.shape, (0, 8, 16, 8))
    for place in range(80):
        # An element written several times holds one of the values meant for it.
        meant = expected[places == place]
        value = store[place]
        untouched = np.isnan(value) if name == "float32" else value == 0x5A5A5A5A
        assert (value in meant) if meant.size else untouched, place


def test_out_is_validated(rng):
    x, w = data(rng, (1, 2, 5, 5), "float32"), data(rng, (3, 2, 3, 3), "float32")
    locked = np.zeros((1, 3, 3, 3), dtype=np.float32)
    locked.flags.writeable = False
    bad = {
        "shape": (ValueError, np.zeros((1, 3, 3, 4), dtype=np.float32)),
        "rank": (ValueError, np.zeros((3, 3, 3), dtype=np.float32)),
        "broadcastable shape": (ValueError, np.zeros((2, 3, 3, 3), dtype=np.float32)),
        "wider dtype": (TypeError, np.zeros((1, 3, 3, 3), dtype=np.float64)),
        "narrower dtype": (TypeError, np.zeros((1, 3, 3, 3), dtype=np.float16)),
        "byte order": (TypeError, np.zeros((1, 3, 3, 3), dtype=np.dtype("f4").newbyteorder())),
        "read-only": (ValueError, locked),
        "broadcast": (ValueError, np.broadcast_to(np.float32(0), (1, 3, 3, 3))),
        "list": (TypeError, np.zeros((1, 3, 3, 3), dtype=np.float32).tolist()),
        "masked": (TypeError, np.ma.zeros((1, 3, 3, 3), dtype=np.float32)),
        "tuple": (TypeError, (np.zeros((1, 3, 3, 3), dtype=np.float32),)),
    }
    for what, (error, out) in bad.items():
        before = np.asarray(out).copy() if isinstance(out, np.ndarray) else None
        with pytest.raises(error, match=r"\bout\b"):
            cyconv.conv2d(x, w, out=out)
        assert before is None or np.array_equal(before, np.asarray(out)), what


@pytest.mark.parametrize(
    "arguments",
    [
        {"stride": 0},
        {"padding": -1},
        {"dilation": 0},
        {"groups": 2},
        {"padding": "SAME"},
        {"padding_mode": "reflect", "padding": 5},
        {"padding_mode": "mirror"},
        {"activation": "tanh"},
        {"algorithm": "guess"},
        {"bias": np.zeros(4, dtype=np.float32)},
        {"bias": np.zeros(3, dtype=np.complex64)},
    ],
    ids=str,
)
def test_nothing_is_written_on_an_error(arguments: dict, rng):
    x, w = data(rng, (1, 2, 5, 5), "float32"), data(rng, (3, 2, 3, 3), "float32")
    out = poisoned((1, 3, 3, 3), np.float32)
    with pytest.raises((TypeError, ValueError)):
        cyconv.conv2d(x, w, **arguments, out=out)
    assert np.isnan(out).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "int32", "uint8"])
def test_large_results_begin_with_a_cache_line(dtype):
    x, weight = np.ones((1, 3, 130, 130), dtype), np.ones((4, 3, 3, 3), dtype)
    for y in (
        cyconv.conv2d(x, weight, algorithm="direct"),
        cyconv.conv2d(x[0], weight, algorithm="direct"),
        cyconv.conv2d(x, weight, stride=[1, 1], algorithm="direct"),
    ):
        assert y.ctypes.data % 64 == 0
        assert y.flags.c_contiguous
        assert y.flags.writeable
        assert type(y) is np.ndarray
        assert y.dtype == dtype
        assert (y == 27).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [4, 400])  # read in place; too many for that on any core
def test_large_results_of_one_tap_begin_where_their_input_does_in_a_line(dtype, outputs):
    weight = np.ones((outputs, 50, 1, 1), dtype)
    room = np.ones(50 * 47 * 47 + 128, dtype)
    for first in range(0, 128, 4):
        x = room[first : first + 50 * 47 * 47].reshape(1, 50, 47, 47)
        y = cyconv.conv2d(x, weight)
        begin = x.ctypes.data if outputs == 4 else 0
        assert (y.ctypes.data - begin) % 64 == 0
        assert (y == 50).all()
