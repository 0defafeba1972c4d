"""Batches of small images, side by side as one wide image: the bits of each image alone."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv

from .arrays import assert_same_bits, data
from .exact import assert_exact
from .layouts import layouts
from .oracle import Geometry

pytestmark = pytest.mark.core

# images, channels, height, width; outputs, kernel; geometry
BATCHES = [
    (16, 70, 1, 1, 40, (1, 1), Geometry()),
    (7, 33, 1, 1, 19, (1, 1), Geometry()),
    (33, 20, 2, 2, 35, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (64, 9, 4, 4, 33, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (50, 30, 4, 3, 17, (3, 2), Geometry((1, 1), (2, 0, 0, 1))),
    (16, 24, 5, 5, 20, (5, 5), Geometry((1, 1), (2, 2, 2, 2))),
    (31, 16, 3, 6, 24, (3, 3), Geometry((2, 1), (1, 1, 2, 2), (1, 2))),
    (48, 12, 6, 6, 18, (6, 6), Geometry((3, 2))),
    (32, 24, 3, 3, 36, (3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 3)),
    (20, 40, 2, 2, 30, (2, 2), Geometry((2, 2), (1, 0, 1, 0))),
    (2, 300, 1, 1, 120, (1, 1), Geometry()),
    (3, 310, 1, 1, 70, (1, 1), Geometry()),
    (2, 64, 3, 3, 130, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (3, 90, 4, 2, 60, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (9, 40, 7, 7, 36, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (3, 70, 10, 10, 40, (5, 5), Geometry((1, 1), (2, 2, 2, 2))),
]


def operands(rng: np.random.Generator, batch: tuple, name: str):
    images, channels, height, width, outputs, kernel, geometry = batch
    shapes = (
        (images, channels, height, width),
        (outputs, channels // geometry.groups, *kernel),
        (outputs,),
    )
    return *(data(rng, shape, name) for shape in shapes), geometry


def side_by_side(x: np.ndarray, w: np.ndarray, geometry: Geometry) -> bool:
    """Tell whether images are computed together, by the reason that is given for the plan."""
    keywords = geometry.keywords()
    plan = cyconv.explain(x.shape, w.shape, **keywords, dtype=x.dtype, algorithm="direct")
    return "side by side" in plan.reason


@pytest.mark.parametrize("name", ["float32", "float64", "uint32"])
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_exact(batch, name, isas, rng):
    x, w, b, geometry = operands(rng, batch, name)
    x, w, b = (np.rint(a % 8).astype(name) for a in (x, w, b))
    assert_exact(x, w, b, geometry, isas)


def test_some_of_these_lie_side_by_side(isa):
    """A third: of few lanes or registers, images as small as these pay sooner by themselves."""
    rng = np.random.default_rng(0)
    used = 0
    for batch in BATCHES:
        x, w, _, geometry = operands(rng, batch, "float32")
        used += side_by_side(x, w, geometry)
    assert used >= 5


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_bits_of_each_image(batch, name, threads, isa, rng):
    cyconv.set_num_threads(threads)
    x, w, b, geometry = operands(rng, batch, name)
    keywords = {**geometry.keywords(), "activation": "relu6", "algorithm": "direct"}
    alone = np.concatenate([cyconv.conv2d(x[i : i + 1], w, b, **keywords) for i in range(len(x))])
    assert_same_bits(cyconv.conv2d(x, w, b, **keywords), alone)
    assert_same_bits(cyconv.conv2d(x[::-2], w, b, **keywords), alone[::-2])
    top, bottom, left, right = geometry.padding
    if top == bottom and left == right:
        layer = cyconv.Conv2d(
            x.shape[1], len(w), w.shape[2:], geometry.stride, (top, left), geometry.dilation,
            geometry.groups, dtype=name, activation="relu6", algorithm="direct",
        )  # fmt: skip
        layer.weight, layer.bias = w, b
        for _ in range(2):
            assert_same_bits(layer(x), alone)


def test_layouts(isa, rng, tmp_path):
    """Some of them are copied side by side, the others are computed image by image."""
    x, w, b, geometry = operands(rng, BATCHES[3], "float32")
    expected = cyconv.conv2d(x, w, b, **geometry.keywords())
    for label, same in layouts(x, tmp_path):
        assert_same_bits(cyconv.conv2d(same, w, b, **geometry.keywords()), expected, label)
    for out in (
        np.empty(expected.shape[::-1], "f4").T,
        np.empty((128, *expected.shape[1:]), "f4")[::2],
    ):
        cyconv.conv2d(x, w, b, **geometry.keywords(), out=out)
        assert_same_bits(out, expected)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_special_values_stay_in_their_image(special, isa, rng):
    x, w, b, geometry = operands(rng, BATCHES[3], "float32")
    keywords = {**geometry.keywords(), "algorithm": "direct"}
    clean = cyconv.conv2d(x, w, b, **keywords)
    spoilt = x.copy()
    spoilt[5, 2, 0, 0] = special
    with np.errstate(all="ignore"):
        y = cyconv.conv2d(spoilt, w, b, **keywords)
        others = np.arange(len(x)) != 5
        assert_same_bits(y[others], clean[others])
        assert_same_bits(y[5:6], cyconv.conv2d(spoilt[5:6], w, b, **keywords))
        assert not np.isfinite(y[5, :, :2, :2]).any()
        # a weight that is not finite meets the zeros of the padding
        w[3, 1, 0, 0] = special
        y = cyconv.conv2d(x, w, b, **keywords)
    assert np.isnan(y[:, 3, 0]).all()
    others = np.arange(len(w)) != 3
    assert_same_bits(y[:, others], clean[:, others])


def test_all_threads_share_each_wide_image():
    cyconv.set_num_threads(2)
    shapes = (512, 256, 8, 8), (32, 256, 3, 3)
    plan = cyconv.explain(*shapes, padding=1, algorithm="direct", held=True)
    assert plan.threads == cyconv.get_num_threads()
    assert plan.flops == 2 * 512 * 256 * 32 * 9 * 64


# By Winograd's algorithm, the last five with short tiles.
WINOGRAD_BATCHES = [
    (16, 70, 8, 8, 40, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (5, 64, 8, 12, 33, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (33, 24, 4, 4, 16, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (21, 40, 10, 6, 24, (3, 3), Geometry()),
    (4, 66, 12, 12, 60, (3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 3)),
    (18, 32, 8, 8, 24, (3, 3), Geometry((1, 1), (2, 2, 2, 2), (2, 2))),
    (150, 9, 4, 8, 12, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (16, 64, 7, 7, 40, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (7, 40, 8, 6, 24, (3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1))),
    (9, 40, 12, 12, 24, (3, 3), Geometry((1, 1), (2, 2, 2, 2), (2, 2))),
    (19, 48, 13, 14, 40, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    (40, 64, 5, 9, 33, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("batch", WINOGRAD_BATCHES, ids=str)
def test_bits_of_each_image_by_winograd(batch, name, threads, isa, rng):
    cyconv.set_num_threads(threads)
    x, w, b, geometry = operands(rng, batch, name)
    x[1, 2, 3, 3], x[0, 1, 0, 0] = np.nan, np.inf
    keywords = {**geometry.keywords(), "activation": "relu6", "algorithm": "winograd"}
    alone = np.concatenate([cyconv.conv2d(x[i : i + 1], w, b, **keywords) for i in range(len(x))])
    assert np.isfinite(alone[2:]).all()
    assert_same_bits(cyconv.conv2d(x, w, b, **keywords), alone)
    assert_same_bits(cyconv.conv2d(x[::-2], w, b, **keywords), alone[::-2])
    layer = cyconv.Conv2d(x.shape[1], len(w), 3, **geometry.keywords(), dtype=name)
    layer.weight, layer.bias = w, b
    each = np.concatenate([layer(x[i : i + 1]) for i in range(len(x))])
    for _ in range(2):
        assert_same_bits(layer(x), each)


def test_which_lie_side_by_side_by_winograd(isa, rng):
    used = []
    for batch in WINOGRAD_BATCHES:
        x, w, _, geometry = operands(rng, batch, "float32")
        plan = cyconv.explain(x.shape, w.shape, **geometry.keywords(), algorithm="winograd")
        used.append("side by side" in plan.reason)
    # with one lane an image fills tiles by itself
    assert sum(used[:7]) >= (1 if isa == "scalar" else 3)
    assert isa == "scalar" or any(used[7:])
