"""A single pixel of the result, which takes the weights as they lie instead of packing them."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv

from . import oracle
from .arrays import assert_same_bits, data, guarded, needs_guard_pages, poisoned
from .exact import assert_exact
from .layouts import layouts
from .oracle import Geometry

pytestmark = pytest.mark.core

# channels, height, width; outputs, kernel; geometry
PIXELS = [
    (64, 1, 1, 64, (1, 1), Geometry()),
    (130, 1, 1, 16, (1, 1), Geometry()),
    (67, 1, 1, 81, (1, 1), Geometry()),
    (5, 1, 1, 40, (1, 1), Geometry()),
    (321, 1, 1, 17, (1, 1), Geometry()),
    (96, 1, 1, 66, (1, 1), Geometry((1, 1), (0, 0, 0, 0), (1, 1), 3)),
    (3, 1, 1, 100, (1, 1), Geometry()),
    (200, 1, 1, 3, (1, 1), Geometry()),
    (20, 7, 7, 70, (7, 7), Geometry()),
    (7, 3, 5, 33, (3, 5), Geometry()),
    (31, 8, 7, 20, (3, 2), Geometry((9, 9), (0, 0, 0, 0), (2, 3))),
    (40, 2, 2, 36, (3, 3), Geometry((2, 2), (1, 0, 1, 0))),
    (40, 1, 1, 36, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (12, 4, 4, 50, (6, 6), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 1, "reflect")),
]


def operands(rng: np.random.Generator, pixel: tuple, name: str):
    channels, height, width, outputs, kernel, geometry = pixel
    shapes = (
        (1, channels, height, width),
        (outputs, channels // geometry.groups, *kernel),
        (outputs,),
    )
    return *(data(rng, shape, name) for shape in shapes), geometry


def packed(x: np.ndarray, w: np.ndarray, b: np.ndarray, keywords: dict) -> np.ndarray:
    """Compute the same with weights that were packed before."""
    return cyconv.conv2d(np.concatenate([x] * 2), w, b, **keywords)[:1]


@pytest.mark.parametrize("name", ["float32", "float64", "complex64", "int64"])
@pytest.mark.parametrize("pixel", PIXELS, ids=str)
def test_exact(pixel, name, isas, rng):
    x, w, b, geometry = operands(rng, pixel, name)
    if name.startswith("float"):
        x, w, b = (np.rint(a % 8).astype(name) for a in (x, w, b))
    elif name.startswith("complex"):
        x, w, b = (np.rint(a.real % 8) + 1j * np.rint(a.imag % 8) for a in (x, w, b))
        x, w, b = (a.astype(name) for a in (x, w, b))
    assert_exact(x, w, b, geometry, isas)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
@pytest.mark.parametrize("pixel", PIXELS, ids=str)
def test_bits_of_packed_weights(pixel, name, threads, isa, rng):
    cyconv.set_num_threads(threads)
    x, w, b, geometry = operands(rng, pixel, name)
    for activation in (None, "relu6"):
        keywords = {**geometry.keywords(), "activation": activation, "algorithm": "direct"}
        assert_same_bits(cyconv.conv2d(x, w, b, **keywords), packed(x, w, b, keywords))


def test_large_ones_on_threads(isa, rng):
    x = rng.standard_normal((1, 1000, 1, 1), "f4")
    w = rng.standard_normal((700, 1000, 1, 1), "f4")
    cyconv.set_num_threads(2)
    assert cyconv.explain(x.shape, w.shape).threads == cyconv.get_num_threads()
    expected = packed(x, w, np.zeros(700, "f4"), {})
    assert_same_bits(cyconv.conv2d(x, w), expected)
    cyconv.set_num_threads(3)
    assert_same_bits(cyconv.conv2d(x, w), expected)


@pytest.mark.parametrize("outputs", [1, 5, 10, 20])
def test_large_ones_of_few_outputs(outputs, isa, rng):
    """Held weights without empty lanes between terms, which those of larger images have."""
    x = rng.integers(-3, 4, (2, 3000, 3, 4)).astype("f4")
    w = rng.integers(-3, 4, (outputs, 3000, 3, 3)).astype("f4")
    layer = cyconv.Conv2d(3000, outputs, 3, bias=False, algorithm="direct")
    layer.weight = w
    for image in (x[:1, :, :, :3], x[:1], x[:1, :, :, 1:], x):
        assert np.array_equal(layer(image), oracle.conv2d(image, w, None, Geometry()))
    layer.weight = w = rng.standard_normal(w.shape, "f4")
    x = rng.standard_normal(x.shape, "f4")
    for image in (x[:1, :, :, :3], x[:1], x[:1, :, :, 1:], x):
        assert_same_bits(layer(image), cyconv.conv2d(image, w, algorithm="direct"))


def test_no_room_for_packed_weights(isa):
    """The plan of most has none, if the instruction set has the kernel."""
    without = 0
    for channels, height, width, outputs, kernel, geometry in PIXELS:
        shapes = (1, channels, height, width), (outputs, channels // geometry.groups, *kernel)
        plans = (
            cyconv.explain(*shapes, **geometry.keywords(), algorithm="direct", held=held)
            for held in (True, False)
        )
        held, given = (plan.scratch_bytes for plan in plans)
        room = 4 * shapes[1][1] * kernel[0] * kernel[1] * min(outputs, 16)
        without += given < held + room
    assert without >= 10 or isa == "scalar"


@needs_guard_pages
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("pixel", PIXELS, ids=str)
def test_nothing_else_is_read(pixel, at_end, isa, rng):
    x, w, b, geometry = operands(rng, pixel, "float32")
    keywords = {**geometry.keywords(), "algorithm": "direct"}
    expected = packed(x, w, b, keywords)
    out = guarded(poisoned(expected.shape, expected.dtype), at_end)
    cyconv.conv2d(*(guarded(a, at_end) for a in (x, w, b)), **keywords, out=out)
    assert_same_bits(out, expected)


def test_layouts(isa, rng, tmp_path):
    for pixel in (PIXELS[2], PIXELS[8]):
        x, w, b, geometry = operands(rng, pixel, "float32")
        keywords = {**geometry.keywords(), "algorithm": "direct"}
        expected = packed(x, w, b, keywords)
        for label, same in layouts(x, tmp_path):
            assert_same_bits(cyconv.conv2d(same, w, b, **keywords), expected, label)
        for label, same in layouts(w, tmp_path):
            assert_same_bits(cyconv.conv2d(x, same, b, **keywords), expected, label)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_special_values(special, isa, rng):
    x, w, b, _ = operands(rng, PIXELS[2], "float32")
    clean = cyconv.conv2d(x, w, b)
    w[70, 5] = special
    y = cyconv.conv2d(x, w, b)
    assert not np.isfinite(y[0, 70, 0, 0])
    others = np.arange(len(w)) != 70
    assert_same_bits(y[:, others], clean[:, others])
