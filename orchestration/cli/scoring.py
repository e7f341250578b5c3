"""What commands share that run evaluators on a few answers: a scoring run, and its cases as lines.

The commands are in `evaluators`, `judges`, `judge_candidates`, `cases` and `gate`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.cases.judging import CaseRun
    from evals.runs.runner import ScoringRun
    from evals.specs import Catalog
    from evals.storage.lake import Lake
    from orchestration.settings import Settings


@contextlib.contextmanager
def open_scoring_run(
    settings: Settings, lake: Lake, catalog: Catalog, purpose: str
) -> Generator[ScoringRun]:
    """Opens a run whose calls count against the day's budget, and whose answers are stored."""
    from evals.runs.live_run import open_live_run
    from orchestration.runtime.interrupts import Interrupts
    from orchestration.runtime.progress import Progress

    run_id, today = f"{purpose}-{secrets.token_hex(4)}", datetime.now(UTC).date()
    references, count = settings.load_references(lake, catalog), Progress.count_calls
    with open_live_run(
        lake, catalog, references, run_id, today, stop=Interrupts.stop, progress=count
    ) as run:
        yield run


def print_case_run(run: CaseRun, title: str, noun: str = "regression case") -> None:
    """Prints a run of cases: the sentence, and the first cases that did not hold."""
    from evals.cases.showing import LISTED, describe_line

    paid = f"; {run.calls} calls, ${run.usd:.4f}" if run.calls else ""
    terminal.print_line(f"{title}: {run.describe(noun)}{paid}")
    others = [one for one in run.judged if one.ending != "held"]
    terminal.print_lines(f"  {describe_line(one)}" for one in others[:LISTED])
    if len(others) > LISTED:
        terminal.print_line(f"  and {len(others) - LISTED} more; --json has all")
