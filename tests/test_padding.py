"""Padding in every form and mode, 'same' and 'valid' included, against tables and the oracle."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv

from . import oracle
from .arrays import assert_same_bits, data
from .oracle import Geometry

pytestmark = pytest.mark.core

# torch's (left, right) for 'same', by kernel size and dilation 1 to 5.
SAME = {
    1: [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0)],
    2: [(0, 1), (1, 1), (1, 2), (2, 2), (2, 3)],
    3: [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)],
    4: [(1, 2), (3, 3), (4, 5), (6, 6), (7, 8)],
    5: [(2, 2), (4, 4), (6, 6), (8, 8), (10, 10)],
    6: [(2, 3), (5, 5), (7, 8), (10, 10), (12, 13)],
    7: [(3, 3), (6, 6), (9, 9), (12, 12), (15, 15)],
}


@pytest.mark.parametrize("kernel", SAME)
@pytest.mark.parametrize("dilation", range(1, 6))
def test_same_pads_as_the_table_says(kernel: int, dilation: int, rng):
    left, right = SAME[kernel][dilation - 1]
    assert oracle.same_padding((kernel, 1), (dilation, 1)) == (left, right, 0, 0)
    x = rng.integers(-9, 9, (1, 1, 4, 11))
    w = rng.integers(-9, 9, (1, 1, 1, kernel))
    expected = oracle.conv2d(x, w, None, Geometry((1, 1), (0, 0, left, right), (1, dilation)))
    y = cyconv.conv2d(x, w, padding="same", dilation=(1, dilation))
    assert np.array_equal(y, expected)
    turned = cyconv.conv2d(
        x.swapaxes(2, 3), w.swapaxes(2, 3), padding="same", dilation=(dilation, 1)
    )
    assert np.array_equal(turned, expected.swapaxes(2, 3))


@pytest.mark.parametrize("mode", oracle.MODES)
def test_same_in_every_mode(mode: str, isa: str, rng):
    x, w = rng.integers(-9, 9, (2, 3, 9, 10)), rng.integers(-9, 9, (4, 3, 4, 2))
    for dilation in ((1, 1), (2, 3), (3, 5)):
        padding = oracle.same_padding((4, 2), dilation)
        expected = oracle.conv2d(x, w, None, Geometry((1, 1), padding, dilation, 1, mode))
        y = cyconv.conv2d(x, w, padding="same", dilation=dilation, padding_mode=mode)
        assert y.shape == (2, 4, 9, 10)
        assert np.array_equal(y, expected)


def test_same_with_a_mode_pads_more_at_the_end():
    x, w = np.array([[1, 2, 3]]), np.array([[1, 10]])
    reflected = cyconv.conv2d(x, w, padding="same", padding_mode="reflect")
    assert reflected.tolist() == [[21, 32, 23]]
    x, w = np.array([[1, 2, 3, 4]]), np.array([[1, 10, 100, 1000]])
    wrapped = cyconv.conv2d(x, w, padding="same", padding_mode="circular")
    assert wrapped.tolist() == [[3214, 4321, 1432, 2143]]


def test_same_with_a_kernel_larger_than_the_image(rng):
    x, w = rng.integers(-9, 9, (1, 1, 3, 2)), rng.integers(-9, 9, (1, 1, 9, 8))
    expected = oracle.conv2d(x, w, None, Geometry((1, 1), oracle.same_padding((9, 8), (1, 1))))
    assert np.array_equal(cyconv.conv2d(x, w, padding="same"), expected)


@pytest.mark.parametrize("mode", oracle.MODES)
def test_valid_is_no_padding(mode: str, rng):
    x, w = data(rng, (1, 2, 7, 8), "float32"), data(rng, (3, 2, 3, 3), "float32")
    expected = cyconv.conv2d(x, w, stride=2)
    assert_same_bits(cyconv.conv2d(x, w, stride=2, padding="valid", padding_mode=mode), expected)
    assert_same_bits(cyconv.conv2d(x, w, stride=2, padding=np.str_("valid")), expected)


def test_every_spelling_of_the_same_padding(rng):
    x, w = data(rng, (1, 2, 7, 8), "float32"), data(rng, (3, 2, 3, 3), "float32")
    expected = cyconv.conv2d(x, w, padding=((2, 2), (2, 2)))
    zero_dimensional = (np.array(2), np.array(2, dtype=np.uint8))
    for padding in (2, (2, 2), [2, 2], (2,), [2], np.int8(2), (np.int64(2), 2), zero_dimensional):
        assert_same_bits(cyconv.conv2d(x, w, padding=padding), expected, str(padding))
    for padding in ([[2, 2], [2, 2]], ((2, 2), [2, np.int32(2)])):
        assert_same_bits(cyconv.conv2d(x, w, padding=padding), expected, str(padding))
    uneven = cyconv.conv2d(x, w, padding=(1, 3))
    assert_same_bits(cyconv.conv2d(x, w, padding=((1, 1), (3, 3))), uneven)


@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (30, 70)])
def test_asymmetric_padding_up_to_the_limits(size: tuple[int, int], mode: str, isa: str, rng):
    height, width = size
    beyond = {"reflect": (height - 1, width - 1), "circular": size}.get(
        mode, (3 * height, width + 9)
    )
    down, across = beyond
    x, w = rng.integers(-9, 9, (2, 2, *size)), rng.integers(-9, 9, (3, 2, 1, 1))
    wide = rng.integers(-9, 9, (3, 2, 3, 2))
    for padding in (
        (down, 0, 0, 0),
        (0, down, 0, 0),
        (0, 0, across, 0),
        (0, 0, 0, across),
        (down, down, across, across),
        (down, 0, across // 2, across),
    ):
        for kernel in (w, wide):
            geometry = Geometry((1, 1), padding, (1, 1), 1, mode)
            if min(oracle.output_size(size, kernel.shape[2:], geometry)) < 1:
                continue
            expected = oracle.conv2d(x, kernel, None, geometry)
            y = cyconv.conv2d(x, kernel, **geometry.keywords())
            assert np.array_equal(y, expected), (padding, kernel.shape)


@pytest.mark.parametrize(
    ("mode", "padding"),
    [
        ("reflect", (4, 0)),
        ("reflect", (0, 5)),
        ("reflect", ((0, 4), (0, 0))),
        ("reflect", ((0, 0), (5, 0))),
        ("circular", (5, 0)),
        ("circular", (0, 6)),
        ("circular", ((5, 0), (0, 0))),
        ("circular", ((0, 0), (0, 6))),
    ],
)
def test_limits_of_the_modes(mode: str, padding: object):
    x, w = np.ones((1, 1, 4, 5)), np.ones((1, 1, 3, 3))
    with pytest.raises(ValueError, match="padding"):
        cyconv.conv2d(x, w, padding=padding, padding_mode=mode)


@pytest.mark.parametrize("mode", oracle.MODES)
def test_negative_padding_is_an_error_in_every_mode(mode: str):
    x, w = np.ones((1, 1, 6, 6)), np.ones((1, 1, 3, 3))
    for padding in (-1, (0, -1), ((0, 0), (-1, 0)), ((2, -1), (0, 0))):
        with pytest.raises(ValueError, match="padding"):
            cyconv.conv2d(x, w, padding=padding, padding_mode=mode)
