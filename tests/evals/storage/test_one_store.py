"""One store: no other package builds a path below a home, reads its documents or locks by file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = {"read_document", "replace_document"}
LOCKS = {"fcntl", "filelock"}


def is_home(node: ast.AST) -> bool:
    """Whether an expression is the path of a home."""
    return isinstance(node, ast.Name | ast.Attribute) and name_of(node) == "home"


def name_of(node: ast.AST) -> str:
    """The last word of a dotted name."""
    return getattr(node, "attr", getattr(node, "id", ""))


def reaches_below(node: ast.AST) -> bool:
    """Whether a node reaches into a home past the store."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div) and is_home(node.left)
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [getattr(node, "module", None), *(one.name for one in node.names)]
        return bool(LOCKS.intersection(filter(None, names)))
    if not isinstance(node, ast.Attribute):
        return False
    of_lake = name_of(node.value) == "lake"
    return of_lake and (node.attr == "home" or node.attr in DOCUMENTS)


def lines_below(source: str) -> Iterator[int]:
    """The lines of a module that reach into a home past the store."""
    for node in ast.walk(ast.parse(source)):
        if reaches_below(node):
            yield getattr(node, "lineno", 0)


def test_only_storage_reaches_into_a_home() -> None:
    """No module of another package reaches into a home past the store."""
    found = [
        f"{place}:{line}"
        for top in ("evals", "orchestration")
        for path in sorted((ROOT / top).rglob("*.py"))
        if not (place := path.relative_to(ROOT).as_posix()).startswith("evals/storage/")
        for line in lines_below(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "lake.home.glob('*')",
        "self.lake.home / 'runs'",
        "home / 'nights'",
        "here.home / 'runs'",
        "lake.replace_document('nights/a.json', {})",
        "lake.read_document('nights/a.json')",
        "from filelock import FileLock",
        "import fcntl",
    ],
)
def test_the_search_finds_each_way_around_the_store(line: str) -> None:
    """A home that is only handed on is none of them."""
    assert set(lines_below(line)) == {1}
    assert list(lines_below("Lake(here.home).open()\nlake.lock('a')\nterminal.to_json(row)")) == []
