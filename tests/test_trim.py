"""Kernels most taps of which read zero padding alone: those are taken off before planning."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv

from .arrays import (
    COMPLEX,
    HALVES,
    REALS,
    assert_same_bits,
    assert_written,
    data,
    dtype_of,
    guarded,
    needs_guard_pages,
    parameters,
    poisoned,
)
from .exact import assert_exact
from .layouts import layouts
from .oracle import Geometry, output_size
from .test_nonfinite import FINITE, NAN, classes, expected_classes

pytestmark = pytest.mark.core

# input; weight; geometry
TRIMMED = [
    ((3, 1, 1), (5, 3, 3, 3), Geometry(padding=(1, 1, 1, 1))),
    ((40, 1, 1), (70, 40, 3, 3), Geometry(padding=(1, 1, 1, 1))),
    ((4, 2, 2), (6, 4, 7, 7), Geometry(padding=(3, 3, 3, 3))),
    ((4, 2, 3), (6, 4, 9, 11), Geometry((2, 2), (4, 4, 5, 5))),
    ((4, 6, 6), (35, 4, 19, 19), Geometry((2, 2), (9, 9, 9, 9))),
    ((30, 5, 4), (20, 30, 22, 21), Geometry(padding=(10, 11, 10, 10))),
    # atrous layers whose outer taps are further away than the image is large
    ((6, 9, 8), (7, 6, 3, 3), Geometry((1, 1), (9, 9, 9, 9), (9, 9))),
    ((6, 9, 8), (7, 6, 9, 3), Geometry((1, 1), (12, 12, 9, 9), (3, 9))),
    ((6, 6, 6), (8, 3, 3, 3), Geometry((2, 1), (7, 7, 7, 7), (7, 7), 2)),
    # the first tap that is left reads the second row and the third column of the only output
    ((5, 4, 4), (9, 5, 3, 3), Geometry((1, 1), (4, 3, 3, 4), (5, 5))),
    ((8, 3, 2), (8, 1, 15, 13), Geometry(padding=(7, 7, 6, 6), groups=8)),
    ((8, 1, 1), (16, 1, 7, 7), Geometry(padding=(3, 3, 3, 3), groups=8)),
    ((2, 3, 5), (20, 2, 20, 31), Geometry(padding=(9, 10, 15, 15))),
    ((1, 40, 60), (3, 1, 1, 600), Geometry(padding=(0, 0, 299, 300))),
]


def operands(rng, layer, name, batch=2):
    x_shape, w_shape, geometry = layer
    shapes = (batch, *x_shape), w_shape, w_shape[:1]
    return *(data(rng, shape, name) for shape in shapes), geometry


def reading_taps(size: int, taps: int, outputs: int, stride: int, before: int, dilation: int):
    """Which taps of an axis read the input for some output."""
    inputs = np.arange(outputs)[:, None] * stride - before + np.arange(taps) * dilation
    return np.flatnonzero(((inputs >= 0) & (inputs < size)).any(axis=0))


def left_of(x, w, geometry: Geometry):
    """The same convolution without the outer taps that read nothing."""
    outputs = output_size(x.shape[2:], w.shape[2:], geometry)
    padding = []
    for axis in range(2):
        stride, before = geometry.stride[axis], geometry.padding[2 * axis]
        dilation = geometry.dilation[axis]
        size, taps = x.shape[2 + axis], w.shape[2 + axis]
        reading = reading_taps(size, taps, outputs[axis], stride, before, dilation)
        first, end = int(reading[0]), int(reading[-1]) + 1
        w = w.take(range(first, end), 2 + axis)
        before -= first * dilation
        needed = (outputs[axis] - 1) * stride + (end - first - 1) * dilation + 1
        x = x.take(range(max(0, -before), min(size, needed - before)), 2 + axis)
        padding += [max(0, before), max(0, needed - before - size)]
    return x, w, geometry._replace(padding=tuple(padding))


@pytest.mark.parametrize("name", ["float16", *REALS, "complex64", "uint8", "int64"])
@pytest.mark.parametrize("layer", TRIMMED, ids=str)
def test_exact(layer, name, isas, rng):
    *arrays, geometry = operands(rng, layer, name)
    if not name.startswith(("int", "uint")):
        arrays = [np.rint(a * 2).astype(a.dtype) for a in arrays]
    assert_exact(*arrays, geometry, isas)


@pytest.mark.parametrize("name", parameters((*HALVES, *REALS, *COMPLEX)))
@pytest.mark.parametrize("layer", TRIMMED, ids=str)
def test_bits_and_plan_of_what_is_left(layer, name, isa, rng):
    x, w, b, geometry = operands(rng, layer, name)
    rest, taps, small = left_of(x, w, geometry)
    assert 3 * taps[0, 0].size < w[0, 0].size
    for algorithm in ("auto", "direct"):
        settings = {"algorithm": algorithm, "activation": None if x.dtype.kind == "c" else "relu"}
        expected = cyconv.conv2d(rest, taps, b, **small.keywords(), **settings)
        assert_same_bits(cyconv.conv2d(x, w, b, **geometry.keywords(), **settings), expected)
        plan, smaller = (
            cyconv.explain(a.shape, v.shape, **g.keywords(), dtype=x.dtype, algorithm=algorithm)
            for a, v, g in ((x, w, geometry), (rest, taps, small))
        )
        assert (plan.algorithm, plan.tile, plan.threads, plan.output_shape) == (
            smaller.algorithm,
            smaller.tile,
            smaller.threads,
            smaller.output_shape,
        )
        assert plan.flops * taps[0, 0].size == smaller.flops * w[0, 0].size


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("layer", TRIMMED, ids=str)
def test_held_weights(layer, threads, isa, rng):
    cyconv.set_num_threads(threads)
    x, w, b, geometry = operands(rng, layer, "float32", batch=3)
    keywords = geometry.keywords()
    conv = cyconv.Conv2d(x.shape[1], w.shape[0], w.shape[2:], **keywords, algorithm="direct")
    conv.weight, conv.bias = w, b
    expected = cyconv.conv2d(x, w, b, **keywords, algorithm="direct")
    for _ in range(2):
        assert_same_bits(conv(x), expected)
    for image in range(3):
        assert_same_bits(conv(x[image]), expected[image])


def test_more_sizes_than_a_layer_holds(isa, rng):
    conv = cyconv.Conv2d(3, 5, 31, padding=15, algorithm="direct", dtype="f4")
    sizes = [(h, w) for h in range(1, 5) for w in range(1, 5)]
    images = [rng.standard_normal((3, *size)).astype("f4") for size in sizes]
    for x in images * 2:
        expected = cyconv.conv2d(x, conv.weight, conv.bias, padding=15, algorithm="direct")
        assert_same_bits(conv(x), expected)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", parameters((*HALVES, *REALS)))
@pytest.mark.parametrize("layer", TRIMMED, ids=str)
def test_taps_that_are_not_finite(layer, name, special, held, isa, rng):
    """Zero padding times infinity is NaN, in the outputs of that weight's channel and no other."""
    x, w, b, geometry = operands(rng, layer, name)
    clean = cyconv.conv2d(x, w, b, **geometry.keywords())
    w[1, -1, -1, -1] = special
    expected = expected_classes(x, w, b, geometry)
    out = poisoned(clean.shape, dtype_of(name))
    if held:
        keywords = geometry.keywords()
        conv = cyconv.Conv2d(x.shape[1], w.shape[0], w.shape[2:], **keywords, dtype=x.dtype)
        conv.weight, conv.bias = w, b
        out[...] = conv(x)
    else:
        cyconv.conv2d(x, w, b, **geometry.keywords(), out=out)
    assert_written(out)
    assert np.array_equal(classes(out), expected)
    assert (expected[:, 1] == NAN).all()
    others = [channel for channel in range(w.shape[0]) if channel != 1]
    assert (expected[:, others] == FINITE).all()
    if not held:  # a layer may choose another algorithm
        assert_same_bits(out[:, others], clean[:, others])


