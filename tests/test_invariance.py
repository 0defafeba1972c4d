"""An output depends on its window and its weights alone, to the last bit.

Not on the batch or the image around it, the other output channels, the thread count, held weights
or the order of calls: every direct kernel of an instruction set sums in one order.
"""

from __future__ import annotations

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import ALL, assert_same_bits, data, parameters

pytestmark = pytest.mark.core

LAYERS = {
    "3x3": ((5, 7, 13, 40), (18, 7, 3, 3), {"padding": 1}),
    "3x3 small image": ((5, 20, 7, 7), (33, 20, 3, 3), {"padding": 1}),
    "3x3 deep": ((3, 150, 6, 6), (20, 150, 3, 3), {"padding": 1}),
    "stem": ((3, 3, 40, 41), (17, 3, 7, 7), {"padding": 3, "stride": 2}),
    "1x1": ((4, 130, 6, 9), (40, 130, 1, 1), {}),
    "1x1 strided": ((4, 30, 9, 9), (17, 30, 1, 1), {"stride": 2}),
    "depthwise": ((4, 6, 15, 37), (6, 1, 3, 3), {"groups": 6, "padding": 1}),
    "depthwise 13x13": ((2, 3, 30, 37), (3, 1, 13, 13), {"groups": 3, "padding": 6}),
    "multiplier": ((4, 3, 15, 37), (9, 1, 3, 3), {"groups": 3, "padding": 1, "stride": 2}),
    "grouped": ((4, 12, 9, 9), (9, 4, 3, 3), {"groups": 3}),
    "one channel": ((3, 1, 30, 70), (1, 1, 5, 5), {"padding": 2}),
    "dilated": ((3, 5, 20, 21), (6, 5, 3, 3), {"padding": (4, 5), "dilation": (4, 5)}),
    "circular": ((3, 2, 9, 9), (5, 2, 5, 5), {"padding": 4, "padding_mode": "circular"}),
    "one pixel": ((9, 300, 1, 1), (10, 300, 1, 1), {}),
}
# The direct kernels again, where the choice of the algorithm may see the shapes that change.
DIRECT = {"algorithm": "direct"}


def operands(rng: np.random.Generator, layer: str, name: str):
    x_shape, w_shape, arguments = LAYERS[layer]
    return *(data(rng, s, name) for s in (x_shape, w_shape, w_shape[:1])), arguments


@pytest.mark.parametrize("name", parameters(ALL))
@pytest.mark.parametrize("layer", LAYERS)
def test_batch(layer: str, name: str, isa: str, rng):
    x, w, b, arguments = operands(rng, layer, name)
    whole = cyconv.conv2d(x, w, b, **arguments)
    for i in range(len(x)):
        assert_same_bits(cyconv.conv2d(x[i : i + 1], w, b, **arguments), whole[i : i + 1])
        assert_same_bits(cyconv.conv2d(x[i], w, b, **arguments), whole[i])
    assert_same_bits(cyconv.conv2d(x[::-1], w, b, **arguments), whole[::-1])
    assert_same_bits(cyconv.conv2d(x, w, b, **arguments), whole, "the second call")


@pytest.mark.parametrize("name", parameters(("float32", "float64", "float16", "complex64")))
@pytest.mark.parametrize("layer", LAYERS)
def test_held_weights(layer: str, name: str, isa: str, rng):
    x, w, b, arguments = operands(rng, layer, name)
    whole = cyconv.conv2d(x, w, b, **arguments, **DIRECT)
    channels = x.shape[1], w.shape[0], w.shape[2:]
    module = cyconv.Conv2d(*channels, **arguments, **DIRECT, dtype=x.dtype)
    module.weight, module.bias = w, b
    for _ in range(2):
        assert_same_bits(module(x), whole)
    for i in range(len(x)):
        assert_same_bits(module(x[i]), whole[i])


