"""Products of bfloat16 parts on matrix units: their bound, and what is not finite or tiny.

Every result keeps |y - y*| <= c u (sum|x||w| + |b|) with the constants of direct sums. Integers
whose sums float32 holds are exact. Results that parts cannot give are direct sums, whichever
others are computed with them.
"""

from __future__ import annotations

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
from .layouts import layouts
from .oracle import Geometry
from .processes import run_python
from .test_error_bound import CONSTANT, MOST_OUTPUTS, draw, error_constant, random_shape, reference
from .test_nonfinite import FINITE, classes, expected_classes, sprinkle_operands

MATRIX_ISAS = [name for name in ("avx512_bf16", "amx") if name in _engine.available_isas()]
needs_matrix_unit = pytest.mark.skipif(not MATRIX_ISAS, reason="this CPU multiplies no bfloat16")
pytestmark = pytest.mark.core

DTYPES = ("float32", "float16", "bfloat16", "complex64")
SPLIT = {"algorithm": "split"}
# input, output channels, kernel, geometry: rest outputs, rest pixels, rest terms; several blocks of
# rows, of columns, of terms and of panels; tiles of many rows; in place and from the window
LAYERS = {
    "one term": ((1, 1, 3, 5), 1, (1, 1), Geometry()),
    "1x1": ((2, 33, 6, 7), 17, (1, 1), Geometry()),
    "1x1, many pixels": ((1, 40, 30, 31), 70, (1, 1), Geometry()),
    "1x1, many terms": ((2, 1100, 3, 11), 40, (1, 1), Geometry()),
    "1x1, a chunk and a third": ((1, 700, 6, 9), 35, (1, 1), Geometry()),
    "3x3": ((2, 20, 13, 15), 33, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "3x3, several blocks": ((1, 70, 26, 27), 40, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "narrow": ((1, 9, 33, 2), 16, (3, 1), Geometry((1, 1), (1, 1, 0, 0))),
    "wide": ((1, 3, 3, 700), 8, (3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "large kernel": ((1, 2, 40, 50), 9, (17, 31), Geometry((1, 2), (8, 8, 15, 15))),
    "strided": ((2, 3, 40, 37), 32, (7, 7), Geometry((2, 2), (3, 3, 3, 3))),
    "dilated": ((1, 17, 13, 30), 19, (3, 3), Geometry((1, 1), (2, 2, 6, 6), (2, 6))),
    # kernel rows left out, each step a tap of 32 channels
    "padding": ((1, 64, 20, 9), 40, (3, 3), Geometry((1, 1), (8, 8, 8, 8), (8, 8))),
    "padding, blocks": ((1, 96, 21, 33), 9, (3, 3), Geometry((1, 1), (9, 9, 3, 3), (9, 3))),
    "padding, tall": ((2, 64, 9, 9), 34, (7, 2), Geometry((2, 1), (9, 4, 1, 0), (2, 1), 2)),
    "only padding": ((1, 32, 5, 40), 9, (3, 3), Geometry((1, 1), (9, 8, 1, 1))),
    "groups": ((2, 24, 11, 18), 27, (3, 2), Geometry((1, 1), (1, 0, 2, 1), (1, 1), 3)),
    "reflect": ((1, 4, 12, 13), 5, (3, 3), Geometry((1, 1), (3, 2, 1, 4), (1, 1), 1, "reflect")),
}
# Where auto chooses it: a layer that Winograd cannot compute.
FAVOURED = ((1, 256, 28, 28), (256, 256, 3, 3))
STRIDED = {"stride": 2, "padding": 1}
PARTS = {"float32": 3, "float16": 2, "bfloat16": 1}


def shapes_of(layer: str) -> tuple[tuple[int, ...], tuple[int, ...], Geometry]:
    x_shape, outputs, kernel, geometry = LAYERS[layer]
    return x_shape, (outputs, x_shape[1] // geometry.groups, *kernel), geometry


@pytest.mark.parametrize("layer", LAYERS)
def test_which_layers_leave_out_taps(layer: str, matrix_isa: str):
    x_shape, w_shape, geometry = shapes_of(layer)
    plan = cyconv.explain(x_shape, w_shape, **{**geometry.keywords(), **SPLIT})
    assert plan.tile.endswith("tap by tap") == ("padding" in layer)


def result_shape(x, w, geometry: Geometry) -> tuple[int, ...]:
    return x.shape[0], w.shape[0], *oracle.output_size(x.shape[2:], w.shape[2:], geometry)


def convolve(x, w, b, geometry: Geometry, **keywords) -> np.ndarray:
    out = poisoned(result_shape(x, w, geometry), x.dtype)
    cyconv.conv2d(x, w, b, **{**geometry.keywords(), **SPLIT, **keywords}, out=out)
    assert_written(out)
    return out


def convolve_over(number: float, x, w, geometry: Geometry) -> np.ndarray:
    """Where results may be NaN of any payload: over a number that is none of them."""
    out = np.full(result_shape(x, w, geometry), number, x.dtype)
    return cyconv.conv2d(x, w, **{**geometry.keywords(), **SPLIT}, out=out).astype(np.float64)


@pytest.fixture(params=MATRIX_ISAS or [pytest.param("none", marks=needs_matrix_unit)])
def matrix_isa(request: pytest.FixtureRequest) -> str:
    _engine.use_isa(request.param)
    return request.param


# ---------------------------------------------------------------------------------------------
# Values


@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", parameters(DTYPES))
@pytest.mark.parametrize("layer", LAYERS)
def test_bound(layer: str, name: str, sort: str, matrix_isa: str, rng):
    x_shape, w_shape, geometry = shapes_of(layer)
    x, w, b = (draw(rng, s, name, sort) for s in (x_shape, w_shape, w_shape[:1]))
    y = convolve(x, w, b, geometry)
    # of many thousand outputs the largest error is larger than of the 64 of the constants
    allowed = CONSTANT[sort] * (1.5 if y.size > MOST_OUTPUTS else 1)
    assert error_constant(y, *reference(x, w, b, geometry), name) <= allowed


@pytest.mark.parametrize("sort", CONSTANT)
@pytest.mark.parametrize("name", parameters(DTYPES))
def test_random_shapes(name: str, sort: str, matrix_isa: str, share, tally: Counter):
    rng = np.random.default_rng([3, len(sort), *name.encode()])
    highest = 0.0
    for _ in range(int(300 * share)):
        x_shape, w_shape, geometry = random_shape(rng, 2304)
        x, w = draw(rng, x_shape, name, sort), draw(rng, w_shape, name, sort)
        b = draw(rng, w_shape[:1], name, sort) if rng.random() < 0.7 else None
        c = error_constant(convolve(x, w, b, geometry), *reference(x, w, b, geometry), name)
        assert c <= CONSTANT[sort], (c, x_shape, w_shape, geometry)
        highest = max(highest, c)
        tally["results by parts"] += 1
    if dtype_of(name).itemsize > 2 and share == 1:
        assert highest > 1, "errors this small mean that the check sees none"


@pytest.mark.parametrize("layer", LAYERS)
def test_integers_are_exact(layer: str, matrix_isa: str, rng):
    """As far as sums stay below 2^24, whatever the sizes of the two factors."""
    x_shape, w_shape, geometry = shapes_of(layer)
    most = (2**23 - 2**10) // int(np.prod(w_shape[1:]))
    for high in sorted({min(most, limit) for limit in (1, 15, 255, 4095, 65535, most)}):
        for limits in ((high, most // high), (most // high, high)):
            x, w = (
                rng.integers(-limit, limit + 1, shape).astype(np.float32)
                for limit, shape in zip(limits, (x_shape, w_shape), strict=True)
            )
            b = rng.integers(-9, 10, w_shape[0]).astype(np.float32)
            wide = (a.astype(np.float64) for a in (x, w, b))
            assert np.array_equal(convolve(x, w, b, geometry), oracle.conv2d(*wide, geometry))


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("layer", ["1x1", "3x3", "strided"])
def test_activations(layer: str, activation: str, matrix_isa: str, rng):
    x_shape, w_shape, geometry = shapes_of(layer)
    x, w, b = (data(rng, s, "float32") for s in (x_shape, w_shape, w_shape[:1]))
    plain = np.maximum(convolve(x, w, b, geometry), 0)
    expected = np.minimum(plain, 6) if activation == "relu6" else plain
    assert np.array_equal(convolve(x, w, b, geometry, activation=activation), expected)


# ---------------------------------------------------------------------------------------------
# What parts cannot give


@pytest.mark.parametrize("where", ["input", "weight", "bias", "everywhere"])
@pytest.mark.parametrize("name", parameters(("float32", "float16", "bfloat16")))
@pytest.mark.parametrize("layer", LAYERS)
def test_classes_and_finite_neighbours(layer: str, name: str, where: str, matrix_isa: str, rng):
    x_shape, w_shape, geometry = shapes_of(layer)
    clean = [rng.standard_normal(s).astype(dtype_of(name)) for s in (x_shape, w_shape, w_shape[:1])]
    x, w, b = sprinkle_operands(rng, where, 0.02, *clean)
    x[0, 0, -1, 0] = np.inf
    expected = expected_classes(x, w, b, geometry)
    y = convolve(x, w, b, geometry)
    assert np.array_equal(classes(y), expected)
    assert (expected != FINITE).any()
    x, w, b = (np.where(np.isfinite(a), a, 0).astype(a.dtype) for a in (x, w, b))
    finite = expected == FINITE
    assert_same_bits(y[finite], convolve(x, w, b, geometry)[finite])


@pytest.mark.parametrize("name", parameters(("float32", "float16", "bfloat16")))
@pytest.mark.parametrize("where", ["input", "weight"])
def test_every_nan_is_seen(where: str, name: str, matrix_isa: str):
    """Those whose bits are all ones, or all but one zeros, overflow or vanish when rounded."""
    dtype = dtype_of(name)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    one = np.ones((), dtype).view(unsigned)
    infinity = np.full((), np.inf, dtype).view(unsigned)
    all_ones = unsigned.type(2 ** (8 * dtype.itemsize - 1) - 1)
    for bits in (infinity + 1, all_ones, all_ones | unsigned.type(2 ** (8 * dtype.itemsize - 1))):
        operands = {"input": np.full((1, 40, 2, 5), one), "weight": np.full((3, 40, 1, 1), one)}
        operands[where][0, 17, 0, 0] = bits
        x, w = (operands[key].view(dtype) for key in ("input", "weight"))
        y = convolve_over(7, x, w, Geometry())
        expected = np.full(y.shape, 40.0)
        expected[(slice(None), slice(None), 0, 0) if where == "input" else (0, 0)] = np.nan
        assert np.array_equal(y, expected, equal_nan=True), hex(int(bits))
        if where == "weight":  # in taps that tiles at the edges would leave out: there they count
            spread = np.full((3, 32, 3, 3), one)
            spread[0, 0, 0, 0] = bits
            y = convolve_over(
                7,
                np.full((1, 32, 12, 12), one).view(dtype),
                spread.view(dtype),
                Geometry((1, 1), (6, 6, 6, 6), (6, 6)),
            )
            assert np.isnan(y[:, 0]).all(), hex(int(bits))
            assert np.isfinite(y[:, 1:]).all(), hex(int(bits))
            assert (y[:, 1:] != 7).all(), hex(int(bits))


@pytest.mark.parametrize("value", [3.4028235e38, 3.39e38])
def test_numbers_that_round_to_infinity(value: float, matrix_isa: str):
    x = np.full((1, 32, 4, 9), value, np.float32)
    x[:, 1:] = 0
    w = np.full((9, 32, 1, 1), 0.5, np.float32)
    assert (convolve(x, w, None, Geometry()) == np.float32(value) / 2).all()


@pytest.mark.parametrize("exponent", [-149, -140, -134, -127, -126, -110, -101, -99, -60, -49, -40])
def test_tiny_numbers_lose_nothing(exponent: int, matrix_isa: str, rng):
    """Neither as inputs nor as weights, nor in their products."""
    geometry = Geometry((1, 1), (1, 1, 1, 1))
    tiny = np.ldexp(rng.standard_normal((1, 20, 6, 8)), exponent).astype(np.float32)
    x = rng.standard_normal(tiny.shape).astype(np.float32)
    w = rng.standard_normal((11, 20, 3, 3)).astype(np.float32)
    half = (w * np.float32(2.0**exponent)).astype(np.float32)
    large = np.float32(2.0**60)
    for operands in ((tiny, w), (x, half), (tiny, half), (tiny, w * large), (x * large, half)):
        high, low, size = reference(*operands, None, geometry)
        y = convolve(*operands, None, geometry)
        # each product may be rounded to a multiple of the least subnormal number
        error = np.abs(y.astype(np.float64) - high - low)
        assert (error <= CONSTANT["normal"] * 2.0**-24 * size + 180 * 2.0**-150).all()


def test_a_tiny_number_changes_no_other_result(matrix_isa: str, rng):
    x, w = data(rng, (1, 32, 20, 20), "float32"), data(rng, (40, 32, 3, 3), "float32")
    clean = convolve(x, w, None, Geometry())
    x[0, 3, 9, 9] = 1e-40
    w[7, 1, 1, 1] = 1e-35
    kept = np.ones((18, 18), bool)
    kept[7:10, 7:10] = False
    changed = convolve(x, w, None, Geometry())
    others = np.arange(40) != 7
    assert_same_bits(changed[:, others][..., kept], clean[:, others][..., kept])


@pytest.mark.parametrize("small", [0.0, -0.0, 1e-42, 1e-30])
def test_zeros_and_tiny_numbers_beside_others_take_no_time(small: float, matrix_isa: str, rng):
    """They would if sums were computed twice: seen by their bits, not those of direct sums."""
    x, w = data(rng, (1, 64, 16, 16), "float32"), data(rng, (64, 64, 3, 3), "float32")
    x[x < 0] = small
    w[:, 5] = small
    direct = convolve(x, w, None, Geometry(), algorithm="direct")
    assert np.mean(convolve(x, w, None, Geometry()) == direct) < 0.9


# ---------------------------------------------------------------------------------------------
# Invariance


@pytest.mark.parametrize("name", parameters(DTYPES))
@pytest.mark.parametrize("layer", LAYERS)
def test_batch_threads_layout_and_layer(layer: str, name: str, matrix_isa: str, rng, tmp_path):
    x_shape, w_shape, geometry = shapes_of(layer)
    x, w, b = (data(rng, s, name) for s in ((3, *x_shape[1:]), w_shape, w_shape[:1]))
    x[1, 0, x.shape[2] // 2, 1] = np.nan
    x[2, 0, x.shape[2] // 2, 0] = 1e-39
    keywords = {**geometry.keywords(), **SPLIT}
    cyconv.set_num_threads(1)
    whole = convolve(x, w, b, geometry)
    for i in range(3):
        assert_same_bits(convolve(x[i : i + 1], w, b, geometry), whole[i : i + 1])
    for layout, same in layouts(x, tmp_path):
        assert_same_bits(cyconv.conv2d(same, w, b, **keywords), whole, layout)
    for count in (2, 3):
        cyconv.set_num_threads(count)
        assert_same_bits(convolve(x, w, b, geometry), whole, f"{count} threads")
        assert_same_bits(cyconv.conv2d(x, w, b, **keywords), whole, "without out=")
    module = cyconv.Conv2d(x.shape[1], w.shape[0], w.shape[2:], **keywords, dtype=x.dtype)
    module.weight, module.bias = w, b
    for _ in range(2):
        assert_same_bits(module(x), whole, "held weights")


def test_a_layer_keeps_each_form_of_its_weights(matrix_isa: str, rng):
    """Panels of 32 outputs, and parts of as many, are not taken for each other."""
    x, w = data(rng, (1, 40, 7, 7), "float32"), data(rng, (64, 40, 3, 3), "float32")
    module = cyconv.Conv2d(40, 64, 3, bias=False)
    module.weight = w
    for algorithm in ("split", "turned tile", "split", "winograd", "turned tile", "split"):
        expected = cyconv.conv2d(x, w, algorithm="direct" if "tile" in algorithm else algorithm)
        if "tile" in algorithm:
            module.algorithm = "direct"
        else:
            module.algorithm = algorithm
        assert_same_bits(module(x), expected, algorithm)


def test_a_layer_takes_its_weights_in_either_order(matrix_isa: str, rng):
    """Tap by tap for a low image, half of which is near the padding, as they lie for a tall one."""
    w = data(rng, (33, 64, 3, 3), "float32")
    keywords = {"padding": 8, "dilation": 8, **SPLIT}
    module = cyconv.Conv2d(64, 33, 3, **keywords, bias=False)
    module.weight = w
    for rows, by_taps in ((20, True), (200, False), (20, True)):
        x = data(rng, (1, 64, rows, 9), "float32")
        assert ("tap by tap" in cyconv.explain(x.shape, w.shape, **keywords).tile) == by_taps
        assert_same_bits(module(x), cyconv.conv2d(x, w, **keywords), f"{rows} rows")


# ---------------------------------------------------------------------------------------------
# The choice


@pytest.mark.parametrize("dtype", parameters(PARTS))
def test_auto_chooses_it_where_it_pays(dtype: str, matrix_isa: str):
    keywords = {**STRIDED, "dtype": dtype_of(dtype)}
    chosen = cyconv.explain(*FAVOURED, **keywords)
    if matrix_isa == "avx512_bf16" and PARTS[dtype] > 1:
        assert chosen.algorithm != "split", "four products take longer than one of float32"
        return
    assert chosen.algorithm == "split"
    assert chosen.tile == f"32 outputs x 32 pixels, {PARTS[dtype]} part" + "s" * (PARTS[dtype] > 1)
    assert cyconv.explain((9, *FAVOURED[0][1:]), FAVOURED[1], **keywords).algorithm == "split"
    for other in ({"algorithm": "direct"}, {"dtype": "float64"}, {"dtype": "int32"}):
        assert cyconv.explain(*FAVOURED, **{**keywords, **other}).algorithm != "split"
    assert cyconv.explain((1, 1, 1080, 1920), (1, 1, 5, 5)).algorithm != "split"
    _engine.use_isa("avx512")
    assert cyconv.explain(*FAVOURED, **keywords).algorithm != "split"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_what_it_cannot_do_is_an_error(dtype: str, isa: str):
    if isa in MATRIX_ISAS and dtype == "float32":
        dtype = "complex128"
    with pytest.raises(ValueError, match="'split' does not apply: it needs a CPU with AMX or"):
        cyconv.explain((1, 8, 9, 9), (8, 8, 3, 3), dtype=dtype, **SPLIT)
    with pytest.raises(ValueError, match="'split' does not apply"):
        cyconv.conv2d(np.ones((1, 8, 9, 9), dtype), np.ones((8, 8, 3, 3), dtype), **SPLIT)


SCRATCH = """
import cyconv
print(max(
    cyconv.explain((1, c, size, size), (o, c, k, k), algorithm="split", held=held).scratch_bytes
    for c in (1, 64, 5000) for o in (1, 64, 5000) for k in (1, 3, 15) for size in (20, 500)
    for held in (False, True)
))
"""


@needs_matrix_unit
def test_scratch_is_bounded():
    for isa in MATRIX_ISAS:
        assert int(run_python(SCRATCH, CYCONV_ISA=isa).stdout) < 5 * 2**20


def test_the_choice_does_not_look_at_the_layout(matrix_isa: str):
    """Where it is close: the bits of channels that lie side by side are those of planes."""
    rng = np.random.default_rng(11)
    for channels in range(32, 200, 8):
        for outputs, size in ((32, 12), (64, 16), (96, 9)):
            x, w = (
                data(rng, (1, channels, size, size), "float32"),
                data(rng, (outputs, channels, 1, 1), "float32"),
            )
            side_by_side = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
            assert_same_bits(
                cyconv.conv2d(side_by_side, w), cyconv.conv2d(x, w), (channels, outputs)
            )
