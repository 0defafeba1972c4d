"""Draws ratios, geometric means, worst cases and shares of the peak from the timings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from .rounds import Timing
from .sections import Comparison, Section

# At this share of the peak a layer counts as done, whatever a peer's time.
NEAR_PEAK = 0.92
# From here on a second core ought to show.
LARGE_OPERATIONS = 0.2e9


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times as fast as `peer` ours was; `peak` is our share of the FMA peak."""

    case: str
    value: float
    peer: str
    peak: float


@dataclasses.dataclass(frozen=True)
class Total:
    """The ratios of one comparison taken together."""

    title: str
    cases: int
    mean: float
    worst: Ratio
    behind: tuple[Ratio, ...]


def ratio(timing: Timing, comparison: Comparison) -> Ratio | None:
    """Compare one case, or None where either side has no time."""
    ours = timing.seconds.get(comparison.ours)
    peers = {
        name: timing.seconds[name]
        for name in comparison.peers
        if name in timing.seconds
        and name not in timing.differs
        and comparison.fair(timing.case, name)
    }
    if ours is None or not peers:
        return None
    best = min(peers, key=lambda name: peers[name])
    peak = share_of_peak(timing, comparison.ours) or 0.0
    return Ratio(timing.case.name, peers[best] / ours, best, peak)


def total(title: str, ratios: Iterable[Ratio | None]) -> Total | None:
    """Geometric mean, worst case, and the cases that a peer wins below the peak."""
    found = [r for r in ratios if r is not None]
    if not found:
        return None
    behind = (r for r in found if r.value < 1 and r.peak < NEAR_PEAK)
    return Total(
        title,
        len(found),
        geometric_mean(r.value for r in found),
        min(found, key=lambda r: r.value),
        tuple(sorted(behind, key=lambda r: r.value)),
    )


def totals(section: Section, timings: list[Timing]) -> list[Total]:
    """One total for every comparison of the section, and for each of its subsets."""
    lists = [("", timings)] + [
        (f", {subset.title}", [t for t in timings if subset.contains(t.case)])
        for subset in section.subsets
    ]
    found = (
        total(comparison.title + suffix, (ratio(t, comparison) for t in some))
        for suffix, some in lists
        for comparison in section.comparisons
    )
    return [t for t in found if t is not None]


def share_of_peak(timing: Timing, engine: str) -> float | None:
    """Real taps' operations over what the cores in use could do in the same time."""
    if not timing.peak_gflops or engine not in timing.seconds:
        return None
    gflops = timing.case.real_operations / timing.seconds[engine] / 1e9
    return gflops / (timing.peak_gflops * timing.threads)


def speed_up(timings: list[Timing], engine: str, threads: int) -> Total | None:
    """How much `threads` threads gain over one on layers with enough work."""
    alone = {t.case.name: t for t in timings if t.threads == 1}
    ratios = (
        Ratio(t.case.name, alone[t.case.name].seconds[engine] / t.seconds[engine], "1 thread", 0.0)
        for t in timings
        if t.threads == threads
        and t.case.operations >= LARGE_OPERATIONS
        and engine in t.seconds
        and engine in (alone[t.case.name].seconds if t.case.name in alone else ())
    )
    return total(f"{engine}: {threads} threads / 1, layers above 0.2 GFLOP", ratios)


def geometric_mean(values: Iterable[float]) -> float:
    """Geometric mean of positive values, at least one."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))
