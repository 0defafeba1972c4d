"""Check and normalise everything about a convolution but its arrays.

Every number is a Python int here, so that no product or sum can overflow before it is compared with
what the engine's 64-bit integers and the address space can hold.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, Union, get_args

import numpy as np

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
BYTES_MAX = sys.maxsize
_LONG_INTEGER_BITS = 256

PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
ActivationName: TypeAlias = Literal["relu", "relu6"]
Algorithm: TypeAlias = Literal["auto", "direct", "winograd", "split", "fft"]
PADDING_MODES: tuple[str, ...] = get_args(PaddingMode)
ACTIVATIONS: tuple[str, ...] = get_args(ActivationName)
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)

# Those in quotes would import numpy.random, which is imported when it is used.
Seed: TypeAlias = Union[
    int,
    Sequence[int],
    "np.random.SeedSequence",
    "np.random.BitGenerator",
    "np.random.Generator",
    None,
]
Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[int, int, int, int]
Shape4: TypeAlias = tuple[int, int, int, int]


class Geometry(NamedTuple):
    """One convolution in numbers that the engine takes as they are."""

    input_shape: Shape4
    weight_shape: Shape4
    output_shape: Shape4
    result_shape: tuple[int, ...]
    stride: Pair
    padding: Sides
    dilation: Pair
    groups: int


def shown(value: object) -> str:
    """Return `value` and its type, short enough for a message."""
    if isinstance(value, int) and value.bit_length() > _LONG_INTEGER_BITS:
        text = f"an integer of {value.bit_length()} bits"
    else:
        try:
            text = repr(value)
        except Exception:  # of an integer of more than 4300 digits, or of whatever a class does
            text = "a value that cannot be printed"
    if len(text) > 80:
        text = text[:77] + "..."
    return f"{text} ({type(value).__name__})"


def _digits(value: int) -> str:
    return str(value) if value.bit_length() <= _LONG_INTEGER_BITS else shown(value)


def integer(
    value: Any, name: str, lowest: int, allowed: str = "an int", highest: int = INT64_MAX
) -> int:
    """Return `value` as an int in [lowest, highest]; `allowed` says what the argument may be."""
    if type(value) is not int:
        # An index is what a shape or a slice takes: NumPy ints and 0-d arrays of them, not floats.
        if isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} must be {allowed}, got {shown(value)}")
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(f"{name} must be {allowed}, got {shown(value)}") from None
    if value < lowest:
        raise ValueError(f"{name} must be at least {lowest}, got {_digits(value)}")
    if value > highest:
        raise ValueError(f"{name} must be at most {highest}, got {_digits(value)}")
    return value  # type: ignore[no-any-return]


def pair(value: Any, name: str, lowest: int) -> Pair:
    """Return an int or a sequence of one or two ints as a pair."""
    allowed = "an int or a pair of ints"
    if isinstance(value, (tuple, list)):
        if len(value) == 2:
            first, second = value
            return integer(first, name, lowest, allowed), integer(second, name, lowest, allowed)
        if len(value) != 1:
            raise ValueError(f"{name} must be {allowed}, got {len(value)} values: {shown(value)}")
        value = value[0]
    both = integer(value, name, lowest, allowed)
    return both, both


def padding_form(value: Any) -> str | Sides:
    """Return "same", "valid" or (top, bottom, left, right)."""
    allowed = "an int, a pair of ints, ((top, bottom), (left, right)), 'same' or 'valid'"
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise ValueError(f"padding must be {allowed}, got {shown(value)}")
        return plain_text(value)
    if not isinstance(value, (tuple, list)):
        side = integer(value, "padding", 0, allowed)
        return side, side, side, side
    if len(value) not in (1, 2):
        raise ValueError(f"padding must be {allowed}, got {len(value)} values: {shown(value)}")
    if not any(isinstance(entry, (tuple, list)) for entry in value):
        rows = integer(value[0], "padding", 0, allowed)
        columns = integer(value[-1], "padding", 0, allowed)
        return rows, rows, columns, columns
    if len(value) != 2 or not all(isinstance(entry, (tuple, list)) for entry in value):
        raise TypeError(f"padding must be {allowed}, got {shown(value)}")
    if len(value[0]) != 2 or len(value[1]) != 2:
        raise ValueError(f"padding must be {allowed}, got {shown(value)}")
    top, bottom, left, right = (
        integer(side, "padding", 0, allowed) for side in (*value[0], *value[1])
    )
    return top, bottom, left, right


def padding_sides(form: str | Sides, kernel: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Turn the form of the padding into (top, bottom, left, right) for one kernel."""
    if not isinstance(form, str):
        return form
    if form == "valid":
        return 0, 0, 0, 0
    check_same_padding(form, stride)
    rows = dilation[0] * (kernel[0] - 1)
    columns = dilation[1] * (kernel[1] - 1)
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def shortest_padding(form: str | Sides) -> Pair | tuple[Pair, Pair] | str:
    """Return a form of padding as torch writes it, where torch has it."""
    if isinstance(form, str):
        return form
    top, bottom, left, right = form
    if top == bottom and left == right:
        return top, left
    return (top, bottom), (left, right)


