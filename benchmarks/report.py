"""Prints tables that read well in a terminal and in Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Case
from .choice import ALGORITHMS, MEAN_BAR, WORST_BAR, Choice, mean_loss
from .dtypes import in_float32
from .footprint import Footprint
from .rounds import Outcome, Timing
from .sections import DIRECT, FUNCTION, HELD, Section
from .summary import Total, ratio, share_of_peak, speed_up, totals

CHOICE_TITLE = "The choice among algorithms, random shapes"
# How many cases that a peer wins are named after each total, and shapes that the choice loses on.
_NAMED, _NAMED_CHOICES = 6, 10


def section_text(section: Section, threads: int, outcome: Outcome) -> str:
    """Tables of times and of ratios, then the totals."""
    heading = f"## {section.title}, {threads} thread{'s' if threads > 1 else ''}"
    parts = [heading, _times(section, outcome), _ratios(section, outcome.timings)]
    lines = [_total_line(t) for t in totals(section, outcome.timings)]
    lines += [f"- left out: {name} ({reason})" for name, reason in outcome.left_out.items()]
    for timing in outcome.timings:
        lines += [
            f"- {name} differs on {timing.case.name} by {difference:.1e} of the largest value"
            for name, difference in timing.differs.items()
        ]
        lines += [
            f"- {name} failed on {timing.case.name}: {reason}"
            for name, reason in timing.refused.items()
            if "Error" in reason or "process" in reason or "no answer" in reason
        ]
    peaks = sorted({t.peak_gflops for t in outcome.timings if t.peak_gflops})
    if peaks:
        figures = ", ".join(f"{peak:.0f}" for peak in peaks)
        lines.append(f"- multiply-add peak of one core: {figures} GFLOP/s")
    return "\n\n".join([*(part for part in parts if part), "\n".join(lines)])


def speed_up_text(timings: Sequence[Timing]) -> str:
    """What more threads gain, where one thread was timed too."""
    counts = sorted({t.threads for t in timings} - {1})
    found = [
        speed_up(list(timings), engine, threads)
        for threads in counts
        for engine in (FUNCTION, HELD, DIRECT, "torch", "onnxruntime", "openvino")
    ]
    return "\n".join(_total_line(t, name_all=False) for t in found if t is not None)


def choice_text(choices: Sequence[Choice]) -> str:
    """How often which algorithm was chosen and was best, the worst choices, and the loss in all."""
    heading = f"## {CHOICE_TITLE}, 1 thread"
    if not choices:
        return heading
    counts = [
        [
            name,
            str(sum(c.chosen == name for c in choices)),
            str(sum(c.best == name for c in choices)),
        ]
        for name in ALGORITHMS
    ]
    worst = sorted(choices, key=lambda choice: -choice.loss)
    rows = [
        [
            c.case.name,
            "held" if c.held else "-",
            *(c.chosen, _three_digits(1e6 * c.seconds[c.chosen])),
            *(c.best, _three_digits(1e6 * c.seconds[c.best])),
            f"{100 * c.loss:.0f}%",
        ]
        for c in worst[:_NAMED_CHOICES]
    ]
    beyond = sum(c.loss > WORST_BAR for c in choices)
    lines = [
        f"- loss against the best: geometric mean {100 * mean_loss(choices):.1f}% over "
        f"{len(choices)} (at most {100 * MEAN_BAR:.0f}%), worst {100 * worst[0].loss:.0f}% "
        f"(at most {100 * WORST_BAR:.0f}%, missed by {beyond}: {worst[0].case.name})"
    ]
    head = ["worst choices", "weights", "chosen", "microseconds", "best", "microseconds", "loss"]
    tables = [_table(["algorithm", "chosen", "best"], counts), _table(head, rows)]
    return "\n\n".join([heading, *tables, "\n".join(lines)])


def footprint_text(footprint: Footprint) -> str:
    """The figures about imports, sizes and memory."""
    parts = ["## Footprint"]
    parts.append(
        _table(
            ["library", "import (ms, interpreter included)", "over numpy (ms)", "installed (MB)"],
            [
                [
                    name,
                    f"{1e3 * seconds:.0f}",
                    _milliseconds(seconds - footprint.import_seconds["numpy"]),
                    f"{footprint.installed_bytes.get(name, 0) / 1e6:.1f}",
                ]
                for name, seconds in footprint.import_seconds.items()
            ],
        )
    )
    if footprint.extra_bytes:
        engines = list(next(iter(footprint.extra_bytes.values())))
        parts.append(
            _table(
                ["peak memory beyond input, weight and result (MB), 1 thread", *engines],
                [
                    [name, *(f"{extra[engine] / 1e6:.1f}" for engine in engines)]
                    for name, extra in footprint.extra_bytes.items()
                ],
            )
        )
    lines = [f"- left out: {name} ({reason})" for name, reason in footprint.left_out.items()]
    return "\n\n".join([*parts, "\n".join(lines)]).rstrip()


def _times(section: Section, outcome: Outcome) -> str:
    engines = [name for name in section.engines if name not in outcome.left_out]
    rows = [
        [timing.case.name, *(_microseconds(timing, engine) for engine in engines)]
        for timing in outcome.timings
    ]
    return _table(["microseconds", *engines], rows)


def _microseconds(timing: Timing, engine: str) -> str:
    if engine not in timing.seconds:
        return "-"
    mark = "?" if engine in timing.differs else ""
    return f"{_three_digits(1e6 * timing.seconds[engine])}{mark}"


def _ratios(section: Section, timings: list[Timing]) -> str:
    engines = [e for e in (FUNCTION, HELD, DIRECT) if e in section.engines]
    with_peak = [e for e in engines if any(share_of_peak(t, e) is not None for t in timings)]
    head = ["times as fast", *(c.title for c in section.comparisons)]
    head += [f"{engine}, % of peak" for engine in with_peak]
    if section.name == "dtypes":
        head.append("conv2d, % of float32's speed")
    rows = []
    for timing in timings:
        row = [timing.case.name]
        for comparison in section.comparisons:
            found = ratio(timing, comparison)
            several = len(comparison.peers) > 1
            row.append("-" if found is None else f"{found.value:.2f}")
            if found is not None and several:
                row[-1] += f" {found.peer}"
        for engine in with_peak:
            share = share_of_peak(timing, engine)
            row.append("-" if share is None else f"{100 * share:.0f}")
        if section.name == "dtypes":
            row.append(_against_float32(timing, timings))
        rows.append(row)
    return _table(head, rows)


def _against_float32(timing: Timing, timings: list[Timing]) -> str:
    reference = {t.case.name: t for t in timings}.get(in_float32(timing.case))
    if reference is None or not {FUNCTION} <= timing.seconds.keys() & reference.seconds.keys():
        return "-"
    return f"{100 * reference.seconds[FUNCTION] / timing.seconds[FUNCTION]:.0f}"


def _total_line(total: Total, *, name_all: bool = True) -> str:
    worst = f"worst {total.worst.value:.2f} ({total.worst.case})"
    line = f"- {total.title}: geometric mean {total.mean:.2f} over {total.cases}, {worst}"
    if name_all and total.behind:
        names = ", ".join(f"{r.case} {r.value:.2f}" for r in total.behind[:_NAMED])
        more = f" and {len(total.behind) - _NAMED} more" if len(total.behind) > _NAMED else ""
        line += f"\n  - behind on {len(total.behind)}: {names}{more}"
    return line


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        figures = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return f"| {' | '.join([cells[0].ljust(widths[0]), *figures])} |"

    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:]), ""])
    return "\n".join([line(head), rule, *(line(row) for row in rows)])


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _milliseconds(seconds: float) -> str:
    # Some libraries import without NumPy, and faster than NumPy.
    return f"{1e3 * seconds:.0f}" if seconds > 0 else "-"


def listing(cases: Sequence[Case]) -> str:
    """The cases with their geometry, for ``--list``."""
    return _table(
        [
            "case",
            "input",
            "weight",
            "stride",
            "padding",
            "dilation",
            "groups",
            "GFLOP",
            "real taps",
        ],
        [
            [
                case.name,
                "x".join(map(str, case.input)),
                "x".join(map(str, case.weight)),
                *(f"{a}, {b}" for a, b in (case.stride, case.padding, case.dilation)),
                str(case.groups),
                f"{case.operations / 1e9:.3f}",
                f"{100 * case.real_operations / case.operations:.0f}%",
            ]
            for case in cases
        ],
    )
