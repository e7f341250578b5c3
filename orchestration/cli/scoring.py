"""What commands share that run evaluators on a few answers: a scoring run, and its cases as lines.

The commands are in `evaluators`, `cases` and `gate`.
"""

from __future__ import annotations

import contextlib
import functools
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
    from evals.calls.day_budget import open_budget
    from evals.calls.live import ask_live
    from evals.runs.runner import ScoringRun
    from evals.storage import ledger
    from orchestration.runtime.interrupts import Interrupts
    from orchestration.runtime.progress import Progress

    run_id, today = f"{purpose}-{secrets.token_hex(4)}", datetime.now(UTC).date()
    with (
        open_budget(lake, run_id, today, catalog) as budget,
        ledger.open_journal(lake, run_id) as journal,
    ):
        references = settings.load_references(lake, catalog)
        live = functools.partial(ask_live, stop=Interrupts.stop)
        yield ScoringRun(lake, references, journal, live, budget, progress=Progress.count_calls)


def print_case_run(run: CaseRun, title: str, noun: str = "regression case") -> None:
    """Prints a run of cases: the sentence, and the first cases that did not hold."""
    from evals.cases.showing import LISTED, describe_line

    paid = f"; {run.calls} calls, ${run.usd:.4f}" if run.calls else ""
    terminal.print_line(f"{title}: {run.describe(noun)}{paid}")
    others = [one for one in run.judged if one.ending != "held"]
    for one in others[:LISTED]:
        terminal.print_line(f"  {describe_line(one)}")
    if len(others) > LISTED:
        terminal.print_line(f"  and {len(others) - LISTED} more; --json has all")
