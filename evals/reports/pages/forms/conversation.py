"""The conversation of a trace as turns: the chat as sent, else what the user asked.

How a turn looks is the template's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.records import Json, Trace
from evals.reports.pages.forms.text import render_text
from evals.reports.phrases import indent_json

SHOWN_TURNS = 40


class Turn(NamedTuple):
    """A message of the conversation."""

    role: str
    text: Markup | None
    """None where it has none."""


class Conversation(NamedTuple):
    """The turns up to an answer."""

    left_out: int
    """Messages before the first that is shown."""
    earlier: Sequence[Turn]
    turns: Sequence[Turn]


def build_conversation(trace: Trace, earlier: Trace | None, most: int) -> Conversation:
    """Builds the conversation up to an answer.

    Args:
        trace: the trace.
        earlier: the trace before it in its session; what both share is left out.
        most: characters of a message, at most.
    """
    messages = list_new_messages(trace, earlier)
    turns = [build_turn(one, most) for one in messages[-SHOWN_TURNS:] if isinstance(one, dict)]
    if not turns:
        turns = [Turn("user", render_text(trace.input, most) if trace.input else None)]
    return Conversation(
        max(len(messages) - SHOWN_TURNS, 0),
        turns[:-1] if len(turns) > 2 else [],
        turns[-1:] if len(turns) > 2 else turns,
    )


def list_new_messages(trace: Trace, earlier: Trace | None) -> Sequence[Json]:
    """Lists the messages of a trace that the one before it did not have, without the answer."""
    messages = list(trace.messages)
    if messages and is_answer(messages[-1], trace):
        messages.pop()
    before = list(earlier.messages) if earlier else []
    if not before or messages[: len(before)] != before:
        return messages
    rest = messages[len(before) :]
    return rest[1:] if rest and earlier and is_answer(rest[0], earlier) else rest


def is_answer(message: Json, trace: Trace) -> bool:
    """Whether a message is the answer of a trace."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return False
    return read_content(message) in (trace.output, str(indent_json(trace.output)))


def build_turn(message: Mapping[str, Json], most: int) -> Turn:
    """Builds the turn of a message."""
    content = read_content(message)
    return Turn(
        str(message.get("role") or "message"), render_text(content, most) if content else None
    )


def read_content(message: Mapping[str, Json]) -> str:
    """Returns the text of a message, of its parts, or of its tool calls."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        if all(isinstance(part, str) for part in parts):
            content = "\n".join(map(str, parts))
    if content in (None, ""):
        content = message.get("tool_calls") or ""
    return str(indent_json(content))
