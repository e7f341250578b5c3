"""Opens a run that asks models live: within the day's budget, each answer stored as it comes.

A night's own run, which may wait for batches, is `evals.pipeline`'s.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator
from datetime import date

from evals.calls.day_budget import open_budget
from evals.calls.live import ask_live
from evals.calls.stop import Stop
from evals.evaluators.gold import GoldAndLabels
from evals.runs.runner import ScoringRun
from evals.specs import Catalog
from evals.storage import ledger
from evals.storage.lake import Lake


@contextlib.contextmanager
def open_live_run(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    run_id: str,
    day: date,
    *,
    stop: Stop | None,
    progress: Callable[[int], None] = lambda calls: None,
) -> Generator[ScoringRun]:
    """Opens a run that asks, and closes its journal and its part of the budget.

    Args:
        lake: receives the answers.
        catalog: has the budget.
        references: gold and labels.
        run_id: names the run in the journal and in the budget.
        day: pays for the calls.
        stop: ends the run between calls, on a signal; None: nothing does.
        progress: called with the number of calls that were answered.
    """
    ask = functools.partial(ask_live, stop=stop)
    with (
        open_budget(lake, run_id, day, catalog) as budget,
        ledger.open_journal(lake, run_id) as journal,
    ):
        yield ScoringRun(lake, references, journal, ask, budget, progress=progress)
