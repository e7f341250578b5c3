"""Guardrail verdicts of a night, derived from its scores.

Makes no call; `evaluators.guardrails` decides what a score means for a guardrail.
"""

from __future__ import annotations

from datetime import date

from evals.evaluators import guardrails
from evals.records import GuardVerdict
from evals.storage import night_state
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.lake import Lake
from evals.worklist.worklist import find_score_file


def guard_night(lake: Lake, night: date) -> list[GuardVerdict]:
    """Derives a night's guardrail verdicts from its scores, and writes them."""
    rows: list[GuardVerdict] = []
    for app, versions in sorted(night_state.read_state(lake, night).evaluators.items()):
        for name, version in sorted(versions.items()):
            evaluator = read_evaluator(lake, name, app, version)
            if evaluator.guardrail is None:
                continue
            scores = lake.stream_file("scores", find_score_file(lake, night, evaluator))
            verdicts = (guardrails.judge_score(score, evaluator.guardrail) for score in scores)
            rows += [verdict for verdict in verdicts if verdict is not None]
    lake.write("verdicts", night, rows)
    return rows
