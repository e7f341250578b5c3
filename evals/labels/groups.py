"""Which answers belong together, and which of them a classifier never learns from.

By a hash: a group is on the same side in every night, whatever is labelled later.
"""

from __future__ import annotations

from evals.labels.alignment import choose_split
from evals.records import Trace, digest
from evals.specs.classifiers import Grouping


def find_group(trace: Trace, grouping: Grouping) -> str:
    """Returns the group of a trace."""
    return name_group(trace.session_id, trace.input, trace.context, grouping)


def name_group(
    session_id: str | None, asked: str | None, context: str | None, grouping: Grouping
) -> str:
    """Returns a group's name: of its session, or of its source, the context or else the input."""
    if grouping == "session" and session_id:
        return digest(["session", session_id])
    return digest(["source", context or asked or ""])


def is_held_out(group: str) -> bool:
    """Whether a group is measured on, and never learned from."""
    return choose_split(group) == "test"
