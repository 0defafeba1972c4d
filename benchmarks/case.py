"""One convolution to be timed: its shapes, its data, its count of operations."""

from __future__ import annotations

import dataclasses
import importlib
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """A convolution without bias; `dtype` is that of the weight and of the result.

    Integers are small, or `wide`: of every size.
    """

    name: str
    input: tuple[int, int, int, int]
    weight: tuple[int, int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    dtype: str = "float32"
    input_dtype: str = ""
    nan_share: float = 0.0
    wide: bool = False
    channels_last: bool = False

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Case:
        """Build a case from `dataclasses.asdict`, after JSON has made lists of its tuples."""
        whole: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
        return cls(**whole)

    @property
    def output(self) -> tuple[int, int, int, int]:
        """Shape of the result."""
        rows, columns = (
            (
                self.input[2 + a]
                + 2 * self.padding[a]
                - self.dilation[a] * (self.weight[2 + a] - 1)
                - 1
            )
            // self.stride[a]
            + 1
            for a in (0, 1)
        )
        return self.input[0], self.weight[0], rows, columns

    @property
    def depthwise(self) -> bool:
        """Whether every input channel has filters of its own."""
        return self.groups > 1 and self.weight[1] == 1

    @property
    def suits_winograd(self) -> bool:
        """Whether the layer is a 3x3 at stride 1, where some peers change the algorithm."""
        plain = self.stride == (1, 1) and self.dilation == (1, 1) and self.groups == 1
        return plain and self.weight[2:] == (3, 3)

    @property
    def operations(self) -> int:
        """Real multiplications and additions, every tap counted."""
        taps = self.output[2] * self.output[3] * self.weight[2] * self.weight[3]
        return self._per_tap() * taps

    @property
    def real_operations(self) -> int:
        """Like `operations`, without the taps that lie wholly in the padding."""
        return self._per_tap() * self._real_taps(0) * self._real_taps(1)

    def _per_tap(self) -> int:
        products = 4 if self.dtype.startswith("complex") else 1
        return 2 * products * self.input[0] * self.weight[0] * self.weight[1]

    def _real_taps(self, axis: int) -> int:
        """Pairs of an output coordinate and a tap which meet inside the input."""
        first = np.arange(self.output[2 + axis]) * self.stride[axis] - self.padding[axis]
        taps = np.arange(self.weight[2 + axis]) * self.dilation[axis]
        where = first[:, None] + taps[None, :]
        return int(np.count_nonzero((where >= 0) & (where < self.input[2 + axis])))

    def arrays(self) -> tuple[Array, Array]:
        """Input and weight, the same in every process."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        terms = self.weight[1] * self.weight[2] * self.weight[3]
        x = _draw(rng, self.input, self.input_dtype or self.dtype, self.wide)
        if self.nan_share:
            x[rng.random(x.shape) < self.nan_share] = np.nan
        if self.channels_last:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        w = _draw(rng, self.weight, self.dtype, self.wide)
        if w.dtype.kind not in "iu":
            w = (w * np.asarray(terms**-0.5, w.real.dtype)).astype(w.dtype)
        return x, w

    def sample(self) -> NDArray[np.intp]:
        """Flat indices of the outputs that the engines' results are compared on."""
        size = int(np.prod(self.output))
        chosen = np.random.default_rng(1).integers(0, size, min(size, 2048))
        return np.concatenate([[0, size - 1], chosen]).astype(np.intp)


def dtype_of(name: str) -> np.dtype[Any]:
    """Like `np.dtype`, but knows bfloat16 too."""
    if name == "bfloat16":
        name = importlib.import_module("ml_dtypes").bfloat16
    return np.dtype(name)


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, wide: bool) -> Array:
    target = dtype_of(dtype)
    if target.kind in "iu" and wide:
        limits = np.iinfo(target)
        return rng.integers(limits.min, limits.max, shape, target, endpoint=True)
    if target.kind in "iu":
        low = -8 if target.kind == "i" else 0
        return rng.integers(low, 16, shape).astype(target)
    if target.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(target)
    return rng.standard_normal(shape, np.float32).astype(target)
