"""The direct algorithms sum in one order, so that any of them gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv
from cyconv import _engine
from cyconv._held import HeldWeight

from .arrays import assert_same_bits, data, poisoned

pytestmark = pytest.mark.core

# (input, weight, stride, padding, dilation, groups): chunks within and across channels, more than
# one block of terms, skipped taps, phases, and images that the row kernel reads in place
SHAPES = {
    "small": ((2, 3, 9, 11), (5, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "many terms": ((1, 70, 8, 9), (20, 70, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "blocks of terms": ((1, 600, 7, 7), (40, 600, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "dilated": ((1, 20, 33, 33), (33, 20, 3, 3), (1, 1), (6, 6), (6, 6), 1),
    "strided": ((1, 3, 40, 41), (17, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    "stride and dilation": ((1, 2, 31, 40), (4, 1, 5, 3), (2, 3), (4, 2), (3, 2), 2),
    "depthwise": ((2, 9, 14, 15), (9, 1, 3, 3), (1, 1), (1, 1), (1, 1), 9),
    "large kernel": ((1, 1, 40, 60), (2, 1, 15, 15), (1, 1), (7, 7), (1, 1), 1),
    "image": ((1, 1, 140, 1100), (1, 1, 5, 3), (1, 1), (2, 1), (1, 1), 1),
}


def convolve(x, weight, stride, padding, dilation, groups, algorithm: str) -> np.ndarray:
    shape = cyconv.conv2d_output_shape(x.shape, weight.shape, stride, padding, dilation)
    out = poisoned(shape, x.dtype)
    sides = (padding[0], padding[0], padding[1], padding[1])
    _engine.convolve(
        x, weight, None, out, stride, sides, dilation, groups, "zeros", None, algorithm
    )
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_direct_algorithms_agree_bit_for_bit(isa: str, shape: str, dtype: str):
    rng = np.random.default_rng(0)
    x_shape, w_shape, *geometry = SHAPES[shape]
    x, weight = data(rng, x_shape, dtype), data(rng, w_shape, dtype)
    expected = convolve(x, weight, *geometry, "tile")
    for algorithm in ("turned tile", "direct"):
        assert_same_bits(convolve(x, weight, *geometry, algorithm), expected, algorithm)
    try:
        rows = convolve(x, weight, *geometry, "rows")
    except ValueError:  # it takes all channels at once, which has a limit
        assert shape == "blocks of terms"
    else:
        assert_same_bits(rows, expected, "rows")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["rows", "tile", "turned tile"])
def test_each_weight_is_looked_at(isa: str, algorithm: str, dtype: str):
    """Most taps of a tall kernel over a low image read padding, and are left out if finite."""
    x = np.ones((1, 1, 3, 20), dtype)
    for taps in (5, 9, 17, 31, 33, 65, 131):
        for special in range(taps):
            weight = np.ones((1, 1, taps, 1), dtype)
            weight[0, 0, special] = np.nan
            y = convolve(x, weight, (1, 1), (taps // 2, 0), (1, 1), 1, algorithm)
            assert np.isnan(y).all(), (taps, special)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("algorithm", ["tile", "turned tile"])
def test_weights_of_every_channel_are_looked_at(isa: str, algorithm: str, held: bool):
    """A panel of these is looked at in parts, and any of them may have the weight over padding."""
    x = np.ones((1, 100, 13, 13), "f4")
    for channel in (0, 33, 66, 99):
        weight = np.ones((40, 100, 3, 3), "f4")
        weight[7, channel, 0, 0] = np.inf
        operand = HeldWeight(weight) if held else weight
        out = poisoned((1, 40, 13, 13), "f4")
        geometry = (1, 1), (6, 6, 6, 6), (6, 6), 1
        _engine.convolve(x, operand, None, out, *geometry, "zeros", None, algorithm)
        assert not np.isfinite(out[0, 7]).any(), channel
        assert np.isfinite(np.delete(out, 7, axis=1)).all(), channel


def test_rows_refuse_strides_beyond_the_kernel():
    x, weight = np.ones((1, 1, 20, 20), "f4"), np.ones((1, 1, 2, 2), "f4")
    with pytest.raises(ValueError, match="rows"):
        convolve(x, weight, (3, 3), (0, 0), (1, 1), 1, "rows")