def check_same_padding(form: str | Sides, stride: Pair) -> None:
    """Refuse padding="same" with a stride: the output would not have the input's size."""
    if form == "same" and stride != (1, 1):
        raise ValueError(f"padding='same' needs stride 1, got stride {stride}")


def random_generator(rng: Any) -> np.random.Generator:
    """Return the generator that NumPy makes of `rng`, or raise."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"rng must be what numpy.random.default_rng takes, got {shown(rng)}: {error}"
        ) from None


def plain_text(value: str) -> str:
    """Return the characters of a string, of which a member of an enumeration makes its name."""
    return str.__str__(value)


def one_of(value: Any, name: str, allowed: tuple[str, ...]) -> str:
    """Return `value`, which must be one of the strings of `allowed`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {_listed(allowed)}, got {shown(value)}")
    if value not in allowed:
        raise ValueError(f"{name} must be one of {_listed(allowed)}, got {shown(value)}")
    return plain_text(value)


def check_padding_mode(value: Any) -> str:
    """Return the padding mode, or raise."""
    return one_of(value, "padding_mode", PADDING_MODES)


def check_activation(value: Any) -> str | None:
    """Return the activation or None, or raise."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(
            f"activation must be None or one of {_listed(ACTIVATIONS)}, got {shown(value)}"
        )
    if value not in ACTIVATIONS:
        raise ValueError(
            f"activation must be None or one of {_listed(ACTIVATIONS)}, got {shown(value)}"
        )
    return plain_text(value)


def check_algorithm(value: Any) -> str:
    """Return the algorithm, or raise."""
    return one_of(value, "algorithm", ALGORITHMS)


def check_algorithm_applies(name: str, kernel: Pair, stride: Any) -> None:
    """Refuse an algorithm that is made for other kernels; the stride is as passed."""
    if name != "winograd":
        return
    stride = pair(stride, "stride", 1)
    if kernel != (3, 3) or stride != (1, 1):
        raise ValueError(
            "algorithm='winograd' needs a kernel of 3 x 3 and stride 1, got "
            f"kernel {kernel} and stride {stride}"
        )


def shape_of(value: Any, name: str) -> tuple[int, ...]:
    """Return the shape of an array that is not there, as a tuple of non-negative ints."""
    allowed = "a tuple of ints"
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be {allowed}, got {shown(value)}")
    return tuple(integer(size, name, 0, allowed) for size in value)


def check_bytes(shape: Sequence[int], itemsize: int, what: str) -> None:
    """Refuse an array that no address space could hold."""
    size = itemsize
    for length in shape:
        # As NumPy does: an empty array may not have impossible lengths along its other axes either.
        size *= length or 1
    if size > BYTES_MAX:
        raise ValueError(
            f"{what} of shape {tuple(shape)} would take {size} bytes, more than the {BYTES_MAX} "
            "that an array can have"
        )


def check_bias_shape(shape: tuple[int, ...], geometry: Geometry) -> None:
    """Refuse a bias that does not have one value per output channel."""
    channels = geometry.weight_shape[0]
    if shape == (channels,) or (shape == () and len(geometry.result_shape) == 2):
        return
    if len(geometry.result_shape) == 2:
        raise ValueError(
            f"bias must be a scalar or have shape (1,) for 2-D input, got shape {shape}"
        )
    raise ValueError(
        f"bias must have shape ({channels},), one value per output channel, got shape {shape}"
    )


def geometry(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: str,
) -> Geometry:
    """Check the shapes and the geometry arguments of one convolution against each other."""
    groups = integer(groups, "groups", lowest=1)
    stride = pair(stride, "stride", lowest=1)
    dilation = pair(dilation, "dilation", lowest=1)
    form = padding_form(padding)

    full_input, full_weight = _with_four_axes(input_shape, weight_shape, groups)
    batch, channels, height, width = full_input
    out_channels, group_channels, *kernel = full_weight
    if out_channels == 0 or 0 in kernel:
        raise ValueError(
            "weight must have at least one output channel and a kernel of at least 1 x 1, "
            f"got shape {weight_shape}"
        )
    if out_channels % groups:
        raise ValueError(
            f"groups={groups} must divide the output channels, but weight has {out_channels}: "
            f"shape {weight_shape}"
        )
    if channels != group_channels * groups:
        raise ValueError(
            f"input must have {group_channels * groups} channels, for groups={groups} and weight "
            f"of shape {weight_shape}; got {channels} channels: shape {input_shape}"
        )
    if height == 0 or width == 0:
        raise ValueError(
            f"input must have at least one row and one column, got shape {input_shape}"
        )

    kernel_h, kernel_w = kernel
    sides = padding_sides(form, (kernel_h, kernel_w), stride, dilation)
    top, bottom, left, right = sides
    room_h = _room(0, height, kernel_h, top, bottom, dilation[0])
    room_w = _room(1, width, kernel_w, left, right, dilation[1])
    if padding_mode == "reflect" or padding_mode == "circular":
        _check_wrap(padding_mode, sides, full_input, input_shape)

    output_shape = (batch, out_channels, room_h // stride[0] + 1, room_w // stride[1] + 1)
    rank = len(input_shape)
    return Geometry(
        full_input,
        full_weight,
        output_shape,
        output_shape if rank == 4 else output_shape[4 - rank :],
        # Steps that are never taken need not be large: where there is one window, or a single tap.
        (min(stride[0], room_h + 1), min(stride[1], room_w + 1)),
        sides,
        (dilation[0] if kernel_h > 1 else 1, dilation[1] if kernel_w > 1 else 1),
        groups,
    )


def check_extent(axis: int, kernel: int, dilation: int) -> int:
    """Return the extent of the dilated kernel along an axis, or raise."""
    extent = dilation * (kernel - 1) + 1
    if extent > INT64_MAX:
        raise ValueError(
            f"dilation={dilation} is too large for a kernel of {kernel} along {_AXES[axis]}: its "
            f"extent of {extent} must be at most {INT64_MAX}"
        )
    return extent


_AXES = ("the height", "the width")


def _room(axis: int, size: int, kernel: int, before: int, after: int, dilation: int) -> int:
    """Return how far the window can move along an axis, or raise if it does not fit at all."""
    extent = check_extent(axis, kernel, dilation)
    padded = size + before + after
    if padded > INT64_MAX:
        raise ValueError(
            f"padding=({before}, {after}) is too large along {_AXES[axis]}: the padded size of "
            f"{padded} must be at most {INT64_MAX}"
        )
    if extent > padded:
        raise ValueError(
            f"weight must fit into the padded input, but along {_AXES[axis]} the kernel spans "
            f"{extent} (size {kernel}, dilation {dilation}) and the input {padded} (size {size}, "
            f"padding {before} + {after})"
        )
    return padded - extent


def _with_four_axes(
    input_shape: tuple[int, ...], weight_shape: tuple[int, ...], groups: int
) -> tuple[Shape4, Shape4]:
    rank = len(input_shape)
    if rank == 2:
        if len(weight_shape) != 2:
            raise ValueError(
                "weight must have shape (kH, kW) for 2-D input, "
                f"got shape {weight_shape} with input of shape {input_shape}"
            )
        if groups != 1:
            raise ValueError(f"groups must be 1 for 2-D input, got {groups}")
        return (1, 1, *input_shape), (1, 1, *weight_shape)  # type: ignore[return-value]
    if rank != 3 and rank != 4:
        raise ValueError(
            f"input must have shape (N, C, H, W), (C, H, W) or (H, W), got shape {input_shape}"
        )
    if len(weight_shape) != 4:
        raise ValueError(
            "weight must have shape (O, C/groups, kH, kW), "
            f"got shape {weight_shape} with input of shape {input_shape}"
        )
    if rank == 3:
        return (1, *input_shape), weight_shape  # type: ignore[return-value]
    return input_shape, weight_shape  # type: ignore[return-value]


def _check_wrap(mode: str, sides: Sides, full_input: Shape4, input_shape: tuple[int, ...]) -> None:
    for axis in (0, 1):
        size = full_input[2 + axis]
        largest = size - 1 if mode == "reflect" else size
        most = max(sides[2 * axis : 2 * axis + 2])
        if most > largest:
            raise ValueError(
                f"padding must be at most {largest} along {_AXES[axis]} with "
                f"padding_mode={mode!r} and input of shape {input_shape}, got {most}"
            )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names)
