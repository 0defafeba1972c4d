"""One convolution, from what the caller passed to the array that it gets back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _engine
from ._arguments import (
    check_activation,
    check_algorithm,
    check_algorithm_applies,
    check_bias_shape,
    check_bytes,
    check_padding_mode,
    geometry,
)
from ._exact import floating_dtype
from ._operands import (
    HeldArray,
    as_array,
    bias_array,
    bias_operand,
    canonical_dtype,
    check_out,
    input_operand,
    needs_temporary,
    result_dtype,
    weight_operand,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def convolve(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
    activation: Any,
    algorithm: Any,
    out: Any,
) -> NDArray[Any]:
    """Check everything, run the engine once, return the result; `weight` may be a `HeldArray`."""
    padding_mode = check_padding_mode(padding_mode)
    activation = check_activation(activation)
    algorithm = check_algorithm(algorithm)
    held = weight if isinstance(weight, HeldArray) else None
    x = as_array(input, "input")
    w = held.array if held is not None else as_array(weight, "weight")
    if held is not None and x.ndim not in (3, 4):
        raise ValueError(f"input must have shape (N, C, H, W) or (C, H, W), got shape {x.shape}")
    x_dtype = canonical_dtype(x.dtype, "input")
    result = result_dtype(x_dtype, canonical_dtype(w.dtype, "weight"))
    if activation is not None and result.kind == "c":
        raise TypeError(
            f"activation must be None for a result of dtype {result}, got {activation!r}"
        )

    shapes = geometry(x.shape, w.shape, stride, padding, dilation, groups, padding_mode)
    check_algorithm_applies(algorithm, shapes.weight_shape[2:], stride)
    b = None
    if bias is not None:
        b = bias_array(bias, result)
        check_bias_shape(b.shape, shapes)
    if out is None:
        check_bytes(shapes.output_shape, result.itemsize, "the output")
        y = returned = _engine.empty(shapes.result_shape, result)
    else:
        y, returned = check_out(out, shapes.result_shape, result), out

    # The leading axes that the caller left out.
    if x.ndim < 4:
        x, y = x[(None,) * (4 - x.ndim)], y[(None,) * (4 - y.ndim)]
    x = input_operand(x, x_dtype, result)
    if w.ndim < 4:
        w = w[None, None]

    compute = result
    if result.kind in "iu" and algorithm in ("auto", "direct"):
        floating = floating_dtype(result, x, w, b, shapes.output_shape)
        if floating is not None:
            compute, algorithm = floating, "direct"
    b = None if b is None else bias_operand(b, compute)

    # A held weight belongs to a layer that never gives it out for writing, so `out` is elsewhere.
    w = w if held is not None else weight_operand(w, compute)
    written = y
    if out is not None and needs_temporary(y, (x, w, b)):
        written = np.empty(shapes.output_shape, result)
    _engine.convolve(
        x,
        w if held is None else held.weight_for(result),
        b,
        written,
        shapes.stride,
        shapes.padding,
        shapes.dilation,
        shapes.groups,
        padding_mode,
        activation,
        algorithm,
    )
    if written is not y:
        y[...] = written
    return returned
