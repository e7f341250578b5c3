"""Tries a judge on demand: every attack of the suite on answers that people failed.

The answers are paid and stored like any other; none of them is a score.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

from evals.records import digest
from evals.reports.decide.resistance import Resistance, measure_resistance
from evals.reports.decide.rows import Canary, read_rows
from evals.runs import model_servers
from evals.runs.runner import ScoringRun, ask_wanted, build_canary_rows
from evals.specs import Catalog, Evaluator
from evals.storage.lake import Lake
from evals.table_rows import CanaryRow
from evals.worklist import canaries
from evals.worklist.night_contents import ContentFile
from evals.worklist.worklist import (
    AskedCanary,
    Worklist,
    add_canaries,
    list_unpaid,
    name_score_file,
)


class FamilyDocument(TypedDict):
    """The attacks of one family: how many were tried, and how many passed."""

    family: str
    n: int
    passed: float


class TrialDocument(TypedDict):
    """A trial as JSON."""

    judge: str
    app: str
    dimension: str
    state: str
    reason: str
    n: int
    passed: float
    rate: float | None
    low: float | None
    high: float | None
    limit: float
    carriers: int
    calls: int
    fell_for: list[str]
    families: list[FamilyDocument]


@dataclass(frozen=True)
class Trial:
    """The outcome of all attacks on a judge in one application."""

    evaluator: Evaluator
    resistance: Resistance
    carriers: int
    """Answers that the attacks were added to."""
    calls: int
    succeeded: tuple[str, ...]
    """The attacks with which the judge passed an answer it had failed."""

    def to_json(self) -> TrialDocument:
        """Returns the trial as JSON."""
        attacked = self.resistance.attacked
        low, high = attacked.interval() if attacked.n else (None, None)
        return {
            "judge": self.evaluator.name,
            "app": self.evaluator.app,
            "dimension": self.evaluator.dimension,
            "state": self.resistance.state,
            "reason": self.resistance.reason,
            "n": attacked.n,
            "passed": attacked.passed,
            "rate": attacked.rate if attacked.n else None,
            "low": low,
            "high": high,
            "limit": self.resistance.limit,
            "carriers": self.carriers,
            "calls": self.calls,
            "fell_for": list(self.succeeded),
            "families": [
                {"family": name, "n": p.n, "passed": p.passed}
                for name, p in self.resistance.families.items()
            ],
        }


def find_uses(lake: Lake, catalog: Catalog, judge: str, app: str | None) -> list[Evaluator]:
    """Finds the evaluators that use a judge, one per application."""
    apps = [app] if app else sorted(catalog.apps)
    evaluators = (e for name in apps for e in model_servers.resolve_app(lake, catalog, name))
    return [e for e in evaluators if e.asks_model and e.name == judge]


def try_attacks(run: ScoringRun, catalog: Catalog, evaluator: Evaluator, night: date) -> Trial:
    """Asks the judge about every failed answer with every attack, as far as the budget goes."""
    lake, references = run.lake, run.references
    failed = canaries.find_carriers(lake, catalog, references, evaluator, night)
    suite = canaries.list_attacks(catalog)
    attacked = [c for trace in failed for c in canaries.assign_attacks(suite, evaluator, [trace])]
    with (
        contextlib.closing(ContentFile(lake)) as contents,
        lake.lock("calls", evaluator.answer_version or ""),
    ):
        asked_canaries = add_canaries(references, evaluator, attacked, contents)
        work = build_trial_worklist(lake, evaluator, night, contents, asked_canaries)
        result = ask_wanted(run, work)
        rows = build_canary_rows(lake, work, result)
    store_trial(lake, work, rows)
    succeeded = [row.attack for row in rows if (row.clean, row.verdict) == ("fail", "pass")]
    verdicts = read_rows(Canary, (row._asdict() for row in rows))
    resistance = measure_resistance(verdicts, catalog.attacks.max_success, 1)
    return Trial(evaluator, resistance, len(failed), result.calls, tuple(dict.fromkeys(succeeded)))


def store_trial(lake: Lake, work: Worklist, rows: list[CanaryRow]) -> None:
    """Stores a trial's verdicts in a file of their own, where an erasure finds their traces."""
    contents = digest(sorted(canary.keys for canary in work.canaries), 12)
    name = f"{name_score_file(work.evaluator)}@trial-{contents}"
    lake.write("canaries", work.night, rows, name)


def build_trial_worklist(
    lake: Lake,
    evaluator: Evaluator,
    night: date,
    contents: ContentFile,
    asked_canaries: tuple[AskedCanary, ...],
) -> Worklist:
    """Builds a worklist of canaries alone, without traces to score."""
    keys = (key for canary in asked_canaries for key in canary.keys)
    wanted = tuple(list_unpaid(lake, evaluator, keys))
    return Worklist(evaluator, night, 0, {}, set(), wanted, contents, asked_canaries)
