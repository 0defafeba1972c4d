"""Names the machine and the libraries that a run belongs to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from .engines import ENGINES


def describe() -> dict[str, object]:
    """Processor, Python, and the version of every library that is installed."""
    versions = {"numpy": importlib.metadata.version("numpy")}
    for entry in ENGINES.values():
        try:
            versions[entry.distribution] = importlib.metadata.version(entry.distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "instruction set": _instruction_set(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _instruction_set() -> str:
    from cyconv import _engine

    return str(_engine.isa_name())
