"""Bad arguments: the type of the error, and a message that names the argument and what it got."""

from __future__ import annotations

import enum
import warnings

import numpy as np
import pytest

import cyconv

from .arrays import poisoned

pytestmark = pytest.mark.core

X = np.ones((2, 4, 5, 5), dtype=np.float32)
W = np.ones((6, 4, 3, 3), dtype=np.float32)
B = np.ones(6, dtype=np.float32)
HUGE = 2**63
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    MATRIX = np.asmatrix(np.ones((5, 5), dtype=np.float32))


def call(**arguments: object) -> np.ndarray:
    return cyconv.conv2d(**{"input": X, "weight": W, "bias": B, **arguments})


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        # Ranks and shapes; the message shows the shape that came.
        ({"input": np.float32(1)}, ["input"]),
        ({"input": zeros(5)}, ["input", "(5,)"]),
        ({"input": zeros(5, 5)}, ["input", "weight"]),
        ({"input": zeros(1, 2, 4, 5, 5)}, ["input", "(1, 2, 4, 5, 5)"]),
        ({"input": MATRIX}, ["input", "weight"]),
        ({"weight": zeros(6, 4, 3)}, ["weight", "(6, 4, 3)"]),
        ({"weight": zeros(3, 3)}, ["weight", "(3, 3)"]),
        ({"weight": zeros(6, 4, 3, 3, 1)}, ["weight", "(6, 4, 3, 3, 1)"]),
        ({"weight": np.float32(1)}, ["weight"]),
        ({"input": zeros(5, 5), "weight": zeros(1, 1, 3, 3), "bias": None}, ["weight"]),
        ({"bias": zeros(5)}, ["bias", "(5,)", "6"]),
        ({"bias": zeros(1)}, ["bias", "(1,)", "6"]),
        ({"bias": zeros(0)}, ["bias", "(0,)", "6"]),
        ({"bias": zeros(6, 1)}, ["bias", "(6, 1)"]),
        ({"bias": np.float32(1)}, ["bias"]),
        ({"bias": 1.0}, ["bias"]),
        # Channels and groups.
        ({"weight": zeros(6, 3, 3, 3)}, ["channels", "4", "3"]),
        ({"weight": zeros(6, 8, 3, 3)}, ["channels", "4", "8"]),
        ({"input": zeros(2, 0, 5, 5)}, ["channels"]),
        ({"weight": zeros(6, 0, 3, 3)}, ["channels"]),
        ({"groups": 4}, ["groups", "4"]),
        ({"groups": 2}, ["channels", "4"]),
        ({"groups": 3, "weight": zeros(6, 1, 3, 3)}, ["groups", "3"]),
        ({"groups": 8, "weight": zeros(6, 1, 3, 3)}, ["groups", "8"]),
        ({"groups": 0}, ["groups", "0"]),
        ({"groups": -1}, ["groups", "-1"]),
        ({"groups": HUGE}, ["groups"]),
        # Sizes of zero.
        ({"weight": zeros(0, 4, 3, 3), "bias": None}, ["weight", "(0, 4, 3, 3)"]),
        ({"weight": zeros(6, 4, 0, 3)}, ["weight", "(6, 4, 0, 3)"]),
        ({"weight": zeros(6, 4, 3, 0)}, ["weight", "(6, 4, 3, 0)"]),
        ({"input": zeros(2, 4, 0, 5), "padding": 2}, ["input", "(2, 4, 0, 5)"]),
        ({"input": zeros(2, 4, 5, 0), "padding": 2}, ["input", "(2, 4, 5, 0)"]),
        ({"input": zeros(2, 4, 0, 5)}, ["input"]),
        ({"input": zeros(0, 4, 2, 2)}, ["kernel"]),
        # Geometry.
        ({"stride": 0}, ["stride", "0"]),
        ({"stride": (1, 0)}, ["stride", "0"]),
        ({"stride": -2}, ["stride", "-2"]),
        ({"stride": HUGE}, ["stride"]),
        ({"stride": -HUGE - 1}, ["stride"]),
        ({"stride": ()}, ["stride", "()"]),
        ({"stride": (1, 2, 3)}, ["stride", "(1, 2, 3)"]),
        ({"dilation": 0}, ["dilation", "0"]),
        ({"dilation": (0, 1)}, ["dilation", "0"]),
        ({"dilation": -1}, ["dilation", "-1"]),
        ({"dilation": []}, ["dilation", "[]"]),
        ({"dilation": [1, 1, 1]}, ["dilation", "[1, 1, 1]"]),
        ({"dilation": 3}, ["kernel", "7"]),
        ({"dilation": 2**62}, ["kernel"]),
        ({"dilation": 2**63 - 1}, ["kernel"]),
        ({"dilation": HUGE}, ["dilation"]),
        ({"weight": zeros(6, 4, 1, 1), "dilation": HUGE}, ["dilation"]),
        ({"dilation": 2**62, "padding": "same"}, ["dilation"]),
        ({"padding": -1}, ["padding", "-1"]),
        ({"padding": (0, -3)}, ["padding", "-3"]),
        ({"padding": ()}, ["padding", "()"]),
        ({"padding": (1, 1, 1)}, ["padding", "(1, 1, 1)"]),
        ({"padding": (1, 1, 1, 1)}, ["padding", "(1, 1, 1, 1)"]),
        ({"padding": ((1, 1, 1), (1, 1))}, ["padding"]),
        ({"padding": ((1, 1), (1, -1))}, ["padding", "-1"]),
        ({"padding": HUGE}, ["padding"]),
        ({"padding": 2**62}, ["padding"]),
        ({"padding": 10**30}, ["padding"]),
        ({"padding": "SAME"}, ["padding", "SAME"]),
        ({"padding": ""}, ["padding", "same", "valid"]),
        ({"padding": "reflect"}, ["padding", "reflect"]),
        ({"padding": "same", "stride": 2}, ["padding", "same", "stride"]),
        ({"padding": "same", "stride": (1, 2)}, ["padding", "same", "stride"]),
        ({"padding": "same", "stride": 0}, ["stride"]),
        ({"padding": "same", "dilation": -1}, ["dilation"]),
        ({"input": zeros(2, 4, 2, 5)}, ["kernel"]),
        ({"input": zeros(2, 4, 5, 2)}, ["kernel"]),
        ({"input": zeros(4, 2, 2)}, ["kernel"]),
        # Words.
        ({"padding_mode": "mirror"}, ["padding_mode", "mirror", "reflect", "circular"]),
        ({"padding_mode": "constant"}, ["padding_mode", "constant"]),
        ({"padding_mode": "Zeros"}, ["padding_mode", "Zeros"]),
        ({"activation": "tanh"}, ["activation", "tanh", "relu6"]),
        ({"activation": ""}, ["activation"]),
        ({"algorithm": "fastest"}, ["algorithm", "fastest", "direct"]),
    ],
    ids=str,
)
def test_values(arguments: dict[str, object], named: list[str]):
    with pytest.raises(ValueError, match=named[0]) as caught:
        call(**arguments)
    message = str(caught.value)
    for word in named[1:]:
        assert word in message, message


