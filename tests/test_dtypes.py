"""Result dtypes, wrapping integers, activations and the operands that are refused."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import cyconv

from . import oracle
from .arrays import ALL, COMPLEX, INTEGERS, assert_same_bits, available, data, dtype_of, parameters
from .oracle import Geometry

pytestmark = pytest.mark.core

# What casting="same_kind" allows: any kind to itself or to a later one. NumPy's own can_cast lets
# complex numbers become bfloat16, but not bfloat16 float16; bfloat16 (kind V) counts as a float.
KINDS = {"b": 0, "u": 1, "i": 2, "f": 3, "V": 3, "c": 4}
PAIRS = [*itertools.product(("bool", *available(ALL)), repeat=2)]


def result_type(*dtypes: np.dtype) -> np.dtype | None:
    """Promote as NumPy does, None where it refuses or where no such convolution exists."""
    try:
        result = np.result_type(*dtypes)
    except TypeError:
        return None
    return None if result == np.bool_ else result


def sample(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Draw small integers, exact in every dtype and in every sum below."""
    return rng.integers(0, 2 if name == "bool" else 5, shape).astype(dtype_of(name))


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_mixed_dtypes_promote(left: str, right: str, isa: str, rng):
    x, w = sample(rng, (2, 3, 5, 20), left), sample(rng, (4, 3, 2, 3), right)
    result = result_type(x.dtype, w.dtype)
    if result is None:
        with pytest.raises(TypeError, match=r"dtype|bool"):
            cyconv.conv2d(x, w)
        return
    exact = oracle.conv2d(x.real.astype(np.int64), w.real.astype(np.int64), None, Geometry())
    y = cyconv.conv2d(x, w)
    assert y.dtype == result
    # float32 holds these sums exactly, so that bfloat16 is rounded once.
    expected = exact.astype(np.float32 if result.kind in "fV" else np.int64).astype(result)
    assert np.array_equal(y, expected)


@pytest.mark.parametrize("name", parameters(ALL))
def test_bias_must_be_castable_in_kind(name: str, rng):
    x, w = sample(rng, (1, 2, 4, 4), name), sample(rng, (3, 2, 2, 2), name)
    for other in ("bool", *available(ALL)):
        b = sample(rng, (3,), other)
        if KINDS[b.dtype.kind] <= KINDS[x.dtype.kind]:
            y = cyconv.conv2d(x, w, b)
            assert_same_bits(y, cyconv.conv2d(x, w, b.astype(x.dtype)), other)
        else:
            with pytest.raises(TypeError, match="bias"):
                cyconv.conv2d(x, w, b)


def test_bias_does_not_promote_the_result(rng):
    x, w = data(rng, (1, 2, 4, 4), "float32"), data(rng, (3, 2, 2, 2), "float32")
    b = data(rng, (3,), "float64")
    assert_same_bits(cyconv.conv2d(x, w, b), cyconv.conv2d(x, w, b.astype(np.float32)))


def test_integers_wrap_as_torch_and_numpy_do(isa: str):
    def nines(name, x, w):
        return cyconv.conv2d(np.full((3, 3), x, dtype=name), np.full((3, 3), w, dtype=name)).item()

    assert nines("uint8", 200, 1) == 9 * 200 % 256 == 8
    assert nines("int8", 100, 1) == (9 * 100 + 128) % 256 - 128 == -124
    assert nines("int64", 2**62, 1) == (9 * 2**62 + 2**63) % 2**64 - 2**63
    assert nines("uint64", 2**63 + 1, 3) == 27 * (2**63 + 1) % 2**64
    assert nines("int32", -(2**31), 1) == -(2**31)
    assert nines("uint16", 65535, 65535) == 9


