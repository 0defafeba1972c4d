"""Fixtures that put each instruction set and thread count in force, and the count of cases."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

import cyconv
from cyconv import _engine

# torch 2.13 on a CPU with AMX: bfloat16 convolutions with stride 2 or 3 and few channels are wrong
# in their first digit (oneDNN's AMX kernels; six of 334 random calls). Without AMX they are right.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16")

TALLY = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        type=float,
        default=1.0,
        help="part of the sweeps to run, evenly drawn: for emulated CPUs, 10 to 50 times slower",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Counter()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tally = terminalreporter.config.stash[TALLY]
    if tally:
        terminalreporter.section("cases checked one by one")
        sets = ", ".join(_engine.available_isas())
        terminalreporter.write_line(f"instruction sets: {sets}")
        for label in sorted(tally):
            terminalreporter.write_line(f"{label}: {tally[label]:,}")


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Counter[str]:
    """Counts that the terminal summary prints."""
    return pytestconfig.stash[TALLY]


@pytest.fixture
def share(pytestconfig: pytest.Config) -> float:
    """The part of each sweep to run."""
    return float(pytestconfig.getoption("--share"))


@pytest.fixture(autouse=True)
def _engine_state() -> Iterator[None]:
    """Undo whatever a test does to the instruction set and the thread count."""
    isa, threads = _engine.isa_name(), cyconv.get_num_threads()
    kind = _engine.suppose_lines("whole")
    _engine.suppose_lines(kind)
    yield
    _engine.suppose_lines(kind)
    _engine.use_isa(isa)
    cyconv.set_num_threads(threads)


@pytest.fixture(params=_engine.available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    """One instruction set after the other, in force during the test."""
    _engine.use_isa(request.param)
    assert _engine.isa_name() == request.param
    return request.param


@pytest.fixture
def isas() -> list[str]:
    """Every instruction set of this machine, for tests that loop over them per case."""
    return list(_engine.available_isas())


@pytest.fixture(params=["halved", "whole", "late", "none"])
def lines(request: pytest.FixtureRequest) -> Iterator[str]:
    """The tiles and panels of each kind of core, by how it fares with vectors of 64 bytes."""
    before = _engine.suppose_lines(request.param)
    yield request.param
    _engine.suppose_lines(before)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> int:
    """A thread count, in force during the test."""
    cyconv.set_num_threads(request.param)
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(20240229)
