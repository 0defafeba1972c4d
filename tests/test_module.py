"""``Conv2d``: torch's attributes, repr and initial distribution, calls, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from .arrays import assert_same_bits, data

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (((3, 6, 3), {}), "Conv2d(3, 6, kernel_size=(3, 3), stride=(1, 1))"),
        (
            (
                (4, 8, (3, 5), (2, 1)),
                {
                    "padding": (1, 2),
                    "dilation": (2, 1),
                    "groups": 2,
                    "bias": False,
                    "padding_mode": "circular",
                },
            ),
            "Conv2d(4, 8, kernel_size=(3, 5), stride=(2, 1), padding=(1, 2), dilation=(2, 1), "
            "groups=2, bias=False, padding_mode=circular)",
        ),
        (
            ((3, 6, [2, 3]), {"padding": "same"}),
            "Conv2d(3, 6, kernel_size=(2, 3), stride=(1, 1), padding=same)",
        ),
        (
            ((3, 6, 3), {"padding": "valid"}),
            "Conv2d(3, 6, kernel_size=(3, 3), stride=(1, 1), padding=valid)",
        ),
        (
            ((np.int64(3), 6, np.int64(3)), {"bias": None}),
            "Conv2d(3, 6, kernel_size=(3, 3), stride=(1, 1), bias=False)",
        ),
    ],
    ids=str,
)
def test_repr(arguments: tuple[tuple, dict], text: str):
    assert repr(cyconv.Conv2d(*arguments[0], **arguments[1])) == text


def test_attributes():
    layer = cyconv.Conv2d(4, 6, 3, (2, 1), 1, [1, 2], 2, True, "reflect")
    assert (layer.in_channels, layer.out_channels, layer.groups) == (4, 6, 2)
    assert layer.kernel_size == (3, 3)
    assert layer.stride == (2, 1)
    assert layer.padding == (1, 1)
    assert layer.dilation == (1, 2)
    assert layer.padding_mode == "reflect"
    assert layer.transposed is False
    assert layer.output_padding == (0, 0)
    assert layer.weight.shape == (6, 2, 3, 3)
    assert layer.bias.shape == (6,)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    assert cyconv.Conv2d(4, 6, 3, padding="same").padding == "same"
    assert cyconv.Conv2d(4, 6, 3, bias=False).bias is None


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2, "padding": 1},
        {"padding": "same", "dilation": 2, "padding_mode": "replicate"},
        {"padding": ((1, 0), (2, 3)), "groups": 2},
        {"activation": "relu", "bias": False},
        {"activation": "relu6", "groups": 4, "padding": 1, "padding_mode": "circular"},
        {"algorithm": "direct"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["float32", "float64", "float16", "complex64"])
def test_a_call_is_the_function(name: str, arguments: dict, isa: str, rng):
    if name == "complex64":
        arguments = {k: v for k, v in arguments.items() if k != "activation"}
    layer = cyconv.Conv2d(4, 8, (3, 2), **arguments, dtype=name, rng=1)
    x = data(rng, (2, 4, 9, 20), name)
    geometry = {k: v for k, v in arguments.items() if k != "bias"}
    expected = cyconv.conv2d(x, layer.weight, layer.bias, **geometry)
    assert expected.dtype == np.dtype(name)
    assert_same_bits(layer(x), expected)
    assert_same_bits(layer(x[0]), expected[0])
    assert_same_bits(layer(input=x), expected)
    assert_same_bits(layer.forward(x), expected)


def test_out_of_a_call(isa: str, rng):
    layer = cyconv.Conv2d(4, 4, 3, padding=1, activation="relu", rng=0)
    x = data(rng, (2, 4, 9, 20), "float32")
    expected = layer(x)
    out = np.full(expected.shape, np.nan, np.float32)
    assert layer(x, out=out) is out
    assert_same_bits(out, expected)
    shared = np.concatenate([x, x])  # the result begins where the second image is read
    assert_same_bits(layer(shared[:2], out=shared[1:3]), expected)
    same = x.copy()
    assert_same_bits(layer(same, out=same), expected)
    with pytest.raises(ValueError, match="out must have shape"):
        layer(x, out=out[:1])


def test_a_layer_that_chooses_otherwise_is_as_near(rng):
    x = data(rng, (1, 32, 8, 8), "float32")
    for algorithm in ("auto", "direct"):
        layer = cyconv.Conv2d(32, 64, 3, padding=1, bias=False, algorithm=algorithm, rng=0)
        result = cyconv.conv2d(x, layer.weight, padding=1, algorithm=algorithm)
        np.testing.assert_allclose(layer(x), result, rtol=0, atol=1e-5)
    assert_same_bits(layer(x), result)


def test_a_layer_promotes_like_the_function(rng):
    layer = cyconv.Conv2d(2, 3, 3, rng=0)
    for name in ("float64", "float16", "uint8", "int64", "complex64"):
        x = data(rng, (1, 2, 6, 7), name)
        expected = cyconv.conv2d(x, layer.weight, layer.bias)
        assert_same_bits(layer(x), expected, name)
    assert layer(np.ones((1, 2, 6, 7))).dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "groups", "dtype"),
    [((3, 64, 3), 1, "float32"), ((64, 64, 5), 4, "float64"), ((1, 500, 2), 1, "float32")],
)
def test_initial_distribution(shape: tuple[int, int, int], groups: int, dtype: str):
    layer = cyconv.Conv2d(*shape, groups=groups, dtype=dtype, rng=0)
    fan_in = shape[0] // groups * shape[2] ** 2
    bound = 1 / np.sqrt(fan_in)
    assert layer.weight.dtype == layer.bias.dtype == np.dtype(dtype)
    values = np.sort(layer.weight.ravel().astype(np.float64)) / bound
    # Kolmogorov's statistic against the uniform distribution, at a level of 1 in 10^4.
    uniform = (values + 1) / 2
    steps = np.arange(1, values.size + 1) / values.size
    assert np.abs(uniform - steps).max() < 2.23 / np.sqrt(values.size)
    for parameter in (layer.weight, layer.bias):
        assert np.abs(parameter).max() <= bound
        assert np.abs(parameter).max() > 0.9 * bound
        assert abs(float(parameter.mean())) < 5 * bound / np.sqrt(3 * parameter.size)


def test_complex_layers_fill_both_parts():
    layer = cyconv.Conv2d(3, 16, 3, dtype=np.complex64, rng=0)
    assert layer.weight.dtype == np.complex64
    assert np.abs(layer.weight.real).max() > 0
    assert np.abs(layer.weight.imag).max() > 0


def test_the_generator_decides():
    first, second = (cyconv.Conv2d(2, 3, 3, rng=7) for _ in range(2))
    assert_same_bits(first.weight, second.weight)
    assert_same_bits(first.bias, second.bias)
    assert_same_bits(cyconv.Conv2d(2, 3, 3, rng=np.random.default_rng(7)).weight, first.weight)
    drawn = [cyconv.Conv2d(2, 3, 3).weight for _ in range(2)]
    assert not np.array_equal(*drawn)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    cyconv.Conv2d(2, 3, 3)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"groups": 0}, "groups"),
        ({"groups": -1}, "groups"),
        ({"in_channels": 3, "groups": 2}, "in_channels"),
        ({"out_channels": 3, "groups": 2}, "out_channels"),
        ({"in_channels": -1}, "in_channels"),
        ({"out_channels": 0}, "out_channels"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": (3, -1)}, "kernel_size"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size"),
        ({"stride": 0}, "stride"),
        ({"stride": (1, 2, 3)}, "stride"),
        ({"padding": -1}, "padding"),
        ({"padding": (1, 1, 1, 1)}, "padding"),
        ({"padding": "foo"}, "padding"),
        ({"padding": "same", "stride": 2}, "stride"),
        ({"dilation": 0}, "dilation"),
        ({"padding_mode": "foo"}, "padding_mode"),
        ({"activation": "foo"}, "activation"),
        ({"algorithm": "foo"}, "algorithm"),
    ],
    ids=str,
)
def test_bad_values_are_refused_when_the_layer_is_built(arguments: dict, named: str):
    with pytest.raises(ValueError, match=named):
        cyconv.Conv2d(**{"in_channels": 4, "out_channels": 4, "kernel_size": 3, **arguments})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"kernel_size": 3.0}, "kernel_size"),
        ({"kernel_size": "3"}, "kernel_size"),
        ({"in_channels": 4.0}, "in_channels"),
        ({"out_channels": True}, "out_channels"),
        ({"stride": 1.5}, "stride"),
        ({"dtype": object}, "dtype"),
        ({"dtype": "longdouble"}, "dtype"),
        ({"dtype": bool}, "dtype"),
        ({"dtype": np.complex64, "activation": "relu"}, "activation"),
    ],
    ids=str,
)
def test_bad_types_are_refused_when_the_layer_is_built(arguments: dict, named: str):
    with pytest.raises(TypeError, match=named):
        cyconv.Conv2d(**{"in_channels": 4, "out_channels": 4, "kernel_size": 3, **arguments})


def test_a_wrong_input_is_named():
    layer = cyconv.Conv2d(4, 4, 3)
    for bad in (np.ones((1, 3, 5, 5)), np.ones((1, 4, 2, 2))):
        with pytest.raises(ValueError, match=r"input|kernel"):
            layer(bad)
    for shape in ((), (5,), (5, 5), (1, 1, 4, 5, 5)):  # its weight has four axes
        with pytest.raises(
            ValueError, match=r"input must have shape \(N, C, H, W\) or \(C, H, W\)"
        ):
            layer(np.ones(shape))


@pytest.mark.parametrize("dtype", ["complex64", "float16"])
def test_a_converted_weight_does_not_pass_for_a_plain_one(dtype: str):
    # In the engine's real channels a complex weight looks like a float32 one of twice the size.
    layer = cyconv.Conv2d(1, 1, 3, bias=False, dtype=dtype)
    layer(np.ones((1, 1, 5, 5), dtype))
    with pytest.raises(ValueError, match="input"):
        layer(np.ones((1, 2, 5, 5), np.float32))


def test_groups_changed_after_a_call_repack_the_weights():
    rng = np.random.default_rng(1)
    for out_channels in (4, 18, 36, 90):
        layer = cyconv.Conv2d(6, out_channels, 3, bias=False, algorithm="direct", rng=0)
        layer(rng.standard_normal((1, 6, 9, 9)).astype("f4"))
        layer.groups = 2
        x = rng.standard_normal((1, 12, 9, 9)).astype("f4")
        expected = cyconv.conv2d(x, layer.weight, groups=2, algorithm="direct")
        np.testing.assert_array_equal(layer(x), expected)


@pytest.mark.parametrize("algorithm", ["auto", "direct"])
def test_plans_of_other_calls_do_not_fit(algorithm: str, isas, rng):
    # A layer keeps a few plans. Sizes, batches, layouts, thread counts, kinds of core and
    # instruction sets come by in turn, more than it keeps, and each again.
    layer = cyconv.Conv2d(16, 40, 3, padding=1, algorithm=algorithm, rng=0)
    images = [
        data(rng, shape, "float32")
        for shape in [(1, 16, 9, 9), (6, 16, 5, 5), (1, 16, 9, 10), (2, 16, 30, 31), (16, 16, 5, 5)]
    ]
    images += [x.transpose(0, 1, 3, 2) for x in images[:3]]
    expected = {}
    for isa in isas:
        _engine.use_isa(isa)
        for index, x in enumerate(images):
            expected[isa, index] = cyconv.conv2d(
                x, layer.weight, layer.bias, padding=1, algorithm=algorithm
            )
    calls = [(isa, n, kind) for isa in isas for n in (1, 2) for kind in ("halved", "late", "none")]
    for isa, threads, kind in calls * 2:
        _engine.use_isa(isa)
        cyconv.set_num_threads(threads)
        before = _engine.suppose_lines(kind)
        try:
            for index, x in enumerate(images):
                if algorithm == "direct":  # of the same bits on every kind of core
                    assert_same_bits(layer(x), expected[isa, index], f"{isa}, image {index}")
                else:
                    np.testing.assert_allclose(layer(x), expected[isa, index], rtol=1e-4, atol=1e-5)
        finally:
            _engine.suppose_lines(before)


def test_a_kept_plan_serves_the_algorithm_of_the_moment(rng):
    layer = cyconv.Conv2d(16, 32, 3, padding=1, rng=0)
    x = data(rng, (1, 16, 24, 24), "float32")
    for algorithm in ("direct", "winograd", "direct", "fft", "winograd"):
        layer.algorithm = algorithm
        expected = cyconv.conv2d(x, layer.weight, layer.bias, padding=1, algorithm=algorithm)
        assert_same_bits(layer(x), expected, algorithm)
