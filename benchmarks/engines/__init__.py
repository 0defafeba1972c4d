"""One adapter for each library; `ENGINES` is the list of all of them.

An adapter is built once in a process of its own and imports its library there. It must give its
library the number of threads explicitly, hold whatever the library can prepare before the first
call, and leave nothing but the convolution itself to be timed.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, Protocol

from ..case import Array, Case


class Refused(Exception):
    """The library has no such convolution; the message says why."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """`call` is what is timed; `result` makes an (N, O, H, W) array of what it returned."""

    call: Callable[[], Any]
    result: Callable[[Any], Array]


class Engine(Protocol):
    """What an adapter offers."""

    def __init__(self, threads: int, variant: str) -> None: ...

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """Get ready for one case, or raise `Refused`; `x` and `w` outlive the calls."""
        ...


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where an engine comes from: the import name, the distribution, the adapter, its variant."""

    library: str
    distribution: str
    adapter: str
    variant: str = ""

    def installed(self) -> bool:
        """Whether the library can be found, without importing it."""
        return importlib.util.find_spec(self.library) is not None

    def start(self, threads: int) -> Engine:
        """Import the library and build the adapter."""
        module = importlib.import_module(f"{__name__}.{self.adapter}")
        engine: Engine = module.Adapter(threads, self.variant)
        return engine


ENGINES = {
    "torch": Entry("torch", "torch", "torch_"),
    "onnxruntime": Entry("onnxruntime", "onnxruntime", "onnxruntime_"),
    "openvino": Entry("openvino", "openvino", "openvino_"),
    "ncnn": Entry("ncnn", "ncnn", "ncnn_"),
    "opencv": Entry("cv2", "opencv-python-headless", "opencv_"),
    "opencv dst=": Entry("cv2", "opencv-python-headless", "opencv_", "dst"),
    "scipy fftconvolve": Entry("scipy", "scipy", "scipy_", "fftconvolve"),
    "scipy oaconvolve": Entry("scipy", "scipy", "scipy_", "oaconvolve"),
    "scipy ndimage": Entry("scipy", "scipy", "scipy_", "ndimage"),
    "scipy correlate2d": Entry("scipy", "scipy", "scipy_", "correlate2d"),
    "conv2d": Entry("cyconv", "cyconv", "cyconv_", "function"),
    "conv2d out=": Entry("cyconv", "cyconv", "cyconv_", "out"),
    "Conv2d": Entry("cyconv", "cyconv", "cyconv_", "held"),
    "Conv2d direct": Entry("cyconv", "cyconv", "cyconv_", "direct"),
}