NOT_INTEGERS = [
    1.0,
    np.float64(1),
    True,
    np.bool_(True),
    None,
    "1",
    b"1",
    {1},
    range(1),
    iter((1, 1)),
    np.array([1, 1]),
    np.array(1.0),
    1j,
    {"stride": 1},
    object(),
    (1.0, 1),
    (1, True),
    (1, None),
    (1, "1"),
    (1, (1, 1)),
    [[1], 1],
]


def shown(value: object) -> str:
    """Label a parameter, the same in every run."""
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text


@pytest.mark.parametrize(
    ("argument", "bad"),
    [
        (argument, bad)
        for argument in ("stride", "dilation", "padding", "groups")
        for bad in NOT_INTEGERS
        if not (argument == "padding" and isinstance(bad, str))
    ],
    ids=shown,
)
def test_types(argument: str, bad: object):
    with pytest.raises(TypeError, match=rf"\b{argument}\b"):
        call(**{argument: bad})


@pytest.mark.parametrize("argument", ["stride", "dilation"])
def test_nested_pairs_are_for_padding_alone(argument: str):
    with pytest.raises(TypeError, match=rf"\b{argument}\b"):
        call(**{argument: ((1, 1), (1, 1))})


@pytest.mark.parametrize("argument", ["padding_mode", "activation", "algorithm"])
@pytest.mark.parametrize("bad", [1, True, b"relu", ["relu"], object()], ids=shown)
def test_words_must_be_strings(argument: str, bad: object):
    with pytest.raises(TypeError, match=rf"\b{argument}\b"):
        call(**{argument: bad})


