"""ncnn: a net of one Convolution, its weights prepared when the net is loaded."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..case import Array, Case
from . import Prepared, Refused


class Adapter:
    """There is one variant."""

    def __init__(self, threads: int, variant: str) -> None:
        self._ncnn = importlib.import_module("ncnn")
        self._threads = threads

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        if x.dtype != "float32" or w.dtype != "float32":
            raise Refused("float32 only")
        if case.input[0] != 1:
            raise Refused("one image at a time")
        if case.groups > 1 and not case.depthwise:
            raise Refused("groups only where each channel is one")
        net = self._net(case, w)
        image = self._ncnn.Mat(x[0])

        def call() -> Any:
            extractor = net.create_extractor()
            extractor.input("x", image)
            return extractor.extract("y")[1]

        def result(y: Any) -> Array:
            # The array would only borrow the Mat's memory.
            return np.array(y)[None].copy()

        return Prepared(call, result)

    def _net(self, case: Case, w: Array) -> Any:
        net = self._ncnn.Net()
        net.opt.num_threads = self._threads
        for option in vars(type(net.opt)):
            # Arithmetic and storage in float32, as everyone else.
            if option.startswith(("use_fp16", "use_bf16", "use_int8")):
                setattr(net.opt, option, False)
        (top, left), (sh, sw), (dh, dw) = case.padding, case.stride, case.dilation
        parameters = {
            0: case.weight[0],
            1: case.weight[3],
            11: case.weight[2],
            2: dw,
            12: dh,
            3: sw,
            13: sh,
            4: left,
            14: top,
            15: left,
            16: top,
            5: 0,
            6: w.size,
        }
        kind = "Convolution"
        if case.groups > 1:
            kind, parameters[7] = "ConvolutionDepthWise", case.groups
        fields = " ".join(f"{key}={value}" for key, value in parameters.items())
        with tempfile.TemporaryDirectory() as directory:
            text, data = Path(directory, "net.param"), Path(directory, "net.bin")
            text.write_text(f"7767517\n2 2\nInput in 0 1 x\n{kind} conv 1 1 x y {fields}\n")
            # A zero word says that raw float32 follows.
            data.write_bytes(bytes(4) + w.tobytes())
            if net.load_param(str(text)) or net.load_model(str(data)):
                raise RuntimeError("ncnn did not load the net")
        return net
