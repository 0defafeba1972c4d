"""The names around ``conv2d``: shapes, padding by hand, ``explain`` and the configuration."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing

import numpy as np
import pytest

import cyconv
import cyconv.functional as F
from cyconv import _engine, nn

from . import oracle
from .arrays import ISAS, assert_same_bits, data
from .oracle import Geometry

pytestmark = pytest.mark.core


def test_the_public_names():
    assert F.conv2d is cyconv.conv2d
    assert nn.Conv2d is cyconv.Conv2d
    assert callable(F.pad)
    for name in ("conv2d_output_shape", "explain", "set_num_threads", "get_num_threads"):
        assert name in cyconv.__all__
        assert callable(getattr(cyconv, name))
    assert all(hasattr(cyconv, name) for name in cyconv.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", cyconv.__version__)


def test_output_shapes_are_those_of_results(rng):
    for _ in range(300):
        size, kernel = rng.integers(1, 9, 2).tolist(), rng.integers(1, 5, 2).tolist()
        stride, dilation = rng.integers(1, 4, 2).tolist(), rng.integers(1, 4, 2).tolist()
        sides = rng.integers(0, 4, 4).tolist()
        padding = ((sides[0], sides[1]), (sides[2], sides[3]))
        geometry = Geometry(tuple(stride), tuple(sides), tuple(dilation))
        expected = oracle.output_size(tuple(size), tuple(kernel), geometry)
        arguments = {"stride": stride, "padding": padding, "dilation": dilation}
        for lead, weight in (((2, 3), (4, 3)), ((3,), (4, 3)), ((), ())):
            shapes = (*lead, *size), (*weight, *kernel)
            if min(expected) < 1:
                with pytest.raises(ValueError, match="kernel"):
                    cyconv.conv2d_output_shape(*shapes, **arguments)
                continue
            shape = cyconv.conv2d_output_shape(*shapes, **arguments)
            assert shape == (*lead[:-1], *weight[:1], *expected)
            assert all(type(n) is int for n in shape)
            assert cyconv.conv2d(np.ones(shapes[0]), np.ones(shapes[1]), **arguments).shape == shape


def test_output_shapes_of_strings_and_huge_sizes():
    shape = cyconv.conv2d_output_shape
    assert shape((1, 3, 7, 8), (5, 3, 4, 4), padding="same", dilation=3) == (1, 5, 7, 8)
    assert shape((1, 3, 7, 8), (5, 3, 4, 4), padding="valid") == (1, 5, 4, 5)
    assert shape((0, 3, 7, 8), (5, 3, 4, 4)) == (0, 5, 4, 5)
    assert shape((1, 1, 2**40, 8), (1, 1, 3, 3)) == (1, 1, 2**40 - 2, 6)
    with pytest.raises(ValueError, match=r"weight_shape\[0\] must be divisible by 4"):
        shape((1, 12, 5, 5), (6, 3, 3, 3))
    for bad in ({"stride": 0}, {"padding": -1}, {"dilation": 0}, {"padding": "SAME"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            shape((1, 3, 7, 8), (5, 3, 4, 4), **bad)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode: str, rng):
    for shape in ((2, 3, 4, 5), (3, 4, 5), (4, 5)):
        x = data(rng, shape, "float32")
        for left, right, top, bottom in itertools.product((0, 2), (0, 4), (0, 3), (1, 3)):
            kind = "zeros" if mode == "constant" else mode
            expected = oracle.pad(x, (top, bottom, left, right), kind)
            assert_same_bits(F.pad(x, (left, right, top, bottom), mode), expected)
        across = oracle.pad(x, (0, 0, 2, 1), "zeros" if mode == "constant" else mode)
        assert_same_bits(F.pad(x, (2, 1), mode), across)


def test_pad_with_a_value_and_its_errors(rng):
    x = data(rng, (1, 2, 4, 5), "float32")
    padded = F.pad(x, (1, 2, 3, 0), value=2.5)
    expected = np.full((1, 2, 7, 8), 2.5, "f4")
    expected[:, :, 3:, 1:6] = x
    assert_same_bits(padded, expected)
    for arguments, named in (
        (((1, 2, 3),), "pad"),
        (((-1, 0),), "pad"),
        (((5, 0), "reflect"), "pad"),
        (((6, 0), "circular"), "pad"),
        (((1, 1), "mirror"), "mode"),
    ):
        with pytest.raises(ValueError, match=named):
            F.pad(x, *arguments)
    for bad in ((1.0, 1), "same", None):
        with pytest.raises(TypeError, match="pad"):
            F.pad(x, bad)


SHAPES = {
    "dense": ((1, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}),
    "1x1": ((1, 144, 56, 56), (24, 144, 1, 1), {}),
    "depthwise": ((1, 96, 56, 56), (96, 1, 3, 3), {"padding": 1, "groups": 96}),
    "image": ((1, 1, 1080, 1920), (1, 1, 3, 3), {"padding": "same"}),
    "small": ((1, 1, 3, 3), (1, 1, 3, 3), {}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int8", np.float16])
@pytest.mark.parametrize("layer", SHAPES)
def test_explain(layer: str, dtype: object, isa: str):
    x_shape, w_shape, arguments = SHAPES[layer]
    for held in (False, True):
        told = cyconv.explain(x_shape, w_shape, **arguments, dtype=dtype, held=held)
        shape = cyconv.conv2d_output_shape(
            x_shape, w_shape, **{k: v for k, v in arguments.items() if k != "groups"}
        )
        terms = w_shape[1] * w_shape[2] * w_shape[3]
        each = 8 if np.dtype(dtype).kind == "c" else 2
        assert told.flops == each * terms * int(np.prod(shape))
        assert told.isa == isa
        assert 1 <= told.threads <= cyconv.get_num_threads()
        assert 0 <= told.scratch_bytes < 8 << 20
        assert told.algorithm in str(told)
        assert isa in str(told)
        assert told.reason
        with pytest.raises(dataclasses.FrozenInstanceError):
            told.algorithm = "other"
    batch = cyconv.explain((7, *x_shape[1:]), w_shape, **arguments, dtype=dtype)
    one = cyconv.explain(x_shape, w_shape, **arguments, dtype=dtype)
    assert batch.algorithm == one.algorithm, "the batch size must not choose the algorithm"
    cyconv.set_num_threads(1)
    serial = cyconv.explain(x_shape, w_shape, **arguments, dtype=dtype)
    assert serial.algorithm == one.algorithm, "threads must not choose the algorithm"
    assert serial.threads == 1


def test_explain_counts_the_threads_that_deal_images_out():
    cyconv.set_num_threads(2)
    if cyconv.get_num_threads() < 2:
        pytest.skip("there is one thread, whatever deals images out")
    told = cyconv.explain((300, 64, 3, 3), (64, 64, 3, 3))
    assert "side by side" in told.reason
    assert told.threads == cyconv.get_num_threads()


def test_explain_checks_like_the_function():
    assert cyconv.explain((3, 8, 8), (4, 3, 3, 3)).flops == 2 * 27 * 4 * 36
    assert cyconv.explain((8, 8), (3, 3)).flops == 2 * 9 * 36
    for bad, named in (
        (((1, 3, 8, 8), (4, 2, 3, 3)), "channels"),
        (((1, 3, 8, 8), (4, 3, 9, 9)), "kernel"),
        (((3,), (4, 3, 9, 9)), "input"),
        (((1, 3, 8, 8), (4, 3, 3)), "weight"),
    ):
        with pytest.raises(ValueError, match=named):
            cyconv.explain(*bad)
    with pytest.raises(TypeError, match="dtype"):
        cyconv.explain((1, 3, 8, 8), (4, 3, 3, 3), dtype=object)


@pytest.mark.parametrize("bad", [0, -1, 2**31, 2**64])
def test_thread_counts_out_of_range(bad: int):
    before = cyconv.get_num_threads()
    with pytest.raises(ValueError, match=str(bad)):
        cyconv.set_num_threads(bad)
    assert cyconv.get_num_threads() == before


@pytest.mark.parametrize("bad", [1.0, "1", None, True, (1,)], ids=repr)
def test_thread_counts_of_the_wrong_type(bad: object):
    with pytest.raises(TypeError):
        cyconv.set_num_threads(bad)


def test_unknown_instruction_sets_are_refused():
    for name in ("avx1024", "AVX2", " avx2"):
        with pytest.raises(ValueError, match=re.escape(name)):
            _engine.use_isa(name)
    available = _engine.available_isas()
    assert set(available) <= set(ISAS)
    assert available[0] == "scalar"


@pytest.mark.parametrize(
    "documented",
    [
        cyconv.conv2d,
        cyconv.functional.pad,
        cyconv.explain,
        cyconv.conv2d_output_shape,
        cyconv.Conv2d,
        cyconv.Conv2d.__init__,
        cyconv.Conv2d.forward,
        cyconv.Conv2d.load_state_dict,
        cyconv.Conv2d.reset_parameters,
        cyconv.IncompatibleKeys,
    ],
)
def test_annotations_can_be_resolved(documented):
    """Tools that check calls or write documentation do so at run time."""
    assert typing.get_type_hints(documented)
