"""What Langfuse's scores say: labels, and the feedback of an application's own users.

Which rows are scores, and whose, is `langfuse`'s.
"""

from __future__ import annotations

import re

from evals.records import AnnotatorKind, Json, Label
from evals.traces.files.strict_json import Refused
from evals.traces.messages import plain_text
from evals.traces.rows import canonical
from evals.traces.spans.observations import Object, to_text, to_whole_number

SOURCES: dict[str, AnnotatorKind] = {"ANNOTATION": "human", "EVAL": "judge"}
NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def read_score(row: Object) -> Label:
    """A score as a label.

    Raises:
        Refused: it scores no trace, or says nothing.
    """
    if not row.get("trace_id"):
        raise Refused(
            "no-trace-id",
            "The score belongs to a session or a dataset run and to no trace; leave such out.",
        )
    label = find_label(row)
    if label is None:
        raise Refused("empty-score", "The score has no name or no value; leave it out.")
    return label


def find_label(row: Object) -> Label | None:
    """A score in the words of its data type; whoever has a name is a person."""
    source, author = to_text(row.get("source")), to_text(row.get("author_user_id"))
    kind = "human" if author else SOURCES.get(source, "rule")
    who = author or to_text(row.get("evaluator_id")) or f"langfuse-{(source or 'api').lower()}"
    note = plain_text.to_text(row.get("comment"))
    trace_id, name = to_text(row.get("trace_id")), to_text(row.get("name"))
    return canonical.make_label(trace_id, name, find_value(row), who, kind, note)


def find_value(row: Object) -> Json:
    """Finds a score's value: a category's name (its number is only an index), else the number."""
    value, words = to_whole_number(parse_number(row.get("value"))), to_text(row.get("string_value"))
    if row.get("data_type") in ("CATEGORICAL", "TEXT"):
        return words or to_text(row.get("long_string_value"))
    if row.get("data_type") == "BOOLEAN" and value in (0, 1):
        return bool(value)
    return words if value is None else value


def parse_number(value: Json) -> Json:
    """The number in a cell of text; any other value as it is."""
    if type(value) is str and NUMBER.fullmatch(value):
        return float(value)
    return value


def read_feedback(row: Object) -> Object:
    """A score of the application's own users, as feedback of the trace."""
    told = {"name": row.get("name"), "value": find_value(row), "comment": row.get("comment")}
    return {key: value for key, value in told.items() if value not in (None, "")}
