"""The child process of one engine: reads a line of JSON, does it, answers with a line of JSON.

Commands: ``{"do": "prepare", "case": ...}``, ``{"do": "time", "seconds": ...}``,
``{"do": "sample"}``, ``{"do": "peak", "dtype": ...}``. The process ends with its input.
"""

from __future__ import annotations

import base64
import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

import numpy as np

from .case import Array, Case
from .engines import ENGINES, Engine, Prepared, Refused

# A batch of calls timed together lasts at least this long, so that the clock's own cost vanishes.
_BATCH_SECONDS = 100e-6


class Worker:
    """Answers the commands about one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._prepared: Prepared | None = None
        self._case: Case | None = None
        # Several libraries only borrow their input's memory.
        self._arrays: tuple[Array, Array] | None = None
        self._result: Array | None = None
        self._batch = 1

    def prepare(self, case: dict[str, Any]) -> dict[str, Any]:
        """Get ready for a case, warm up, and find how many calls make a batch."""
        self._prepared = None
        gc.collect()
        self._case = Case.from_json(case)
        self._arrays = self._case.arrays()
        self._prepared = self._engine.prepare(self._case, *self._arrays)
        self._result = self._prepared.result(self._prepared.call())
        self._batch = 1
        seconds = _seconds(self._prepared.call, 1)
        if seconds < _BATCH_SECONDS:
            self._batch = max(1, int(_BATCH_SECONDS / _seconds(self._prepared.call, 10)))
        return {"seconds": seconds}

    def time(self, seconds: float) -> dict[str, Any]:
        """Time batches until `seconds` have passed; answer with the best.

        A first call that finds its data in another engine's cache gets a second, unless it is long
        enough for that not to matter.
        """
        assert self._prepared is not None
        call, batch = self._prepared.call, self._batch
        best = float("inf")
        spent, batches = 0.0, 0
        gc.disable()
        try:
            while spent < seconds or (batches < 2 and spent < 10 * seconds):
                each = _seconds(call, batch)
                best = min(best, each)
                spent += each * batch
                batches += 1
        finally:
            gc.enable()
        return {"seconds": best, "spent": spent}

    def sample(self) -> dict[str, Any]:
        """Shape of the first result, and some of its values to compare with other engines'."""
        assert self._case is not None
        assert self._result is not None
        result, self._result = self._result, None
        if result.shape != self._case.output:
            return {"error": f"the result's shape is {result.shape}, not {self._case.output}"}
        values = result.reshape(-1)[self._case.sample()].astype(np.complex128)
        return {"values": base64.b64encode(values.tobytes()).decode()}

    def peak(self, dtype: Literal["float32", "float64"]) -> dict[str, Any]:
        """Multiply-add peak of one core in GFLOP/s, as cyconv measures it."""
        from cyconv import _engine

        return {"gflops": _engine.fma_peak(dtype)}


def _seconds(call: Callable[[], Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in itertools.repeat(None, calls):
        call()
    return (time.perf_counter() - started) / calls


def _answer(worker: Worker, line: str) -> dict[str, Any]:
    command = json.loads(line)
    try:
        reply: dict[str, Any] = getattr(worker, command.pop("do"))(**command)
    except Refused as refusal:
        return {"refused": str(refusal)}
    except Exception as error:  # a peer's failure is a finding about the peer, not the end of a run
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    return reply


def _own_stdout() -> TextIO:
    """Keep the pipe for the protocol and send what libraries print to standard error."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


def main() -> None:
    """Serve ``python -m benchmarks.worker ENGINE THREADS``."""
    replies = _own_stdout()
    try:
        worker = Worker(ENGINES[sys.argv[1]].start(int(sys.argv[2])))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}), file=replies)
        return
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(worker, line)), file=replies, flush=True)


if __name__ == "__main__":
    main()
