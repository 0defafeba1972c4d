"""Times one section: every case on every engine, interleaved in rounds, the minimum kept."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterable

import numpy as np

from .case import Array, Case, dtype_of
from .engines import ENGINES
from .process import WorkerFailed, WorkerProcess
from .sections import FUNCTION, Section

# An engine's turn in a round; long enough for its second call to find its data in cache.
_TURN_SECONDS = 6e-3
# Threads of the engine before, which may still be spinning, get this long to go to sleep.
_PAUSE_SECONDS = 3e-3
# Once an engine has had this much time in one visit of a case, further rounds would teach nothing.
_ENOUGH_SECONDS = 0.2
# The rounds are spread over as many passes through the cases: other guests of a shared machine may
# slow one engine, or one core, for longer than all rounds of a case take.
VISITS = 5
# Largest difference from cyconv's result, relative to the largest result.
_TOLERANCES = {
    "float64": 1e-10,
    "float32": 2e-4,
    "complex64": 2e-4,
    "float16": 1e-2,
    "bfloat16": 5e-2,
}


@dataclasses.dataclass
class Timing:
    """One case at one thread count: seconds by engine, and what else is worth telling."""

    section: str
    case: Case
    threads: int
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    differs: dict[str, float] = dataclasses.field(default_factory=dict)
    peak_gflops: float = 0.0


@dataclasses.dataclass
class Outcome:
    """All timings of a section at one thread count, and the engines that failed to start."""

    timings: list[Timing]
    left_out: dict[str, str]


def run(section: Section, cases: Iterable[Case], threads: int, rounds: int) -> Outcome:
    """Time `cases`, with one process for each engine alive throughout."""
    outcome = Outcome([Timing(section.name, case, threads) for case in cases], {})
    with contextlib.ExitStack() as stack:
        workers: dict[str, WorkerProcess] = {}
        for name in section.engines:
            try:
                if not ENGINES[name].installed():
                    raise WorkerFailed("not installed")
                workers[name] = stack.enter_context(WorkerProcess(name, threads))
            except WorkerFailed as failure:
                outcome.left_out[name] = str(failure)
        for visit in range(min(VISITS, rounds)):
            turns = range(visit, rounds, VISITS)
            for timing in outcome.timings:
                _time(timing, workers, turns)
                for name, reason in timing.refused.items():
                    if reason.startswith("the process ended") and name in workers:
                        del workers[name]
                        outcome.left_out[name] = f"{reason} on {timing.case.name}"
                _progress(timing, turns)
    _settle_peaks(outcome.timings)
    return outcome


def _time(timing: Timing, workers: dict[str, WorkerProcess], turns: range) -> None:
    """Visit a case: prepare every engine, and let them take these turns of the rounds."""
    case = dataclasses.asdict(timing.case)
    ready: list[str] = []
    samples: dict[str, Array] = {}
    for name, worker in workers.items():
        try:
            refusal = worker.ask("prepare", case=case).get("refused")
            if refusal:
                timing.refused[name] = refusal
                continue
            samples[name] = np.frombuffer(base64.b64decode(worker.ask("sample")["values"]), complex)
            ready.append(name)
        except WorkerFailed as failure:
            timing.refused[name] = str(failure)
            timing.seconds.pop(name, None)
    spent = dict.fromkeys(ready, 0.0)
    for turn in turns:
        # The start moves on, so that nobody always follows the same neighbour.
        start = turn % max(1, len(ready))
        for name in ready[start:] + ready[:start]:
            if spent[name] > _ENOUGH_SECONDS:
                continue
            time.sleep(_PAUSE_SECONDS)
            try:
                reply = workers[name].ask("time", seconds=_TURN_SECONDS)
            except WorkerFailed as failure:
                ready.remove(name)
                timing.refused[name] = str(failure)
                timing.seconds.pop(name, None)
                continue
            spent[name] += reply["spent"]
            timing.seconds[name] = min(timing.seconds.get(name, np.inf), reply["seconds"])
    _check(timing, samples)
    _peak(timing, workers)


def _check(timing: Timing, samples: dict[str, Array]) -> None:
    """Note the engines whose results are not cyconv's: they have been set up wrongly."""
    reference = samples.get(FUNCTION)
    if reference is None:
        return
    finite = np.isfinite(reference)
    scale = float(np.abs(reference[finite]).max(initial=0.0)) or 1.0
    tolerance = _TOLERANCES.get(timing.case.dtype, 0.0)
    for name, values in samples.items():
        difference = float(np.abs(values - reference)[finite].max(initial=0.0)) / scale
        if not np.array_equal(np.isfinite(values), finite):
            difference = np.inf
        if not difference <= tolerance:
            timing.differs[name] = difference


def _peak(timing: Timing, workers: dict[str, WorkerProcess]) -> None:
    if dtype_of(timing.case.dtype).kind in "iu" or FUNCTION not in workers:
        return
    with contextlib.suppress(WorkerFailed):
        reply = workers[FUNCTION].ask("peak", dtype=_computed_in(timing.case))
        timing.peak_gflops = reply["gflops"]


def _settle_peaks(timings: list[Timing]) -> None:
    """Give every case the highest peak seen: a disturbed measurement would flatter its case."""
    for dtype in ("float32", "float64"):
        same = [t for t in timings if t.peak_gflops and _computed_in(t.case) == dtype]
        highest = max((t.peak_gflops for t in same), default=0.0)
        for timing in same:
            timing.peak_gflops = highest


def _computed_in(case: Case) -> str:
    return "float64" if case.dtype in ("float64", "complex128") else "float32"


def _progress(timing: Timing, turns: range) -> None:
    wrong = f"  DIFFERS: {', '.join(timing.differs)}" if timing.differs else ""
    where = f"{timing.section}, {timing.threads} thread(s), from round {turns.start + 1}"
    print(f"{where}: {timing.case.name}{wrong}", file=sys.stderr, flush=True)
