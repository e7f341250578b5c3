"""The regression cases of a gate: run beside a night, or on a candidate's answers.

What a case is and how it is judged is in `evals.cases`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.cli.options import USAGE, fail
from orchestration.cli.scoring import open_scoring_run

if TYPE_CHECKING:
    from evals.cases.judging import CaseRun
    from evals.reports.conclusion import Outcome
    from evals.reports.report import Report
    from evals.storage.lake import Lake
    from orchestration.settings import Settings

WORST: tuple[Outcome, ...] = ("regressed", "infrastructure", "inconclusive", "pass")


def run_set(settings: Settings, lake: Lake, report: Report, *, ask: bool) -> CaseRun | None:
    """Runs an application's set on its recorded answers; None where it has none."""
    from evals.cases.judging import load_set, run_cases

    catalog = settings.load_catalog()
    cases = load_set(catalog, report.app)
    if not cases:
        return None
    with open_scoring_run(settings, lake, catalog, "gate") as run:
        return run_cases(
            run,
            catalog,
            report.app,
            cases,
            ask=ask,
            unaligned=list_unaligned(report),
            today=datetime.now(UTC).date(),
        )


def run_answers(settings: Settings, app: str, path: Path, *, ask: bool) -> CaseRun:
    """Judges a candidate's answers to an application's cases."""
    from evals.cases.judging import load_set, read_answers, run_cases
    from evals.privacy.row_filter import PrivacyFilter

    lake, catalog = settings.open_lake(), settings.load_catalog()
    today = datetime.now(UTC).date()
    cases = load_set(catalog, app)
    if not cases:
        where = f"{catalog.root}/cases/{app}.jsonl"
        fail(USAGE, f"{app} has no regression cases in {where}; `andon case add` adds them")
    answers = read_answers(PrivacyFilter.load(lake, catalog), catalog, app, path, today)
    unaligned = find_unaligned(lake, app)
    with open_scoring_run(settings, lake, catalog, "gate") as run:
        return run_cases(
            run, catalog, app, cases, answers=answers, ask=ask, unaligned=unaligned, today=today
        )


def find_unaligned(lake: Lake, app: str) -> set[str]:
    """Finds the judges that did not agree with people in the last report, where there is one."""
    from evals.reports.archive import read_last_report

    report = read_last_report(lake, app)
    return list_unaligned(report) if report else set()


def list_unaligned(report: Report) -> set[str]:
    """Lists the evaluators of a report that people's agreement does not let gate."""
    from evals.reports.sections import results

    return {row.evaluator for row in report[results.SECTION] if row.aligned is False}


def combine(outcome: Outcome, cases: CaseRun | None) -> Outcome:
    """Returns the worse of a night's outcome and its cases'."""
    both = {outcome, cases.outcome if cases else outcome}
    return next(one for one in WORST if one in both)
