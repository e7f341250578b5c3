"""The kinds of personal data each application redacts, as last read from its file.

A file that cannot be read must not change what is redacted.
"""

from __future__ import annotations

from collections.abc import Mapping

from evals.storage.lake import Lake

NAME = "redacted_kinds.json"
Kinds = Mapping[str, tuple[str, ...]]


def parse_kinds(rows: Mapping[str, list[str]]) -> Kinds:
    """Returns the document with tuples."""
    return {app: tuple(kinds) for app, kinds in rows.items()}


def add_kinds(lake: Lake, declared: Kinds) -> Kinds:
    """Adds what applications declare; returns the kinds of all, broken ones included."""
    before = read_kinds(lake)
    if {**before, **declared} == before or not lake.is_writable():
        return {**before, **declared}
    with lake.lock("redacted-kinds"):
        after: Kinds = {**read_kinds(lake), **declared}
        lake.replace_document(NAME, after)
    return after


def read_kinds(lake: Lake) -> Kinds:
    """Reads the kinds of each application that was ever read."""
    return lake.read_document(NAME, parse_kinds) or {}
