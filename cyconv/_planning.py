"""What a convolution would do and return, told from shapes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from . import _engine
from ._arguments import (
    Algorithm,
    PaddingMode,
    check_algorithm,
    check_algorithm_applies,
    check_bytes,
    check_padding_mode,
    geometry,
    shape_of,
    shown,
)
from ._operands import named_dtype
from .functional import IntOrPair, Padding


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one convolution would do; `explain` returns it and `print` shows it.

    Attributes
    ----------
    algorithm : str
        The kernel that runs.
    reason : str
        Why it was chosen.
    isa : str
        The instruction set in use.
    tile : str
        Sums that the kernel holds in registers, or the blocks of a transform.
    threads : int
        Threads that would take part.
    scratch_bytes : int
        Scratch memory of one thread, without the packed or transformed weights, which all
        threads share.
    flops : int
        Floating-point operations of the direct sum, a multiplication and an addition counted as
        two.
    dtype : str
        The dtype of the result.
    output_shape : tuple of int
        The shape of the result.

    Examples
    --------
    >>> import cyconv
    >>> what = cyconv.explain((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    >>> what.flops, what.dtype, what.output_shape
    (1888223232, 'float32', (8, 64, 112, 112))
    """

    algorithm: str
    reason: str
    isa: str
    tile: str
    threads: int
    scratch_bytes: int
    flops: int
    dtype: str
    output_shape: tuple[int, ...]

    def __str__(self) -> str:
        rows = {
            "algorithm": self.algorithm,
            "reason": self.reason,
            "isa": self.isa,
            "tile": self.tile,
            "threads": self.threads,
            "scratch": f"{self.scratch_bytes:,} bytes per thread",
            "work": f"{self.flops:,} flops",
            "output": f"{self.dtype} {self.output_shape}",
        }
        return "\n".join(f"{label:<9}  {value}" for label, value in rows.items())


def explain(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: SupportsIndex = 1,
    *,
    dtype: DTypeLike = np.float32,
    padding_mode: PaddingMode = "zeros",
    algorithm: Algorithm = "auto",
    held: bool = False,
) -> Explanation:
    """Tell what `cyconv.conv2d` would do with arrays of these shapes, and why.

    Nothing is computed and no array is made.

    Parameters
    ----------
    input_shape : tuple of int
        (N, C, H, W), (C, H, W) or (H, W).
    weight_shape : tuple of int
        (O, C/groups, kH, kW), or (kH, kW) with (H, W).
    stride, padding, dilation, groups, padding_mode, algorithm
        As for `cyconv.conv2d`.
    dtype : dtype_like, default float32
        The dtype of the result. Integers whose sums are small may be computed as floating-point
        numbers, which depends on their values; the plan told is that of integers.
    held : bool, default False
        Whether the weights are held ready, as `cyconv.Conv2d` holds its own.

    Returns
    -------
    Explanation
        Frozen; its attributes are ``algorithm``, ``reason``, ``isa``, ``tile``, ``threads``,
        ``scratch_bytes`` (of each thread), ``flops``, ``dtype`` and ``output_shape``.

    Raises
    ------
    TypeError, ValueError
        As `cyconv.conv2d` does.
    MemoryError
        If the kernel is so large that the tables of a plan cannot be allocated.

    See Also
    --------
    conv2d_output_shape : The shape of the result and nothing else.

    Examples
    --------
    >>> import cyconv
    >>> what = cyconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    >>> what.output_shape
    (1, 64, 56, 56)
    >>> print(what)  # doctest: +SKIP
    algorithm  winograd
    reason     36 products for each 4 x 4 outputs instead of 144
    isa        avx512
    tile       14 tiles of 4 x 4 pixels x 32 outputs
    threads    2
    scratch    374,400 bytes per thread
    work       231,211,008 flops
    output     float32 (1, 64, 56, 56)
    """
    padding_mode = check_padding_mode(padding_mode)  # type: ignore[assignment]
    algorithm = check_algorithm(algorithm)  # type: ignore[assignment]
    if not isinstance(held, (bool, np.bool_)):
        raise TypeError(f"held must be a bool, got {shown(held)}")
    result = named_dtype(dtype)
    if result.kind == "b":
        raise TypeError("dtype must not be bool, which no result has")
    input_shape = shape_of(input_shape, "input_shape")
    weight_shape = shape_of(weight_shape, "weight_shape")
    shapes = geometry(input_shape, weight_shape, stride, padding, dilation, groups, padding_mode)
    check_algorithm_applies(algorithm, shapes.weight_shape[2:], stride)
    check_bytes(input_shape, result.itemsize, "the input")
    check_bytes(weight_shape, result.itemsize, "the weight")
    check_bytes(shapes.output_shape, result.itemsize, "the output")
    plan = _engine.plan(
        shapes.input_shape,
        shapes.weight_shape,
        shapes.stride,
        shapes.padding,
        shapes.dilation,
        shapes.groups,
        padding_mode,
        result,
        algorithm,
        bool(held),
    )
    return Explanation(dtype=str(result), output_shape=shapes.result_shape, **plan)


def conv2d_output_shape(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
) -> tuple[int, ...]:
    """Return the shape of the result of `cyconv.conv2d` for arrays of these shapes.

    Along an axis of length i, with kernel k, stride s, dilation d and p added in all:
    ``(i + p - d*(k - 1) - 1)//s + 1``.

    Parameters
    ----------
    input_shape : tuple of int
        (N, C, H, W), (C, H, W) or (H, W).
    weight_shape : tuple of int
        (O, C/groups, kH, kW), or (kH, kW) with (H, W). The number of groups follows from the
        channels of the two.
    stride, padding, dilation
        As for `cyconv.conv2d`.

    Returns
    -------
    tuple of int
        (N, O, H', W'), (O, H', W') or (H', W').

    Raises
    ------
    TypeError
        If a shape is not a tuple or list of ints, or another argument not of its type.
    ValueError
        If no convolution has these arguments: shapes of the wrong rank, channels that do not
        divide, a kernel larger than the padded input, a value out of range.

    Examples
    --------
    >>> import cyconv
    >>> cyconv.conv2d_output_shape((8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (8, 64, 112, 112)
    >>> cyconv.conv2d_output_shape((5, 5), (3, 3), padding="same")
    (5, 5)
    """
    input_shape = shape_of(input_shape, "input_shape")
    weight_shape = shape_of(weight_shape, "weight_shape")
    groups = 1
    if len(input_shape) in (3, 4) and len(weight_shape) == 4 and weight_shape[1] > 0:
        groups, rest = divmod(input_shape[-3], weight_shape[1])
        if groups == 0 or rest:
            raise ValueError(
                f"input_shape must have a multiple of {weight_shape[1]} channels, for weight_shape "
                f"{weight_shape}; got {input_shape[-3]} channels: {input_shape}"
            )
        if weight_shape[0] % groups:
            raise ValueError(
                f"weight_shape[0] must be divisible by {groups}, the groups of {weight_shape[1]} "
                f"channels in input_shape, got {weight_shape[0]}"
            )
    return geometry(
        input_shape, weight_shape, stride, padding, dilation, groups, "zeros"
    ).result_shape
