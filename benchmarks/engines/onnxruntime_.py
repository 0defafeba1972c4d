"""onnxruntime's CPU provider: a session of one Conv, its weight a constant."""

from __future__ import annotations

import importlib
from functools import partial

from ..case import Array, Case
from . import Prepared, Refused

# Old enough for every onnxruntime of recent years: the onnx package writes newer ones.
_IR_VERSION, _OPSET = 10, 21


class Adapter:
    """There is one variant."""

    def __init__(self, threads: int, variant: str) -> None:
        self._runtime = importlib.import_module("onnxruntime")
        self._onnx = importlib.import_module("onnx")
        self._options = self._runtime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1

    def prepare(self, case: Case, x: Array, w: Array) -> Prepared:
        """See `Engine`."""
        if x.dtype != "float32" or w.dtype != "float32":
            raise Refused("float32 only")
        session = self._runtime.InferenceSession(
            self._model(case, w), self._options, providers=["CPUExecutionProvider"]
        )
        return Prepared(partial(session.run, ["y"], {"x": x}), lambda outputs: outputs[0])

    def _model(self, case: Case, w: Array) -> bytes:
        helper, float32 = self._onnx.helper, self._onnx.TensorProto.FLOAT
        top, left = case.padding
        conv = helper.make_node(
            "Conv",
            ["x", "w"],
            ["y"],
            strides=case.stride,
            pads=(top, left, top, left),
            dilations=case.dilation,
            group=case.groups,
        )
        graph = helper.make_graph(
            [conv],
            "conv",
            [helper.make_tensor_value_info("x", float32, case.input)],
            [helper.make_tensor_value_info("y", float32, case.output)],
            [self._onnx.numpy_helper.from_array(w, "w")],
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, ir_version=_IR_VERSION, opset_imports=opsets)
        serialized: bytes = model.SerializeToString()
        return serialized
