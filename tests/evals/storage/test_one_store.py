"""Promises of one store: only storage builds paths in a home, reads documents or locks files."""

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
    return isinstance(node, ast.Name | ast.Attribute) and last_name(node) == "home"


def last_name(node: ast.AST) -> str:
    """Returns the last part of a dotted name."""
    return getattr(node, "attr", getattr(node, "id", ""))


def bypasses_store(node: ast.AST) -> bool:
    """Whether a node accesses a home without the store."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Div) and is_home(node.left)
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [getattr(node, "module", None), *(alias.name for alias in node.names)]
        return bool(LOCKS.intersection(filter(None, names)))
    if not isinstance(node, ast.Attribute):
        return False
    of_lake = last_name(node.value) == "lake"
    return of_lake and (node.attr == "home" or node.attr in DOCUMENTS)


def find_bypasses(source: str) -> Iterator[int]:
    """Yields the lines of a module that access a home without the store."""
    for node in ast.walk(ast.parse(source)):
        if bypasses_store(node):
            yield getattr(node, "lineno", 0)


def test_only_storage_accesses_the_files_of_a_home() -> None:
    """No module of another package builds a path in it, or opens a document or a lock."""
    bypasses = [
        f"{place}:{line}"
        for top in ("evals", "orchestration")
        for path in sorted((ROOT / top).rglob("*.py"))
        if not (place := path.relative_to(ROOT).as_posix()).startswith("evals/storage/")
        for line in find_bypasses(path.read_text())
    ]
    assert bypasses == []


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
def test_the_search_detects_each_way_around_the_store(line: str) -> None:
    """It ignores a home that is only passed on."""
    assert set(find_bypasses(line)) == {1}
    assert (
        list(find_bypasses("Lake(here.home).open()\nlake.lock('a')\nterminal.to_json(row)")) == []
    )
