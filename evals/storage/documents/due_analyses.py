"""The applications whose error analysis is due, as of the last run, for the board to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from evals.storage.lake import Lake

NAME = "due_analyses.json"


class DueAnalysis(NamedTuple):
    """An error analysis that is due."""

    app: str
    reason: str
    """Why, such as `never done`."""
    is_begun: bool = False
    """Whether its traces are being read."""
    is_read: bool = False
    """Whether all of them are read, and notes wait to be grouped."""

    @property
    def command(self) -> str:
        """The command that goes on with it."""
        about = f"--app {self.app}"
        if self.is_read:
            return f"andon analysis group {about} --by NAME"
        if self.is_begun:
            return f"andon analysis next {about}"
        return f"andon analysis start {about} --by NAME"

    def describe(self) -> str:
        """Describes it in a sentence that names the application and what to do."""
        return f"{self.app}: {self.describe_task()}"

    def describe_task(self) -> str:
        """Describes why it is due, and what to do."""
        return f"{self.reason}; `{self.command}`"


def read_due_analyses(lake: Lake) -> list[DueAnalysis]:
    """Reads the analyses that are due, by application."""
    return lake.read_document(NAME, parse_due) or []


def parse_due(rows: list[dict[str, Any]]) -> list[DueAnalysis]:
    """Returns the document as records."""
    return [DueAnalysis(**row) for row in rows]


def write_due_analyses(lake: Lake, due: Sequence[DueAnalysis]) -> bool:
    """Replaces the analyses that are due; returns whether they changed."""
    if list(due) == read_due_analyses(lake):
        return False
    lake.replace_document(NAME, [one._asdict() for one in due])
    return True
