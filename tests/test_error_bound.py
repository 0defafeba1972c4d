"""The published error bound: |y - y*| <= c u (sum|x||w| + |b|).

The constant c is 4 on normal data and 10 on data of one sign.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import dtype_of, parameters, poisoned
from .oracle import Geometry

pytestmark = pytest.mark.core

CONSTANT = {"normal": 4.0, "same-signed": 10.0}
MOST_TERMS = 4608
# The constants describe samples of this size. The chance that one output of a chain of some 50
# roundings passes 4 is about 1 in 10^5, and no chain of more than a few terms has a lower bound.
MOST_OUTPUTS = 64
# Unit roundoff of the sums, then of the result and half its least subnormal number.
ROUNDING = {
    "float32": (2.0**-24, 0.0, 0.0),
    "float64": (2.0**-53, 0.0, 0.0),
    "complex64": (2.0**-24, 0.0, 0.0),
    "complex128": (2.0**-53, 0.0, 0.0),
    "float16": (2.0**-24, 2.0**-11, 2.0**-25),
    "bfloat16": (2.0**-24, 2.0**-8, 2.0**-134),
}
SHAPES = {
    "float32": 1600,
    "float64": 800,
    "float16": 250,
    "bfloat16": 250,
    "complex64": 250,
    "complex128": 250,
}


def random_shape(rng: np.random.Generator, most_terms: int):
    """Draw (input shape, weight shape, geometry), the number of terms evenly on a log scale."""
    while True:
        kh, kw = (int(k) for k in rng.choice([1, 2, 3, 3, 3, 4, 5, 7, 11], 2))
        terms = int(np.exp(rng.uniform(0, np.log(most_terms))))
        groups = int(rng.choice([1, 1, 1, 2, 3, 8]))
        c = groups * max(1, terms // (kh * kw))
        o = groups * int(rng.choice([1, 2, 3, 5, 15, 17])) if terms < 400 else groups * 2
        if c // groups * kh * kw > most_terms or c > 5000:
            continue
        dilation = tuple(int(d) for d in rng.choice([1, 1, 1, 2, 3], 2))
        stride = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 3], 2))
        size = tuple(int(rng.integers(1, 12)) for _ in range(2))
        if terms < 60:
            size = (size[0], int(rng.integers(1, 70)))
        padding = tuple(int(p) for p in rng.integers(0, 4, 4))
        mode = str(rng.choice(oracle.MODES))
        geometry = Geometry(stride, padding, dilation, groups, mode)
        if mode in ("reflect", "circular"):
            limit = -1 if mode == "reflect" else 0
            if any(max(padding[2 * i : 2 * i + 2]) > size[i] + limit for i in (0, 1)):
                continue
        height, width = oracle.output_size(size, (kh, kw), geometry)
        n = int(rng.integers(1, 3))
        if height > 0 and width > 0 and n * o * height * width <= MOST_OUTPUTS:
            return (n, c, *size), (o, c // groups, kh, kw), geometry


def draw(rng: np.random.Generator, shape: tuple[int, ...], name: str, sort: str) -> np.ndarray:
    """Draw normal data, or normal data without its signs."""
    values = rng.standard_normal(shape)
    if dtype_of(name).kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    if sort == "same-signed":
        values = np.abs(values.real) + (1j * np.abs(values.imag) if values.dtype == "c16" else 0)
    return values.astype(dtype_of(name))


def reference(x, w, b, geometry: Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the result as a pair of doubles, complex as real channels, and sum|x||w| + |b|."""
    size = oracle.magnitude(x, w, b, geometry)
    if x.dtype.kind == "c":
        x, w, b = oracle.real_expansion(x, w, b, geometry)
    wide = [None if a is None else a.astype(np.float64) for a in (x, w, b)]
    return *oracle.conv2d_twofold(*wide, geometry), size


