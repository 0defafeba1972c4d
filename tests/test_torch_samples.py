"""torch's own database of conv2d samples, each sample and each error in it."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest

import cyconv

from . import oracle
from .arrays import dtype_of
from .oracle import Geometry

torch = pytest.importorskip("torch", reason="compares with torch", exc_type=ImportError)
pytest.importorskip("expecttest", reason="torch's operator database imports expecttest")

from .test_torch import array, assert_close  # noqa: E402

NAMES = ("float32", "float64", "complex64", "complex128", "float16", "bfloat16", "int64")


@pytest.fixture(scope="module")
def operator():
    """The database's entry for conv2d."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    (entry,) = [o for o in op_db if o.name == "nn.functional.conv2d"]
    return entry


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    both = (value, value) if isinstance(value, int) else tuple(value)
    return both if len(both) == 2 else both * 2


def geometry_of(x, w, keywords: dict[str, object]) -> Geometry:
    """Spell a sample's arguments as the oracle does."""
    stride, dilation = (pair(keywords.get(name, 1)) for name in ("stride", "dilation"))
    padding = keywords.get("padding", 0)
    if padding == "same":
        sides = oracle.same_padding(w.shape[2:], dilation)
    else:
        down, across = (0, 0) if padding == "valid" else pair(padding)
        sides = (down, down, across, across)
    return Geometry(stride, sides, dilation, keywords.get("groups", 1))


@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str, operator, tally: Counter):
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    torch.manual_seed(0)
    samples = list(operator.sample_inputs("cpu", getattr(torch, name)))
    assert len(samples) >= 20
    for sample in samples:
        tensors = [sample.input, *sample.args]
        tensors += [None] * (3 - len(tensors))
        x, w, b = (None if t is None else array(t) for t in tensors)
        assert x.dtype == dtype_of(name)
        theirs = array(torch.nn.functional.conv2d(*tensors, **sample.kwargs))
        ours = cyconv.conv2d(x, w, b, **sample.kwargs)
        batch = x if x.ndim == 4 else x[None]
        geometry = geometry_of(batch, w, sample.kwargs)
        assert_close(ours, theirs, batch, w, b, geometry, name)
        tally["samples of torch's operator database"] += 1


def test_errors(operator):
    cases = list(operator.error_inputs("cpu"))
    assert len(cases) >= 8
    for case in cases:
        # Among them are float biases of integers and complex biases of floats: mixed dtypes
        # promote here, but the bias stays castable in kind.
        sample = case.sample_input
        operands = [array(t) for t in (sample.input, *sample.args)]
        with pytest.raises((TypeError, ValueError)):
            cyconv.conv2d(*operands, **sample.kwargs)
