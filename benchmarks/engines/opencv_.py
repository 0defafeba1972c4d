"""OpenCV's filter2D, plane by plane where there are several."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import numpy as np

from ..case import Array, Case
from . import Prepared, Refused

# Beyond a few planes nobody would call filter2D in a loop.
_PLANES = 16


class Adapter:
    """Variants: the default, and dst, which writes into arrays made beforehand."""

    def __init__(self, threads: int, variant: str) -> None:
        self._cv2 = importlib.import_module("cv2")
        self._cv2.setNumThreads(threads)
        self._given = variant == "dst"

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        one_image = case.input[0] == 1 and w.shape[1] == 1 and w.shape[0] <= _PLANES
        odd = w.shape[2] % 2 == w.shape[3] % 2 == 1
        same = case.padding == (w.shape[2] // 2, w.shape[3] // 2) and odd
        if not (one_image and same and case.stride == case.dilation == (1, 1)):
            raise Refused("filters of odd size over one image, same padding, no stride or dilation")
        sources = [o * x.shape[1] // w.shape[0] for o in range(len(w))]
        calls = [self._filter(x[0, c], w[o, 0]) for o, c in enumerate(sources)]
        if case.channels_last:
            pixels, split = x[0].transpose(1, 2, 0), self._cv2.split

            def filter_planes() -> list[Any]:
                planes = split(pixels)
                return [call(planes[c]) for call, c in zip(calls, sources, strict=True)]

            return Prepared(filter_planes, lambda planes: np.stack(planes)[None])
        bound = [partial(call, x[0, c]) for call, c in zip(calls, sources, strict=True)]
        if len(bound) == 1:
            return Prepared(bound[0], lambda plane: np.asarray(plane)[None, None])
        return Prepared(lambda: [call() for call in bound], lambda planes: np.stack(planes)[None])

    def _filter(self, plane: Array, kernel: Array) -> Any:
        depth = {"float32": self._cv2.CV_32F, "float64": self._cv2.CV_64F}.get(kernel.dtype.name)
        if depth is None or plane.dtype.name not in ("uint8", kernel.dtype.name):
            raise Refused("float32 and float64 only")
        given = {"dst": np.empty(plane.shape, kernel.dtype)} if self._given else {}
        border = self._cv2.BORDER_CONSTANT
        return partial(self._cv2.filter2D, ddepth=depth, kernel=kernel, borderType=border, **given)
