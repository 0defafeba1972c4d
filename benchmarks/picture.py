"""Draws the ratios of the public list as one picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .rounds import Timing
from .sections import DIRECT, SECTIONS, Comparison
from .summary import geometric_mean, ratio, share_of_peak

_INK, _PALE, _GRID = "#1f2933", "#9aa5b1", "#e4e7eb"
# One hue for each panel; the case that a peer wins is told by its colour as well as by its place.
_AHEAD = ("#2f6f8f", "#5b7f3a", "#8a5a83")
_BEHIND = "#c8553d"
_ROW_INCHES = 0.27


def draw(timings: list[Timing], path: Path, caption: str) -> None:
    """Write a PNG: a row for each layer, a panel for each comparison, a last one for the peak."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    counts = sorted({t.threads for t in timings})
    names = list(dict.fromkeys(t.case.name for t in timings))
    comparisons = SECTIONS["layers"].comparisons
    height = 1.9 + _ROW_INCHES * len(names)
    with pyplot.rc_context({"font.size": 8.5, "text.color": _INK, "axes.edgecolor": _GRID}):
        figure, axes = pyplot.subplots(
            1,
            len(comparisons) + 1,
            figsize=(15, height),
            sharey=True,
            gridspec_kw={"width_ratios": [1.0, 1.0, 1.0, 0.6]},
            layout="constrained",
        )
        for axis, comparison, colour in zip(axes, comparisons, _AHEAD, strict=False):
            _ratio_panel(axis, comparison, timings, names, counts, colour)
        _peak_panel(axes[-1], timings, names, counts)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        figure.suptitle(
            "cyconv beside its peers: times as fast, layer by layer",
            x=0.01,
            ha="left",
            fontsize=13,
            weight="bold",
        )
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=8, color="#52606d")
        figure.savefig(path, dpi=130, facecolor="white")
        pyplot.close(figure)


def _ratio_panel(
    axis: Any,
    comparison: Comparison,
    timings: list[Timing],
    names: list[str],
    counts: list[int],
    colour: str,
) -> None:
    means = []
    ratios = {
        threads: {
            t.case.name: found
            for t in timings
            if t.threads == threads and (found := ratio(t, comparison)) is not None
        }
        for threads in counts
    }
    for threads, of_layers in ratios.items():
        if not of_layers:
            continue
        plural = "s" if threads > 1 else ""
        average = geometric_mean(r.value for r in of_layers.values())
        means.append(f"{average:.2f} at {threads} thread{plural}")
        rows = [names.index(name) for name in of_layers]
        values = [r.value for r in of_layers.values()]
        if threads == counts[0]:
            colours = [colour if value >= 1 else _BEHIND for value in values]
            # Bars start at 1: to the right ahead, to the left behind.
            axis.barh(rows, [v - 1 for v in values], left=1, height=0.62, color=colours, zorder=2)
            for row, (name, found) in zip(rows, of_layers.items(), strict=True):
                marks = [1.0] + [others[name].value for others in ratios.values() if name in others]
                peer = found.peer if len(comparison.peers) > 1 else ""
                _label(axis, row, found.value, peer, min(marks), max(marks))
        else:
            axis.plot(values, rows, "o", ms=4, mfc="white", mec=_INK, mew=0.9, zorder=3)
    axis.set_xscale("log", base=2)
    low, high = axis.get_xlim()
    axis.set_xlim(min(low * 0.7, 0.45), max(high, 2.2) * 1.9)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.axvline(1, color=_INK, lw=0.9, zorder=1)
    mean = f"geometric mean {', '.join(means)}" if means else "nothing to compare"
    axis.set_title(f"{comparison.title}\n{mean}", loc="left", fontsize=9.5)
    _plain(axis)


def _label(axis: Any, row: int, value: float, peer: str, low: float, high: float) -> None:
    """Write a ratio and the peer beyond all marks of the row, which reach from `low` to `high`."""
    style = {"textcoords": "offset points", "va": "center", "fontsize": 7}
    text = f"{value:.2f}  {peer}".rstrip()
    if value < 1:
        axis.annotate(f"{value:.2f}", (low, row), (-5, 0), ha="right", **style)
        text = peer
    axis.annotate(text, (high, row), (5, 0), ha="left", **style)


def _peak_panel(axis: Any, timings: list[Timing], names: list[str], counts: list[int]) -> None:
    for threads in counts:
        shares = {
            t.case.name: 100 * share
            for t in timings
            if t.threads == threads and (share := share_of_peak(t, DIRECT)) is not None
        }
        rows = [names.index(name) for name in shares]
        if threads == counts[0]:
            axis.barh(rows, list(shares.values()), height=0.62, color=_PALE, zorder=2)
        else:
            marker = {"ms": 4, "mfc": "white", "mec": _INK, "mew": 0.9}
            axis.plot(list(shares.values()), rows, "o", zorder=3, **marker)
    axis.set_xlim(0, 105)
    axis.set_title("direct: % of FMA peak\nreal taps only", loc="left", fontsize=9.5)
    _plain(axis)


def _plain(axis: Any) -> None:
    axis.grid(axis="x", color=_GRID, lw=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
