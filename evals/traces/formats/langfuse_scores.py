"""What Langfuse's scores say: labels, and the feedback of an application's own users.

Which rows are scores, and whose, is `langfuse`'s.
"""

from __future__ import annotations

import re

from evals.records import AnnotatorKind, Json, Label
from evals.traces.files.strict_json import Refused
from evals.traces.messages import chat
from evals.traces.rows import canonical
from evals.traces.spans.observations import Object, whole_number, worded

SOURCES: dict[str, AnnotatorKind] = {"ANNOTATION": "human", "EVAL": "judge"}
NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def score(row: Object) -> Label:
    """A score as a label.

    Raises:
        Refused: it scores no trace, or says nothing.
    """
    if not row.get("trace_id"):
        raise Refused(
            "no-trace-id",
            "The score belongs to a session or a dataset run and to no trace; leave such out.",
        )
    label = label_of(row)
    if label is None:
        raise Refused("empty-score", "The score has no name or no value; leave it out.")
    return label


def label_of(row: Object) -> Label | None:
    """A score in the words of its data type; whoever has a name is a person."""
    source, author = worded(row.get("source")), worded(row.get("author_user_id"))
    kind = "human" if author else SOURCES.get(source, "rule")
    who = author or worded(row.get("evaluator_id")) or f"langfuse-{(source or 'api').lower()}"
    note = chat.text_of(row.get("comment"))
    trace_id, name = worded(row.get("trace_id")), worded(row.get("name"))
    return canonical.label(trace_id, name, value_of(row), who, kind, note)


def value_of(row: Object) -> Json:
    """What a score says: of categories the word (the number is but its index), else its number."""
    value, words = whole_number(number(row.get("value"))), worded(row.get("string_value"))
    if row.get("data_type") in ("CATEGORICAL", "TEXT"):
        return words or worded(row.get("long_string_value"))
    if row.get("data_type") == "BOOLEAN" and value in (0, 1):
        return bool(value)
    return words if value is None else value


def number(value: Json) -> Json:
    """The number in a cell of text; any other value as it is."""
    if type(value) is str and NUMBER.fullmatch(value):
        return float(value)
    return value


def fed_back(row: Object) -> Object:
    """A score of the application's own users, as feedback of the trace."""
    told = {"name": row.get("name"), "value": value_of(row), "comment": row.get("comment")}
    return {key: value for key, value in told.items() if value not in (None, "")}
