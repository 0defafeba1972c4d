"""What the choice of an algorithm loses: ``auto`` beside every algorithm, on random convolutions.

`measure` runs it in a process of its own: ``python -m benchmarks.choice SHAPES SEED ROUNDS REGEX``.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from .case import Case, dtype_of
from .process import KEEP_MEMORY, environment
from .rounds import VISITS
from .summary import geometric_mean

ALGORITHMS = ("fft", "split", "winograd", "rows", "turned tile", "tile")
# What the choice may lose: in geometric mean, and on the worst shape.
MEAN_BAR, WORST_BAR = 0.05, 0.25
# `auto` leaves these out whatever their time, so that they are no loss: Winograd's error grows as
# channels get fewer, and small kernels, where FFT seldom pays, do not wait for its cost.
_MIN_WINOGRAD_CHANNELS, _MIN_FFT_TAPS = 6, 36

_MOST_OPERATIONS = 1.5e9
_BATCH_SECONDS = 100e-6
_TURN_SECONDS = 3e-3
# An algorithm this many times slower than the best gets no further round.
_HOPELESS = 3.0
# The shapes that seem to lose most are timed again, as one of many minima is sure to be disturbed.
_REPEATED, _REPEATED_ROUNDS = 30, 3
_TOP = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Choice:
    """One convolution: what `auto` chooses, and seconds by algorithm."""

    case: Case
    held: bool
    chosen: str
    seconds: dict[str, float]

    @property
    def best(self) -> str:
        """The algorithm that took the least time."""
        return min(self.seconds, key=lambda name: self.seconds[name])

    @property
    def loss(self) -> float:
        """How much longer the chosen algorithm took, as a share of the best's time."""
        return self.seconds[self.chosen] / self.seconds[self.best] - 1


def mean_loss(choices: Sequence[Choice]) -> float:
    """Loss in geometric mean."""
    return geometric_mean(1 + choice.loss for choice in choices) - 1


def draw(shapes: int, seed: int, match: str = "") -> list[tuple[Case, bool]]:
    """Draw shapes, with whether their weights are held; of these, the ones whose name matches."""
    rng = np.random.default_rng(seed)
    drawn: list[tuple[Case, bool]] = []
    while len(drawn) < shapes:
        case = _draw_case(rng)
        held = bool(rng.random() < 0.5)
        if min(case.output) > 0 and case.operations <= _MOST_OPERATIONS:
            drawn.append((case, held))
    return [(case, held) for case, held in drawn if re.search(match, case.name)]


