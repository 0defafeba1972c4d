"""A process that convolves once and prints how many bytes that took at its peak.

``python -m benchmarks.memory ENGINE PROBE``; needs Linux, where the peak of the resident set can
be set back to the present.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np

from .case import Case
from .engines import ENGINES

_PLANE = Case("3x3 1080p", (1, 1, 1080, 1920), (1, 1, 3, 3), padding=(1, 1))
PROBES = (
    _PLANE,
    dataclasses.replace(_PLANE, name="3x3 4320p", input=(1, 1, 4320, 7680)),
    dataclasses.replace(_PLANE, name="3x3 1080p float64", dtype="float64"),
    dataclasses.replace(_PLANE, name="3x3 64 @256", input=(1, 64, 256, 256), weight=(64, 64, 3, 3)),
)


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def extra_bytes(engine_name: str, case: Case) -> int:
    """Peak of the resident set during one call, less what was there and the result."""
    engine = ENGINES[engine_name].start(threads=1)
    warm = dataclasses.replace(case, input=(*case.input[:2], 16, 16))
    engine.prepare(warm, *warm.arrays()).call()
    x, w = case.arrays()
    prepared = engine.prepare(case, x, w)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    result = prepared.result(prepared.call())
    assert result.shape == case.output
    return max(0, _resident("VmHWM") - before - int(np.asarray(result).nbytes))


if __name__ == "__main__":
    print(extra_bytes(sys.argv[1], next(case for case in PROBES if case.name == sys.argv[2])))
