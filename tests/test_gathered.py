"""Tiles whose pixels are gathered from the window, where those of a window come too slowly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import assert_same_bits, data, guarded, needs_guard_pages, poisoned
from .layouts import layouts
from .oracle import Geometry

pytestmark = pytest.mark.core

FEW_REGISTERS = {"scalar", "sse2", "avx2"}
SAME = Geometry((1, 1), (1, 1, 1, 1))

# input; outputs, kernel; geometry
LAYERS = [
    ((1, 70, 7, 7), 48, (1, 1), Geometry()),
    ((2, 33, 5, 5), 130, (1, 1), Geometry()),
    ((1, 40, 14, 14), 256, (3, 3), SAME),
    ((1, 30, 7, 7), 200, (3, 3), SAME),
    ((2, 64, 9, 1), 96, (3, 1), Geometry((1, 1), (1, 1, 0, 0))),
    ((1, 24, 13, 12), 150, (1, 7), Geometry((1, 1), (0, 0, 3, 3))),
    ((1, 20, 17, 19), 128, (3, 3), Geometry((2, 2), (1, 0, 0, 1))),
    ((1, 16, 21, 21), 140, (3, 3), Geometry((1, 1), (6, 6, 6, 6), (6, 6))),
    ((1, 48, 6, 6), 256, (2, 2), Geometry((2, 2))),
    ((1, 80, 12, 12), 160, (3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 2)),
    ((1, 12, 3, 700), 64, (3, 3), SAME),
    ((1, 150, 2, 500), 64, (1, 1), Geometry()),
    ((1, 9, 15, 15), 96, (3, 3), Geometry((1, 1), (2, 2, 2, 2), (1, 1), 1, "reflect")),
    ((1, 42, 17, 5), 150, (3, 3), Geometry((2, 2), (1, 1, 1, 1))),
    ((2, 29, 17, 5), 200, (3, 3), Geometry((2, 2), (1, 1, 1, 1))),
    ((2, 150, 6, 5), 160, (1, 1), Geometry()),
    ((1, 8, 15, 17), 150, (3, 3), SAME),
    ((1, 7, 26, 29), 130, (1, 1), Geometry()),
]


@pytest.fixture(autouse=True)
def _late_lines() -> Iterator[None]:
    """AVX-512 does not gather on cores that split 64-byte vectors: suppose another."""
    before = _engine.suppose_lines("late")
    yield
    _engine.suppose_lines(before)


def operands(rng: np.random.Generator, layer: tuple, name: str):
    x_shape, outputs, kernel, geometry = layer
    shapes = (x_shape, (outputs, x_shape[1] // geometry.groups, *kernel), (outputs,))
    return *(data(rng, shape, name) for shape in shapes), geometry


def is_gathered(
    x: np.ndarray, w: np.ndarray, geometry: Geometry, algorithm: str = "direct"
) -> bool:
    plan = cyconv.explain(
        x.shape, w.shape, **geometry.keywords(), dtype=x.dtype, algorithm=algorithm
    )
    return "gathered" in plan.tile


@needs_guard_pages
@pytest.mark.parametrize("name", ["float32", "float64", "uint32", "int64"])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_exact_and_nothing_beyond_the_input_is_read(layer, name, isas, rng):
    x, w, b, geometry = operands(rng, layer, name)
    x, w, b = (np.rint(a % 8).astype(name) for a in (x, w, b))
    expected = oracle.conv2d(x, w, b, geometry)
    for isa in isas:
        _engine.use_isa(isa)
        for at_end in (False, True):
            out = poisoned(expected.shape, expected.dtype)
            cyconv.conv2d(
                guarded(x, at_end), w, b, **geometry.keywords(), algorithm="direct", out=out
            )
            assert np.array_equal(out, expected), (isa, at_end)


def test_which_gather(lines: str, isa, rng):
    used = [is_gathered(*operands(rng, layer, "float32")[:2], layer[3]) for layer in LAYERS]
    if isa in FEW_REGISTERS:
        assert sum(used) >= len(LAYERS) // 2
    elif isa in ("avx512", "avx512_bf16", "amx") and lines not in ("halved", "none"):
        assert sum(used) >= len(LAYERS) // 4
    else:
        assert not any(used)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_bits_of_every_way(layer, name, isa, rng, tmp_path):
    """Images alone, threads, layouts and results with gaps: the same bits."""
    x, w, b, geometry = operands(rng, layer, name)
    keywords = {**geometry.keywords(), "activation": "relu", "algorithm": "direct"}
    cyconv.set_num_threads(1)
    expected = cyconv.conv2d(x, w, b, **keywords)
    alone = [cyconv.conv2d(x[i : i + 1], w, b, **keywords) for i in range(len(x))]
    assert_same_bits(expected, np.concatenate(alone))
    rows, columns = expected.shape[2:]
    for threads in (1, 2, 3):
        cyconv.set_num_threads(threads)
        assert_same_bits(cyconv.conv2d(x, w, b, **keywords), expected, threads)
        for label, other in layouts(x, tmp_path):
            assert_same_bits(cyconv.conv2d(other, w, b, **keywords), expected, label)
        spaced = poisoned((*expected.shape[:2], rows, columns + 3), expected.dtype)
        cyconv.conv2d(x, w, b, **keywords, out=spaced[..., :columns])
        assert_same_bits(np.ascontiguousarray(spaced[..., :columns]), expected)
        assert np.isnan(spaced[..., columns:]).all()


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("layer", LAYERS[2:4], ids=str)
def test_weights_that_are_not_finite_see_the_padding(layer, special, isa, rng):
    x, w, b, geometry = operands(rng, layer, "float32")
    w[5, 3, 0, 0] = special
    y = cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm="direct")
    assert np.isnan(y[:, 5, 0]).all(), "the first row reads padding, and zero times that is NaN"
    assert np.isfinite(np.delete(y, 5, axis=1)).all()