def _draw_case(rng: np.random.Generator) -> Case:
    """One image, as the choice never looks at the batch size."""
    kind = rng.choice(["dense", "depthwise", "grouped", "image"], p=[0.6, 0.2, 0.08, 0.12])
    size = _log_uniform(rng, 4, 300)
    sizes = size, size if rng.random() < 0.6 else _log_uniform(rng, 4, 300)
    groups, into, out = 1, _log_uniform(rng, 1, 512), _log_uniform(rng, 1, 512)
    if kind == "depthwise":
        groups, into, out = into, 1, int(rng.choice([1, 1, 1, 2]))
    elif kind == "grouped":
        groups = _log_uniform(rng, 2, 32)
        into, out = -(-into // groups), -(-out // groups)
    elif kind == "image":
        sizes = _log_uniform(rng, 100, 1080), _log_uniform(rng, 100, 1920)
        groups, into, out = (
            int(n) for n in rng.choice([(1, 1, 1), (3, 1, 1), (1, 3, 1), (1, 3, 8)])
        )
    tap = int(rng.choice([3, 1, _log_uniform(rng, 2, 41)], p=[0.5, 0.15, 0.35]))
    kernel = tap, tap if tap <= 3 or rng.random() < 0.7 else _log_uniform(rng, 1, 41)
    stride = int(rng.choice([1, 2, 3, 4], p=[0.8, 0.15, 0.03, 0.02]))
    dilation = int(rng.choice([1, 2, 3, 6], p=[0.9, 0.05, 0.03, 0.02]))
    padded = rng.random() < 0.7
    padding = tuple(dilation * (k - 1) // 2 if padded else 0 for k in kernel)
    dtype = str(rng.choice(["float32", "float64"], p=[0.75, 0.25]))
    name = f"{groups * into}-{groups * out} {sizes[0]}x{sizes[1]} by {kernel[0]}x{kernel[1]}"
    name += f", padding {padding[0]}, {padding[1]}" if any(padding) else ""
    name += f", stride {stride}" if stride > 1 else ""
    name += f", dilation {dilation}" if dilation > 1 else ""
    name += f", groups {groups}" if groups > 1 else ""
    name += f", {dtype}" if dtype != "float32" else ""
    return Case(
        name,
        (1, groups * into, *sizes),
        (groups * out, into, *kernel),
        (stride, stride),
        (padding[0], padding[1]),
        (dilation, dilation),
        groups,
        dtype,
    )


def _log_uniform(rng: np.random.Generator, low: int, high: int) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def measure(shapes: int, seed: int, rounds: int, match: str) -> list[Choice]:
    """Time the shapes in a process of its own, at one thread."""
    arguments = [str(n) for n in (shapes, seed, rounds)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.choice", *arguments, match],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_TOP,
        env=environment() | KEEP_MEMORY,
    )
    return [Choice(**{**c, "case": Case.from_json(c["case"])}) for c in json.loads(done.stdout)]


def _time(choice: Choice, rounds: int) -> None:
    """Time the algorithms in turns; minima go to `choice.seconds`."""
    from cyconv import _engine
    from cyconv._held import HeldWeight

    case = choice.case
    x, w = case.arrays()
    out = np.empty(case.output, w.dtype)

    def prepared(name: str) -> Callable[[], None]:
        weight = HeldWeight(w) if choice.held else w
        geometry = (case.stride, _sides(case), case.dilation, case.groups, "zeros")
        return partial(_engine.convolve, x, weight, None, out, *geometry, None, name)

    calls = {name: prepared(name) for name in ALGORITHMS if _applies(choice, name)}
    for call in calls.values():
        call()
    names = _hopeful(choice, list(calls))
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            seconds = _turn(calls[name])
            choice.seconds[name] = min(choice.seconds.get(name, np.inf), seconds)
        names = _hopeful(choice, names)


def _hopeful(choice: Choice, names: list[str]) -> list[str]:
    limit = _HOPELESS * min(choice.seconds.values(), default=np.inf)
    return [n for n in names if choice.seconds.get(n, 0) <= limit or n == choice.chosen]


def _sides(case: Case) -> tuple[int, int, int, int]:
    return case.padding[0], case.padding[0], case.padding[1], case.padding[1]


def _applies(choice: Choice, name: str) -> bool:
    case = choice.case
    if name == "winograd" and case.weight[1] < _MIN_WINOGRAD_CHANNELS:
        return False
    if name == "fft" and case.weight[2] * case.weight[3] < _MIN_FFT_TAPS:
        return False
    try:
        _planned(case, choice.held, name)
    except ValueError:
        return False
    return True


def _planned(case: Case, held: bool, algorithm: str) -> str:
    from cyconv import _engine

    return _engine.plan(
        case.input,
        case.weight,
        case.stride,
        _sides(case),
        case.dilation,
        case.groups,
        "zeros",
        dtype_of(case.dtype),
        algorithm,
        held,
    )["algorithm"]


def _turn(call: Callable[[], None]) -> float:
    """Seconds of a call, the best of some batches: the first may find its data out of cache."""
    once = _seconds(call, 1)
    batch = max(1, int(_BATCH_SECONDS / once))
    best, spent = once, once
    while spent < _TURN_SECONDS:
        each = _seconds(call, batch)
        best = min(best, each)
        spent += each * batch
    return best


def _seconds(call: Callable[[], None], calls: int) -> float:
    started = time.perf_counter()
    for _ in itertools.repeat(None, calls):
        call()
    return (time.perf_counter() - started) / calls


def main() -> None:
    """Serve `measure`."""
    import cyconv

    shapes, seed, rounds = (int(argument) for argument in sys.argv[1:4])
    cyconv.set_num_threads(1)
    choices = [
        Choice(case, held, _planned(case, held, "auto"), {})
        for case, held in draw(shapes, seed, sys.argv[4])
    ]
    for visit in range(min(VISITS, rounds)):
        for choice in choices:
            _time(choice, len(range(visit, rounds, VISITS)))
            where = f"choice, from round {visit + 1}"
            print(f"{where}: {choice.case.name}", file=sys.stderr, flush=True)
    worst = sorted(choices, key=lambda choice: -choice.loss)[:_REPEATED]
    for choice in worst * _REPEATED_ROUNDS:
        _time(choice, rounds)
    print(json.dumps([dataclasses.asdict(choice) for choice in choices]))


if __name__ == "__main__":
    main()
