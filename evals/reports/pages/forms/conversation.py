"""The conversation of a trace as turns: the chat as sent, else what the user asked.

How a turn looks is the template's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.records import Json, Trace
from evals.reports.pages.forms.text import FOLD, render_text
from evals.reports.pages.texts import shorten
from evals.reports.phrases import indent_json

SHOWN_TURNS, SHOWN_CALLS = 40, 20
ASIDE_FOLD = 1_200
"""Characters of an instruction or a tool's result that is not folded."""
PREVIEW = 90
"""Characters of a folded message that are shown."""
ASIDES = frozenset({"system", "developer", "tool", "function"})
"""Roles whose messages are folded: neither the user nor the application wrote them."""


class ToolCall(NamedTuple):
    """A tool that the application called."""

    name: str
    preview: str
    """The beginning of its arguments."""
    arguments: Markup | None


class Turn(NamedTuple):
    """A message of the conversation."""

    role: str
    name: str
    """Of the tool or the speaker; empty where it has none."""
    text: Markup | None
    """None where it has none."""
    preview: str
    """The beginning of its text, of a message that is folded; empty where it is not."""
    calls: Sequence[ToolCall]
    reasoning: Markup | None


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
    turns = [build_turn(one, most) for one in messages[-SHOWN_TURNS:]]
    if not any(turn.role == "user" for turn in turns) and trace.input:
        turns.append(build_turn({"role": "user", "content": trace.input}, most))
    if not turns:
        turns = [build_turn({"role": "user"}, most)]
    last = find_last_request(turns)
    return Conversation(
        max(len(messages) - SHOWN_TURNS, 0),
        turns[:last] if last > 1 else [],
        turns[last:] if last > 1 else turns,
    )


def find_last_request(turns: Sequence[Turn]) -> int:
    """Finds where the last message of the user is; the last message where there is none."""
    places = [place for place, turn in enumerate(turns) if turn.role == "user"]
    return places[-1] if places else len(turns) - 1


def list_new_messages(trace: Trace, earlier: Trace | None) -> Sequence[Json]:
    """Lists the messages of a trace that the one before it did not have, without the answer."""
    messages = list(trace.messages)
    if messages and is_answer(messages[-1], trace):
        messages.pop()
    before = list(earlier.messages) if earlier else []
    if earlier and before and is_answer(before[-1], earlier):
        before.pop()
    if not before or messages[: len(before)] != before:
        return messages
    rest = messages[len(before) :]
    return rest[1:] if rest and earlier and is_answer(rest[0], earlier) else rest


def is_answer(message: Json, trace: Trace) -> bool:
    """Whether a message is the answer of a trace."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return False
    return not message.get("tool_calls") and read_content(message) == trace.output


def build_turn(message: Json, most: int) -> Turn:
    """Builds the turn of a message; one that is no object is shown as it is."""
    fields = message if isinstance(message, dict) else {"content": message}
    role = shorten(str(fields.get("role") or "message"), PREVIEW)
    content, reasoning = read_content(fields), fields.get("reasoning")
    is_aside = role in ASIDES
    fold = ASIDE_FOLD if is_aside else FOLD
    return Turn(
        role=role,
        name=shorten(str(fields.get("name") or ""), PREVIEW),
        text=render_text(content, most, fold=fold) if content else None,
        preview=show_beginning(content) if is_aside and len(content) > PREVIEW else "",
        calls=list_calls(fields, most),
        reasoning=render_text(reasoning, most)
        if reasoning and isinstance(reasoning, str)
        else None,
    )


def read_content(message: Mapping[str, Json]) -> str:
    """Returns the text of a message, or of its parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        if all(isinstance(part, str) for part in parts):
            content = "\n".join(map(str, parts))
    if content is None:
        return ""
    return content if isinstance(content, str) else indent_json(content)


def list_calls(message: Mapping[str, Json], most: int) -> list[ToolCall]:
    """Lists the tools that a message calls."""
    calls = message.get("tool_calls")
    rows = calls if isinstance(calls, list) else [calls] if calls else []
    return [build_call(row, most) for row in rows[:SHOWN_CALLS]]


def build_call(call: Json, most: int) -> ToolCall:
    """Builds a call; what is no object is shown as it is."""
    fields = call if isinstance(call, dict) else {"arguments": call}
    function = fields.get("function")
    inner = function if isinstance(function, dict) else fields
    given = inner.get("arguments", inner.get("args", inner.get("input")))
    text = given if isinstance(given, str) else "" if given is None else indent_json(given)
    return ToolCall(
        shorten(str(inner.get("name") or "a tool"), PREVIEW),
        show_beginning(text),
        render_text(text, most) if text else None,
    )


def show_beginning(text: str) -> str:
    """Returns the beginning of a text on one line."""
    line = " ".join(text[: 4 * PREVIEW].split())
    return shorten(line if len(text) <= 4 * PREVIEW else f"{line} …", PREVIEW)
