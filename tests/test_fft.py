"""Convolution by Fourier transforms: its bound, its invariances, and what is not finite.

|y - y*| <= c u M, where M is the largest value of sum|x||w| + |b| over all positions of the kernel
on the input of the pair of blocks that shares a transform, those that overhang it included.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections import Counter

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import (
    assert_same_bits,
    assert_written,
    data,
    dtype_of,
    parameters,
    poisoned,
)
from .oracle import Geometry
from .test_error_bound import distance, draw
from .test_nonfinite import FINITE, classes, expected_classes, sprinkle

pytestmark = pytest.mark.core

CONSTANT = {"normal": 6.0, "same-signed": 16.0, "uneven": 16.0}
ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}
# Of a Fourier transform and a direct sum, together.
DIFFERENCE = 16.0 + 10.0
FFT = {"algorithm": "fft"}
# input, weight, geometry: one block and several, an odd number of them, whole and partial ones,
# narrow and high ones, several channels, which share a transform's planes, and several groups
LAYERS = {
    "one block": ((2, 1, 20, 25), (1, 1, 7, 5), Geometry((1, 1), (3, 3, 2, 2))),
    "blocks": ((2, 1, 90, 150), (1, 1, 15, 15), Geometry((1, 1), (7, 7, 7, 7))),
    "blocks of an even kernel": ((1, 1, 70, 75), (1, 1, 16, 20), Geometry()),
    "31x31": ((1, 1, 130, 140), (1, 1, 31, 31), Geometry((1, 1), (15, 15, 15, 15))),
    "wide": ((1, 1, 3, 400), (1, 1, 1, 60), Geometry((1, 1), (0, 0, 30, 29))),
    "high": ((1, 1, 400, 3), (1, 1, 60, 1), Geometry((1, 1), (30, 29, 0, 0))),
    "depthwise": ((3, 5, 40, 45), (5, 1, 9, 9), Geometry((1, 1), (4, 4, 4, 4), (1, 1), 5)),
    "channels": ((2, 3, 40, 45), (4, 3, 9, 9), Geometry((1, 1), (4, 4, 4, 4))),
    "groups": ((2, 6, 30, 31), (4, 3, 8, 9), Geometry((1, 1), (4, 3, 4, 4), (1, 1), 2)),
    "strided": ((2, 2, 60, 61), (2, 1, 11, 13), Geometry((3, 2), (5, 5, 6, 6), (1, 1), 2)),
    "dilated": ((1, 2, 60, 61), (3, 2, 5, 7), Geometry((1, 2), (6, 6, 9, 9), (3, 2))),
    "reflect": ((1, 1, 50, 52), (1, 1, 21, 21), Geometry((1, 1), (10,) * 4, (1, 1), 1, "reflect")),
    "circular": ((1, 1, 50, 52), (1, 1, 9, 9), Geometry((1, 1), (4,) * 4, (1, 1), 1, "circular")),
}


def convolve(x, w, b, geometry: Geometry, **keywords) -> np.ndarray:
    size = oracle.output_size(x.shape[2:], w.shape[2:], geometry)
    out = poisoned((x.shape[0], w.shape[0], *size), x.dtype)
    keywords = {**geometry.keywords(), **FFT, **keywords}
    cyconv.conv2d(x, w, b, **keywords, out=out)
    assert_written(out)
    return out


def pairs(x: np.ndarray, w: np.ndarray, geometry: Geometry):
    """Yield, for each pair of blocks, the (rows, columns) of its outputs as slices."""
    height, width = oracle.output_size(x.shape[2:], w.shape[2:], geometry)
    keywords = {**geometry.keywords(), **FFT, "dtype": x.dtype}
    tile = cyconv.explain(x.shape, w.shape, **keywords).tile
    rows, columns = map(int, re.match(r"2 blocks of (\d+) x (\d+) in", tile).groups())
    blocks = itertools.product(range(0, height, rows), range(0, width, columns))
    slices = [
        (slice(i, min(i + rows, height)), slice(j, min(j + columns, width))) for i, j in blocks
    ]
    for first in range(0, len(slices), 2):
        yield slices[first : first + 2]


def scale(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, geometry: Geometry) -> np.ndarray:
    """Give M for every output."""
    height, width = oracle.output_size(x.shape[2:], w.shape[2:], geometry)
    padded = oracle.pad(np.abs(x), geometry.padding, geometry.padding_mode)
    extent = [d * (k - 1) + 1 for d, k in zip(geometry.dilation, w.shape[2:], strict=True)]
    overhang = (extent[0] - 1, extent[0] - 1, extent[1] - 1, extent[1] - 1)
    everywhere = Geometry((1, 1), overhang, geometry.dilation, geometry.groups)
    largest = np.empty((x.shape[0], w.shape[0], height, width))
    for pair in pairs(x, w, geometry):
        seen = []
        for block in pair:
            under = (
                slice(part.start * s, (part.stop - 1) * s + e)
                for part, s, e in zip(block, geometry.stride, extent, strict=True)
            )
            size = oracle.magnitude(padded[:, :, *under], w, b, everywhere)
            seen.append(size.max(axis=(2, 3)))
        for block in pair:
            largest[:, :, *block] = np.max(seen, axis=0)[..., None, None]
    return largest


def sample(rng: np.random.Generator, shape: tuple[int, ...], name: str, sort: str) -> np.ndarray:
    """Draw data; uneven ones have patches that differ by factors of up to a million."""
    if sort != "uneven":
        return draw(rng, shape, name, sort)
    factors = 10.0 ** rng.integers(-3, 4, (shape[-2] // 16 + 1, shape[-1] // 16 + 1))
    patches = np.kron(factors, np.ones((16, 16)))[: shape[-2], : shape[-1]]
    return (rng.standard_normal(shape) * patches).astype(name)


def error_constants(isas, x, w, b, geometry: Geometry) -> dict[str, float]:
    """Measure c on every instruction set."""
    if x.dtype == np.float32:
        wide = [None if a is None else a.astype(np.float64) for a in (x, w, b)]
        high, low = oracle.conv2d(*wide, geometry), 0.0
    else:
        high, low = oracle.conv2d_twofold(x, w, b, geometry)
    found = {}
    for isa in isas:
        _engine.use_isa(isa)
        y = convolve(x, w, b, geometry)
        error = np.abs((y.astype(np.float64) - high) - low)
        assert np.isfinite(y).all(), isa
        found[isa] = float(np.max(error / scale(x, w, b, geometry))) / ROUNDOFF[x.dtype.name]
    return found


@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", ROUNDOFF)
@pytest.mark.parametrize("layer", LAYERS)
def test_bound(layer: str, name: str, sort: str, isas, rng):
    x_shape, w_shape, geometry = LAYERS[layer]
    if name == "float64":  # the oracle's pairs of doubles take a hundred times as long
        x_shape = (1, x_shape[1], *(min(size, 70) for size in x_shape[2:]))
    x, w = sample(rng, x_shape, name, sort), draw(rng, w_shape, name, sort)
    b = draw(rng, w_shape[:1], name, sort)
    for isa, c in error_constants(isas, x, w, b, geometry).items():
        assert c <= CONSTANT[sort], (isa, c)


@pytest.mark.parametrize("sort", CONSTANT)
def test_bound_on_more_outputs(sort: str, isas, rng):
    """Errors grow with the logarithm of the points, and the largest of more outputs is larger."""
    geometry = Geometry((1, 1), (15,) * 4)
    x = sample(rng, (1, 1, 200, 230), "float32", sort)
    w = draw(rng, (1, 1, 31, 31), "float32", sort)
    for isa, c in error_constants(isas, x, w, None, geometry).items():
        assert c <= CONSTANT[sort], (isa, c)


def random_shape(rng: np.random.Generator, most_products: float):
    while True:
        kernel = tuple(int(k) for k in rng.choice([1, 2, 3, 5, 8, 13, 21, 33], 2))
        groups, inputs, outputs = (int(n) for n in rng.choice([1, 1, 1, 2, 3], 3))
        dilation = tuple(int(d) for d in rng.choice([1, 1, 1, 2, 3], 2))
        stride = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 3], 2))
        size = tuple(int(s) for s in rng.integers(1, 100, 2))
        padding = tuple(int(p) for p in rng.integers(0, 18, 4))
        mode = str(rng.choice(oracle.MODES))
        if mode in ("reflect", "circular"):
            padding = tuple(min(p, size[i // 2] - 1) for i, p in enumerate(padding))
        geometry = Geometry(stride, padding, dilation, groups, mode)
        height, width = oracle.output_size(size, kernel, geometry)
        products = groups * inputs * outputs * kernel[0] * kernel[1] * height * width
        if height > 0 and width > 0 and products < most_products:
            x_shape = (int(rng.integers(1, 3)), groups * inputs, *size)
            return x_shape, (groups * outputs, inputs, *kernel), geometry


@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", ROUNDOFF)
def test_random_shapes(name: str, sort: str, isas, share, tally: Counter):
    rng = np.random.default_rng([7, len(sort), *name.encode()])
    count, most_products = (80, 1e7) if name == "float32" else (40, 1e6)
    highest = 0.0
    for _ in range(int(count * share)):
        x_shape, w_shape, geometry = random_shape(rng, most_products)
        x, w = sample(rng, x_shape, name, sort), draw(rng, w_shape, name, sort)
        b = draw(rng, w_shape[:1], name, sort) if rng.random() < 0.7 else None
        for isa, c in error_constants(isas, x, w, b, geometry).items():
            highest = max(highest, c)
            assert c <= CONSTANT[sort], (c, isa, x_shape, w_shape, geometry)
            tally["results by Fourier transforms"] += 1
    if share == 1:
        assert highest > 0.5, "errors this small mean that the check sees none"


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("name", parameters(("float16", "bfloat16", "complex64", "complex128")))
def test_other_dtypes_are_computed_in_float32_and_float64(name: str, activation, isa: str, rng):
    for layer in ("blocks", "groups", "strided"):
        x_shape, w_shape, geometry = LAYERS[layer]
        x, w, b = (data(rng, s, name) for s in (x_shape, w_shape, w_shape[:1]))
        keywords = {} if dtype_of(name).kind == "c" else {"activation": activation}
        y = convolve(x, w, b, geometry, **keywords)
        direct = convolve(x, w, b, geometry, algorithm="direct", **keywords)
        wide = [a if a.dtype.kind == "c" else a.astype(np.float32) for a in (x, w, b)]
        u = ROUNDOFF["float64" if name == "complex128" else "float32"]
        # the bound of each; of two results that round to halves, one unit in the last place
        allowed = DIFFERENCE * 2 * u * scale(*wide, geometry)
        if dtype_of(name).itemsize == 2:
            step = {"float16": 2.0**-10, "bfloat16": 2.0**-7}[name]
            allowed += step * np.abs(direct.astype(np.float64)) + 2.0**-24
        if y.dtype.kind == "c":
            assert (np.abs(y - direct) <= allowed).all()
        else:
            assert (distance(y, direct.astype(np.float64), np.zeros(1)) <= allowed).all()


# ---------------------------------------------------------------------------------------------
# The choice


def chosen(*arguments, **keywords) -> str:
    return cyconv.explain(*arguments, **keywords).algorithm


def test_auto_chooses_it_for_large_kernels_only(isa: str):
    image = (1, 1, 1080, 1920)
    for dtype in ("float32", "float64"):
        for size, expected in ((3, False), (31, True), (63, True)):
            shapes = (image, (1, 1, size, size))
            found = chosen(*shapes, padding=size // 2, dtype=dtype)
            assert (found == "fft") == expected, (size, found)
            direct = chosen(*shapes, padding=size // 2, dtype=dtype, algorithm="direct")
            assert direct != "fft"
    assert chosen((1, 8, 56, 56), (8, 1, 31, 31), padding=15, groups=8) == "fft"
    assert chosen((1, 64, 56, 56), (64, 64, 3, 3), padding=1) != "fft"
    assert chosen(image, (1, 1, 31, 31), padding=15, dtype="int32") != "fft"


def test_the_choice_looks_at_one_image(isa: str):
    for size, held in itertools.product(range(3, 33, 2), (False, True)):
        found = set()
        for count, n in itertools.product((1, 2, 3), (1, 5, 64)):
            cyconv.set_num_threads(count)
            shapes = ((n, 1, 200, 210), (1, 1, size, size))
            found.add((chosen(*shapes, held=held), chosen(*shapes, held=held, **FFT)))
        assert len(found) == 1, (size, held, found)


@pytest.mark.parametrize(
    ("x", "w", "dtype"),
    [
        ((1, 1, 20, 20), (1, 1, 3, 3), "int32"),
        ((1, 1, 20, 20), (1, 1, 3, 3), "uint8"),
        ((1, 1, 1, 1100), (1, 1, 1, 1030), "float32"),
        ((1, 1, 600, 600), (1, 1, 520, 520), "float32"),
        ((1, 64, 20, 20), (64, 64, 3, 3), "float64"),
    ],
)
def test_what_it_cannot_do_is_an_error(x, w, dtype: str):
    with pytest.raises(ValueError, match=r"'fft' does not apply: it needs .* 8 MiB"):
        cyconv.explain(x, w, dtype=dtype, **FFT)
    with pytest.raises(ValueError, match="'fft' does not apply: it needs"):
        cyconv.conv2d(np.ones(x, dtype), np.ones(w, dtype), **FFT)


# ---------------------------------------------------------------------------------------------
# Invariance


@pytest.mark.parametrize("name", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("layer", LAYERS)
def test_batch_threads_layout_and_layer(layer: str, name: str, isa: str, rng):
    x_shape, w_shape, geometry = LAYERS[layer]
    x, w, b = (data(rng, s, name) for s in ((3, *x_shape[1:]), w_shape, w_shape[:1]))
    x[1, 0, 5 % x.shape[2], 2] = np.nan  # its blocks are computed anew, directly
    cyconv.set_num_threads(1)
    whole = convolve(x, w, b, geometry)
    keywords = {**geometry.keywords(), **FFT}
    for i in range(3):
        assert_same_bits(convolve(x[i : i + 1], w, b, geometry), whole[i : i + 1])
    assert_same_bits(convolve(x[::-1], w, b, geometry), whole[::-1].copy(), "backwards")
    for layout in (
        np.asfortranarray(x),
        x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        np.flip(np.flip(x, (2, 3)).copy(), (2, 3)),
        np.repeat(x, 2, axis=3)[..., ::2],
    ):
        assert_same_bits(convolve(layout, w, b, geometry), whole, layout.strides)
    for count in (2, 3):
        cyconv.set_num_threads(count)
        assert_same_bits(convolve(x, w, b, geometry), whole, f"{count} threads")
        assert_same_bits(cyconv.conv2d(x, w, b, **keywords), whole, "without out=")
    spread = np.full((*whole.shape[:3], 2 * whole.shape[3]), 1, whole.dtype)
    cyconv.conv2d(x, w, b, **keywords, out=spread[..., ::-2])
    assert_same_bits(spread[..., ::-2].copy(), whole, "any strides of out")
    assert (spread[..., ::2] == 1).all()
    channels = x.shape[1], w.shape[0], w.shape[2:]
    module = cyconv.Conv2d(*channels, **keywords, dtype=x.dtype)
    module.weight, module.bias = w, b
    for _ in range(2):
        assert_same_bits(module(x), whole, "held weights")
        assert_same_bits(module(x[2]), whole[2], "held weights")


# ---------------------------------------------------------------------------------------------
# NaN and infinity


@pytest.mark.parametrize("where", ["input", "weight", "bias", "everywhere"])
@pytest.mark.parametrize("name", ROUNDOFF)
@pytest.mark.parametrize("layer", LAYERS)
def test_classes_and_finite_neighbours(layer: str, name: str, where: str, isa: str, rng):
    x_shape, w_shape, geometry = LAYERS[layer]
    x, w, b = (rng.standard_normal(s).astype(name) for s in (x_shape, w_shape, w_shape[:1]))
    if where in ("input", "everywhere"):
        x[0] = sprinkle(rng, x[0], 3 / x[0].size)
        middle = x.shape[3] // 2  # of two columns a stride and a dilation of 2 see one
        x[-1, -1, x.shape[2] // 2, middle - 1 : middle + 1] = rng.choice([np.nan, np.inf, -np.inf])
    if where in ("weight", "everywhere"):
        w = sprinkle(rng, w, 3 / w.size)
        w[0, 0, -1, 0] = rng.choice([np.nan, np.inf, -np.inf])
    if where in ("bias", "everywhere"):
        b[0] = rng.choice([np.nan, np.inf, -np.inf])
    expected = expected_classes(x, w, b, geometry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = convolve(x, w, b, geometry)
    assert np.array_equal(classes(y), expected)
    assert (expected != FINITE).any()
    finite = expected == FINITE
    x, w, b = (np.where(np.isfinite(a), a, 0) for a in (x, w, b))
    clean = convolve(x, w, b, geometry, algorithm="direct")
    allowed = DIFFERENCE * ROUNDOFF[name] * scale(x, w, b, geometry)
    assert (np.abs(y.astype(np.float64) - clean)[finite] <= allowed[finite]).all()


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_each_position_of_a_special_value_is_seen(special: float, isa: str, rng):
    """One in each block, corners and last rows included, spoils the outputs that see it alone."""
    geometry = Geometry((1, 1), (4, 4, 4, 4))
    w = rng.standard_normal((1, 1, 9, 9)).astype(np.float32)
    clean = rng.standard_normal((1, 1, 70, 70)).astype(np.float32)
    for row, column in itertools.product((0, 1, 23, 24, 33, 47, 68, 69), repeat=2):
        x = clean.copy()
        x[0, 0, row, column] = special
        y = convolve(x, w, None, geometry)
        assert np.array_equal(classes(y), expected_classes(x, w, None, geometry)), (row, column)


def test_an_overflow_of_the_transform_alone_does_not_show(isa: str, rng):
    x = (3e37 * (1 + rng.random((1, 1, 40, 90)))).astype(np.float32)
    w = (1e-3 * rng.random((1, 1, 9, 9))).astype(np.float32)
    y = cyconv.conv2d(x, w, padding=4, **FFT)
    assert_same_bits(y, cyconv.conv2d(x, w, padding=4, algorithm="direct"))
    assert np.isfinite(y).all()