@pytest.mark.parametrize("argument", ["padding_mode", "algorithm"])
def test_none_is_an_activation_only(argument: str):
    assert call(activation=None).shape == (2, 6, 3, 3)
    with pytest.raises(TypeError, match=rf"\b{argument}\b"):
        call(**{argument: None})


def test_the_signature_is_enforced():
    for arguments in ({"strides": 1}, {"pad": 1}, {"input_": X}):
        with pytest.raises(TypeError):
            call(**arguments)
    with pytest.raises(TypeError):
        cyconv.conv2d(X)
    with pytest.raises(TypeError):
        cyconv.conv2d(X, W, B, 1, 0, 1, 1, "zeros")
    for missing in ("input", "weight"):
        with pytest.raises(TypeError, match=missing):
            call(**{missing: None})


def test_two_dimensions_take_one_channel():
    x, w = np.ones((5, 6)), np.ones((2, 3))
    assert cyconv.conv2d(x, w, 1.0).shape == (4, 4)
    assert cyconv.conv2d(x, w, [1.0]).tolist() == cyconv.conv2d(x, w, np.float64(1)).tolist()
    with pytest.raises(ValueError, match="groups"):
        cyconv.conv2d(x, w, groups=2)
    for bias in ([1.0, 2.0], [[1.0]], []):
        with pytest.raises(ValueError, match="bias"):
            cyconv.conv2d(x, w, bias)
    with pytest.raises(ValueError, match="kernel"):
        cyconv.conv2d(w, x)


def test_accepted_spellings_agree():
    expected = call(stride=(2, 2), dilation=(1, 1)).tolist()
    two = np.array(2)
    for stride in (2, (2,), [2], [2, 2], (two, 2), np.int64(2), np.uint8(2), (np.int8(2), 2)):
        assert call(stride=stride).tolist() == expected, stride
    for groups in (np.int64(2), np.array(2), np.uint8(2)):
        assert call(weight=zeros(6, 2, 3, 3), groups=groups).shape == (2, 6, 3, 3)
    assert call(stride=2**63 - 1).shape == (2, 6, 1, 1)
    assert call(weight=np.ones((6, 4, 1, 1), "f4"), dilation=2**63 - 1).shape == (2, 6, 5, 5)
    assert call(dilation=2**40, padding="same").tolist() == call(weight=W[:, :, 1:2, 1:2]).tolist()


def test_what_cannot_be_allocated_is_a_memory_error():
    small = np.ones((1, 1, 1, 1), dtype=np.float32)
    with pytest.raises(MemoryError, match="1 x 1 x 536870913 x 536870913 elements of float32"):
        cyconv.conv2d(small, small, padding=2**28)
    with pytest.raises((MemoryError, ValueError), match=r"padding|output|allocate"):
        cyconv.conv2d(small, small, padding=2**30)
    for most in (2**61 - 17, 2**61 - 20):  # as many bytes as can be counted, without a line
        with pytest.raises(MemoryError, match="allocate"):
            cyconv.conv2d(small, small, padding=((0, 0), (0, most)))


