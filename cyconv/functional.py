"""Convolution and padding as functions, with torch's names and argument order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arguments import (
    ActivationName,
    Algorithm,
    PaddingMode,
    check_bytes,
    integer,
    one_of,
    shown,
)
from ._convolve import convolve
from ._fast import convolve_plain
from ._operands import (
    as_array,
    canonical_dtype,
    cast_copy,
    check_same_kind,
    keeps_finite,
    scalar_array,
)

IntOrPair: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
Padding: TypeAlias = (
    SupportsIndex
    | Sequence[SupportsIndex]
    | Sequence[Sequence[SupportsIndex]]
    | Literal["same", "valid"]
)
Activation: TypeAlias = ActivationName | None

__all__ = ["conv2d", "pad"]


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: SupportsIndex = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    algorithm: Algorithm = "auto",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    r"""Convolve an input with a bank of filters, as ``torch.nn.functional.conv2d`` does.

    The filters are not flipped and not conjugated: this is cross-correlation,

    .. math:: y_{n,o,i,j} = b_o + \sum_{c,u,v} w_{o,c,u,v} \; x_{n,\,c,\,si + du,\,sj + dv}

    with stride s and dilation d, over the padded input x and the channels c of the output's group.

    Parameters
    ----------
    input : array_like
        Shape (N, C, H, W), or (C, H, W) for a single image, or (H, W) for a plain 2-D array. Any
        memory layout and byte order; it is not copied as a whole, except to change its byte order,
        to make real numbers complex, or complex64 complex128.
    weight : array_like
        Shape (O, C/groups, kH, kW), or (kH, kW) for 2-D input.
    bias : array_like, optional
        Shape (O,), or a scalar or (1,) for 2-D input. Added to every pixel of its output channel.
        A Python number takes the dtype of the result and has to be in its range; an array or list
        is cast to it under "same_kind", whereby integers wrap around.
    stride : int or pair of int, default 1
        Step of the window, at least 1.
    padding : int, pair of int, ((top, bottom), (left, right)), "same" or "valid", default 0
        Rows and columns put around the input. "valid" puts none; "same" keeps the size of the input
        (with stride 1 only), where an odd one out goes to the bottom or right.
    dilation : int or pair of int, default 1
        Distance between the taps of the kernel, at least 1.
    groups : int, default 1
        Number of equal parts into which the input and the output channels are split, each part of
        the output seeing one of the input. It divides C and O; 1 for 2-D input.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
        What the padding holds. "reflect" takes less than the size of the input on each side,
        "circular" at most that size.
    activation : {None, "relu", "relu6"}, default None
        Applied to the result: ``max(y, 0)`` or ``min(max(y, 0), 6)``. NaN stays NaN.
    algorithm : {"auto", "direct", "winograd", "split", "fft"}, default "auto"
        How to compute; the last three are for floating point and complex numbers.

        - "auto": as a cost model finds cheapest; `cyconv.explain` tells how.
        - "direct": by sums of products.
        - "winograd": by a quarter of the products, for kernels of 3 x 3 with stride 1 and dilations
          whose product is at most 128, less with many channels. On evenly distributed data it errs
          up to four times as much as "direct" from six input channels on, where "auto" considers
          it; a small output among large ones errs as much as these.
        - "split": by products of bfloat16 parts, on CPUs with AMX or AVX512_BF16, of all but
          float64 and complex128. Errs as little as "direct".
        - "fft": by Fourier transforms, for large kernels, up to some 500 rows and columns in
          float32, 250 in float64 or complex64, fewer with several channels. A small output among
          large ones errs as much as these.
    out : ndarray, optional
        Where to put the result: of its exact shape and dtype, in native byte order, with any
        strides. It may overlap the other arguments; the result then takes its size in memory again.

    Returns
    -------
    ndarray
        Shape (N, O, H', W'), (O, H', W') or (H', W'), where
        ``H' = (H + top + bottom - dilation*(kH - 1) - 1)//stride + 1`` and likewise W'. Its dtype
        is ``np.result_type(input, weight)``, to which the bias is cast; integers wrap around. A
        C-contiguous array in native byte order, which shares no memory with the arguments, or
        `out`. Results of 32 KiB or more begin with a cache line, those of 1 x 1 kernels at the byte
        of one at which `input` begins: they are views (``flags.owndata`` is False).

    Raises
    ------
    TypeError
        If an argument is not of its type; for masked arrays, for bool with bool, and for the dtypes
        object, longdouble, float8, datetime, str and structured; if the bias cannot be cast to the
        result under "same_kind"; for an activation of complex numbers.
    ValueError
        If a value or shape does not fit, or a size exceeds what 64 bits or the address space hold.
    MemoryError
        If the result or the scratch space cannot be allocated.

    See Also
    --------
    cyconv.nn.Conv2d : A layer, which holds its weights ready for use.
    cyconv.conv2d_output_shape : The shape of the result.
    cyconv.explain : What a call would do.

    Notes
    -----
    Results are the same to the last bit for any number of threads, any memory layout and any batch
    that an image is part of. float16 and bfloat16 are summed in float32 and rounded once.

    Where "auto" finds a transform cheapest, "winograd" or "fft", whole numbers come out inexact;
    ``algorithm="direct"``, which sums products, keeps them exact.

    References
    ----------
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html

    Examples
    --------
    A sliding window over a plain array:

    >>> import numpy as np
    >>> import cyconv.functional as F
    >>> x = np.arange(16.0).reshape(4, 4)
    >>> F.conv2d(x, [[1, 0, -1], [1, 0, -1]])
    array([[-4., -4.],
           [-4., -4.],
           [-4., -4.]])

    A batch of two images of three channels through eight filters:

    >>> images = np.ones((2, 3, 32, 32), np.float32)
    >>> filters = np.ones((8, 3, 5, 5), np.float32)
    >>> F.conv2d(images, filters, np.zeros(8), stride=2, padding=2).shape
    (2, 8, 16, 16)
    """
    arguments = (
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        padding_mode,
        activation,
        algorithm,
        out,
    )
    result = convolve_plain(*arguments)
    return convolve(*arguments) if result is None else result


_NUMPY_MODES: dict[str, Literal["reflect", "edge", "wrap"]] = {
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


def pad(
    input: ArrayLike,
    pad: Sequence[SupportsIndex],
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    value: complex | None = 0,
) -> NDArray[Any]:
    """Pad the last axis or the last two, with the arguments of ``torch.nn.functional.pad``.

    `conv2d` pads by itself, without a copy of the input: prefer its arguments ``padding`` and
    ``padding_mode``. This function shows what they do.

    Parameters
    ----------
    input : array_like
        Any shape with as many axes as `pad` speaks of.
    pad : sequence of int
        (left, right) or (left, right, top, bottom): the last axis comes first. A tuple or a list;
        negative entries are refused.
    mode : {"constant", "reflect", "replicate", "circular"}, default "constant"
        What the padding holds. "reflect" takes less than the size of the axis on each side,
        "circular" at most that size.
    value : scalar, default 0
        What "constant" fills in, castable to the dtype of the input under "same_kind"; None is 0.

    Returns
    -------
    ndarray
        A C-contiguous copy in native byte order, with the dtype of the input.

    Raises
    ------
    TypeError
        If an argument is not of its type, or `value` cannot be cast to the dtype of the input.
    ValueError
        If `pad` does not have 2 or 4 entries, is negative or larger than `mode` allows, or speaks
        of more axes than the input has; if `mode` is unknown, or has no use for `value`; if `value`
        is out of the range of the dtype.

    See Also
    --------
    numpy.pad : Any axes, more modes.

    References
    ----------
    https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html

    Examples
    --------
    >>> import cyconv.functional as F
    >>> F.pad([[1, 2, 3]], (2, 1), mode="reflect")
    array([[3, 2, 1, 2, 3, 2]])
    """
    mode = one_of(mode, "mode", ("constant", *_NUMPY_MODES))  # type: ignore[assignment]
    array = as_array(input, "input")
    dtype = canonical_dtype(array.dtype, "input")
    sides = _pad_sides(pad)
    axes = len(sides) // 2
    if array.ndim < axes:
        raise ValueError(
            f"pad has {len(sides)} entries, for {axes} axes, but input has shape {array.shape}"
        )
    # torch names the last axis first.
    widths = [(sides[i], sides[i + 1]) for i in reversed(range(0, len(sides), 2))]
    sizes = array.shape[array.ndim - axes :]
    for size, width in zip(sizes, widths, strict=True):
        _check_pad_width(mode, size, max(width), array.shape)
    padded = [size + sum(width) for size, width in zip(sizes, widths, strict=True)]
    check_bytes((*array.shape[: array.ndim - axes], *padded), dtype.itemsize, "the padded array")

    # np.pad keeps the byte order and the memory layout of its input.
    native = array.astype(dtype, order="C", copy=False)
    widths = [(0, 0)] * (array.ndim - axes) + widths
    if mode == "constant":
        fill = _fill_value(value, dtype)
        return np.pad(native, widths, constant_values=fill)
    if value is not None and (type(value) not in (int, float) or value != 0):
        raise ValueError(f"value is for mode='constant' only, got {shown(value)} with {mode=}")
    return np.pad(native, widths, _NUMPY_MODES[mode])


def _fill_value(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if value is None or (type(value) is int and value == 0):
        return np.zeros((), dtype)  # The default, for bool too.
    if type(value) in (int, float, complex):
        return scalar_array(value, dtype, "value")
    scalar = as_array(value, "value")
    if scalar.ndim:
        raise ValueError(f"value must be a scalar, got shape {scalar.shape}")
    check_same_kind(canonical_dtype(scalar.dtype, "value"), dtype, "value")
    fill = cast_copy(scalar, dtype)
    if not (fill == scalar if dtype.kind in "iu" else keeps_finite(fill, scalar)):
        raise ValueError(f"value must be in the range of {dtype}, got {shown(value)}")
    return fill


def _pad_sides(pad: Any) -> list[int]:
    allowed = "a sequence of 2 or 4 ints"
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad must be {allowed}, got {shown(pad)}")
    if len(pad) not in (2, 4):
        raise ValueError(f"pad must be {allowed}, got {len(pad)} values: {shown(pad)}")
    return [integer(side, "pad", 0, allowed) for side in pad]


def _check_pad_width(mode: str, size: int, most: int, shape: tuple[int, ...]) -> None:
    if mode == "constant" or most == 0:
        return
    if mode == "replicate" and size > 0:
        return
    largest = max(size - 1, 0) if mode == "reflect" else size
    if most > largest:
        raise ValueError(
            f"pad must be at most {largest} along an axis of length {size} with mode={mode!r} "
            f"and input of shape {shape}, got {most}"
        )
