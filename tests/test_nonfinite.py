"""NaN, infinity and negative zero: each output has the class that the sum of products has."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cyconv

from . import oracle
from .arrays import assert_written, dtype_of, parameters, poisoned
from .oracle import Geometry

pytestmark = pytest.mark.core

FLOATS = ("float16", "bfloat16", "float32", "float64")
NAN, POSITIVE, NEGATIVE, FINITE = range(4)
LAYERS = {
    "3x3": ((2, 3, 7, 40), (17, 3, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "1x1": ((2, 5, 5, 40), (17, 5, 1, 1), Geometry()),
    "1x1 padded": ((2, 5, 3, 4), (5, 5, 1, 1), Geometry((2, 1), (1, 2, 3, 1))),
    "small deep": ((1, 40, 7, 7), (35, 40, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "strided": ((1, 3, 13, 40), (16, 3, 5, 4), Geometry((2, 3), (2, 3, 1, 4))),
    "depthwise": ((2, 5, 8, 35), (5, 1, 3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 5)),
    "depthwise far padding": (
        (1, 3, 4, 5),
        (6, 1, 3, 3),
        Geometry((2, 1), (8, 7, 9, 6), (3, 2), 3),
    ),
    "one channel": ((1, 1, 12, 70), (1, 1, 5, 5), Geometry((1, 1), (2, 2, 2, 2))),
    "only padding seen": ((1, 2, 1, 1), (3, 2, 2, 2), Geometry((1, 1), (5, 5, 5, 5), (3, 3))),
    "reflect": ((1, 2, 6, 7), (3, 2, 3, 3), Geometry((1, 1), (3, 2, 1, 4), (1, 1), 1, "reflect")),
    "circular": ((1, 2, 6, 7), (3, 2, 3, 3), Geometry((1, 1), (3, 2, 1, 4), (1, 1), 1, "circular")),
}


def classes(y: np.ndarray) -> np.ndarray:
    """Sort values into NaN, +inf, -inf and finite."""
    wide = y.astype(np.float64)
    kinds = np.full(wide.shape, FINITE)
    kinds[np.isnan(wide)] = NAN
    kinds[wide == np.inf] = POSITIVE
    kinds[wide == -np.inf] = NEGATIVE
    return kinds


def expected_classes(x, w, b, geometry: Geometry) -> np.ndarray:
    """Classify every output from the classes of its terms, no order of summation assumed."""
    n, groups, per_out = x.shape[0], geometry.groups, w.shape[0] // geometry.groups
    size = oracle.output_size(x.shape[2:], w.shape[2:], geometry)
    shape = (n, groups, per_out, *size)
    nan, positive, negative = (np.zeros(shape, dtype=bool) for _ in range(3))
    split = w.reshape(groups, per_out, *w.shape[1:]).astype(np.float64)
    with np.errstate(invalid="ignore"):
        for i, j, seen in oracle.taps(x.astype(np.float64), w.shape[2:], geometry):
            grouped = seen.reshape(n, groups, 1, w.shape[1], *size)
            terms = grouped * split[None, ..., i, j, None, None]
            nan |= np.isnan(terms).any(axis=3)
            positive |= (terms == np.inf).any(axis=3)
            negative |= (terms == -np.inf).any(axis=3)
    if b is not None:
        bias = b.astype(np.float64).reshape(1, groups, per_out, 1, 1)
        nan |= np.isnan(bias)
        positive |= bias == np.inf
        negative |= bias == -np.inf
    kinds = np.full(shape, FINITE)
    kinds[positive] = POSITIVE
    kinds[negative] = NEGATIVE
    kinds[nan | (positive & negative)] = NAN
    return kinds.reshape(n, w.shape[0], *size)


def sprinkle(rng: np.random.Generator, a: np.ndarray, share: float) -> np.ndarray:
    """Replace some elements by special values."""
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0]).astype(a.dtype)
    chosen = rng.random(a.shape) < share
    a = a.copy()
    a[chosen] = special[rng.integers(0, len(special), int(chosen.sum()))]
    return a


def sprinkle_operands(rng, where: str, share: float, x, w, b):
    """Sprinkle the input, the weight, the bias or everything; half of a bias."""
    return (
        sprinkle(rng, x, share) if where in ("input", "everywhere") else x,
        sprinkle(rng, w, share) if where in ("weight", "everywhere") else w,
        sprinkle(rng, b, 0.5) if where in ("bias", "everywhere") else b,
    )


@pytest.mark.parametrize("where", ["input", "weight", "bias", "everywhere"])
@pytest.mark.parametrize("name", parameters(FLOATS))
@pytest.mark.parametrize("layer", LAYERS)
def test_classes(layer: str, name: str, where: str, isa: str, rng):
    x_shape, w_shape, geometry = LAYERS[layer]
    dtype = dtype_of(name)
    seen = set()
    for share in (0.01, 0.2):
        x, w, b = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape, w_shape[:1]))
        x, w, b = sprinkle_operands(rng, where, share, x, w, b)
        expected = expected_classes(x, w, b, geometry)
        out = poisoned(expected.shape, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cyconv.conv2d(x, w, b, **geometry.keywords(), out=out)
        assert_written(out)
        assert np.array_equal(classes(out), expected), share
        seen |= set(np.unique(expected))
    assert len(seen) >= 2 or b.size < 4, "the data hold no special case"


@pytest.mark.parametrize("name", parameters(FLOATS))
@pytest.mark.parametrize("layer", LAYERS)
def test_finite_neighbours_keep_their_values(layer: str, name: str, isa: str, rng):
    x_shape, w_shape, geometry = LAYERS[layer]
    x, w = (rng.standard_normal(s).astype(dtype_of(name)) for s in (x_shape, w_shape))
    clean = cyconv.conv2d(x, w, **geometry.keywords(), algorithm="direct")
    for special in (np.nan, np.inf):
        spoilt = x.copy()
        spoilt[0, 0, x_shape[2] // 2, x_shape[3] // 2] = special
        y = cyconv.conv2d(spoilt, w, **geometry.keywords(), algorithm="direct")
        expected = expected_classes(spoilt, w, None, geometry)
        finite = expected == FINITE
        assert np.array_equal(classes(y), expected)
        assert np.array_equal(y[finite], clean[finite])
        assert not finite.all()


@pytest.mark.parametrize("name", parameters((*FLOATS, "complex64", "complex128")))
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_padded_zeros_take_part(special: float, name: str, isa: str):
    dtype = dtype_of(name)
    for channels, width in ((1, 5), (3, 40)):
        x = np.ones((1, channels, 4, width), dtype=dtype)
        w = np.ones((2 * channels, 1, 3, 3), dtype=dtype)
        w[:, :, 0, 0] = special
        y = cyconv.conv2d(x, w, padding=1, groups=channels)
        border = np.zeros((4, width), dtype=bool)
        border[0], border[:, 0] = True, True
        assert np.isnan(y[..., border]).all()
        if dtype.kind != "c":
            assert (classes(y[..., ~border]) == classes(np.array(special))).all()


@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_complex_parts_follow_the_real_expansion(name: str, isa: str, rng):
    geometry = Geometry((1, 1), (1, 1, 1, 1))
    x, w = (
        (rng.standard_normal(s) + 1j * rng.standard_normal(s)).astype(name)
        for s in ((1, 3, 7, 40), (4, 3, 3, 3))
    )
    # Set the parts by view: multiplying inf by 1j would spoil the other part.
    x.view(x.real.dtype)[0, 1, 3, 10] = np.inf
    x.view(x.real.dtype)[0, 2, 5, 31] = np.nan
    w.view(w.real.dtype)[2, 0, 1, 3] = -np.inf
    y = cyconv.conv2d(x, w, **geometry.keywords())
    x2, w2, _ = oracle.real_expansion(x, w, None, geometry)
    kinds = expected_classes(x2, w2, None, geometry)
    assert np.array_equal(classes(y.real), kinds[:, 0::2])
    assert np.array_equal(classes(y.imag), kinds[:, 1::2])
    assert len(np.unique(kinds)) == 4


@pytest.mark.parametrize("name", parameters(FLOATS))
def test_activations_of_special_values(name: str, isa: str):
    dtype = dtype_of(name)
    values = [np.nan, np.inf, -np.inf, -1, 0, 3, 6, 7]
    after = {
        "relu": [np.nan, np.inf, 0, 0, 0, 3, 6, 7],
        "relu6": [np.nan, 6, 0, 0, 0, 3, 6, 6],
    }
    for channels, out_channels, groups in ((8, 8, 8), (1, 17, 1), (2, 17, 1), (20, 33, 1)):
        for width in (8, 40):
            x = np.zeros((1, channels, 2, width), dtype=dtype)
            x[:, :: channels // groups] = np.resize(values, width)
            w = np.ones((out_channels, channels // groups, 1, 1), dtype=dtype)
            for activation, results in after.items():
                y = cyconv.conv2d(x, w, groups=groups, activation=activation)
                row = np.broadcast_to(np.resize(results, width), y.shape)
                assert np.array_equal(y.astype(np.float64), row, equal_nan=True), channels


def test_overflow_of_the_result_is_infinite(isa: str):
    big = np.full((1, 2, 3, 40), 3e38, dtype=np.float32)
    assert np.isposinf(cyconv.conv2d(big, np.ones((3, 2, 1, 1), dtype=np.float32))).all()
    halves = np.full((1, 2, 3, 40), 60000, dtype=np.float16)
    assert np.isneginf(cyconv.conv2d(halves, -np.ones((3, 2, 1, 1), dtype=np.float16))).all()
    addends = np.ones((1, 2, 1, 1), dtype=np.float16)
    for half, expected in ((15, 65504), (16, np.inf)):
        # 65504 + 15 rounds to the largest float16, 65504 + 16 past it.
        x = np.array([65504, half], dtype=np.float16).reshape(1, 2, 1, 1)
        assert cyconv.conv2d(x, addends).item() == expected
