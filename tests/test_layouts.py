"""Operands in any memory layout give the bits that their contiguous copies give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cyconv

from .arrays import ALL, assert_same_bits, data, guarded, needs_guard_pages, parameters
from .layouts import aliased, layouts

pytestmark = pytest.mark.core

# One layer per way that the engine can take through the input, (input, weight, arguments).
LAYERS = {
    "1x1": ((2, 5, 4, 40), (17, 5, 1, 1), {}),
    "1x1 strided": ((1, 5, 9, 40), (17, 5, 1, 1), {"stride": 2}),
    "3x3 unpadded": ((2, 3, 6, 37), (15, 3, 3, 3), {}),
    "3x3": ((1, 4, 7, 9), (6, 4, 3, 3), {"padding": 1}),
    "strided": ((1, 3, 11, 40), (16, 3, 5, 4), {"stride": (2, 3), "padding": 2}),
    "dilated": ((2, 3, 9, 12), (2, 3, 3, 2), {"dilation": (2, 3), "padding": (2, 1)}),
    "grouped": ((2, 6, 6, 7), (9, 2, 3, 3), {"groups": 3, "padding": "same"}),
    "depthwise": ((2, 5, 8, 35), (5, 1, 3, 3), {"groups": 5, "padding": 1}),
    "depthwise strided": ((1, 3, 9, 70), (6, 1, 3, 3), {"groups": 3, "padding": 1, "stride": 2}),
    "one channel": ((1, 1, 12, 70), (1, 1, 5, 5), {"padding": 2}),
    "few channels": ((1, 3, 12, 70), (4, 3, 3, 3), {}),
    "large": ((1, 2, 150, 300), (3, 2, 3, 3), {"padding": 1}),
    "large strided": ((1, 3, 150, 300), (3, 3, 5, 5), {"padding": 2, "stride": 2}),
    "reflect": ((1, 2, 6, 7), (3, 2, 3, 3), {"padding": 3, "padding_mode": "reflect"}),
    "circular": ((2, 2, 6, 7), (3, 2, 3, 3), {"padding": (4, 5), "padding_mode": "circular"}),
    "replicate": (
        (1, 2, 6, 7),
        (3, 2, 3, 3),
        {"padding": ((1, 9), (0, 3)), "padding_mode": "replicate", "stride": 2},
    ),
}


def operands(rng: np.random.Generator, layer: str, name: str):
    x_shape, w_shape, arguments = LAYERS[layer]
    return *(data(rng, s, name) for s in (x_shape, w_shape, w_shape[:1])), arguments


@pytest.mark.parametrize("name", parameters(ALL))
@pytest.mark.parametrize("layer", [layer for layer in LAYERS if "large" not in layer])
def test_input_layouts(layer: str, name: str, isa: str, rng, tmp_path):
    check_input_layouts(*operands(rng, layer, name), tmp_path)


@pytest.mark.parametrize("name", ["float32", "float16", "uint8", "complex128"])
@pytest.mark.parametrize("layer", [layer for layer in LAYERS if "large" in layer])
def test_input_layouts_of_images_beyond_a_strip(layer: str, name: str, isa: str, rng, tmp_path):
    check_input_layouts(*operands(rng, layer, name), tmp_path)


def check_input_layouts(x, w, b, arguments, directory: Path) -> None:
    expected = cyconv.conv2d(x, w, b, **arguments)
    before = x.tobytes()
    for layout, view in layouts(x, directory):
        assert_same_bits(np.asarray(view).astype(x.dtype), x, f"the layout itself: {layout}")
        result = cyconv.conv2d(view, w, b, **arguments)
        assert type(result) is np.ndarray
        assert result.flags.c_contiguous
        assert result.dtype.isnative
        assert_same_bits(result, expected, layout)
    assert x.tobytes() == before
    for layout, view in aliased(x):
        expected = cyconv.conv2d(view.copy(), w, b, **arguments)
        assert_same_bits(cyconv.conv2d(view, w, b, **arguments), expected, layout)


@pytest.mark.parametrize(
    "name", parameters(("float16", "bfloat16", "float32", "complex64", "int16"))
)
@pytest.mark.parametrize("layer", LAYERS)
def test_weight_layouts(layer: str, name: str, isa: str, rng, tmp_path):
    x, w, b, arguments = operands(rng, layer, name)
    expected = cyconv.conv2d(x, w, b, **arguments)
    for layout, view in layouts(w, tmp_path):
        assert_same_bits(cyconv.conv2d(x, view, b, **arguments), expected, layout)
    for layout, view in aliased(w):
        expected = cyconv.conv2d(x, view.copy(), b, **arguments)
        assert_same_bits(cyconv.conv2d(x, view, b, **arguments), expected, layout)


@pytest.mark.parametrize(
    "name", parameters(("float16", "float32", "float64", "complex64", "int16"))
)
def test_bias_layouts(name: str, rng, tmp_path):
    x, w, b, arguments = operands(rng, "3x3", name)
    expected = cyconv.conv2d(x, w, b, **arguments)
    for layout, view in layouts(b.reshape(1, 1, 1, -1), tmp_path):
        assert_same_bits(cyconv.conv2d(x, w, view[0, 0, 0], **arguments), expected, layout)
    for layout, view in layouts(b.reshape(-1, 1, 1, 1), tmp_path):
        assert_same_bits(cyconv.conv2d(x, w, view[:, 0, 0, 0], **arguments), expected, layout)


@pytest.mark.parametrize("size", [(5, 6), (40, 41)])
def test_plain_arrays_of_two_dimensions(size: tuple[int, int], isa: str, rng, tmp_path):
    x, w = data(rng, (1, 1, *size), "float32"), data(rng, (1, 1, 2, 3), "float32")
    expected = cyconv.conv2d(x, w, padding=1)[0, 0]
    for layout, view in layouts(x, tmp_path):
        assert_same_bits(cyconv.conv2d(view[0, 0], w[0, 0], padding=1), expected, layout)


def test_real_input_in_any_layout_is_promoted_like_its_copy(isa: str, rng, tmp_path):
    for narrow, wide in (
        ("uint8", "float32"),
        ("int16", "float32"),
        ("float16", "float32"),
        ("float32", "float64"),
        ("int64", "float64"),
        ("uint8", "int32"),
        ("int8", "int64"),
        ("float32", "complex64"),
    ):
        x, w = data(rng, (2, 3, 6, 37), narrow), data(rng, (4, 3, 3, 3), wide)
        result = np.result_type(x, w)
        expected = cyconv.conv2d(x.astype(result), w.astype(result), padding=1)
        for layout, view in layouts(x, tmp_path):
            what = f"{narrow} with {wide}, {layout}"
            assert_same_bits(cyconv.conv2d(view, w, padding=1), expected, what)


@needs_guard_pages
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_a_view_beside_an_inaccessible_page_is_not_read_beyond(dtype: str, isa: str, rng):
    for layer in LAYERS:
        x_shape, w_shape, arguments = LAYERS[layer]
        x, w = data(rng, (1, *x_shape[1:]), dtype), data(rng, w_shape, dtype)
        expected = cyconv.conv2d(x, w, **arguments)
        for at_end in (False, True):
            assert_same_bits(cyconv.conv2d(guarded(x, at_end), w, **arguments), expected, layer)
