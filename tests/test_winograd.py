"""Winograd's F(4x4, 3x3): its error, its special values, its invariances, where it applies.

The error bound is c u times the largest sum|x||w| + |b| of the tile of 4 x 4 outputs, since the
transforms mix a tile's inputs; of uneven data see `test_winograd_uneven`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import (
    assert_same_bits,
    assert_written,
    dtype_of,
    parameters,
    poisoned,
)
from .layouts import layouts
from .oracle import Geometry
from .processes import run_python
from .test_error_bound import ROUNDING, distance, draw, reference
from .test_nonfinite import FINITE, classes, expected_classes, sprinkle_operands

pytestmark = pytest.mark.core

# The published constants, from the fewest input channels on: more sums average their errors,
# those of one sign less so.
CONSTANTS = {
    "normal": {1: 40.0, 8: 20.0, 64: 10.0},
    "same-signed": {1: 40.0, 8: 20.0},
}
# The root mean square of the errors against that of direct's, where auto may choose Winograd.
MOST_TIMES_DIRECT = 4.0
TILE = 4
Reference: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
SAME = Geometry((1, 1), (1, 1, 1, 1))

# (input, output channels, geometry): rest lanes, rest tiles, blocks of rows and of columns, groups
SHAPES = {
    "one tile": ((1, 3, 4, 4), 2, SAME),
    "less than a tile": ((2, 5, 3, 4), 3, Geometry()),
    "square": ((2, 16, 13, 15), 17, SAME),
    "wide": ((1, 2, 6, 700), 3, SAME),
    "tall": ((1, 2, 500, 5), 3, SAME),
    "deep": ((1, 130, 9, 10), 31, SAME),
    "narrow": ((1, 9, 33, 4), 7, SAME),
    "narrow, rows together": ((1, 9, 21, 14), 17, SAME),
    "groups": ((1, 12, 11, 18), 9, Geometry((1, 1), (1, 0, 2, 1), (1, 1), 3)),
    "much padding": ((1, 4, 3, 2), 5, Geometry((1, 1), (9, 6, 7, 8))),
    "reflect": ((1, 4, 12, 13), 5, Geometry((1, 1), (3, 2, 1, 4), (1, 1), 1, "reflect")),
    "replicate": ((1, 4, 2, 3), 5, Geometry((1, 1), (3, 2, 1, 4), (1, 1), 1, "replicate")),
    "circular": ((1, 4, 12, 13), 5, Geometry((1, 1), (3, 2, 1, 4), (1, 1), 1, "circular")),
    "dilated": ((1, 17, 13, 30), 19, Geometry((1, 1), (2, 2, 2, 2), (2, 2))),
    "dilated, many outputs": ((1, 9, 9, 33), 70, Geometry((1, 1), (6, 6, 6, 6), (6, 6))),
    "dilated, part of a period": ((1, 5, 26, 5), 35, Geometry((1, 1), (3, 3, 3, 3), (3, 3))),
    "dilated rows": ((1, 4, 40, 21), 6, Geometry((1, 1), (5, 5, 1, 1), (5, 1), 2)),
    "dilated columns": ((1, 4, 9, 100), 33, Geometry((1, 1), (1, 1, 17, 17), (1, 17))),
    "dilated, reflect": ((1, 4, 24, 29), 5, Geometry((1, 1), (3, 2, 1, 4), (2, 3), 1, "reflect")),
    "dilated, circular": ((1, 4, 24, 29), 5, Geometry((1, 1), (3, 2, 1, 4), (3, 2), 1, "circular")),
}


def weight_shape(x_shape: tuple[int, ...], outputs: int, geometry: Geometry) -> tuple[int, ...]:
    return outputs, x_shape[1] // geometry.groups, 3, 3


def largest_of_tile(size: np.ndarray, dilation: tuple[int, int] = (1, 1)) -> np.ndarray:
    """Give every output the largest value of its tile, which takes outputs `dilation` apart."""
    if dilation != (1, 1):
        largest = np.empty_like(size)
        for row in range(dilation[0]):
            for column in range(dilation[1]):
                phase = (..., slice(row, None, dilation[0]), slice(column, None, dilation[1]))
                largest[phase] = largest_of_tile(size[phase])
        return largest
    n, o, h, w = size.shape
    spread = np.zeros((n, o, -(-h // TILE) * TILE, -(-w // TILE) * TILE))
    spread[:, :, :h, :w] = size
    tiles = spread.reshape(n, o, -1, TILE, spread.shape[3] // TILE, TILE).max(axis=(3, 5))
    return tiles.repeat(TILE, axis=2).repeat(TILE, axis=3)[:, :, :h, :w]


def error_constant(y: np.ndarray, known: Reference, geometry: Geometry, name: str) -> float:
    """Find the least c for which the bound holds, final rounding of halves apart."""
    high, low, size = known
    u, u_result, least = ROUNDING[name]
    error = distance(y, high, low)
    if u_result:
        error = np.maximum(error - u_result * np.abs(high) - least, 0)
    largest = largest_of_tile(size, geometry.dilation)
    return float((error / (u * (1 + u_result) * largest)).max())


def worst_constant(isas: list[str], x, w, b, geometry: Geometry, name: str) -> float:
    """Find that c over all instruction sets."""
    known = reference(x, w, b, geometry)
    found = []
    for isa in isas:
        _engine.use_isa(isa)
        found.append(error_constant(convolve(x, w, b, geometry), known, geometry, name))
    return max(found)


def published(channels: int, sort: str = "normal") -> float:
    return next(c for fewest, c in reversed(CONSTANTS[sort].items()) if channels >= fewest)


def convolve(x, w, b=None, geometry: Geometry = SAME, algorithm: str = "winograd", **keywords):
    """Convolve into a poisoned array."""
    shape = (x.shape[0], w.shape[0], *oracle.output_size(x.shape[2:], w.shape[2:], geometry))
    out = poisoned(shape, x.dtype)
    returned = cyconv.conv2d(
        x, w, b, **geometry.keywords(), algorithm=algorithm, out=out, **keywords
    )
    assert returned is out
    assert_written(out)
    return out


@pytest.mark.parametrize("sort", ["normal", "same-signed"])
@pytest.mark.parametrize(
    "name", parameters(("float32", "float64", "float16", "bfloat16", "complex64", "complex128"))
)
@pytest.mark.parametrize("shape", SHAPES)
def test_error_bound(shape: str, name: str, sort: str, isas: list[str], rng):
    x_shape, outputs, geometry = SHAPES[shape]
    w_shape = weight_shape(x_shape, outputs, geometry)
    x, w, b = (draw(rng, s, name, sort) for s in (x_shape, w_shape, w_shape[:1]))
    assert worst_constant(isas, x, w, b, geometry, name) <= published(w_shape[1], sort)


@pytest.mark.parametrize("size", [(14, 14), (2, 30), (33, 2)])
def test_error_bound_of_many_sums_of_one_sign(size: tuple[int, int], isas: list[str], rng):
    x, w = (draw(rng, s, "float32", "same-signed") for s in ((1, 512, *size), (96, 512, 3, 3)))
    assert worst_constant(isas, x, w, None, SAME, "float32") <= published(512, "same-signed")


@pytest.mark.parametrize("sort", ["normal", "same-signed"])
@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 6, 8, 16, 32, 64, 128, 256, 512])
def test_error_against_direct(channels: int, name: str, sort: str, isas: list[str], rng):
    x, w = (draw(rng, s, name, sort) for s in ((1, channels, 20, 20), (8, channels, 3, 3)))
    known = high, low, _ = reference(x, w, None, SAME)
    for isa in isas:
        _engine.use_isa(isa)
        y = convolve(x, w)
        assert error_constant(y, known, SAME, name) <= published(channels, sort), isa
        assert y.any(), isa
        if channels < 6:  # auto does not choose it
            continue
        mine, direct = (
            float(np.sqrt(np.mean(distance(values, high, low) ** 2)))
            for values in (y, convolve(x, w, algorithm="direct"))
        )
        assert mine <= MOST_TIMES_DIRECT * direct, isa
        assert mine > 0, "no error means that another algorithm ran"


@pytest.mark.parametrize("where", ["input", "weight", "bias", "everywhere"])
@pytest.mark.parametrize("name", parameters(("float16", "bfloat16", "float32", "float64")))
@pytest.mark.parametrize("shape", SHAPES)
def test_classes(shape: str, name: str, where: str, isa: str, rng):
    x_shape, outputs, geometry = SHAPES[shape]
    w_shape = weight_shape(x_shape, outputs, geometry)
    dtype = dtype_of(name)
    for share in (0.003, 0.1):
        x, w, b = (rng.standard_normal(s).astype(dtype) for s in (x_shape, w_shape, w_shape[:1]))
        x, w, b = sprinkle_operands(rng, where, share, x, w, b)
        y = convolve(x, w, b, geometry)
        assert np.array_equal(classes(y), expected_classes(x, w, b, geometry)), share


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 6, 7, 9, 14])
def test_tiles_with_fewer_outputs(height: int, name: str, isa: str, rng):
    for width in (1, 2, 3, 4, 5, 6, 7, 9, 14, 18):
        x_shape, w_shape = (1, 18, height, width), (35, 18, 3, 3)
        x, w, b = (draw(rng, s, name, "normal") for s in (x_shape, w_shape, w_shape[:1]))
        y = convolve(x, w, b)
        known = reference(x, w, b, SAME)
        assert error_constant(y, known, SAME, name) <= published(x_shape[1]), width
        x[0, 3, rng.integers(height), rng.integers(width)] = rng.choice([np.nan, np.inf])
        w[5, 7, rng.integers(3), rng.integers(3)] = np.nan
        spoilt = convolve(x, w, b)
        assert np.array_equal(classes(spoilt), expected_classes(x, w, b, SAME)), width


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_finite_neighbours_stay_within_the_bound(special: float, name: str, isa: str, rng):
    x, w = (rng.standard_normal(s).astype(name) for s in ((1, 20, 21, 37), (15, 20, 3, 3)))
    clean = convolve(x, w)
    spoilt = x.copy()
    spoilt[0, 3, 9, 18] = special
    y = convolve(spoilt, w)
    expected = expected_classes(spoilt, w, None, SAME)
    assert np.array_equal(classes(y), expected)
    finite = expected == FINITE
    _, _, size = reference(x, w, None, SAME)
    error = np.abs(y[finite] - clean[finite]) / largest_of_tile(size)[finite]
    assert error.max() <= 2 * published(20) * ROUNDING[name][0]
    # Tiles that do not see the value keep their bits.
    apart = np.ones(y.shape, dtype=bool)
    apart[..., 8:12, 16:20] = False
    assert_same_bits(y[apart], clean[apart])
    assert not finite.all()
    # What a tile computes again is what direct computes.
    redone = (slice(None), slice(None), slice(8, 12), slice(16, 20))
    assert_same_bits(y[redone], convolve(spoilt, w, algorithm="direct")[redone])


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_special_values_are_found_before_the_activation(activation: str, isa: str, rng):
    x, w = (rng.standard_normal(s).astype("f4") for s in ((1, 9, 12, 20), (7, 9, 3, 3)))
    x[0, 2, 5, 7] = np.nan
    x[0, 4, 10, 15] = -np.inf
    y = convolve(x, w, activation=activation)
    direct = convolve(x, w, algorithm="direct", activation=activation)
    assert np.array_equal(classes(y), classes(direct))
    assert np.nanmin(y) == 0
    np.testing.assert_allclose(y, direct, rtol=0, atol=1e-4)


@pytest.mark.parametrize("spoilt", [False, True])
@pytest.mark.parametrize("name", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_invariances(shape: str, name: str, spoilt: bool, isa: str, rng):
    (_, *image), outputs, geometry = SHAPES[shape]
    x_shape = (3, *image)
    w_shape = weight_shape(x_shape, outputs, geometry)
    x, w, b = (draw(rng, s, name, "normal") for s in (x_shape, w_shape, w_shape[:1]))
    if spoilt:
        x = np.where(rng.random(x.shape) < 0.01, np.nan, x).astype(x.dtype)
    cyconv.set_num_threads(1)
    whole = convolve(x, w, b, geometry)
    for count in (2, 3):
        cyconv.set_num_threads(count)
        assert_same_bits(convolve(x, w, b, geometry), whole, f"{count} threads")
        assert_same_bits(convolve(x[1:2], w, b, geometry), whole[1:2], "one image")
    layer = cyconv.Conv2d(
        x_shape[1], outputs, 3, **geometry.keywords(), dtype=x.dtype, algorithm="winograd"
    )
    layer.weight, layer.bias = w, b
    assert_same_bits(layer(x), whole, "held weights")
    assert_same_bits(layer(x[2]), whole[2], "held weights, one image")


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_layouts(name: str, isa: str, rng, tmp_path: Path):
    x, w = (rng.standard_normal(s).astype(name) for s in ((2, 5, 11, 18), (6, 5, 3, 3)))
    expected = convolve(x, w)
    for layout, same in layouts(x, tmp_path):
        assert_same_bits(cyconv.conv2d(same, w, padding=1, algorithm="winograd"), expected, layout)


def test_weights_too_large_to_be_held_transformed(isa: str, rng):
    x, w = (rng.standard_normal(s).astype("f4") for s in ((1, 260, 5, 6), (520, 260, 3, 3)))
    layer = cyconv.Conv2d(260, 520, 3, padding=1, bias=False, algorithm="winograd")
    layer.weight = w
    expected = convolve(x, w)
    assert_same_bits(layer(x), expected)
    assert_same_bits(layer(np.concatenate([x, x]))[1:], expected, "transformed once for a batch")


def test_few_blocks_transform_many_weights_again(isa: str, rng):
    x = rng.standard_normal((3, 480, 29, 29)).astype("f4")
    w = rng.standard_normal((500, 480, 3, 3)).astype("f4")
    several, one = (
        cyconv.explain(a.shape, w.shape, padding=1, algorithm="winograd").scratch_bytes
        for a in (x, x[1:2])
    )
    if isa != "scalar":  # whose blocks are many
        assert one < several, "a task that makes factors has the products of one panel at a time"
    assert_same_bits(convolve(x[1:2], w), convolve(x, w)[1:2])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"stride": 2}, "stride 1"),
        ({"dilation": 12, "padding": 12}, "dilations"),
        ({"dilation": (2, 16), "padding": (2, 16), "channels": 1800}, "dilations"),
        ({"kernel": (3, 5)}, "3 x 3"),
        ({"kernel": (1, 1)}, "3 x 3"),
        ({"dtype": np.int32}, "floating-point"),
        ({"channels": 1821}, "channels"),
        ({"padding": 8, "padding_mode": "reflect"}, "wrap around"),
    ],
)
def test_where_it_does_not_apply(arguments: dict, match: str):
    kernel, dtype = arguments.pop("kernel", (3, 3)), arguments.pop("dtype", np.float32)
    channels = arguments.pop("channels", 3)
    x = np.ones((1, channels, 9, 9), dtype)
    w = np.ones((2, channels, *kernel), dtype)
    with pytest.raises(ValueError, match=match):
        cyconv.conv2d(x, w, **arguments, algorithm="winograd")
    with pytest.raises(ValueError, match=match):
        cyconv.explain(x.shape, w.shape, **arguments, dtype=dtype, algorithm="winograd")
    assert cyconv.explain(x.shape, w.shape, **arguments, dtype=dtype).algorithm != "winograd"


def test_a_layer_refuses_it_when_built():
    with pytest.raises(ValueError, match="3 x 3"):
        cyconv.Conv2d(4, 4, 5, algorithm="winograd")


def test_scratch_is_bounded(isa: str):
    for channels in (1, 16, 64, 256, 1024, 1820):
        for size in (4, 30, 300, 3000):
            for dtype in ("f4", "f8"):
                shapes = (1, channels, size, size), (2048, channels, 3, 3)
                what = cyconv.explain(*shapes, padding=1, dtype=dtype, algorithm="winograd")
                assert what.scratch_bytes <= 8 << 20, (shapes, dtype)


@pytest.mark.parametrize("spoilt", [False, True])
@pytest.mark.parametrize("outputs", [64, 70])
def test_factors_of_many_channels(outputs: int, spoilt: bool, isa: str, rng):
    """Within the bound, classes of direct, bits of each image; AVX2 gathers the factors."""
    x = rng.standard_normal((2, 192, 21, 26)).astype("float32")
    w = rng.standard_normal((outputs, 192, 3, 3)).astype("float32")
    if spoilt:
        x[0, 100, 20, 25] = np.nan
        x[1, 191, 0, 7] = np.inf
    plan = cyconv.explain(x.shape, w.shape, padding=1, algorithm="winograd")
    if isa == "avx2":
        assert "gathered" in plan.tile
    expected = cyconv.conv2d(
        x.astype("float64"), w.astype("float64"), padding=1, algorithm="direct"
    )
    size = cyconv.conv2d(
        np.abs(x[:1]).astype("float64"), np.abs(w).astype("float64"), padding=1, algorithm="direct"
    )
    out = poisoned(expected.shape, x.dtype)
    cyconv.conv2d(x, w, padding=1, algorithm="winograd", out=out)
    finite = np.isfinite(expected)
    assert np.array_equal(out[~finite], expected[~finite].astype("float32"), equal_nan=True)
    most = published(192) * 2.0**-24 * np.nanmax(size[np.isfinite(size)])
    assert np.abs(out[finite] - expected[finite]).max() <= most
    for image in range(2):
        alone = cyconv.conv2d(x[image : image + 1], w, padding=1, algorithm="winograd")
        assert_same_bits(alone, out[image : image + 1])


def test_auto_chooses_by_shapes_alone():
    shapes = (1, 64, 56, 56), (64, 64, 3, 3)
    chosen = cyconv.explain(*shapes, padding=1)
    assert chosen.algorithm == "winograd"
    assert cyconv.explain((9, *shapes[0][1:]), shapes[1], padding=1).algorithm == "winograd"
    assert cyconv.explain(*shapes, padding=1, algorithm="direct").algorithm != "winograd"
    assert cyconv.explain(*shapes, padding=1, dtype="i4").algorithm != "winograd"
    # Too few channels for its error, and to pay for the transforms.
    assert cyconv.explain((1, 5, 300, 300), (500, 5, 3, 3)).algorithm != "winograd"
    assert cyconv.explain((1, 6, 300, 300), (4, 6, 3, 3)).algorithm != "winograd"


ASK = """
import cyconv, numpy as np
print(cyconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1).algorithm)
rng = np.random.default_rng(0)
x, w = rng.standard_normal((1, 64, 56, 56)), rng.standard_normal((64, 64, 3, 3))
auto, direct = (cyconv.conv2d(x, w, algorithm=name) for name in ("auto", "direct"))
print(np.array_equal(auto, direct))
"""


def test_the_environment_switches_it_off():
    assert run_python(ASK, CYCONV_ALGORITHM=None).stdout.split() == ["winograd", "False"]
    assert run_python(ASK, CYCONV_ALGORITHM="auto").stdout.split() == ["winograd", "False"]
    off = run_python(ASK, CYCONV_ALGORITHM="direct").stdout.split()
    assert off[0] != "winograd"
    assert off[-1] == "True"
    done = run_python(ASK, CYCONV_ALGORITHM="winograd", check=False)
    assert "ImportError: CYCONV_ALGORITHM" in done.stderr
