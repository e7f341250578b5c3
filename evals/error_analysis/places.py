"""The places of a trace where something may have broken: its turns, steps and answer, in order.

A place has a key, which a note names, and a state, which transitions count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from evals.records import Json, Trace

SHOWN = 80
"""Characters of a state's name at most."""


class Place(NamedTuple):
    """A place in a trace."""

    key: str
    """`input`, `turn:N`, `step:N` or `answer`, counted from 1."""
    state: str
    """What happens there, the same in all traces: `request`, `tool search`, `answer`."""
    text: str
    """The beginning of what is there, for a list to choose from."""


class Break(NamedTuple):
    """Where a trace broke."""

    place: str
    last_good_state: str
    failing_state: str


NOT_MARKED = Break("", "", "")


class UnknownPlaceError(ValueError):
    """The trace has no such place; the message lists those it has."""


def list_places(trace: Trace) -> list[Place]:
    """Lists the places of a trace in order."""
    return [
        Place("input", "request", trace.input),
        *list_turns(trace.messages),
        *list_steps(trace.steps),
        Place("answer", "answer", trace.output),
    ]


def list_turns(messages: Sequence[Json]) -> Iterator[Place]:
    """Yields the answers of the application in earlier turns."""
    spoken = [one for one in messages if isinstance(one, dict) and one.get("role") == "assistant"]
    for number, message in enumerate(spoken, 1):
        content = message.get("content")
        if isinstance(content, str) and content:
            yield Place(f"turn:{number}", "earlier turn", content)


def list_steps(steps: Sequence[Json]) -> Iterator[Place]:
    """Yields the steps: tool calls, retrievals, a model's calls."""
    for number, step in enumerate(steps, 1):
        row = step if isinstance(step, dict) else {}
        words = [str(row[key]) for key in ("kind", "name") if row.get(key)]
        state = " ".join(dict.fromkeys(words))[:SHOWN] or "step"
        error = row.get("error")
        text = f"error: {spell(error)}" if error else spell(find_content(row))
        yield Place(f"step:{number}", state, text)


def find_content(step: Mapping[str, Json]) -> Json:
    """Finds what a step gave: its output, else the passages it found, else what it was given."""
    return step.get("output") or step.get("documents") or step.get("input") or ""


def spell(value: Json) -> str:
    """Returns a text as it is, the texts of passages in paragraphs, other values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(map(read_passage, value)):
        return "\n".join(map(read_passage, value))
    return json.dumps(value, ensure_ascii=False)


def read_passage(value: Json) -> str:
    """Returns the text of a passage that was found; empty where the value is none."""
    text = value.get("content") if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""


def mark_break(trace: Trace, key: str) -> Break:
    """Returns where a trace broke, with the state before it.

    Args:
        trace: the trace.
        key: of the place; a number alone is a step's; empty: not marked.

    Raises:
        UnknownPlaceError: the trace has no such place.
    """
    if not key:
        return NOT_MARKED
    wanted = f"step:{key}" if key.isdecimal() else key
    places = list_places(trace)
    for before, place in zip([None, *places], places, strict=False):
        if place.key == wanted:
            return Break(wanted, before.state if before else "start", place.state)
    known = ", ".join(place.key for place in places)
    raise UnknownPlaceError(f"trace {trace.trace_id} has no place {key!r}; it has {known}")
