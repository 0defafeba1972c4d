"""Turned tiles that are stored together: whole rows, with gaps, of outputs that fill no vector."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import poisoned
from .oracle import Geometry

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("lines")]

SAME = Geometry((1, 1), (1, 1, 1, 1))
HALVED = Geometry((2, 2), (1, 1, 1, 1))
DILATED = Geometry((1, 1), (6, 6, 6, 6), (6, 6))

# input; outputs, kernel; geometry
LAYERS = [
    ((1, 16, 9, 29), 64, (3, 3), SAME),
    ((1, 16, 3, 89), 64, (3, 3), SAME),
    ((2, 40, 1, 65), 35, (1, 3), HALVED),
    ((1, 70, 4, 57), 67, (2, 2), SAME),
    ((1, 40, 15, 35), 96, (3, 3), HALVED),
    ((1, 30, 33, 33), 64, (3, 3), DILATED),
    ((1, 32, 21, 22), 96, (3, 3), Geometry((2, 2), (1, 1, 1, 1), (1, 1), 2)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_layers_take_turned_tiles(layer):
    if "avx512" not in _engine.available_isas():
        pytest.skip("instruction sets take different tiles, and these are chosen for AVX-512")
    _engine.use_isa("avx512")
    x_shape, outputs, kernel, geometry = layer
    w_shape = (outputs, x_shape[1] // geometry.groups, *kernel)
    plan = cyconv.explain(x_shape, w_shape, **geometry.keywords(), algorithm="direct")
    assert "turned tile" in str(plan)


@pytest.mark.parametrize("activation", [None, "relu6"])
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_rows_with_and_without_gaps(layer, name: str, activation, isas, rng):
    x_shape, outputs, kernel, geometry = layer
    w_shape = (outputs, x_shape[1] // geometry.groups, *kernel)
    x, w, b = (rng.integers(-2, 3, s).astype(name) for s in (x_shape, w_shape, (outputs,)))
    expected = oracle.conv2d(x, w, b, geometry)
    if activation:
        expected = expected.clip(0, 6)
    n, o, height, width = expected.shape
    for isa in isas:
        _engine.use_isa(isa)
        for gap in (0, 1, 8):
            room = poisoned((n, o, height, width + gap), name)
            out = room[..., :width]
            module = cyconv.Conv2d(
                x_shape[1],
                outputs,
                kernel,
                dtype=name,
                activation=activation,
                algorithm="direct",
                **geometry.keywords(),
            )
            module.weight, module.bias = w, b
            module(x, out=out)
            assert np.array_equal(out, expected), (isa, gap)
            assert np.isnan(room[..., width:]).all(), (isa, gap)