@pytest.mark.parametrize("layer", TRIMMED, ids=str)
def test_layouts(layer, isa, rng, tmp_path):
    x, w, b, geometry = operands(rng, layer, "float32")
    expected = cyconv.conv2d(x, w, b, **geometry.keywords())
    for name, array in layouts(x, tmp_path):
        assert_same_bits(cyconv.conv2d(array, w, b, **geometry.keywords()), expected, name)


@needs_guard_pages
@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("layer", TRIMMED, ids=str)
def test_reads_nothing_outside(layer, at_end, isa, rng):
    x, w, b, geometry = operands(rng, layer, "float32")
    x, w, b = (guarded(a, at_end) for a in (x, w, b))
    out = guarded(poisoned(cyconv.conv2d(x, w, b, **geometry.keywords()).shape, x.dtype), at_end)
    cyconv.conv2d(x, w, b, **geometry.keywords(), out=out)
    assert np.isfinite(out).all()


def test_two_axes(isa, rng):
    x, w = rng.standard_normal((2, 2)), rng.standard_normal((9, 9))
    expected = cyconv.conv2d(x[None, None], w[None, None], padding=4)[0, 0]
    assert_same_bits(cyconv.conv2d(x, w, padding=4), expected)


def test_winograd_by_name_takes_the_whole_kernel(isa, rng):
    x = rng.standard_normal((1, 8, 1, 1))
    w = rng.standard_normal((4, 8, 3, 3))
    y = cyconv.conv2d(x, w, padding=1, algorithm="winograd")
    np.testing.assert_allclose(y, cyconv.conv2d(x, w[:, :, 1:2, 1:2]), rtol=1e-12, atol=1e-12)
    plan = cyconv.explain(x.shape, w.shape, padding=1, algorithm="winograd")
    assert plan.algorithm == "winograd"


FEW_SPECTRA = [layer for layer in TRIMMED if layer[1][0] * layer[1][1] < 200]  # which scratch holds


@pytest.mark.parametrize("layer", FEW_SPECTRA, ids=str)
def test_fourier_transforms_of_what_is_left(layer, isa, rng):
    x, w, b, geometry = operands(rng, layer, "float64")
    rest, taps, small = left_of(x, w, geometry)
    y = cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm="fft")
    assert_same_bits(y, cyconv.conv2d(rest, taps, b, **small.keywords(), algorithm="fft"))
    direct = cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm="direct")
    np.testing.assert_allclose(y, direct, rtol=1e-9, atol=1e-9)
