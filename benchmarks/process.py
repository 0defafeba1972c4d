"""The parent's end of a worker process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

_TOP = Path(__file__).resolve().parent.parent
# Settings of the caller's shell that would overrule the thread counts given to the libraries, and
# the algorithms that are asked for.
_OVERRULING = ("OMP_", "GOMP_", "KMP_", "MKL_NUM", "OPENBLAS_NUM", "CYCONV_ALGORITHM")
# Freed memory stays with the process: otherwise glibc may hand a result's pages back after each
# call, and what is timed is mostly the kernel clearing pages (torch then takes ten times as long on
# some layers). The same for every engine.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 28), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
_PATIENCE = 120.0


class WorkerFailed(Exception):
    """The process ended, answered with an error, or did not answer."""


def environment() -> dict[str, str]:
    """The caller's environment without settings that overrule the benchmark's."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_OVERRULING)}


class WorkerProcess:
    """A running ``benchmarks.worker``; ends when the context does."""

    def __init__(self, engine: str, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", engine, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            cwd=_TOP,
            env=environment() | KEEP_MEMORY,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._reply()
        except WorkerFailed:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        assert self._process.stdin is not None
        try:
            print(json.dumps({"do": do, **command}), file=self._process.stdin, flush=True)
        except OSError as error:
            raise WorkerFailed(f"the process ended ({error})") from None
        return self._reply()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        # A child that a library has forked may hold the other end; closing would wait for it.
        self._reader.join(timeout=2)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _reply(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=_PATIENCE)
        except queue.Empty:
            # an answer that comes later would be taken for the next one
            self._process.kill()
            raise WorkerFailed(
                f"the process ended (killed: no answer within {_PATIENCE:.0f} s)"
            ) from None
        if not line:
            raise WorkerFailed("the process ended")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerFailed(reply["error"])
        return reply
