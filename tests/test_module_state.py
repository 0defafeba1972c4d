"""``Conv2d``: its parameters, state dicts, pickles and copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cyconv

from .arrays import assert_same_bits, data

pytestmark = pytest.mark.core


def test_parameters_are_copied_in_and_read_only_out(isa: str, rng):
    layer = cyconv.Conv2d(2, 3, 3, rng=0)
    x = data(rng, (1, 2, 6, 7), "float32")
    w, b = data(rng, (3, 2, 3, 3), "float32"), data(rng, (3,), "float32")
    expected = cyconv.conv2d(x, w, b)
    layer(x)
    layer.weight, layer.bias = w, b
    assert_same_bits(layer(x), expected)
    w[...], b[...] = 0, 0
    assert_same_bits(layer(x), expected)
    for parameter in (layer.weight, layer.bias):
        assert not parameter.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            parameter[...] = 0
        with pytest.raises(ValueError, match=r"WRITEABLE|writeable|read-only"):
            parameter.flags.writeable = True
    layer.bias = None
    assert layer.bias is None
    assert_same_bits(layer(x), cyconv.conv2d(x, layer.weight))
    assert "bias=False" in repr(layer)
    layer.bias = np.ones(3)
    assert_same_bits(layer(x), cyconv.conv2d(x, layer.weight, np.ones(3, "f4")))
    layer.weight = layer.weight[::-1, ::-1, ::-1, ::-1].astype("f8")
    assert layer.weight.dtype == np.float32
    assert layer.weight.flags.c_contiguous


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("weight", np.ones((3, 2, 3, 4)), ValueError),
        ("weight", np.ones((3, 2, 3)), ValueError),
        ("weight", np.ones((1, 2, 3, 3)), ValueError),
        ("weight", None, TypeError),
        ("weight", np.ones((3, 2, 3, 3), complex), TypeError),
        ("weight", np.ones((3, 2, 3, 3), object), TypeError),
        ("weight", np.ma.ones((3, 2, 3, 3)), TypeError),
        ("bias", np.ones(4), ValueError),
        ("bias", np.ones((3, 1)), ValueError),
        ("bias", 1.0, ValueError),
        ("bias", np.ones(3, complex), TypeError),
    ],
    ids=str,
)
def test_bad_parameters_change_nothing(name: str, value: object, error: type[Exception]):
    layer = cyconv.Conv2d(2, 3, 3, rng=0)
    before = layer.state_dict()
    with pytest.raises(error, match=name):
        setattr(layer, name, value)
    for key, array in layer.state_dict().items():
        assert_same_bits(array, before[key])


def test_state_dicts(rng):
    layer, other = cyconv.Conv2d(2, 3, 3, rng=0), cyconv.Conv2d(2, 3, 3, rng=1)
    state = layer.state_dict()
    assert list(state) == ["weight", "bias"]
    assert list(cyconv.Conv2d(2, 3, 3, bias=False).state_dict()) == ["weight"]
    x = data(rng, (1, 2, 6, 7), "float32")
    other.load_state_dict(state)
    assert_same_bits(other(x), layer(x))
    other.load_state_dict({k: v.astype("f8") for k, v in state.items()})
    assert_same_bits(other(x), layer(x))
    assert other.weight.dtype == np.float32
    kept = other.weight.copy()
    for bad, named in (
        ({"weight": state["weight"]}, "bias"),
        ({**state, "scale": np.ones(3)}, "scale"),
        ({"weight": np.ones((3, 2, 5, 5)), "bias": np.ones(3)}, "weight"),
        ({"weight": np.ones((3, 2, 3, 3)), "bias": np.ones(4)}, "bias"),
        ({}, "weight"),
    ):
        with pytest.raises(ValueError, match=named):
            other.load_state_dict(bad)
        assert_same_bits(other.weight, kept, "a failed load must change nothing")


def test_all_problems_of_a_state_are_told_together():
    layer = cyconv.Conv2d(2, 3, 3, rng=0)
    kept = layer.weight.copy()
    with pytest.raises(TypeError, match=r'(?s)unexpected "scale".*weight.*\(3, 2, 5, 5\).*bias'):
        layer.load_state_dict(
            {"weight": np.ones((3, 2, 5, 5)), "bias": np.ones(3, "complex64"), "scale": 1}
        )
    with pytest.raises(TypeError, match=r'(?s)missing "bias".*complex64'):
        layer.load_state_dict({"weight": np.ones((3, 2, 3, 3), "complex64")})
    assert_same_bits(layer.weight, kept)


class Keyed:
    """As little as makes a mapping: `keys` and items."""

    def __init__(self, items: dict) -> None:
        self.items = items

    def keys(self):
        return self.items.keys()

    def __getitem__(self, key):
        return self.items[key]


def test_any_mapping_is_a_state_dict():
    layer, other = cyconv.Conv2d(3, 8, 3, rng=0), cyconv.Conv2d(3, 8, 3, rng=1)
    layer.load_state_dict(Keyed(other.state_dict()))
    assert np.array_equal(layer.weight, other.weight)
    with pytest.raises(ValueError, match="bias"):
        layer.load_state_dict(Keyed({"weight": other.weight}))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_leave_the_prepared_form_out(protocol: int, rng):
    layer = cyconv.Conv2d(32, 48, 3, padding=((1, 0), (2, 1)), activation="relu", rng=0)
    x = data(rng, (1, 32, 9, 10), "float32")
    fresh = len(pickle.dumps(layer, protocol))
    y = layer(x)
    stored = pickle.dumps(layer, protocol)
    assert len(stored) == fresh
    if protocol > 2:  # protocol 2 spells bytes as text
        assert fresh < layer.weight.nbytes + 4096
    again = pickle.loads(stored)
    assert repr(again) == repr(layer)
    assert_same_bits(again(x), y)
    assert not again.weight.flags.writeable


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_a_state_of_the_other_byte_order_becomes_native(dtype: str, rng):
    layer = cyconv.Conv2d(3, 4, 3, dtype=dtype, rng=0)
    x = data(rng, (1, 3, 6, 7), dtype)
    state = layer.__getstate__()
    for name in ("_weight", "_bias"):
        state[name] = state[name].astype(state[name].dtype.newbyteorder())
    again = cyconv.Conv2d.__new__(cyconv.Conv2d)
    again.__setstate__(state)
    assert again.weight.dtype.isnative
    assert again.dtype == layer.dtype
    assert_same_bits(again(x), layer(x))


def test_copies_are_independent(rng):
    layer = cyconv.Conv2d(2, 3, 3, rng=0)
    x = data(rng, (1, 2, 6, 7), "float32")
    y = layer(x)
    for copied in (copy.deepcopy(layer), copy.copy(layer)):
        assert_same_bits(copied(x), y)
        copied.weight = np.zeros((3, 2, 3, 3))
        assert_same_bits(layer(x), y)
        assert not np.array_equal(copied(x), y)
