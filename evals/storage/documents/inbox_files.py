"""The record of every inbox file that was read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypedDict

from evals.storage.lake import Lake

NAME = "inbox_files.json"


class UnreadNote(TypedDict):
    """The rows of a file in which an optional field could not be read."""

    rows: int
    line: int
    """Of the first of them."""
    example: str
    """Its value, shortened."""


class NoOutputNote(TypedDict):
    """Where the output was read in a file none of whose traces has one."""

    reads: list[str]
    """The columns."""
    nearest: str | None
    """The column that probably has it; None where none does."""


class InboxFile(NamedTuple):
    """A file that was read from an inbox."""

    sha256: str
    name: str
    format: str
    size: int
    read: int
    """Rows found in it."""
    refused: int
    """Rows that could not be read as a trace."""
    nights: list[str]
    """ISO dates it has traces for."""
    labels: int = 0
    """Scores and feedback found beside the traces; no rows of their own."""
    order: int = 0
    """How many files were read before it."""
    seen: str = ""
    """When it was first read, in ISO form; empty where unknown."""
    place: str = ""
    """Its path within the inbox; empty in homes that did not store it yet."""
    skipped: dict[str, int] = {}  # noqa: RUF012  never written to
    """Entries of a log that are no answers, such as embeddings, by kind; no rows of their own."""
    apps: dict[str, int] = {}  # noqa: RUF012  never written to
    """Rows by application, of those that could be read."""
    mappings: list[str] = []  # noqa: RUF012  never written to
    """The catalog's mappings that were applied."""
    unread: dict[str, UnreadNote] = {}  # noqa: RUF012  never written to
    """Optional fields that could not be read in some rows and became null there."""
    left_out: int = 0
    """Rows that `where` of a mapping left out; they are not among those read."""
    encoding: str = ""
    """Its encoding, if it is not UTF-8."""
    no_output: NoOutputNote | None = None
    """Set if it has traces and none of them an output; only of rows of no product's format."""
    constants_only: list[str] = []  # noqa: RUF012  never written to
    """Those of `mappings` of which no row has a column: only their constants were used."""


def read_inbox_files(lake: Lake) -> dict[str, InboxFile]:
    """Reads the files by their hash."""
    return lake.read_document(NAME, parse_files) or {}


def parse_files(rows: list[dict[str, Any]]) -> dict[str, InboxFile]:
    """Returns the document as records by hash."""
    return {row["sha256"]: InboxFile(**row) for row in rows}


def add_inbox_files(lake: Lake, files: Iterable[InboxFile]) -> None:
    """Adds files, or replaces those of the same hash."""
    with lake.lock("inbox-files"):
        by_hash = {**read_inbox_files(lake), **{file.sha256: file for file in files}}
        rows = [file._asdict() for _, file in sorted(by_hash.items())]
        lake.replace_document(NAME, rows)
