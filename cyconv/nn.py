"""Convolution as a layer, with torch's attributes, repr and state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._arguments import (
    Algorithm,
    PaddingMode,
    Pair,
    Seed,
    Sides,
    check_activation,
    check_algorithm,
    check_algorithm_applies,
    check_bytes,
    check_extent,
    check_padding_mode,
    check_same_padding,
    integer,
    padding_form,
    padding_sides,
    pair,
    random_generator,
    shortest_padding,
    shown,
)
from ._convolve import convolve
from ._fast import convolve_plain
from ._operands import HeldArray, as_array, canonical_dtype, cast_copy, check_same_kind, named_dtype
from ._state import IncompatibleKeys, take_state
from .functional import Activation, IntOrPair, Padding

__all__ = ["Conv2d"]


class Conv2d:
    """A layer that convolves its input with weights of its own, as ``torch.nn.Conv2d`` does.

    The weights are held ready for the kernels, so that calls after the first seldom spend time on
    preparing them.

    Parameters
    ----------
    in_channels : int
        C, the channels of the input.
    out_channels : int
        O, the channels of the output, at least 1.
    kernel_size : int or pair of int
        (kH, kW), at least 1.
    stride, padding, dilation, groups, padding_mode, activation, algorithm
        As for `cyconv.conv2d`.
    bias : bool, default True
        Whether the layer adds a bias.
    dtype : dtype_like, default float32
        The dtype of the weights, a floating-point or complex one. An input of another dtype
        promotes as in `cyconv.conv2d`.
    rng : None, int, sequence of int, SeedSequence, BitGenerator or Generator, optional
        Where the initial weights come from; whatever `numpy.random.default_rng` takes.

    Attributes
    ----------
    weight : ndarray
        Shape (O, C/groups, kH, kW). Reading it gives a read-only view; assigning copies the values,
        which must have the same shape and be castable to the layer's dtype under "same_kind".
    bias : ndarray or None
        Shape (O,), likewise. Assigning None removes the bias.
    dtype : numpy.dtype
        Of the weights, which does not change.
    in_channels, out_channels, groups : int
    kernel_size, stride, dilation : tuple of int
    padding : tuple or str
        (rows, columns), or ((top, bottom), (left, right)) where they differ, or "same" or "valid".
    padding_mode, activation, algorithm : str or None
    training : bool
        Always True; it has no effect.
    transposed : bool
        Always False.
    output_padding : tuple of int
        Always (0, 0).

    Raises
    ------
    TypeError
        If an argument is not of its type, or `dtype` neither floating-point nor complex.
    ValueError
        If a value is out of range, `groups` does not divide both channel numbers, or "same" meets
        a stride.
    MemoryError
        If the weights cannot be allocated.

    See Also
    --------
    cyconv.conv2d : The function, for weights that are used once.

    Notes
    -----
    Weights and bias start out uniform over ``[-k, k)`` with ``k = 1/sqrt(C/groups * kH * kW)``, as
    torch's do; for a complex layer, real and imaginary parts each. Pickles and deep copies carry
    the weights but not the form prepared for the kernels.

    As its weights are ready, a layer may find a Fourier transform, Winograd's algorithm or products
    of parts worth its while where the function does not, and then differs from it within the bound.
    With ``algorithm="direct"`` both give the same bits.

    References
    ----------
    https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html

    Examples
    --------
    >>> import numpy as np
    >>> import cyconv.nn as nn
    >>> layer = nn.Conv2d(3, 16, 3, stride=2, padding=1)
    >>> layer
    Conv2d(3, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> layer(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 16, 16, 16)
    >>> layer.weight = np.ones((16, 3, 3, 3))
    >>> layer.bias = None
    """

    training = True
    transposed = False
    output_padding = (0, 0)

    kernel_size: Pair
    stride: Pair
    padding: Pair | tuple[Pair, Pair] | str
    dilation: Pair

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: Padding = 0,
        dilation: IntOrPair = 1,
        groups: SupportsIndex = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        activation: Activation = None,
        algorithm: Algorithm = "auto",
        rng: Seed = None,
    ) -> None:
        self.in_channels = integer(in_channels, "in_channels", 0)
        self.out_channels = integer(out_channels, "out_channels", 1)
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.dilation = pair(dilation, "dilation", 1)
        self.groups = integer(groups, "groups", 1)
        self.padding_mode = check_padding_mode(padding_mode)
        self.activation = check_activation(activation)
        self.algorithm = check_algorithm(algorithm)
        form = padding_form(padding)
        self.padding = shortest_padding(form)
        self._check_together(form)
        kind = named_dtype(dtype)
        if kind.kind not in "fVc":
            raise TypeError(f"dtype must be floating-point or complex, got {kind}")
        if activation is not None and kind.kind == "c":
            raise TypeError(f"activation must be None for dtype {kind}, got {activation!r}")
        weight_shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        channels = f"in_channels={self.in_channels}, out_channels={self.out_channels}"
        check_bytes(weight_shape, kind.itemsize, f"{channels}: the weight")
        self._weight = HeldArray(np.zeros(weight_shape, kind))
        self._bias: NDArray[Any] | None = None
        if bias is not None and not isinstance(bias, (int, np.bool_, np.integer)):  # 0 and 1, too
            raise TypeError(f"bias must be a bool, got {shown(bias)}")
        if bias:
            self._bias = np.zeros(self.out_channels, kind)
        self.reset_parameters(rng)

    def _check_together(self, form: str | Sides) -> None:
        for name, channels in (
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
        ):
            if channels % self.groups:
                raise ValueError(f"groups={self.groups} must divide {name}, got {channels}")
        check_same_padding(form, self.stride)
        check_algorithm_applies(self.algorithm, self.kernel_size, self.stride)
        for axis in (0, 1):
            check_extent(axis, self.kernel_size[axis], self.dilation[axis])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the weight and the bias."""
        return self._weight.array.dtype

    @property
    def weight(self) -> NDArray[Any]:
        """The weight, of shape (O, C/groups, kH, kW): a read-only view."""
        return self._weight.array[...]

    @weight.setter
    def weight(self, value: ArrayLike) -> None:
        self._weight = HeldArray(self._copy_of(value, "weight", self._weight.array.shape))

    @property
    def bias(self) -> NDArray[Any] | None:
        """The bias, of shape (O,), or None: a read-only view."""
        return None if self._bias is None else self._bias[...]

    @bias.setter
    def bias(self, value: ArrayLike | None) -> None:
        if value is None:
            self._bias = None
        else:
            self._bias = self._copy_of(value, "bias", self._weight.array.shape[:1])

    def _copy_of(self, value: Any, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        array = as_array(value, name)
        check_same_kind(canonical_dtype(array.dtype, name), self.dtype, name)
        if array.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
        copy = cast_copy(array, self.dtype)
        copy.flags.writeable = False
        return copy

    def reset_parameters(self, rng: Seed = None) -> None:
        """Draw the weight, and the bias if there is one, from their initial distribution.

        Parameters
        ----------
        rng : None, int, sequence of int, SeedSequence, BitGenerator or Generator, optional
            Whatever `numpy.random.default_rng` takes.

        Examples
        --------
        >>> import cyconv
        >>> layer = cyconv.Conv2d(1, 1, 3, rng=0)
        >>> before = layer.weight
        >>> layer.reset_parameters(0)
        >>> bool((layer.weight == before).all())
        True
        """
        generator = random_generator(rng)
        fan_in = math.prod(self._weight.array.shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        self.weight = self._uniform(generator, bound, self._weight.array.shape)
        if self._bias is not None:
            self.bias = self._uniform(generator, bound, self._bias.shape)

    def _uniform(
        self, generator: np.random.Generator, bound: float, shape: tuple[int, ...]
    ) -> NDArray[Any]:
        values = generator.uniform(-bound, bound, shape)
        if self.dtype.kind == "c":
            return values + 1j * generator.uniform(-bound, bound, shape)
        return values

    def forward(self, input: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Convolve `input` with the layer's weights; calling the layer does the same.

        Parameters
        ----------
        input : array_like
            Shape (N, C, H, W) or (C, H, W).
        out : ndarray, optional
            As for `cyconv.conv2d`.

        Returns
        -------
        ndarray
            Shape (N, O, H', W') or (O, H', W'), as from `cyconv.conv2d`.

        Raises
        ------
        TypeError, ValueError, MemoryError
            As `cyconv.conv2d` does.

        Examples
        --------
        >>> import numpy as np
        >>> import cyconv
        >>> layer = cyconv.Conv2d(1, 1, 2, bias=False)
        >>> layer.weight = [[[[1, 2], [3, 4]]]]
        >>> layer(np.ones((1, 2, 3), np.float32))
        array([[[10., 10.]]], dtype=float32)
        """
        others = (
            self._bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.padding_mode,
            self.activation,
            self.algorithm,
            out,
        )
        prepared = self._weight.prepared
        result = None if prepared is None else convolve_plain(input, prepared, *others)
        return convolve(input, self._weight, *others) if result is None else result

    def __call__(self, input: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Convolve `input`, by `forward`."""
        return self.forward(input) if out is None else self.forward(input, out=out)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return copies of the weight and the bias under torch's keys.

        Returns
        -------
        dict
            ``"weight"`` and, if there is one, ``"bias"``.

        Examples
        --------
        >>> import cyconv
        >>> sorted(cyconv.Conv2d(3, 8, 3).state_dict())
        ['bias', 'weight']
        """
        state = {"weight": self._weight.array.copy()}
        if self._bias is not None:
            state["bias"] = self._bias.copy()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, ArrayLike], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy the weight and the bias from a dict, such as `state_dict` or torch's gives.

        Nothing changes unless everything fits.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            Keys ``"weight"`` and, if the layer has one, ``"bias"``. The values must have the shapes
            of the layer's own and be castable to its dtype under "same_kind".
        strict : bool, default True
            Whether missing and unexpected keys are errors.

        Returns
        -------
        IncompatibleKeys
            A named tuple (missing_keys, unexpected_keys).

        Raises
        ------
        TypeError
            If `state_dict` is not a mapping, `strict` not a bool, or a value cannot be cast.
        ValueError
            If a shape does not fit, or with `strict` if a key is missing or unexpected.

        Examples
        --------
        >>> import cyconv
        >>> layer, other = cyconv.Conv2d(3, 8, 3), cyconv.Conv2d(3, 8, 3)
        >>> layer.load_state_dict(other.state_dict())
        <All keys matched successfully>
        """
        own = {"weight": self._weight.array.shape}
        if self._bias is not None:
            own["bias"] = self._bias.shape
        keys, copies = take_state(state_dict, own, self._copy_of, strict, type(self).__name__)
        if "weight" in copies:
            self._weight = HeldArray(copies["weight"])
        if "bias" in copies:
            self._bias = copies["bias"]
        return keys

    @property
    def _reversed_padding_repeated_twice(self) -> tuple[int, ...]:
        # torch's name for (left, right, top, bottom), which code written for torch does read.
        sides = padding_sides(
            padding_form(self.padding), self.kernel_size, self.stride, self.dilation
        )
        return sides[2:] + sides[:2]

    def extra_repr(self) -> str:
        """Return what `repr` shows between the parentheses.

        Examples
        --------
        >>> import cyconv
        >>> cyconv.Conv2d(3, 8, 3, bias=False).extra_repr()
        '3, 8, kernel_size=(3, 3), stride=(1, 1), bias=False'
        """
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self._bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        if self.activation is not None:
            text += f", activation={self.activation}"
        if self.algorithm != "auto":
            text += f", algorithm={self.algorithm}"
        return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def __getstate__(self) -> dict[str, Any]:
        # Prepared forms depend on the machine.
        return {**self.__dict__, "_weight": self._weight.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Copies: an unpickled array may stand on a buffer that someone else can write to.
        # In native byte order, which may not be that of the machine that pickled them.
        weight = state["_weight"]
        dtype = canonical_dtype(weight.dtype, "weight")
        self._weight = HeldArray(cast_copy(weight, dtype))
        if self._bias is not None:
            self._bias = cast_copy(self._bias, dtype)
            self._bias.flags.writeable = False
