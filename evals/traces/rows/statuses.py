"""How a request ended, derived of what an export records: a status, an error, why it ended, a text.

Every importer's rows come here once. Evaluators that read the answer skip a trace without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, cast, get_args

from evals.records import AnswerStatus, Json, JsonLike

STATUSES: Final[tuple[AnswerStatus, ...]] = get_args(AnswerStatus)
SEPARATORS = re.compile(r"[\s_\-]+")
TIMEOUT_CODES = (408, 504, 522, 524)
TIMEOUT = re.compile(
    r"time[\s_\-]?out|timed[\s_\-]?out|deadline[\s_\-]?exceeded|HTTP (?:408|504|522|524)\b",
    re.IGNORECASE,
)
ERROR_KEYS = ("error", "error_message", "exception")
"""Keys of a row that explain why it has no output."""
STATUS_KEYS = ("status", "status_code", "http_status")
"""Keys of a row that may hold its status in words or as an HTTP code."""
OUTCOME_KEYS = frozenset((*STATUS_KEYS, *ERROR_KEYS))
"""Keys of a row that show how its request ended."""
NO_ERRORS = ("", "none", "null", "nan", "false", "no", "ok", "0")
"""Texts that say that there was no error."""

WORDS: dict[AnswerStatus, str] = {
    "ok": "ok success succeeded successful completed",
    "error": "error errored failed failure exception",
    "timeout": "timeout timed-out deadline-exceeded",
    "cut_off": "cut-off truncated",
    "empty": "empty",
    "filtered": "filtered content-filter content-filtered",
}
"""Words for each status, in lower case, with hyphens."""
DOUBTFUL: dict[str, AnswerStatus] = {
    "aborted": "error", "canceled": "error", "cancelled": "error", "rejected": "error",
    "incomplete": "cut_off", "blocked": "filtered",
}  # fmt: skip
"""Words that may be about something else, such as an order; they count without an output only."""
REASONS: dict[AnswerStatus, str] = {
    "cut_off": "length max-tokens max-output-tokens max-completion-tokens token-limit "
    "model-length model-context-window-exceeded stream-cut-off",
    "filtered": "content-filter content-filtered safety recitation prohibited-content blocklist "
    "spii guardrail-intervened refusal",
    "error": "error malformed-function-call",
    "timeout": "timeout",
}
"""Words of providers for an answer that did not end by itself."""
STATUS_WORDS: dict[str, AnswerStatus] = {
    word: status for status, words in WORDS.items() for word in words.split()
}
REASON_WORDS: dict[str, AnswerStatus] = {
    word: status for status, words in REASONS.items() for word in words.split()
}


def read_status(value: Json) -> AnswerStatus | None:
    """Reads a status in a word of this list or as an HTTP code; None where it is neither."""
    if type(value) is int:
        return read_code(value)
    if type(value) is not str or len(value) > LONGEST:
        return None
    word = fold_word(value)
    return read_code(int(word)) if word.isdecimal() else STATUS_WORDS.get(word)


LONGEST = 40
"""Characters of the longest text that may be a status."""


def read_code(code: int) -> AnswerStatus | None:
    """Reads an HTTP code; None for any other number."""
    if code in TIMEOUT_CODES:
        return "timeout"
    return "ok" if 200 <= code < 300 else "error" if 400 <= code < 600 else None


def fold_word(text: str) -> str:
    """Returns a word in lower case, with hyphens for spaces and underscores."""
    return SEPARATORS.sub("-", text.strip().lower())


def read_error(value: Json) -> AnswerStatus | None:
    """Reads an error message or object: `timeout` or `error`; None where there was none.

    A number is no error: it may be a measure.
    """
    if value is None or type(value) in (int, float) or value is False or value in ([], {}):
        return None
    text = str(value)
    if text.strip().lower() in NO_ERRORS:
        return None
    return "timeout" if TIMEOUT.search(text) else "error"


def is_status(key: str, value: Json) -> bool:
    """Whether a row's key is the status of a trace, in exactly its word: then it is no metadata."""
    return key == "status" and value in STATUSES


def read_row_status(row: dict[str, Json]) -> AnswerStatus | None:
    """Reads the status that a row itself records; None where it records none."""
    return find_first(read_status(row[key]) for key in STATUS_KEYS if key in row)


def find_first(statuses: Iterable[AnswerStatus | None]) -> AnswerStatus | None:
    """Finds the first status among some readings."""
    for status in statuses:
        if status:
            return status
    return None


def read_row_error(row: dict[str, Json]) -> AnswerStatus | None:
    """Reads why a row may have no output; None where it records nothing of it."""
    error = find_first(read_error(row[key]) for key in ERROR_KEYS if key in row)
    word = row.get("status")
    return error or (DOUBTFUL.get(fold_word(word[:LONGEST])) if type(word) is str else None)


def derive_status(
    output: str,
    steps: Sequence[JsonLike],
    finish_reason: str | None,
    given: AnswerStatus | None = None,
    error: AnswerStatus | None = None,
) -> AnswerStatus:
    """Derives the one status of a trace.

    A status that the export gives counts, unless it is `ok`: a request may succeed and answer
    nothing. An error beside an output is taken for a note on it, such as a reviewer's. A trace
    without output has still answered where its last act was a tool's call.

    Args:
        output: what the application answered.
        steps: its steps; those of spans have an `error` where they failed.
        finish_reason: why the answer ended, in the provider's word.
        given: the status that the export gives.
        error: the error that the export records beside the output.
    """
    if given not in (None, "ok"):
        return given
    ended = read_reason(finish_reason) if finish_reason else None
    if output and not output.isspace():
        return ended or "ok"
    return error or ended or find_silence(steps)


def read_reason(text: str) -> AnswerStatus | None:
    """Reads why an answer ended, in a provider's word; None where it ended by itself."""
    return REASON_WORDS.get(fold_word(text[:LONGEST]).removeprefix("finish-reason-"))


def find_silence(steps: Sequence[JsonLike]) -> AnswerStatus:
    """Returns why a trace without output has none, by its steps; `ok` where a tool was its act."""
    made = [cast("dict[str, Json]", step) for step in steps if type(step) is dict]
    calls = [step for step in made if step.get("kind") == "llm"]
    if calls and (failed := read_error(calls[-1].get("error"))):
        return failed
    if any(is_act(step) for step in made) or len(made) < len(steps):
        return "ok"
    return find_first(read_error(step.get("error")) for step in reversed(made)) or "empty"


PASSIVE = frozenset(
    [
        *("llm", "retrieval", "reranker", "embedding", "guardrail", "evaluator", "chain", "agent"),
        *("prompt", "span", "decision"),
    ]
)
"""Kinds of steps that do nothing for a user by themselves."""


def is_act(step: dict[str, Json]) -> bool:
    """Whether a step acts: a tool that did not fail, a model's call of one, or a step unknown."""
    if step.get("tool_calls"):
        return True
    return step.get("kind") not in PASSIVE and read_error(step.get("error")) is None
