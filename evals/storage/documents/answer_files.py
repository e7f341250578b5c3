"""The files of paid answers that the home has had: only removal makes one disappear."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evals.storage.lake import Lake

NAME = "answer_files.json"


def list_present(lake: Lake) -> set[str]:
    """Lists the names of the files of answers in the home."""
    return {
        name_file(lake, path) for path in lake.list_files("answers", lake.list_nights("answers"))
    }


def name_file(lake: Lake, path: Path) -> str:
    """Returns a file's name within the home."""
    return path.relative_to(lake.home).as_posix()


def read_answer_files(lake: Lake) -> set[str]:
    """Reads the names of the files; empty in a home that has recorded none yet."""
    return lake.read_document(NAME, parse_names) or set()


def parse_names(names: list[str]) -> set[str]:
    """Returns the document's names."""
    return {name for name in names if name.split("/")}


def add_answer_file(lake: Lake, path: Path) -> None:
    """Records a file of answers that was written for the first time."""
    with lake.lock("answers", "record"):
        write_answer_files(lake, read_answer_files(lake) | {name_file(lake, path)})


def write_answer_files(lake: Lake, names: Iterable[str]) -> None:
    """Replaces the names."""
    lake.replace_document(NAME, sorted(names))
