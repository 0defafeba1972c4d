"""The examples in the docstrings of every public module."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import cyconv

MODULES = ["cyconv", "cyconv.functional", "cyconv.nn"]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    """List the package's Python modules, `__main__` apart: importing it prints."""
    found = [m.name for m in pkgutil.iter_modules(cyconv.__path__) if not m.ispkg]
    return [f"cyconv.{name}" for name in found if name != "__main__"]


@pytest.mark.parametrize("name", sorted({*MODULES, *modules()}))
def test_examples(name: str):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert failed == 0, "see the captured output"


def runs(example: doctest.Example) -> bool:
    """Whether an example shows more than an import, and is not skipped."""
    return not example.source.startswith("import") and not example.options.get(doctest.SKIP)


def test_every_public_name_has_an_example_that_runs():
    finder = doctest.DocTestFinder(recurse=False)
    functional = importlib.import_module("cyconv.functional")
    public = {name: getattr(cyconv, name) for name in cyconv.__all__}
    public["functional.pad"] = functional.pad
    without = []
    for name, value in public.items():
        if inspect.ismodule(value) or isinstance(value, str):
            continue
        tests = finder.find(value, name, module=False, globs={})
        if not any(runs(example) for test in tests for example in test.examples):
            without.append(name)
    assert not without
