"""cyconv: the function, and the layer that holds its weights."""

from __future__ import annotations

from functools import partial

import numpy as np

import cyconv

from ..case import Array, Case
from . import Prepared, Refused


class Adapter:
    """Variants: function, out (the function with `out=`), held (the layer), direct (likewise)."""

    def __init__(self, threads: int, variant: str) -> None:
        cyconv.set_num_threads(threads)
        self._variant = variant

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        if self._variant in ("function", "out"):
            geometry = (case.stride, case.padding, case.dilation, case.groups)
            call = partial(cyconv.conv2d, x, w, None, *geometry)
            if self._variant == "out":
                call = partial(call, out=np.empty(case.output, w.dtype))
            return Prepared(call, np.asarray)
        if w.dtype.kind in "iu":
            raise Refused("as torch's, the layer has no integer weights")
        layer = cyconv.Conv2d(
            case.input[1],
            case.weight[0],
            case.weight[2:],
            case.stride,
            case.padding,
            case.dilation,
            case.groups,
            bias=False,
            dtype=w.dtype,
            algorithm="direct" if self._variant == "direct" else "auto",
        )
        layer.weight = w
        return Prepared(partial(layer, x), np.asarray)
