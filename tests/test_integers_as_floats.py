"""Integers whose sums floats hold exactly, up to the last such sum and beyond it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cyconv
from cyconv import _exact, functional

from . import oracle
from .arrays import INTEGERS, assert_same_bits, parameters
from .layouts import channels_last, sliced
from .oracle import Geometry

pytestmark = pytest.mark.core

SHAPES = {
    "one channel": ((2, 1, 9, 21), (1, 1, 3, 3), Geometry()),
    "depthwise": ((1, 6, 8, 11), (12, 1, 3, 3), Geometry(groups=6)),
    "few pixels": ((1, 9, 5, 5), (37, 9, 2, 2), Geometry((1, 1), (1, 0, 0, 1))),
    "many pixels": ((1, 3, 17, 40), (5, 3, 3, 2), Geometry((2, 1))),
    "1x1": ((2, 20, 6, 7), (18, 20, 1, 1), Geometry()),
}
ACTIVATIONS = (None, "relu", "relu6")


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the operands of the smallest calls, too."""
    monkeypatch.setattr(_exact, "LEAST_MULTIPLY_ADDS", 0)
    monkeypatch.setattr(_exact, "_LEAST_PER_INPUT", 0)
    # which computes small calls in integers
    monkeypatch.setattr(functional, "convolve_plain", lambda *_: None)


def activated(sums: np.ndarray, name: str, activation: str | None) -> np.ndarray:
    """Wrap sums to a dtype and activate them, in this order."""
    sums = sums.astype(name)
    if activation is not None:
        sums = np.maximum(sums, 0)
    return np.minimum(sums, 6) if activation == "relu6" else sums


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", parameters(INTEGERS))
def test_sums_of_every_size(name: str, shape: str, isa: str, rng):
    """Exact in float32, in float64, in neither; narrow ones wrap before their activation."""
    input_shape, weight_shape, geometry = SHAPES[shape]
    limits = np.iinfo(name)
    for bits, activation in itertools.product((3, limits.bits // 2, limits.bits), ACTIVATIONS):
        low, high = max(limits.min, -(2**bits)), min(limits.max, 2**bits)
        x = rng.integers(low, high, input_shape, name, endpoint=True)
        w = rng.integers(low, high, weight_shape, name, endpoint=True)
        b = rng.integers(low, high, weight_shape[0], name, endpoint=True)
        expected = activated(oracle.conv2d(x, w, b, geometry), name, activation)
        for laid_out in (x, channels_last(x), sliced(x)):
            y = cyconv.conv2d(laid_out, w, b, **geometry.keywords(), activation=activation)
            assert_same_bits(y, expected, f"{bits} bits, {activation}")


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("bits", [24, 53])
def test_the_last_exact_sum(bits: int, isa: str):
    """A sum of 2**bits is exact in a float, one more needs an integer."""
    half = 2 ** (bits // 2)
    for extra, one_more in itertools.product((0, 1), (False, True)):
        x = np.full((1, 2, 1, 1), half, np.int64)
        w = np.full((1, 2, 1, 1), 2**bits // half // 2, np.int64)
        b = np.array([extra])
        if one_more:
            x[0, 0] += 1
        chosen = _exact.floating_dtype(np.dtype(np.int64), x, w, b, (1, 1, 1, 1))
        within = not extra and not one_more
        expected = {24: np.float32 if within else np.float64, 53: np.float64 if within else None}
        assert chosen == expected[bits]
        assert (
            cyconv.conv2d(x, w, b).item()
            == sum(int(i) * int(j) for i, j in zip(x.flat, w.flat, strict=True)) + extra
        )


@pytest.mark.parametrize(
    ("name", "least", "most", "expected"),
    [
        ("uint8", 0, 9, "float32"),
        ("int8", -128, 127, "float32"),
        ("int16", -9, 9, "float32"),
        ("int32", -9, 9, "float32"),
        ("int64", -9, 9, "float32"),
        ("int32", -(2**20), 2**20, None),
        ("int64", -(2**20), 2**20, "float64"),
        ("int64", -(2**31), 2**31, None),
    ],
)
def test_which_is_chosen(name: str, least: int, most: int, expected: str | None, rng):
    x = rng.integers(least, most, (1, 64, 20, 20), name, endpoint=True)
    w = rng.integers(least, most, (64, 64, 3, 3), name, endpoint=True)
    chosen = _exact.floating_dtype(w.dtype, x, w, None, (1, 64, 18, 18))
    assert chosen == (None if expected is None else np.dtype(expected))
    assert _exact.floating_dtype(w.dtype, x, w, None, (1, 64, 1, 1)) is None  # not worth a look


def test_the_algorithm_stays_direct(isa: str, rng):
    """Transforms, which round, would pay for these shapes."""
    x = rng.integers(-99, 99, (1, 64, 40, 40), np.int16)
    for size in (3, 31):
        w = rng.integers(-9, 9, (16 if size == 3 else 1, 64, size, size), np.int16)
        expected = oracle.conv2d(x, w, None, Geometry()).astype(np.int16)
        assert_same_bits(cyconv.conv2d(x, w), expected, f"{size} x {size}")
    with pytest.raises(ValueError, match="winograd"):
        cyconv.conv2d(x, np.ones((64, 64, 3, 3), np.int16), algorithm="winograd")
