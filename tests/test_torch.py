"""Side by side with torch: the same results, and errors where torch has errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest

import cyconv
import cyconv.functional as F

from . import oracle
from .arrays import ALL, assert_same_bits, data, dtype_of
from .oracle import Geometry
from .test_bad_arguments import shown
from .test_error_bound import ROUNDING

torch = pytest.importorskip("torch", reason="compares with torch", exc_type=ImportError)

EXACT = ("uint8", "int8", "int16", "int32", "int64")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Keep torch from waking its threads for arrays this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tensor(a: np.ndarray):
    """Hand an array to torch, bfloat16 by its bits."""
    if a.dtype.kind == "V":
        return torch.from_numpy(a.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(a))


def array(t) -> np.ndarray:
    """Take an array from torch."""
    if t.dtype == torch.bfloat16:
        return t.view(torch.int16).numpy().view(dtype_of("bfloat16"))
    return t.numpy()


def assert_close(ours, theirs, x, w, b, geometry: Geometry, name: str) -> None:
    """Require equal shape and dtype, and a difference that both error bounds together allow."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if name in EXACT:
        assert np.array_equal(ours, theirs)
        return
    u, u_result, _ = ROUNDING[name]
    wide = [
        None if a is None else np.abs(a.astype("c16" if a.dtype.kind == "c" else "f8"))
        for a in (x, w, b)
    ]
    size = oracle.conv2d(*wide, geometry).reshape(ours.shape)
    kind = "c16" if ours.dtype.kind == "c" else "f8"
    difference = np.abs(ours.astype(kind) - theirs.astype(kind))
    # torch's constant reached 3.3 on such data, ours is at most 4; moduli of complex numbers
    # hold two parts each.
    allowed = (
        (4 + 4) * u * size * (2 if kind == "c16" else 1)
        + 2 * u_result * np.abs(theirs.astype(kind))
        + (2.0**-24 if name == "float16" else 0)
    )
    assert (difference <= allowed).all(), float((difference / allowed).max())


@pytest.mark.parametrize("name", [n for n in ALL if n in EXACT or n in ROUNDING])
def test_random_calls(name: str, rng):
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    for _ in range(150):
        groups = int(rng.integers(1, 4))
        c, o = groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 5))
        kernel = tuple(rng.integers(1, 5, 2).tolist())
        stride, dilation = (tuple(rng.integers(1, 4, 2).tolist()) for _ in range(2))
        if name in EXACT[:-1]:
            dilation = (1, 1)  # torch has no dilated convolution of narrow integers
        down, across = rng.integers(0, 4, 2).tolist()
        geometry = Geometry(stride, (down, down, across, across), dilation, groups)
        size = tuple(rng.integers(1, 16, 2).tolist())
        if min(oracle.output_size(size, kernel, geometry)) < 1:
            continue
        x, w = data(rng, (2, c, *size), name), data(rng, (o, c // groups, *kernel), name)
        b = data(rng, (o,), name) if rng.random() < 0.5 else None
        arguments = (stride, (down, across), dilation, groups)
        theirs = array(
            torch.nn.functional.conv2d(
                tensor(x), tensor(w), None if b is None else tensor(b), *arguments
            )
        )
        ours = cyconv.conv2d(x, w, b, *arguments)
        assert_close(ours, theirs, x, w, b, geometry, name)
        assert_close(cyconv.conv2d(x[0], w, b, *arguments), theirs[0], x[:1], w, b, geometry, name)


@pytest.mark.parametrize("name", [n for n in ALL if n in EXACT or n in ROUNDING])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 4), (1, 5)])
def test_same_padding(kernel: tuple[int, int], name: str, rng):
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    for dilation in (1, 2, 3) if name not in EXACT[:-1] else (1,):
        x, w = data(rng, (2, 3, 7, 6), name), data(rng, (4, 3, *kernel), name)
        theirs = torch_quietly(x, w, dilation)
        geometry = Geometry((1, 1), oracle.same_padding(kernel, (dilation,) * 2), (dilation,) * 2)
        ours = cyconv.conv2d(x, w, padding="same", dilation=dilation)
        assert_close(ours, theirs, x, w, None, geometry, name)


