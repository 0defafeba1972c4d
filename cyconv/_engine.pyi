"""Types of the compiled engine. `convolve` and `plan` rely on checked arguments."""

from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from ._held import HeldWeight

__all__ = [
    "automatic_choice",
    "available_isas",
    "convolve",
    "empty",
    "fma_peak",
    "get_num_threads",
    "isa_name",
    "openmp_runtime",
    "plan",
    "plans_made",
    "set_num_threads",
    "suppose_lines",
    "use_isa",
]

_Pair: TypeAlias = tuple[int, int]
_Sides: TypeAlias = tuple[int, int, int, int]
_LineKind: TypeAlias = Literal["halved", "whole", "late", "none"]

class _Plan(TypedDict):
    algorithm: str
    reason: str
    isa: str
    tile: str
    threads: int
    scratch_bytes: int
    flops: int

def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]: ...
def convolve(
    input: NDArray[Any],
    weight: NDArray[Any] | HeldWeight,
    bias: NDArray[Any] | None,
    out: NDArray[Any],
    stride: _Pair,
    padding: _Sides,
    dilation: _Pair,
    groups: int,
    padding_mode: str,
    activation: str | None,
    algorithm: str,
) -> None: ...
def plan(
    input_shape: tuple[int, int, int, int],
    weight_shape: tuple[int, int, int, int],
    stride: _Pair,
    padding: _Sides,
    dilation: _Pair,
    groups: int,
    padding_mode: str,
    dtype: np.dtype[Any],
    algorithm: str,
    held: bool,
) -> _Plan: ...
def set_num_threads(n: int) -> None: ...
def plans_made() -> int: ...
def get_num_threads() -> int: ...
def isa_name() -> str: ...
def automatic_choice() -> Literal["all", "direct"]: ...
def available_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def suppose_lines(kind: _LineKind) -> _LineKind: ...
def openmp_runtime() -> str: ...
def fma_peak(dtype: Literal["float32", "float64"] = "float32") -> float: ...
