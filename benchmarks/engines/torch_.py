"""torch.nn.functional.conv2d; the tensors share the arrays' memory and are made beforehand."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from ..case import Array, Case
from . import Prepared


class Adapter:
    """There is one variant."""

    def __init__(self, threads: int, variant: str) -> None:
        self._torch = importlib.import_module("torch")
        self._torch.set_num_threads(threads)
        self._torch.set_grad_enabled(False)

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        geometry = (case.stride, case.padding, case.dilation, case.groups)
        conv2d = self._torch.nn.functional.conv2d
        call = partial(conv2d, self._tensor(x), self._tensor(w), None, *geometry)
        return Prepared(call, partial(self._array, dtype=w.dtype))

    def _tensor(self, array: Array) -> Any:
        if array.dtype.name == "bfloat16":
            halves = self._torch.from_numpy(array.view("int16"))
            return halves.view(self._torch.bfloat16)
        return self._torch.from_numpy(array)

    def _array(self, tensor: Any, dtype: Any) -> Array:
        if dtype.name == "bfloat16":
            halves: Array = tensor.view(self._torch.int16).numpy()
            return halves.view(dtype)
        array: Array = tensor.numpy()
        return array
