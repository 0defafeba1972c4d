"""Run a script in a fresh interpreter that sees the same cyconv as this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cyconv

PACKAGE_PARENT = str(Path(cyconv.__file__).resolve().parent.parent)


def run_python(
    script: str, *arguments: str, timeout: float = 60, check: bool = True, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run `script` with -c; an environment value of None unsets the variable."""
    settings = dict(os.environ)
    inherited = settings.get("PYTHONPATH")
    settings["PYTHONPATH"] = os.pathsep.join(filter(None, [PACKAGE_PARENT, inherited]))
    for name in ("CYCONV_ALGORITHM", "CYCONV_ISA", "OMP_NUM_THREADS"):
        settings.pop(name, None)
    for name, value in environment.items():
        if value is None:
            settings.pop(name, None)
        else:
            settings[name] = value
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        env=settings,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
