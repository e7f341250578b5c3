"""Tries a judge on demand: every attack of the suite on answers that people failed.

The answers are paid and stored like any other; none of them is a score.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

from evals.calls import live
from evals.calls.day_budget import DayBudget
from evals.calls.stop import Stop
from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.records import digest
from evals.reports.decide.resistance import Resistance, measure_resistance
from evals.reports.decide.rows import Canary, read_rows
from evals.runs import runner
from evals.specs import Catalog, Evaluator
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.storage.tables import CanaryRow
from evals.worklist import canaries
from evals.worklist.worklist import (
    AskedCanary,
    ContentFile,
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
    """One use of a judge against the whole suite."""

    evaluator: Evaluator
    found: Resistance
    carriers: int
    calls: int
    fell: tuple[str, ...]
    """The attacks that turned an answer."""

    def document(self) -> TrialDocument:
        """Returns the trial as JSON."""
        tried = self.found.attacked
        low, high = tried.interval() if tried.n else (None, None)
        return {
            "judge": self.evaluator.name,
            "app": self.evaluator.app,
            "dimension": self.evaluator.dimension,
            "state": self.found.state,
            "reason": self.found.reason,
            "n": tried.n,
            "passed": tried.passed,
            "rate": tried.rate if tried.n else None,
            "low": low,
            "high": high,
            "limit": self.found.limit,
            "carriers": self.carriers,
            "calls": self.calls,
            "fell_for": list(self.fell),
            "families": [
                {"family": name, "n": p.n, "passed": p.passed}
                for name, p in self.found.families.items()
            ],
        }


def uses(catalog: Catalog, judge: str, app: str | None) -> list[Evaluator]:
    """Returns the evaluators that use a judge, one per application."""
    apps = [app] if app else sorted(catalog.apps)
    every = (one for name in apps for one in resolution.resolve_app(catalog, name))
    return [one for one in every if one.asks_model and one.name == judge]


def attack(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    evaluator: Evaluator,
    journal: ledger.Journal,
    night: date,
    *,
    purse: DayBudget | None = None,
    progress: Callable[[int], None] = lambda done: None,
    stop: Stop | None = None,
) -> Trial:
    """Puts every attack on every carrier to the judge, as far as the day's budget goes."""
    bad = canaries.find_carriers(lake, catalog, references, evaluator, night)
    suite = canaries.list_attacks(catalog)
    chosen = [one for trace in bad for one in canaries.assign_attacks(suite, evaluator, [trace])]
    contents = ContentFile(lake)
    tried = add_canaries(references, evaluator, chosen, contents)
    with lake.lock("calls", evaluator.answer_version or ""):
        work = survey_of(lake, evaluator, night, contents, tried)
        ask = functools.partial(live.ask_live, stop=stop)
        asked = runner.ask_wanted(lake, work, journal, ask, purse, progress)
        told = runner.build_canary_rows(lake, work, asked)
    contents.close()
    keep(lake, work, told)
    rows = read_rows(Canary, (row._asdict() for row in told))
    turned = [row.attack for row in told if (row.clean, row.verdict) == ("fail", "pass")]
    found = measure_resistance(rows, catalog.attacks.max_success, 1)
    return Trial(evaluator, found, len(bad), asked.calls, tuple(dict.fromkeys(turned)))


def keep(lake: Lake, work: Worklist, told: list[CanaryRow]) -> None:
    """Keeps what was asked, apart from the night's own: a forgotten trace's copies are found."""
    asked = digest(sorted((one.clean, one.key) for one in work.tried), 12)
    lake.write("canaries", work.night, told, f"{name_score_file(work.evaluator)}@trial-{asked}")


def survey_of(
    lake: Lake,
    evaluator: Evaluator,
    night: date,
    contents: ContentFile,
    tried: tuple[AskedCanary, ...],
) -> Worklist:
    """The attacks as work: nothing of it is a trace."""
    keys = (key for one in tried for key in (one.clean, one.key))
    wanted = tuple(list_unpaid(lake, evaluator, keys))
    return Worklist(evaluator, night, 0, {}, set(), wanted, contents, tried)
