"""What a library costs besides time: its import, its place on disk, its memory during a call."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from .case import Case
from .engines import ENGINES
from .memory import PROBES
from .process import environment

_IMPORTS = (
    "numpy",
    "cyconv",
    "torch",
    "onnxruntime",
    "openvino",
    "ncnn",
    "cv2",
    "scipy.signal",
)
_MEMORY_ENGINES = ("conv2d", "torch")
_TOP = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Footprint:
    """Figures by library, and by memory probe and engine."""

    import_seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    installed_bytes: dict[str, int] = dataclasses.field(default_factory=dict)
    extra_bytes: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)


def measure(rounds: int) -> Footprint:
    """Time the imports in rounds, add up the files, probe the memory."""
    found = Footprint()
    libraries = []
    for name in _IMPORTS:
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            found.left_out[name] = "not installed"
        else:
            libraries.append(name)
            found.installed_bytes[name] = _installed_bytes(name.partition(".")[0])
    # The first round warms the file system's cache.
    for turn in range(rounds + 1):
        for name in libraries:
            seconds = _import_seconds(name)
            if turn:
                best = found.import_seconds.get(name, seconds)
                found.import_seconds[name] = min(best, seconds)
    _memory(found)
    return found


def _import_seconds(name: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True, cwd=_TOP)
    return time.perf_counter() - started


def _installed_bytes(package: str) -> int:
    """Bytes of the package's directory, and of the libraries that its wheel put beside it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return 0
    directory = Path(spec.origin).parent
    beside = directory.parent.glob(f"{package}*.libs")
    return sum(
        file.stat().st_size
        for place in (directory, *beside)
        for file in place.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    )


def _memory(found: Footprint) -> None:
    if not Path("/proc/self/clear_refs").exists():
        found.left_out["peak memory"] = "needs Linux's /proc"
        return
    engines = [name for name in _MEMORY_ENGINES if ENGINES[name].installed()]
    for case in PROBES:
        found.extra_bytes[case.name] = {name: _extra_bytes(name, case) for name in engines}


def _extra_bytes(engine: str, case: Case) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", engine, case.name]
    # A fixed threshold gives freed arrays back at once; else the call could hide in what they left.
    settings = environment() | {"MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=_TOP, env=settings
    )
    return int(done.stdout)
