"""OpenVINO's CPU plugin: a compiled model of one convolution."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import Any

import numpy as np

from ..case import Array, Case
from . import Prepared, Refused


class Adapter:
    """There is one variant."""

    def __init__(self, threads: int, variant: str) -> None:
        # Its telemetry sends figures over the network, and forks a process which outlives this one
        # and holds the pipe to the parent open. Without that package it falls back on a stub.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        self._openvino = importlib.import_module("openvino")
        self._ops = importlib.import_module("openvino.opset15")
        self._core = self._openvino.Core()
        self._settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Left alone it computes in bfloat16 where the processor can.
            "INFERENCE_PRECISION_HINT": "f32",
        }

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        if x.dtype != "float32" or w.dtype != "float32":
            raise Refused("float32 only")
        compiled = self._core.compile_model(self._model(case, w), "CPU", self._settings)
        request = compiled.create_infer_request()
        request.set_input_tensor(self._openvino.Tensor(x, shared_memory=True))
        call = partial(request.infer, share_outputs=True)
        return Prepared(call, lambda outputs: np.array(outputs[0]))

    def _model(self, case: Case, w: Array) -> Any:
        x = self._ops.parameter(case.input, np.float32)
        geometry = (case.stride, case.padding, case.padding, case.dilation)
        if case.groups == 1:
            y = self._ops.convolution(x, self._ops.constant(w), *geometry)
        else:
            out, inside, rows, columns = case.weight
            grouped = w.reshape(case.groups, out // case.groups, inside, rows, columns)
            y = self._ops.group_convolution(x, self._ops.constant(grouped), *geometry)
        return self._openvino.Model([y], [x])
