"""SciPy's filters over one two-dimensional array."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import numpy as np

from ..case import Array, Case
from . import Prepared, Refused

# Taps over a 1080p image beyond which the direct ones take most of a second a call.
_DIRECT_TAPS = 11 * 11


class Adapter:
    """Variants: fftconvolve, oaconvolve, ndimage, correlate2d."""

    def __init__(self, threads: int, variant: str) -> None:
        self._ndimage = importlib.import_module("scipy.ndimage")
        self._signal = importlib.import_module("scipy.signal")
        fft = importlib.import_module("scipy.fft")
        # Its threads serve batches of transforms, as those over the rows of an image.
        self._workers = fft.set_workers(threads)
        self._workers.__enter__()
        self._variant = variant

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        single = case.input[:2] == (1, 1) and w.shape[:2] == (1, 1)
        same = case.padding == (w.shape[2] // 2, w.shape[3] // 2)
        if not (single and same and case.stride == case.dilation == (1, 1)):
            raise Refused("one filter over one plane, same padding, no stride or dilation")
        if x.dtype != w.dtype:
            raise Refused("mixed dtypes promote to float64")
        transforms = self._variant in ("fftconvolve", "oaconvolve")
        if not transforms and w.size * x.size > _DIRECT_TAPS * 1080 * 1920:
            raise Refused("too slow to wait for")
        return Prepared(self._call(x[0, 0], w[0, 0]), lambda plane: np.asarray(plane)[None, None])

    def _call(self, plane: Array, kernel: Array) -> Any:
        if self._variant == "ndimage":
            return partial(self._ndimage.correlate, plane, kernel, mode="constant")
        if self._variant == "correlate2d":
            return partial(self._signal.correlate2d, plane, kernel, mode="same")
        flipped = np.ascontiguousarray(kernel[::-1, ::-1])
        return partial(getattr(self._signal, self._variant), plane, flipped, mode="same")
