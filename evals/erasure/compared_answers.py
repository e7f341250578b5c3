"""What judges of two answers wrote about an answer that was the other one of a pair.

Such a pair belongs to another trace; what a trace of its own has is `forget`'s.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from evals.specs.suites import PREVIOUS
from evals.storage.damage import READING_ERRORS
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.queries import query_tables, quote_text
from evals.worklist.previous_answers import read_previous_ids


class ComparedScore(NamedTuple):
    """A score of a pair whose other answer is one of some traces'."""

    trace_id: str
    """The trace that it is of."""
    content_key: str | None
    explanation: str | None


class Comparison(NamedTuple):
    """A judge that compared answers with those of the prompt before."""

    date: date
    app: str
    evaluator: str
    evaluator_version: str


def find_compared(lake: Lake, traces: set[str]) -> list[ComparedScore]:
    """Finds the scores of pairs whose other answer is one of some traces'."""
    found: list[ComparedScore] = []
    for one in list_comparisons(lake):
        ids = read_previous_ids(lake, one.date, one.app)
        whose = [own for own, other in ids.items() if other in traces and own not in traces]
        if whose:
            listed = ", ".join(map(quote_text, sorted(whose)))
            sql = (
                "select trace_id, content_key, explanation from scores"  # noqa: S608  quoted
                f" where app = {quote_text(one.app)} and evaluator = {quote_text(one.evaluator)}"
                f" and date = '{one.date}' and trace_id in ({listed})"
            )
            rows = query_tables(lake, sql, {"scores": None})
            found += [ComparedScore(**row) for row in rows]
    return found


def list_comparisons(lake: Lake) -> Iterator[Comparison]:
    """Yields the judges whose other answer is the previous prompt's, by night."""
    sql = "select distinct date, app, evaluator, evaluator_version from scores where kind = 'judge'"
    for row in query_tables(lake, sql, {"scores": None}):
        one = Comparison(**row)
        with contextlib.suppress(DamagedFileError, *READING_ERRORS):
            spec = read_evaluator(lake, one.evaluator, one.app, one.evaluator_version)
            if spec.gold == PREVIOUS:
                yield one
