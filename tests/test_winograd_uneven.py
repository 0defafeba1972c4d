"""Winograd's error where the size of data depends on its place.

The bound is c u times the largest sum|x||w| over all positions of the kernel on the 6 x 6 inputs of
a tile, as the transforms mix those: also inputs that meet a weight only where the kernel overhangs
the tile's outputs.
"""

from __future__ import annotations

import numpy as np
import pytest

from cyconv import _engine

from . import oracle
from .oracle import Geometry
from .test_error_bound import ROUNDING, distance, reference
from .test_winograd import SAME, TILE, convolve

pytestmark = pytest.mark.core

# The published constants, from the fewest input channels on.
CONSTANTS = {1: 80.0, 8: 50.0, 64: 25.0}


def uneven(rng: np.random.Generator, channels: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Draw inputs of patches, and columns of weights, that differ by factors of thousands."""
    x, w = rng.standard_normal((1, channels, 26, 35)), rng.standard_normal((9, channels, 3, 3))
    x *= 10.0 ** rng.integers(-3, 4, (13, 7)).repeat(2, axis=0).repeat(5, axis=1)
    w *= 10.0 ** rng.integers(-3, 4, (1, 1, 3, 3))
    return x.astype(name), w.astype(name)


def largest_on_inputs(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Give every output the largest sum|x||w| of a position of the kernel on its tile's inputs."""
    sizes = oracle.output_size(x.shape[2:], (3, 3), SAME)
    rows, columns = (-(-size // TILE) for size in sizes)
    padded = np.zeros((*x.shape[:2], rows * TILE + 2, columns * TILE + 2))
    padded[:, :, 1 : x.shape[2] + 1, 1 : x.shape[3] + 1] = np.abs(x)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (6, 6), (2, 3))[0, :, ::TILE, ::TILE]
    tiles = windows.transpose(1, 2, 0, 3, 4).reshape(-1, x.shape[1], 6, 6)
    sums = oracle.conv2d(tiles, np.abs(w.astype(float)), None, Geometry((1, 1), (2, 2, 2, 2)))
    largest = sums.max(axis=(2, 3)).reshape(1, rows, columns, -1).transpose(0, 3, 1, 2)
    return largest.repeat(TILE, axis=2).repeat(TILE, axis=3)[:, :, : sizes[0], : sizes[1]]


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("channels", CONSTANTS)
def test_error_bound_on_uneven_data(channels: int, name: str, isas: list[str], rng):
    for _ in range(5):
        x, w = uneven(rng, channels, name)
        high, low, _ = reference(x, w, None, SAME)
        largest = largest_on_inputs(x, w)
        for isa in isas:
            _engine.use_isa(isa)
            error = distance(convolve(x, w), high, low)
            constant = (error / largest).max() / ROUNDING[name][0]
            assert constant <= CONSTANTS[channels], isa


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("outputs", [3, 40])
@pytest.mark.parametrize("dilation", [1, 2, 5])
@pytest.mark.parametrize("axis", [0, 1])
def test_what_a_tile_overhangs_has_no_effect(
    axis: int, dilation: int, outputs: int, mode: str, isa: str, rng
):
    """The last tiles reach beyond the result: what the padding mode finds there has no weight."""
    w = rng.standard_normal((outputs, 9, 3, 3)).astype("float32")
    for size, before, after in (
        (31, 0, 0),
        (32, 0, 0),
        (33, 1, 1),
        (34, 2, 0),
        (47, 5, 3),
        (30, 0, 1),
    ):
        sizes, sides, dilations = [14, 14], [1, 1, 1, 1], [1, 1]
        sizes[axis], dilations[axis] = size, dilation
        sides[2 * axis : 2 * axis + 2] = before, after
        geometry = Geometry((1, 1), tuple(sides), tuple(dilations), 1, mode)
        x = rng.standard_normal((1, 9, *sizes)).astype("float32")
        result = oracle.output_size(x.shape[2:], (3, 3), geometry)[axis]
        first = (result - 1) // (TILE * dilation) * TILE * dilation  # of the last period of tiles
        seen = oracle.source_indices(size, before, after, mode)[first : result + 2 * dilation]
        other = x.copy()
        unseen = [i for i in range(size) if i not in seen]
        other[(slice(None), slice(None), *(slice(None),) * axis, unseen)] *= 1e6
        assert unseen
        last = (..., *(slice(None),) * axis, slice(first, None), *(slice(None),) * (1 - axis))
        a, b = (convolve(values, w, None, geometry)[last] for values in (x, other))
        assert np.array_equal(a, b), (size, before, after)