@pytest.mark.parametrize(
    ("narrow", "wide"),
    # int64 and uint64 promote to float64, in which these sums are not exact.
    [p for p in itertools.product(INTEGERS, repeat=2) if np.result_type(*p).kind != "f"],
)
def test_whole_range_integers_extend_before_they_multiply(narrow: str, wide: str, isa: str, rng):
    result = np.result_type(narrow, wide)
    x, w = data(rng, (1, 3, 5, 40), narrow), data(rng, (4, 3, 2, 3), wide)
    b = data(rng, (4,), wide)
    ring = (a.astype(np.int64).astype(np.uint64) for a in (x, w, b))
    expected = oracle.conv2d(*ring, Geometry()).astype(result)
    assert_same_bits(cyconv.conv2d(x, w, b), expected)
    x, w = data(rng, (1, 3, 5, 40), wide), data(rng, (4, 3, 2, 3), narrow)
    ring = (a.astype(np.int64).astype(np.uint64) for a in (x, w, b))
    assert_same_bits(
        cyconv.conv2d(x, w, b), oracle.conv2d(*ring, Geometry()).astype(result), "swapped"
    )


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("name", [n for n in ALL if n not in COMPLEX])
@pytest.mark.parametrize("kernel", [1, 3])
def test_activations(kernel: int, name: str, activation: str, isa: str, rng):
    if name not in available(ALL):
        pytest.skip("bfloat16 needs ml_dtypes")
    for channels, groups in ((5, 1), (6, 6), (1, 1)):
        x = data(rng, (2, channels, 7, 40), name)
        w = data(rng, (channels, channels // groups, kernel, kernel), name)
        b = data(rng, (channels,), name)
        plain = cyconv.conv2d(x, w, b, padding=1, groups=groups)
        # The activation acts on the result, for integers on the wrapped one.
        expected = np.maximum(plain, plain.dtype.type(0))
        if activation == "relu6":
            expected = np.minimum(expected, plain.dtype.type(6))
        y = cyconv.conv2d(x, w, b, padding=1, groups=groups, activation=activation)
        assert y.dtype == plain.dtype
        assert np.array_equal(y, expected)
        assert not np.array_equal(plain, expected) or name.startswith("u")


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_is_neither_conjugated_nor_activated(name: str, isa: str):
    x, w = np.array([[1 + 2j]], dtype=name), np.array([[3 + 4j]], dtype=name)
    assert cyconv.conv2d(x, w).item() == -5 + 10j
    for activation in ("relu", "relu6"):
        with pytest.raises(TypeError, match="activation"):
            cyconv.conv2d(x, w, activation=activation)


@pytest.mark.parametrize("which", ["input", "weight", "bias"])
@pytest.mark.parametrize(
    "bad",
    [
        np.ma.masked_array(np.ones((3, 3)), mask=np.eye(3)),
        np.ma.masked_array(np.ones((3, 3))),
        np.ones((3, 3), dtype=object),
        np.full((3, 3), "1"),
        np.full((3, 3), b"1"),
        np.zeros((3, 3), dtype="M8[s]"),
        np.zeros((3, 3), dtype="m8[s]"),
        np.zeros((3, 3), dtype=[("a", "f4")]),
        [[object()] * 3] * 3,
        "text",
        object(),
    ],
    ids=lambda bad: str(getattr(bad, "dtype", type(bad).__name__)) + type(bad).__name__,
)
def test_operands_that_are_no_numbers(bad: object, which: str):
    operands = {
        "input": np.ones((1, 1, 3, 3)),
        "weight": np.ones((1, 1, 3, 3)),
        "bias": np.ones(1),
    }
    if isinstance(bad, np.ndarray):
        bad = bad[:1, 0] if which == "bias" else bad[None, None]
    operands[which] = bad
    with pytest.raises(TypeError, match=rf"\b{which}\b"):
        cyconv.conv2d(**operands)


@pytest.mark.parametrize("which", ["input", "weight"])
def test_long_double_is_refused(which: str):
    operands = {"input": np.ones((3, 3)), "weight": np.ones((3, 3))}
    for name in ("longdouble", "clongdouble"):
        if np.dtype(name) in (np.dtype("f8"), np.dtype("c16")):
            continue
        with pytest.raises(TypeError, match=r"dtype|longdouble|float128|float96"):
            cyconv.conv2d(**{**operands, which: operands[which].astype(name)})


def test_eight_bit_floats_are_refused():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4):
        x = np.ones((3, 3), dtype=dtype)
        with pytest.raises(TypeError, match=r"dtype|float8|int4"):
            cyconv.conv2d(x, x)


class Wrapped:
    """An array-like that is known by its ``__array__`` alone."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.array


def test_array_likes(rng):
    x, w, b = (data(rng, s, "float64") for s in ((1, 2, 4, 4), (3, 2, 2, 2), (3,)))
    expected = cyconv.conv2d(x, w, b)
    assert_same_bits(cyconv.conv2d(x.tolist(), w.tolist(), b.tolist()), expected)
    assert_same_bits(cyconv.conv2d(Wrapped(x), Wrapped(w), Wrapped(b)), expected)
    assert_same_bits(cyconv.conv2d(memoryview(x), memoryview(w), memoryview(b)), expected)
    lists = cyconv.conv2d([[1, 2], [3, 4]], [[1, 1]])
    assert lists.tolist() == [[3], [7]]
    assert lists.dtype == np.array([1]).dtype


def test_no_warnings_come_out(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = data(rng, (1, 2, 6, 6), "float32")
        cyconv.conv2d(x, data(rng, (2, 2, 2, 2), "float32"), padding="same")
        cyconv.conv2d(np.full((3, 3), 3e38, "f4"), np.full((3, 3), 10, "f4"))
        cyconv.conv2d(np.full((3, 3), 1e-45, "f4"), np.full((3, 3), 1e-9, "f4"))
        cyconv.conv2d(np.full((3, 3), 255, "u1"), np.full((3, 3), 255, "u1"))
        cyconv.conv2d(np.full((3, 3), 65504, "f2"), np.full((3, 3), 65504, "f2"))
        cyconv.conv2d(x.astype("f8") * 1e300, np.ones((1, 2, 1, 1)), np.array([1.0]))


@pytest.mark.parametrize("name", ["uint8", "int32", "int64", "float16", "float32", "complex64"])
def test_any_byte_of_a_mask_is_one(name, isa, rng):
    octets = rng.integers(0, 3, (2, 3, 30, 31), dtype=np.uint8) * 127
    w = rng.integers(0, 5, (4, 3, 3, 3)).astype(name)
    for mask in (octets.view(bool), octets.view(bool)[:, :, ::-1, ::2]):
        expected = cyconv.conv2d((mask.view(np.uint8) != 0).astype(name), w, algorithm="direct")
        assert_same_bits(cyconv.conv2d(mask, w, algorithm="direct"), expected)


@pytest.mark.parametrize(
    ("name", "bias"),
    [
        ("float16", 1e6),
        ("float32", 1e300),
        ("float32", -(10**39)),
        ("float64", 10**400),
        ("complex64", 1e300j),
        ("uint8", 256),
    ],
)
def test_a_bias_out_of_range(name, bias):
    x, w = np.ones((2, 2), name), np.ones((1, 1), name)
    with pytest.raises(ValueError, match=f"bias must be in the range of {name}"):
        cyconv.conv2d(x, w, bias)
    if name != "uint8":
        assert np.isinf(cyconv.conv2d(x, w, float("inf"))).all()
