"""Opens what asks for the answers of candidates: within the day's budget, each answer stored."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator
from datetime import date
from typing import NamedTuple

from evals.calls.day_budget import open_budget
from evals.calls.live import ask_live
from evals.calls.stop import Stop
from evals.evaluators.gold import GoldAndLabels
from evals.runs.runner import ScoringRun
from evals.specs import Catalog
from evals.storage import ledger
from evals.storage.lake import Lake


class Asking(NamedTuple):
    """What stops a run, and what is called with the number of answered calls."""

    stop: Stop | None = None
    progress: Callable[[int], None] = lambda calls: None


SILENTLY = Asking()


@contextlib.contextmanager
def open_asking(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    run_id: str,
    day: date,
    how: Asking = SILENTLY,
) -> Generator[ScoringRun]:
    """Opens a run that asks, and closes its journal and its part of the budget."""
    ask = functools.partial(ask_live, stop=how.stop)
    with (
        open_budget(lake, run_id, day, catalog) as budget,
        ledger.open_journal(lake, run_id) as journal,
    ):
        yield ScoringRun(lake, references, journal, ask, budget, progress=how.progress)