@pytest.mark.parametrize("name", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("layer", LAYERS)
def test_output_channels(layer: str, name: str, isa: str, rng):
    x, w, b, arguments = operands(rng, layer, name)
    whole = cyconv.conv2d(x, w, b, **arguments, **DIRECT)
    groups = arguments.get("groups", 1)
    per_out, per_in = w.shape[0] // groups, x.shape[1] // groups
    rest = {k: v for k, v in arguments.items() if k != "groups"}
    for group in range(groups):
        channels = x[:, group * per_in : (group + 1) * per_in]
        for first, last in {(0, 1), (per_out - 1, per_out), (0, (per_out + 1) // 2)}:
            chosen = slice(group * per_out + first, group * per_out + last)
            alone = cyconv.conv2d(channels, w[chosen], b[chosen], **rest, **DIRECT)
            assert_same_bits(alone, whole[:, chosen], f"channels {chosen} of group {group}")


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("layer", LAYERS)
def test_surroundings(layer: str, name: str, isa: str, rng):
    x, w, b, arguments = operands(rng, layer, name)
    whole = cyconv.conv2d(x, w, b, **arguments, **DIRECT)
    pad = arguments.get("padding", 0)
    down, across = pad if isinstance(pad, tuple) else (pad, pad)
    mode = arguments.get("padding_mode", "zeros")
    padded = oracle.pad(x, (down, down, across, across), mode)
    rest = {k: v for k, v in arguments.items() if not k.startswith("padding")}
    assert_same_bits(cyconv.conv2d(padded, w, b, **rest, **DIRECT), whole, "padding by hand")
    dense = cyconv.conv2d(padded, w, b, **{**rest, "stride": 1}, **DIRECT)
    step = arguments.get("stride", 1)
    assert_same_bits(dense[:, :, ::step, ::step].copy(), whole, "steps taken afterwards")
    height, width = dense.shape[2:]
    for top, left in ((0, 0), (height // 2, width // 3), (height - 1, width - 1)):
        cropped = padded[:, :, top:, left:]
        part = cyconv.conv2d(cropped, w, b, **{**rest, "stride": 1}, **DIRECT)
        assert_same_bits(part, dense[:, :, top:, left:], f"cropped at {top}, {left}")


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_spreading_the_kernel_is_dilation(name: str, isa: str, rng):
    x, w = data(rng, (2, 5, 20, 40), name), data(rng, (6, 5, 1, 3), name)
    dilated = cyconv.conv2d(x, w, dilation=(1, 3), **DIRECT)
    columns = np.stack([x[..., i : i + 34] for i in (0, 3, 6)], axis=2)
    by_hand = cyconv.conv2d(columns.reshape(2, 15, 20, 34), w.reshape(6, 15, 1, 1), **DIRECT)
    assert_same_bits(dilated, by_hand)


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "complex64", "int32"])
@pytest.mark.parametrize("layer", LAYERS)
def test_threads_and_out(layer: str, name: str, isa: str, rng):
    x_shape, w_shape, arguments = LAYERS[layer]
    # Large enough for the work to be shared.
    x_shape = (2, x_shape[1], 3 * x_shape[2] + 20, 3 * x_shape[3] + 20)
    x, w, b = (data(rng, s, name) for s in (x_shape, w_shape, w_shape[:1]))
    cyconv.set_num_threads(1)
    serial = cyconv.conv2d(x, w, b, **arguments)
    for count in (2, 3):
        cyconv.set_num_threads(count)
        assert_same_bits(cyconv.conv2d(x, w, b, **arguments), serial, f"{count} threads")
        out = np.full_like(serial, 1)
        cyconv.conv2d(x, w, b, **arguments, out=out)
        assert_same_bits(out, serial, f"{count} threads, out=")


@pytest.mark.parametrize("size", [(65, 65), (47, 30)])
@pytest.mark.parametrize(("channels", "outputs"), [(192, 64), (330, 40)])
def test_blocks_of_all_rows_of_a_thread(channels: int, outputs: int, size, isa: str, rng):
    """Where they fill tiles better than lower blocks, whose window is smaller."""
    x = data(rng, (1, channels, *size), "float32")
    w = data(rng, (outputs, channels, 1, 1), "float32")
    results = []
    for count in (1, 2, 3, 4):
        cyconv.set_num_threads(count)
        results.append(cyconv.conv2d(x, w, stride=2, **DIRECT))
    for other in results[1:]:
        assert_same_bits(other, results[0])
    reference = np.einsum("oc,chw->ohw", w[:, :, 0, 0], x[0, :, ::2, ::2], dtype=np.float64)
    assert np.allclose(results[0][0], reference, rtol=0, atol=1e-4 * np.abs(reference).max())


@pytest.mark.parametrize("size", [(9, 9), (14, 14), (28, 28), (21, 37)])
@pytest.mark.parametrize(("channels", "outputs"), [(20, 64), (70, 33)])
def test_tiles_of_other_cores(channels: int, outputs: int, size, isa: str, rng):
    x = data(rng, (1, channels, *size), "float32")
    w = data(rng, (outputs, channels, 3, 3), "float32")
    results = []
    for lines in ("halved", "whole", "late", "none"):
        before = _engine.suppose_lines(lines)
        results.append(cyconv.conv2d(x, w, padding=1, **DIRECT))
        _engine.suppose_lines(before)
    for other in results[1:]:
        assert_same_bits(other, results[0])