def distance(y: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Measure |y - (high + low)|."""
    if y.dtype.kind != "c":
        return np.abs((y.astype(np.float64) - high) - low)
    return np.hypot(
        (y.real.astype(np.float64) - high[:, 0::2]) - low[:, 0::2],
        (y.imag.astype(np.float64) - high[:, 1::2]) - low[:, 1::2],
    )


def error_constant(y, high, low, size, name: str) -> float:
    """Find the least c for which the bound holds, final rounding of halves apart."""
    u, u_result, least = ROUNDING[name]
    error = distance(y, high, low)
    if u_result:
        error = np.maximum(error - u_result * np.abs(high) - least, 0)
    scale = u * (1 + u_result) * size
    assert not np.any(error[scale == 0]), "an empty sum is exact"
    return float(np.max(error[scale > 0] / scale[scale > 0], initial=0.0))


def worst(isas, x, w, b, geometry: Geometry, name: str, algorithm: str) -> dict[str, float]:
    """Measure c on every instruction set."""
    high, low, size = reference(x, w, b, geometry)
    found = {}
    for isa in isas:
        _engine.use_isa(isa)
        out = poisoned(size.shape, x.dtype)
        cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm=algorithm, out=out)
        assert np.isfinite(out).all(), (isa, x.shape, w.shape, geometry)
        found[isa] = error_constant(out, high, low, size, name)
    return found


@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", parameters(tuple(SHAPES)))
def test_random_shapes(name: str, sort: str, isas, share, tally: Counter):
    rng = np.random.default_rng([len(sort), *name.encode()])
    most_terms = MOST_TERMS if dtype_of(name).kind != "c" else MOST_TERMS // 2
    highest = 0.0
    for _ in range(int(SHAPES[name] * share)):
        x_shape, w_shape, geometry = random_shape(rng, most_terms)
        x, w = draw(rng, x_shape, name, sort), draw(rng, w_shape, name, sort)
        b = draw(rng, w_shape[:1], name, sort) if rng.random() < 0.7 else None
        for isa, c in worst(isas, x, w, b, geometry, name, "direct").items():
            highest = max(highest, c)
            assert c <= CONSTANT[sort], (c, isa, name, x_shape, w_shape, geometry)
            tally["random floating point results"] += 1
        tally["random floating point shapes"] += 1
    if dtype_of(name).itemsize > 2 and share == 1:  # fewer shapes may have no error this large
        assert highest > 1, "errors this small mean that the check sees none"


LAYERS = {
    "3x3 of 512": ((1, 512, 7, 7), (16, 512, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "1x1 of 4608": ((1, 4608, 4, 5), (15, 4608, 1, 1), Geometry()),
    "7x7 of 64": ((1, 64, 11, 30), (14, 64, 7, 7), Geometry((2, 2), (3, 3, 3, 3))),
    "48x96 of 1": ((1, 1, 60, 130), (1, 1, 48, 96), Geometry()),
    "67x67 depthwise": ((1, 3, 70, 80), (3, 1, 67, 67), Geometry((1, 1), (0,) * 4, (1, 1), 3)),
    "3x3 of 144": ((1, 144, 9, 9), (33, 144, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
}


@pytest.mark.parametrize("algorithm", ["direct", "auto"])
@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("layer", LAYERS)
def test_longest_sums(layer: str, name: str, sort: str, algorithm: str, rng, isas):
    x_shape, w_shape, geometry = LAYERS[layer]
    x, w, b = (draw(rng, s, name, sort) for s in (x_shape, w_shape, w_shape[:1]))
    # What auto may choose instead of direct errs at most four times as much.
    allowed = CONSTANT[sort] * (4 if algorithm == "auto" else 1)
    for isa, c in worst(isas, x, w, b, geometry, name, algorithm).items():
        assert c <= allowed, (isa, c)


@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", parameters(("float16", "bfloat16")))
def test_halves_are_nearly_always_rounded_correctly(name: str, sort: str, isa: str, rng):
    for x_shape, w_shape, geometry in (LAYERS["3x3 of 144"], LAYERS["7x7 of 64"]):
        x, w, b = (draw(rng, s, name, sort) for s in (x_shape, w_shape, w_shape[:1]))
        high, _, _ = reference(x, w, b, geometry)
        y = cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm="direct")
        # Only sums within float32's error of a tie may go the other way.
        assert np.mean(y == high.astype(y.dtype)) > 0.98


@pytest.mark.parametrize("name", parameters(("float16", "bfloat16")))
def test_halves_are_summed_in_float32_and_rounded_once(name: str, isa: str):
    ones = np.ones((1, 4096, 1, 1), dtype=dtype_of(name))
    assert cyconv.conv2d(ones, ones)[0, 0, 0, 0] == 4096
    nines = np.ones((1, 500, 3, 3), dtype=dtype_of(name))
    assert cyconv.conv2d(nines, nines)[0, 0, 0, 0] == np.array(4500, dtype=dtype_of(name))
    # 1 + 2^-11 lies halfway in float16; a second addend of 2^-20 decides, unless it was lost.
    x = np.array([1, 2.0**-11, 2.0**-20], dtype=dtype_of(name)).reshape(1, 3, 1, 1)
    y = cyconv.conv2d(x, np.ones_like(x))
    assert y[0, 0, 0, 0] == np.array([1 + 2.0**-11 + 2.0**-20]).astype("f4").astype(y.dtype)[0]
    # Twice the largest float16 overflows only in the result, and cancels before it gets there.
    top = np.array([60000, 60000, -60000], dtype=dtype_of(name)).reshape(1, 3, 1, 1)
    assert cyconv.conv2d(top, np.ones_like(top))[0, 0, 0, 0] == top[0, 0, 0, 0]


def test_subnormals_are_kept(isa: str):
    for name, tiny in (("float32", 1e-45), ("float64", 5e-324)):
        x = np.full((1, 3, 4, 40), tiny, dtype=name)
        w = np.ones((17, 3, 1, 1), dtype=name)
        y = cyconv.conv2d(x, w)
        assert tiny * 3 > 0
        assert (y == np.dtype(name).type(tiny) * 3).all()
        half = cyconv.conv2d(np.full_like(x, np.finfo(name).tiny), w / 4)
        assert (half == np.finfo(name).tiny / np.dtype(name).type(4) * 3).all()


@pytest.mark.parametrize("name", parameters(("float32", "float64")))
@pytest.mark.parametrize("channels", [1, 7, 8, 64, 500])
def test_whatever_the_values(channels: int, name: str, isas):
    # Equal terms: all additions near one power of two round to the same side. Of 4500 terms, one
    # chain would be off by hundreds of roundings.
    terms = 9 * channels
    rng = np.random.default_rng(channels)
    for value in (1 / 3, 0.7, 1 + 2.0**-20, *rng.uniform(0.5, 1, 3)):
        x = np.full((1, channels, 8, 40), value, name)
        w = np.full((3, channels, 3, 3), [[[[value]]], [[[1 / 7]]], [[[-1 / 7]]]], name)
        for isa, c in worst(isas, x, w, None, Geometry(), name, "direct").items():
            assert c <= min(terms, 64) + -(-terms // 64) + 2, (c, isa, value)


@pytest.mark.parametrize("sort", CONSTANT)
def test_a_hundred_thousand_outputs(sort: str, isas):
    rng = np.random.default_rng(len(sort))
    x, w = draw(rng, (1, 6, 80, 80), "float32", sort), draw(rng, (16, 6, 3, 3), "float32", sort)
    found = worst(isas, x, w, None, Geometry(), "float32", "direct")
    # some more than of the 64 outputs that the constants are of
    assert max(found.values()) <= 1.6 * CONSTANT[sort], found
