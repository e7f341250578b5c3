"""Opik's feedback scores, as labels: one for each author of a score.

`opik` knows which rows have them.
"""

from __future__ import annotations

from collections.abc import Iterator

from evals.records import AnnotatorKind, Json, Label, NonAnswer
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

SOURCES: dict[str, AnnotatorKind] = {"ui": "human", "online_scoring": "judge"}


def read_scores(value: Json, trace_id: str, line: int) -> Iterator[Label | NonAnswer]:
    """Yields the labels of the scores of a trace or a span; counts those that are none."""
    for score in list_objects(parse_literal(value)):
        authors = parse_object(score.get("value_by_author"))
        entries = [
            {**score, "author": author, **entry}
            for author, value in authors.items()
            if (entry := parse_object(value))
        ]
        for entry in entries or [score]:
            label = read_score(to_text(score.get("name")), entry, trace_id)
            yield canonical.name_missing(label, line)


def read_score(name: str, entry: Object, trace_id: str) -> Label | None:
    """Reads one author's score: a category's name, else its number."""
    source = to_text(entry.get("source")).lower()
    kind = SOURCES.get(source, "rule")
    author = to_text(find_value(entry, ("author", "created_by", "last_updated_by")))
    annotator = author if kind == "human" and author else f"opik-{source or 'sdk'}"
    verdict = to_text(entry.get("category_name")) or to_whole_number(entry.get("value"))
    return canonical.make_label(
        trace_id, name, verdict, annotator, kind, to_text(entry.get("reason"))
    )
