"""Braintrust's scores, as labels; the audit of a row records which of them a person gave.

`braintrust` knows which rows have them.
"""

from __future__ import annotations

from collections.abc import Iterator

from evals.records import Json, Label
from evals.traces.rows import canonical
from evals.traces.spans.observations import (
    Object,
    find_value,
    list_objects,
    parse_object,
    to_text,
    to_whole_number,
)
from evals.traces.spans.values import parse_literal


def read_scores(row: Object, trace_id: str) -> Iterator[Label]:
    """Yields the labels of a row's scores; one without a value is left out."""
    people = find_people(parse_literal(row.get("audit_data")))
    for name, value in parse_object(row.get("scores")).items():
        if value in (None, ""):  # it was not asked for on this row
            continue
        person = people.get(name)
        label = canonical.make_label(
            trace_id,
            name,
            read_verdict(value),
            person or f"braintrust-{name}",
            "human" if person else "judge" if is_judged(row) else "rule",
        )
        if label:
            yield label


def is_judged(row: Object) -> bool:
    """Whether a model scored a row, rather than code."""
    return to_text(parse_object(row.get("span_attributes")).get("purpose")) == "scorer"


def read_verdict(value: Json) -> Json:
    """Reads a score: a number from 0 to 1, also as a table's text; or the word of a category."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return value
    return value if type(value) is bool else to_whole_number(value)


def find_people(audit: Json) -> dict[str, str]:
    """Finds who gave a score on Braintrust's pages, by the score's name; the last one counts."""
    people: dict[str, str] = {}
    for entry in list_objects(audit):
        change = parse_object(entry.get("audit_data"))
        path = change.get("path")
        if to_text(entry.get("source")) != "app" or type(path) is not list or len(path) < 2:
            continue
        if path[0] == "scores":
            about = parse_object(entry.get("metadata"))
            person = find_value(about, ("email", "user_id", "user", "name"))
            people[to_text(path[1])] = to_text(person) or "braintrust-app"
    return people
