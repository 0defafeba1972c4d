"""Integer-valued operands, whose results are compared exactly on every instruction set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import poisoned
from .oracle import Geometry


def assert_exact(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, geometry: Geometry, isas: Iterable[str]
) -> None:
    """Require the direct algorithms to give the oracle's numbers, and to write all of them."""
    expected = oracle.conv2d(x, w, b, geometry)
    for isa in isas:
        _engine.use_isa(isa)
        out = poisoned(expected.shape, expected.dtype)
        cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm="direct", out=out)
        assert np.array_equal(out, expected), (isa, x.shape, geometry)
