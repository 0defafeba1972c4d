"""The short way through a call: taken where it may be, with the bits of the long way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cyconv
from cyconv._convolve import convolve
from cyconv._fast import convolve_plain

from .arrays import (
    ALL,
    COMPLEX,
    HALVES,
    INTEGERS,
    REALS,
    assert_same_bits,
    available,
    data,
    dtype_of,
    parameters,
    poisoned,
)

pytestmark = pytest.mark.core

PLAIN = (1, 0, 1, 1, "zeros", None, "auto")
# input, weight; stride, padding, dilation, groups
SHAPES = {
    "image": ((4, 4), (3, 3), (1, 1, 1, 1)),
    "no batch": ((6, 9, 8), (12, 2, 3, 2), ((2, 1), (1, 0), 1, 3)),
    "depthwise": ((2, 6, 7, 7), (6, 1, 3, 3), (1, 1, 1, 6)),
    "multiplier": ((1, 3, 20, 5), (9, 1, 5, 3), (2, 2, 1, 3)),
    "many planes": ((1, 70, 14, 14), (70, 1, 3, 3), (2, 1, 1, 70)),
    "1x1": ((2, 20, 6, 7), (18, 20, 1, 1), (1, 0, 1, 1)),
    "dilated": ((1, 4, 11, 12), (5, 4, 3, 3), (1, 2, 2, 1)),
    "trimmed": ((1, 8, 2, 2), (8, 8, 5, 5), (1, 2, 1, 1)),
    "same": ((1, 2, 6, 7), (3, 2, 3, 4), (1, "same", (2, 1), 1)),
    "valid": ((1, 2, 6, 7), (3, 2, 3, 4), (2, "valid", 1, 1)),
    "four sides": ((1, 2, 6, 7), (3, 2, 3, 4), (1, ((0, 2), (3, 1)), 1, 1)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", parameters(HALVES + REALS + INTEGERS))
def test_both_ways_agree(name: str, shape: str, isa: str, rng):
    input_shape, weight_shape, geometry = SHAPES[shape]
    x, w = data(rng, input_shape, name), data(rng, weight_shape, name)
    outputs = weight_shape[0] if len(weight_shape) == 4 else 1
    for bias, activation in itertools.product((None, data(rng, (outputs,), name)), (None, "relu6")):
        others = (*geometry, "zeros", activation, "direct")
        expected = convolve(x, w, bias, *others, None)
        y = convolve_plain(x, w, bias, *others, None)
        assert y is not None
        assert_same_bits(y, expected, f"{activation}, {bias is not None}")
        out = poisoned(expected.shape, expected.dtype)
        assert convolve_plain(x, w, bias, *others, out) is out
        assert_same_bits(out, expected, f"out, {activation}, {bias is not None}")


@pytest.mark.parametrize("name", parameters(HALVES + REALS))
def test_layers_take_it(name: str, rng):
    layer = cyconv.Conv2d(4, 6, 3, padding=1, dtype=dtype_of(name), rng=0)
    x = data(rng, (2, 4, 9, 9), name)
    first = layer(x)
    prepared = layer._weight.prepared
    assert prepared is not None
    others = (layer.bias, 1, 1, 1, 1, "zeros", None, "auto", None)
    y = convolve_plain(x, prepared, *others)
    assert y is not None
    assert_same_bits(y, first)
    for other in available(HALVES + REALS):  # of the same compute dtype, but another result
        if other != name:
            assert convolve_plain(data(rng, (2, 4, 9, 9), other), prepared, *others) is None


def test_a_layer_of_halves_given_floats_answers_floats(rng):
    layer = cyconv.Conv2d(4, 6, 3, dtype="float16", rng=0)
    halves = data(rng, (1, 4, 9, 9), "float16")
    floats = halves.astype("float32")
    for _ in range(2):
        assert layer(floats).dtype == np.float32
        assert layer(halves).dtype == np.float16
        assert_same_bits(layer(floats).astype("float16"), layer(halves))


def test_what_is_not_plain():
    x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 2, 2), np.float32)
    assert convolve_plain(x, w, None, *PLAIN, None) is not None
    for stride, padding in (
        (2, "same"),
        (1, "half"),
        (1, [1, 1]),
        (1, (1,)),
        (1, (1, (1, 1))),
        (1, ((1, 1), 1)),
        (1, ((1, 1), (1, -1))),
        (1, ((1, 1), (1, 1, 1))),
        (1, 1.0),
        (1, True),
    ):
        others = (stride, padding, *PLAIN[2:], None)
        assert convolve_plain(x, w, None, *others) is None, padding
    for a, b in itertools.permutations(available(ALL), 2):
        assert (
            convolve_plain(x.astype(dtype_of(a)), w.astype(dtype_of(b)), None, *PLAIN, None) is None
        )
    for name in (*COMPLEX, "bool", ">f4", ">f2", ">i4", "longdouble", "object"):
        assert convolve_plain(x.astype(name), w.astype(name), None, *PLAIN, None) is None
    for name in ("intc", "uintc", "long", "ulong", "longlong", "ulonglong"):  # results are of one
        y = convolve_plain(x.astype(name), w.astype(name), None, *PLAIN, None)
        canonical = np.dtype(f"{np.dtype(name).kind}{np.dtype(name).itemsize}")
        assert y is None or y.dtype.num == canonical.num


@pytest.mark.parametrize("name", INTEGERS)
def test_many_products_of_integers_are_looked_at(name: str):
    x, w = np.ones((1, 16, 40, 40), name), np.ones((32, 16, 3, 3), name)
    assert convolve_plain(x, w, None, *PLAIN, None) is None
    assert convolve_plain(x[:, :, :4, :4], w, None, *PLAIN, None) is not None


def test_names_need_not_be_literals():
    """A name from a file, equal to the literal but another object, takes the short way as well."""
    x, w = np.ones((1, 1, 4, 4), np.float32), np.ones((1, 1, 2, 2), np.float32)
    names = ("".join(list(name)) for name in ("zeros", "relu", "auto"))
    assert convolve_plain(x, w, None, 1, 0, 1, 1, *names, None) is not None
    assert convolve_plain(x, w, None, 1, 0, 1, 1, "zeros", "relu7", "auto", None) is None