def torch_quietly(x: np.ndarray, w: np.ndarray, dilation: int) -> np.ndarray:
    """Convolve with padding 'same', torch's warning of even kernels ignored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = torch.nn.functional.conv2d(tensor(x), tensor(w), padding="same", dilation=dilation)
    return array(y)


@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize("padding", [(2, 1), "same", "valid"])
def test_modules(padding: object, mode: str, rng):
    arguments = {"padding": padding, "padding_mode": mode, "dilation": (1, 2), "groups": 2}
    theirs = torch.nn.Conv2d(4, 6, (3, 2), **arguments)
    ours = cyconv.Conv2d(4, 6, (3, 2), **arguments)
    assert repr(ours) == repr(theirs)
    assert ours.weight.shape == tuple(theirs.weight.shape)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = data(rng, (2, 4, 7, 9), "float32")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(torch.from_numpy(x)).numpy()
    sides = (
        oracle.same_padding((3, 2), (1, 2))
        if padding == "same"
        else (2, 2, 1, 1)
        if padding == (2, 1)
        else (0, 0, 0, 0)
    )
    geometry = Geometry((1, 1), sides, (1, 2), 2, mode)
    assert_close(ours(x), expected, x, ours.weight, ours.bias, geometry, "float32")
    state = {k: torch.from_numpy(v.copy()) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)


def test_module_attributes():
    arguments = {"stride": (2, 1), "padding": 1, "bias": False, "padding_mode": "reflect"}
    theirs, ours = torch.nn.Conv2d(3, 6, 3, **arguments), cyconv.Conv2d(3, 6, 3, **arguments)
    for name in theirs.__constants__:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.transposed == theirs.transposed
    assert ours.bias is theirs.bias is None
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("padding", [2, (1, 3), "same", "valid"])
def test_padding_as_torch_code_reads_it(padding):
    sides = [
        list(kind(3, 6, (4, 2), padding=padding, dilation=(1, 3))._reversed_padding_repeated_twice)
        for kind in (torch.nn.Conv2d, cyconv.Conv2d)
    ]
    assert sides[0] == sides[1]


def test_initial_distributions_agree():
    torch.manual_seed(0)
    theirs = torch.nn.Conv2d(32, 64, 3).weight.detach().numpy().ravel()
    ours = cyconv.Conv2d(32, 64, 3, rng=0).weight.ravel()
    quantiles = np.linspace(0, 1, 21)
    gap = np.quantile(theirs, quantiles) - np.quantile(ours, quantiles)
    assert np.abs(gap).max() < 0.05 * np.abs(theirs).max()


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode: str, rng):
    x = data(rng, (2, 3, 5, 6), "float32")
    for sides in ((1, 2), (4, 0), (1, 2, 3, 4), (0, 5, 4, 0), (0, 0, 0, 0)):
        if len(sides) == 2 and mode != "constant":
            continue  # torch pads the last axis alone of 2-D and 3-D arrays only
        theirs = torch.nn.functional.pad(torch.from_numpy(x), sides, mode=mode)
        assert_same_bits(F.pad(x, sides, mode), theirs.numpy())


def test_cpu_tensors_are_array_likes(rng):
    x, w = data(rng, (1, 2, 6, 7), "float32"), data(rng, (3, 2, 3, 3), "float32")
    y = cyconv.conv2d(torch.from_numpy(x), torch.from_numpy(w))
    assert type(y) is np.ndarray
    assert_same_bits(y, cyconv.conv2d(x, w))
    last = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
    assert_same_bits(cyconv.conv2d(last, w), cyconv.conv2d(x, w))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_special_values_have_the_same_class(name: str, rng):
    for _ in range(40):
        x, w = data(rng, (2, 3, 6, 7), name), data(rng, (4, 3, 3, 3), name)
        # In float32 torch skips taps over the padding, where a weight of NaN or inf should count.
        for a in (x, w) if name == "float64" else (x,):
            a.reshape(-1)[rng.integers(0, a.size, 3)] = [np.nan, np.inf, -np.inf]
        theirs = torch.nn.functional.conv2d(tensor(x), tensor(w), padding=1, stride=2).numpy()
        ours = cyconv.conv2d(x, w, padding=1, stride=2)
        assert np.array_equal(np.isnan(ours), np.isnan(theirs))
        infinite = np.isinf(theirs)
        assert np.array_equal(ours[infinite], theirs[infinite])
        assert np.isinf(ours).sum() == infinite.sum()


X, W, B = (np.ones(s, dtype=np.float32) for s in ((2, 4, 5, 5), (6, 4, 3, 3), (6,)))
REFUSED_BY_BOTH = [
    {"input": X[0, 0, 0]},
    {"input": X[None]},
    {"input": X[:, :3]},
    {"weight": W[0]},
    {"weight": W[None]},
    {"weight": W[:0], "bias": None},
    {"weight": W[:, :, :0]},
    {"weight": W[:, :, :, :0]},
    {"input": X[:, :, :0]},
    {"input": X[:, :, :0], "padding": 3},
    {"input": X[:, :0]},
    {"input": X[:0, :, :2]},
    {"bias": B[:5]},
    {"bias": B[:1]},
    {"bias": B[:0]},
    {"bias": B[:, None]},
    *({"groups": g} for g in (0, -1, 2, 4, 5, 2**63, 1.0, True, None, "1", (1,))),
    *(
        {name: bad}
        for name in ("stride", "dilation", "padding")
        for bad in (
            *(-1, (1, -1), (), (1, 1, 1), (1, 1, 1, 1), 2**63, 1.0, (1.0, 1), True),
            *(None, "2", (None, 1), {1}, ((1, 1),), np.array([1, 1])),
        )
    ),
    {"stride": 0},
    {"dilation": 0},
    {"dilation": 3},
    {"padding": 2**62},
    {"padding": "SAME"},
    {"padding": ""},
    {"padding": "same", "stride": 2},
]


@pytest.mark.parametrize("arguments", REFUSED_BY_BOTH, ids=shown)
def test_what_torch_refuses_is_refused(arguments: dict[str, object]):
    call = {"input": X, "weight": W, "bias": B, **arguments}
    with pytest.raises((TypeError, ValueError)):
        cyconv.conv2d(**call)
    operands = {
        k: torch.from_numpy(v.copy()) if k in ("input", "weight", "bias") and v is not None else v
        for k, v in call.items()
    }
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        torch.nn.functional.conv2d(**operands)


@pytest.mark.parametrize(
    "arguments",
    [
        {"stride": (2,)},
        {"stride": [2]},
        {"stride": 2**31},
        {"stride": 2**63 - 1},
        {"padding": [1]},
        {"padding": "valid", "stride": 2},
        {"padding": np.str_("same")},
        {"dilation": 2**40, "padding": "same"},
        {"input": X[:0]},
        {"input": X[0]},
        {"weight": W[:, :, :1, :1], "dilation": 2**40},
        {"input": X[:, :, :3, :3]},
    ],
    ids=shown,
)
def test_what_torch_accepts_is_accepted(arguments: dict[str, object]):
    call = {"input": X, "weight": W, "bias": B, **arguments}
    ours = cyconv.conv2d(**call)
    operands = {
        k: torch.from_numpy(v.copy()) if k in ("input", "weight", "bias") else v
        for k, v in call.items()
    }
    theirs = torch.nn.functional.conv2d(**operands).numpy()
    assert_same_bits(ours, theirs)
