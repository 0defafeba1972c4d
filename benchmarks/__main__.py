"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

from . import choice, footprint, machine, picture, report
from .rounds import Timing, run
from .sections import SECTIONS
from .summary import ratio, share_of_peak, totals


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [*SECTIONS, "choice", "footprint"]
    parser.add_argument("--section", nargs="+", choices=names, default=names)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--match", default="", metavar="REGEX", help="only cases so named")
    parser.add_argument("--engines", default="", metavar="REGEX", help="only engines so named")
    parser.add_argument("--shapes", type=int, default=300, metavar="N", help="drawn for choice")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="that they are drawn from")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/benchmark"),
        metavar="STEM",
        help="writes STEM.json and STEM.png (default: %(default)s)",
    )
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    return parser.parse_args()


def main() -> None:
    """Run the sections asked for, print their tables, write JSON and a picture."""
    options = _arguments()
    pattern = re.compile(options.match)
    sections = [SECTIONS[name] for name in options.section if name in SECTIONS]
    sections = [
        dataclasses.replace(
            section,
            cases=tuple(case for case in section.cases if pattern.search(case.name)),
            engines=tuple(e for e in section.engines if re.search(options.engines, e)),
        )
        for section in sections
    ]
    if options.list:
        for section in sections:
            print(f"## {section.title}\n\n{report.listing(section.cases)}\n")
        if "choice" in options.section:
            drawn = choice.draw(options.shapes, options.seed, options.match)
            print(f"## {report.CHOICE_TITLE}\n\n{report.listing([case for case, _ in drawn])}\n")
        return
    if importlib.util.find_spec("cyconv") is None:
        sys.exit("cyconv is not installed: pip install -e '.[bench]'")
    record: dict[str, Any] = {"machine": machine.describe(), "timings": [], "totals": []}
    print(json.dumps(record["machine"], indent=1))
    timings: list[Timing] = []
    for section in sections:
        if not section.cases:
            continue
        of_section: list[Timing] = []
        for threads in options.threads:
            outcome = run(section, section.cases, threads, options.rounds)
            print(f"\n{report.section_text(section, threads, outcome)}", flush=True)
            of_section += outcome.timings
            record["totals"] += [
                {"section": section.name, "threads": threads, **dataclasses.asdict(total)}
                for total in totals(section, outcome.timings)
            ]
        if section.name == "layers":
            print(report.speed_up_text(of_section), flush=True)
        timings += of_section
    record["timings"] = [_as_json(timing) for timing in timings]
    if "choice" in options.section:
        choices = choice.measure(options.shapes, options.seed, options.rounds, options.match)
        print(f"\n{report.choice_text(choices)}", flush=True)
        record["choice"] = [{**dataclasses.asdict(c), "loss": c.loss} for c in choices]
    if "footprint" in options.section:
        found = footprint.measure(min(options.rounds, 5))
        print(f"\n{report.footprint_text(found)}", flush=True)
        record["footprint"] = dataclasses.asdict(found)
    _write(record, [t for t in timings if t.section == "layers"], options.output)


def _as_json(timing: Timing) -> dict[str, Any]:
    comparisons = SECTIONS[timing.section].comparisons
    ratios = {c.title: r.value for c in comparisons if (r := ratio(timing, c)) is not None}
    shares = {e: s for e in timing.seconds if (s := share_of_peak(timing, e)) is not None}
    return {**dataclasses.asdict(timing), "ratios": ratios, "share of peak": shares}


def _write(record: dict[str, Any], layers: list[Timing], stem: Path) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    written = [stem.with_suffix(".json")]
    if layers and importlib.util.find_spec("matplotlib") is None:
        print("no picture: matplotlib is not installed")
    elif layers:
        about = record["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        caption = (
            f"Bars and numbers: {layers[0].threads} thread; rings: more. Minimum over interleaved "
            f"rounds, float32, NumPy arrays.\n{about['processor']}, {about['instruction set']}, "
            f"Python {about['python']}, {versions}"
        )
        picture.draw(layers, stem.with_suffix(".png"), caption)
        written.append(stem.with_suffix(".png"))
    print("\nwritten:", *written)


if __name__ == "__main__":
    main()