@pytest.mark.parametrize("taps", [2**64 // 56 + 1, 2**40, 2**58])
def test_tables_that_cannot_be_counted_are_a_memory_error(taps: int):
    for shape in ((1, 1, taps, 1), (1, 1, 1, taps)):
        with pytest.raises(MemoryError):
            cyconv.explain(shape, shape)
    x = np.empty((1, 0, taps, 1), "f4")  # no channels take no memory
    with pytest.raises(MemoryError):
        cyconv.conv2d(x, x)
    with pytest.raises(MemoryError):
        cyconv.Conv2d(0, 1, (taps, 1), rng=0)(x)


def test_terms_too_far_apart_for_a_table_are_a_memory_error():
    # each of 81 million taps has a run of columns of its own
    with pytest.raises(MemoryError):
        cyconv.explain((9000 * 64, 9000 * 64), (9000, 9000), dilation=64, algorithm="direct")


class Word(str, enum.Enum):  # noqa: UP042  whose members format as their names
    """Words whose members are strings, but not in a format."""

    VALID = "valid"
    SAME = "same"
    RELU = "relu"
    REFLECT = "reflect"
    DIRECT = "direct"


def test_members_of_enumerations_are_their_strings():
    assert call(padding=Word.VALID).tolist() == call(padding="valid").tolist()
    assert call(padding=Word.SAME).tolist() == call(padding="same").tolist()
    with pytest.raises(ValueError, match="same"):
        call(padding=Word.SAME, stride=2)
    words = {"padding_mode": Word.REFLECT, "activation": Word.RELU, "algorithm": Word.DIRECT}
    plain = {name: word.value for name, word in words.items()}
    assert call(padding=1, **words).tolist() == call(padding=1, **plain).tolist()
    assert repr(cyconv.Conv2d(4, 6, 3, padding=Word.SAME, **words)) == repr(
        cyconv.Conv2d(4, 6, 3, padding="same", **plain)
    )
    padded = cyconv.functional.pad(X, (1, 1), mode=Word.REFLECT)
    assert padded.tolist() == cyconv.functional.pad(X, (1, 1), mode="reflect").tolist()


@pytest.mark.parametrize(("rng", "error"), [("a", TypeError), (-1, ValueError)])
def test_the_seed_is_named(rng: object, error: type[Exception]):
    with pytest.raises(error, match="rng must be"):
        cyconv.Conv2d(1, 1, 3, rng=rng)


@pytest.mark.parametrize(("dtype", "value"), [("f4", 1e300), ("f4", -1e39j), ("f2", 1e10)])
def test_a_padding_value_out_of_range_is_an_error(dtype: str, value: complex):
    x = np.zeros((2, 3), "c8" if isinstance(value, complex) else dtype)
    with pytest.raises(ValueError, match="value must be in the range"):
        cyconv.functional.pad(x, (1, 1), value=value)
    assert np.isinf(cyconv.functional.pad(x, (1, 1), value=float("inf"))[0, 0])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("i1", np.int64(300)),
        ("u1", np.uint16(256)),
        ("i8", np.uint64(2**63)),
        ("f2", np.float64(1e6)),
        ("f4", np.array(1e300)),
        ("c8", np.complex128(1e300j)),
        ("c8", np.complex128(complex(np.inf, 1e300))),
    ],
)
def test_so_is_a_scalar_of_numpys_out_of_range(dtype: str, value: np.generic):
    x = np.zeros((2, 3), dtype)
    with pytest.raises(ValueError, match="value must be in the range"):
        cyconv.functional.pad(x, (1, 1), value=value)
    assert cyconv.functional.pad(x, (1, 1), value=type(value[()])(7))[0, 0] == 7
    if x.dtype.kind == "f":
        assert np.isnan(cyconv.functional.pad(x, (1, 1), value=np.float64("nan"))[0, 0])


