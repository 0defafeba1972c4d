"""Every small shape: integer-valued data, compared exactly, in every dtype family.

Each axis is exhausted by itself (size, kernel, stride, both paddings, dilation); the axes are
paired so that each vertical geometry meets several horizontal ones, and every combination of
batch, channels and groups takes its turn.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import COMPLEX, HALVES, INTEGERS, available, dtype_of, poisoned
from .oracle import Geometry

pytestmark = pytest.mark.core

SHARDS = 16
PARTNERS = 5


def axis_geometries() -> list[tuple[int, ...]]:
    """List every (size, kernel, stride, before, after, dilation) that yields an output."""
    ranges = (range(1, 7), range(1, 5), range(1, 4), range(4), range(4), range(1, 4))
    return [
        axis
        for axis in itertools.product(*ranges)
        if axis[0] + axis[3] + axis[4] >= axis[5] * (axis[1] - 1) + 1
        and not (axis[1] == 1 and axis[5] > 1)
    ]


def channel_counts() -> list[tuple[int, int, int, int]]:
    """List every (batch, input channels, output channels, groups) up to 2, 4, 4, 4."""
    return [
        (n, c, o, g)
        for n, c, o, g in itertools.product((1, 2), range(1, 5), range(1, 5), range(1, 5))
        if c % g == 0 and o % g == 0
    ]


def mode_allowed(mode: str, axes: tuple[tuple[int, ...], ...]) -> bool:
    """Apply the limits of the padding modes."""
    widest = {"reflect": -1, "circular": 0}.get(mode)
    return widest is None or all(max(a[3], a[4]) <= a[0] + widest for a in axes)


def cases() -> list[tuple[tuple[int, ...], tuple[int, ...], Geometry]]:
    """List (input shape, weight shape, geometry) for the whole sweep."""
    axes, counts = axis_geometries(), channel_counts()
    found = []
    for index, vertical in enumerate(axes):
        for partner in range(PARTNERS):
            # Odd multipliers walk through the other lists out of step with this one.
            horizontal = axes[(index * 7 + partner * 641 + 3) % len(axes)]
            n, c, o, g = counts[(index + partner * 13) % len(counts)]
            mode = oracle.MODES[(index // 3 + partner) % 4]
            if not mode_allowed(mode, (vertical, horizontal)):
                mode = "zeros"
            geometry = Geometry(
                (vertical[2], horizontal[2]),
                (vertical[3], vertical[4], horizontal[3], horizontal[4]),
                (vertical[5], horizontal[5]),
                g,
                mode,
            )
            shape = (n, c, vertical[0], horizontal[0])
            found.append((shape, (o, c // g, vertical[1], horizontal[1]), geometry))
    return found


def small(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw integers so small that no sum over these shapes leaves float16's exact range."""
    return rng.integers(-4, 5, shape)


def whole(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw integers from the whole range, so that every sum wraps."""
    return rng.integers(0, 2**64, shape, dtype=np.uint64)


def operands_and_results(rng, x_shape, w_shape, geometry, turn):
    """Yield (input, weight, bias, result) for each dtype family, dtypes taking turns in each."""
    shapes = x_shape, w_shape, w_shape[:1]
    x, w, b = (small(rng, s) for s in shapes)
    y = oracle.conv2d(x, w, b, geometry)
    halves = available(HALVES)
    for name in ("float32", "float64", halves[turn % len(halves)]):
        # Through float32, which holds these sums exactly: bfloat16 rounds once, as it must.
        yield *(a.astype(dtype_of(name)) for a in (x, w, b)), y.astype("f4").astype(dtype_of(name))
    xi, wi, bi = (small(rng, s) for s in shapes)
    z = oracle.conv2d(x + 1j * xi, w + 1j * wi, b + 1j * bi, geometry)
    name = COMPLEX[turn % 2]
    yield *((r + 1j * i).astype(name) for r, i in ((x, xi), (w, wi), (b, bi))), z.astype(name)
    x, w, b = (whole(rng, s) for s in shapes)
    y = oracle.conv2d(x, w, b, geometry)
    for name in (INTEGERS[turn % 6], INTEGERS[(turn + 3) % 6], INTEGERS[6 + turn % 2]):
        # Truncation is a ring homomorphism: truncated operands give the truncated result.
        yield x.astype(name), w.astype(name), b.astype(name), y.astype(name)


def test_the_sweep_is_exhaustive_per_axis():
    axes = axis_geometries()
    listed = cases()
    verticals = {(x[2], w[2], g.stride[0], *g.padding[:2], g.dilation[0]) for x, w, g in listed}
    horizontals = {(x[3], w[3], g.stride[1], *g.padding[2:], g.dilation[1]) for x, w, g in listed}
    assert verticals == horizontals == set(axes)
    assert len(listed) >= 10_000
    assert len({(x[0], x[1], w[0], g.groups) for x, w, g in listed}) == len(channel_counts())
    assert {g.padding_mode for _, _, g in listed} == set(oracle.MODES)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_integer_valued_data_is_exact(shard: int, isas: list[str], share: float, tally: Counter):
    listed = cases()[shard :: round(SHARDS / share)]
    rng = np.random.default_rng(shard)
    wrong: list[str] = []
    for turn, (x_shape, w_shape, geometry) in enumerate(listed):
        keywords = geometry.keywords()
        for x, w, b, expected in operands_and_results(rng, x_shape, w_shape, geometry, turn):
            for name in isas:
                _engine.use_isa(name)
                out = poisoned(expected.shape, expected.dtype)
                cyconv.conv2d(x, w, b, **keywords, algorithm="direct", out=out)
                if not np.array_equal(out, expected):
                    wrong.append(f"{name} {x.dtype} {x_shape} {w_shape} {geometry}")
                tally["exact integer-valued results, small shapes"] += 1
        tally["exact integer-valued configurations, small shapes"] += 1
    assert not wrong, f"{len(wrong)} of {len(listed)} configurations, first {wrong[:3]}"
