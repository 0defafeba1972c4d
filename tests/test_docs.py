"""The names of files and constants in the docs, and their links, are those of the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("only the tests of the repository are here", allow_module_level=True)

PAGES = [
    *(ROOT / folder / "README.md" for folder in (".", "benchmarks", "examples")),
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FOLDERS = ("cyconv", "tests", "benchmarks", "examples", "docs")
SOURCES = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h", ".md"}
PLACEHOLDER = "NAME"

# what Cython makes of a module has its words
FILES = [
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in SOURCES and not (path.suffix == ".c" and path.with_suffix(".pyx").exists())
]
PATHS = {path.relative_to(ROOT).as_posix() for path in [*FILES, *ROOT.glob("*.*")]}
NAMED = [path for path in FILES if path.relative_to(ROOT).parts[0] in ("cyconv", "benchmarks")]
WORDS = {path.stem for path in FILES}.union(
    *(re.findall(r"\w+", path.read_text(encoding="utf-8")) for path in NAMED)
)


def quoted(page: Path) -> set[str]:
    """List what stands between single backticks."""
    return set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_exist(page: Path):
    named = {
        name for name in quoted(page) if re.fullmatch(r"[\w./-]*\w\.(pyx?|pxd|pyi|c|h|md)", name)
    }
    unknown = [
        name
        for name in named
        if PLACEHOLDER not in name and not any(f"/{path}".endswith(f"/{name}") for path in PATHS)
    ]
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_private_names_exist(page: Path):
    unknown = []
    for name in quoted(page):
        if (
            re.fullmatch(r"_[a-z]\w*(\.\w+)*|[A-Z][A-Z0-9]*_[A-Z0-9_]+", name)
            and PLACEHOLDER not in name
            and Path(name).suffix not in SOURCES
        ):
            unknown += [part for part in name.split(".") if part not in WORDS]
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(page: Path):
    broken = []
    for target, heading in re.findall(
        r"\]\(([^)#\s:]*)(#[^)\s]*)?\)",
        re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL),
    ):
        path = (page.parent / target) if target else page
        if not path.exists():
            broken.append(target)
        elif heading:
            titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            if heading[1:] not in slugs:
                broken.append(target + heading)
    assert not broken
