"""The calls that candidates for judges would take; makes none.

What is made and measured is `proposals`'.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.realign.labelled_judge import LabelledJudge
from evals.realign.proposals import explain_shortage, find_most_calls, find_settings, list_drafts
from evals.realign.verdicts import add_estimates
from evals.specs import Catalog
from evals.storage.lake import Lake


class PlannedCandidates(NamedTuple):
    """The calls that the candidates of a judge would take."""

    judge: str
    candidates: int
    """Those that would be measured."""
    calls: int
    """On dev labels; the best is then asked about the test labels too."""
    usd: float | None
    """What they would cost; None: no price is known."""
    most: int
    """The most calls that a run may make for them, an optimizer's included."""


def plan_candidates(
    lake: Lake, catalog: Catalog, references: GoldAndLabels, now: datetime
) -> list[PlannedCandidates]:
    """Plans the calls of every judge whose candidates may make some; makes none."""
    planned: list[PlannedCandidates] = []
    for name, judge in sorted(catalog.judges.items()):
        most = 0 if judge.compares else find_most_calls(catalog, judge)
        work = LabelledJudge(lake, catalog, references, judge, now) if most else None
        if work is None or explain_shortage(work.answers):
            continue
        drafts = list(list_drafts(work, work.find_judged()))
        costs = [work.open_trial(draft.judge).estimate(work.dev) for draft in drafts]
        total = add_estimates(costs)
        if total.calls or find_settings(catalog, judge).model:
            planned.append(PlannedCandidates(name, len(drafts), total.calls, total.usd, most))
    return planned
