"""Langfuse's scores, as labels and as feedback of an application's own users.

`langfuse` decides which rows are scores, and of which trace.
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
    """Converts a score to a label.

    Raises:
        Refused: the score has no trace, no name or no value.
    """
    if not row.get("trace_id"):
        raise Refused(
            "no-trace-id",
            "The score belongs to a session or a dataset run and to no trace; leave such out.",
        )
    label = build_label(row)
    if label is None or label.verdict is None:
        raise Refused("empty-score", "The score has no name or no value; leave it out.")
    return label


def build_label(row: Object) -> Label | None:
    """Builds the label of a score, None without a name or value; an author makes it a human's."""
    source, author = to_text(row.get("source")), to_text(row.get("author_user_id"))
    kind = "human" if author else SOURCES.get(source, "rule")
    annotator = (
        author or to_text(row.get("evaluator_id")) or f"langfuse-{(source or 'api').lower()}"
    )
    note = plain_text.to_text(row.get("comment"))
    trace_id, name = to_text(row.get("trace_id")), to_text(row.get("name"))
    return canonical.make_label(trace_id, name, find_value(row), annotator, kind, note)


def find_value(row: Object) -> Json:
    """Returns a score's value: a category's name (its number is only an index), else the number."""
    value, text = to_whole_number(parse_number(row.get("value"))), to_text(row.get("string_value"))
    if row.get("data_type") in ("CATEGORICAL", "TEXT"):
        return text or to_text(row.get("long_string_value"))
    if row.get("data_type") == "BOOLEAN" and value in (0, 1):
        return bool(value)
    return text if value is None else value


def parse_number(value: Json) -> Json:
    """Parses a number in a text; returns any other value unchanged."""
    if type(value) is str and NUMBER.fullmatch(value):
        return float(value)
    return value


def read_feedback(row: Object) -> Object:
    """Converts a score of the application's own users to feedback on the trace."""
    feedback = {"name": row.get("name"), "value": find_value(row), "comment": row.get("comment")}
    return {key: value for key, value in feedback.items() if value not in (None, "")}
