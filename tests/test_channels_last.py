"""Inputs whose channels come last give the bits of a contiguous copy, whoever loads them."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv

from .arrays import HALVES, REALS, assert_same_bits, assert_written, data, parameters, poisoned

pytestmark = pytest.mark.core

# input, weight, keywords
LAYERS = {
    **{
        f"{channels} planes": ((2, channels, 37, 41), (channels, 1, 3, 3), {"groups": channels})
        for channels in (2, 3, 4, 5, 16, 33)
    },
    "more lines than one block holds": ((1, 40, 70, 90), (40, 1, 3, 3), {"groups": 40}),
    "wide planes": ((1, 3, 40, 1100), (3, 1, 5, 5), {"groups": 3, "padding": 2}),
    "stride 2": ((1, 35, 29, 30), (35, 1, 3, 3), {"groups": 35, "padding": 1, "stride": 2}),
    "multiplier": ((1, 6, 20, 21), (18, 1, 3, 3), {"groups": 6, "padding": 1}),
    "large kernels": ((1, 5, 30, 30), (5, 1, 11, 11), {"groups": 5, "padding": 5}),
    "one filter": ((1, 3, 50, 60), (1, 3, 3, 3), {"padding": 1}),
    "one filter of two channels": ((1, 2, 50, 60), (1, 2, 5, 3), {"padding": (2, 1)}),
    "first layer": ((2, 3, 33, 35), (16, 3, 3, 3), {"padding": 1, "stride": 2}),
    "reflected": ((1, 3, 20, 20), (8, 3, 3, 3), {"padding": 1, "padding_mode": "reflect"}),
    "pixels": ((1, 70, 9, 11), (12, 70, 1, 1), {}),
    "many channels": ((1, 130, 9, 8), (20, 130, 3, 3), {"padding": 1}),
}


def channels_last(x: np.ndarray, spare: int = 0) -> np.ndarray:
    """Lay an array out with the channels of a pixel side by side, and spare ones behind them."""
    batch, channels, height, width = x.shape
    pixels = np.zeros((batch, height, width, channels + spare), x.dtype)
    view = pixels[..., :channels].transpose(0, 3, 1, 2)
    view[...] = x
    return view


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", parameters(HALVES + REALS))
def test_layouts(name: str, layer: str, isa: str, rng):
    input_shape, weight_shape, keywords = LAYERS[layer]
    x, w = data(rng, input_shape, name), data(rng, weight_shape, name)
    expected = cyconv.conv2d(x, w, algorithm="direct", **keywords)
    for threads in (1, 2):
        cyconv.set_num_threads(threads)
        for spare in (0, 1):
            out = poisoned(expected.shape, expected.dtype)
            view = channels_last(x, spare)
            cyconv.conv2d(view, w, algorithm="direct", out=out, **keywords)
            assert_written(out)
            assert_same_bits(out, expected, f"{threads} threads, {spare} spare")
            flipped = view[..., ::-1, ::-1]
            assert_same_bits(
                cyconv.conv2d(flipped, w, algorithm="direct", **keywords),
                cyconv.conv2d(flipped.copy(), w, algorithm="direct", **keywords),
                f"flipped, {threads} threads, {spare} spare",
            )


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", ["uint8", "int16", "float16"])
def test_converted_inputs(name: str, layer: str, isa: str, rng):
    input_shape, weight_shape, keywords = LAYERS[layer]
    x, w = data(rng, input_shape, name), data(rng, weight_shape, "float32")
    expected = cyconv.conv2d(x, w, algorithm="direct", **keywords)
    for spare in (0, 1):
        y = cyconv.conv2d(channels_last(x, spare), w, algorithm="direct", **keywords)
        assert_same_bits(y, expected, f"{spare} spare")


def test_a_result_with_the_channels_last(rng):
    """Planes that are neither read nor written where they lie, with outputs of a group apart."""
    x, w = data(rng, (1, 6, 20, 21), "float32"), data(rng, (18, 1, 3, 3), "float32")
    expected = cyconv.conv2d(x, w, groups=6, padding=1)
    out = channels_last(poisoned(expected.shape, expected.dtype))
    cyconv.conv2d(channels_last(x), w, groups=6, padding=1, out=out)
    assert_same_bits(out, expected)