@pytest.mark.parametrize("argument", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("digits", [100, 308, 10_000])
def test_integers_of_any_length_are_told_by_their_argument(argument: str, digits: int):
    for value in (10**digits, (10**digits,) * 3, [[10**digits] * 2] * 2):
        with pytest.raises((TypeError, ValueError), match=argument) as info:
            call(**{argument: value})
        assert len(str(info.value)) < 250
    with pytest.raises(ValueError, match="value must be in the range") as info:
        cyconv.functional.pad(X, (1, 1), value=10**digits)
    assert len(str(info.value)) < 200


@pytest.mark.parametrize("dtype", ["float32", "float16", "complex64", "int8"])
def test_no_input_channels_leave_the_bias(dtype: str, isa: str):
    b = np.arange(-2, 4).astype(dtype)
    for groups in (1, 2, 3):
        x, w = np.zeros((2, 0, 5, 7), dtype), np.zeros((6, 0, 3, 3), dtype)
        y = cyconv.conv2d(x, w, b, groups=groups, out=poisoned((2, 6, 3, 5), np.dtype(dtype)))
        assert (y == b.reshape(6, 1, 1)).all()
        assert not cyconv.conv2d(x, w, groups=groups).any()
        assert cyconv.conv2d(x[0], w, b, groups=groups).shape == (6, 3, 5)
    if dtype != "complex64":
        y = cyconv.conv2d(x, w, b, activation="relu")
        assert (y == np.maximum(b, b.dtype.type(0)).reshape(6, 1, 1)).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "complex64", "int8"])
def test_an_empty_batch_is_still_checked(dtype: str, isa: str):
    x, w = np.zeros((0, 4, 5, 5), dtype), np.zeros((6, 4, 3, 3), dtype)
    assert cyconv.conv2d(x, w, padding=1, stride=2).shape == (0, 6, 3, 3)
    assert cyconv.conv2d(x, w, padding=2, padding_mode="reflect").shape == (0, 6, 7, 7)
    out = np.zeros((0, 6, 3, 3), dtype)
    assert cyconv.conv2d(x, w, out=out) is out
    wrong = {"bias": zeros(5).astype(dtype)}
    for arguments in ({"stride": 0}, {"groups": 4}, wrong, {"dilation": 3}):
        named = "kernel" if "dilation" in arguments else next(iter(arguments))
        with pytest.raises(ValueError, match=named):
            cyconv.conv2d(x, w, **arguments)


@pytest.mark.parametrize("algorithm", ["winograd", "fft", "split"])
def test_an_algorithm_that_cannot_apply_says_so(algorithm: str):
    for images in (2, 0):
        with pytest.raises(ValueError, match=algorithm):  # none fits integers
            call(input=X[:images].astype(int), weight=W.astype(int), bias=None, algorithm=algorithm)


@pytest.mark.parametrize("value", ["no", 1.0, np.ones(2)])
def test_flags_are_bools(value: object):
    with pytest.raises(TypeError, match="bias must be a bool"):
        cyconv.Conv2d(3, 4, 3, bias=value)
    layer = cyconv.Conv2d(3, 4, 3)
    with pytest.raises(TypeError, match="strict must be a bool"):
        layer.load_state_dict(layer.state_dict(), strict=value)
    assert cyconv.Conv2d(3, 4, 3, bias=0).bias is None
    assert cyconv.Conv2d(3, 4, 3, bias=1).bias is not None
    assert cyconv.Conv2d(3, 4, 3, bias=np.int64(1)).bias is not None


def test_a_list_that_contains_itself():
    endless: list = []
    endless.append(endless)
    np.ma.array([1])  # masked arrays may be in lists from now on
    with pytest.raises(ValueError, match="input must be an array"):
        cyconv.conv2d(endless, W)


def test_what_cannot_be_printed():
    class Mute:
        def __repr__(self):
            raise RuntimeError

    with pytest.raises(TypeError, match=r"stride must be .* a value that cannot be printed"):
        call(stride=Mute())
    with pytest.raises(ValueError, match=r"^.{,200}$"):
        call(algorithm="x" * 1000)


@pytest.mark.parametrize("wrong", [{"stride": 2}, {"stride": 100}])
def test_winograd_looks_at_what_was_passed(wrong: dict[str, int]):
    """Even where the image has no room for a second window, or for none."""
    (name, value), x = next(iter(wrong.items())), np.ones((1, 1, 5, 5), "f4")
    for call in (cyconv.conv2d, lambda x, w, **k: cyconv.explain(x.shape, w.shape, **k)):
        with pytest.raises(ValueError, match=rf"{name} \({value}, {value}\)"):
            call(x, np.ones((1, 1, 3, 3), "f4"), **wrong, algorithm="winograd")
