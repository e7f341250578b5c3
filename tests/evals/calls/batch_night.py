"""A team whose judge runs by batch; run as a program, one step of its night.

`python -m tests.evals.calls.batch_night FOLDER score|collect` is what a test kills.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.calls.day_budget import open_budget
from evals.calls.routing import Route, take_back_batches
from evals.calls.shared_state import SharedState
from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.records import Answer, Trace
from evals.runs import runner
from evals.specs import Catalog, Evaluator, load_catalog
from evals.storage import ledger
from evals.storage.documents.batch_jobs import BatchJob, read_jobs
from evals.storage.lake import Lake
from evals.table_rows import Coverage
from evals.worklist.night_contents import NightTraces
from tests.catalog_files import write_catalog
from tests.evals.models.batch_server import Server

NIGHT = date(2026, 10, 1)
NOON = datetime(2026, 10, 2, 12, tzinfo=UTC)


def write_batch_catalog(
    root: Path,
    url: str,
    via: str = "batch",
    azure: dict[str, str] | None = None,
    mode: str = "schema",
    **batch: Any,
) -> None:
    """Writes a catalog with one judge, its model at a server or deployed on Azure."""
    pin = {
        "model": "m-2026-01-01",
        **({"azure": azure} if azure else {"base_url": url}),
        "batch": batch,
        "timeout_s": 5,
        "prices": [{"since": date(2026, 1, 1), "input": 2.0, "output": 8.0}],
    }
    check = {"dimension": "kind", "question": "Is it kind?", "check": {"judge": "tone"}}
    judge = {"judge": "tone", "asks": "Kind", "model": "m", "system": "Judge.", "via": via}
    judge |= {"mode": mode} if mode != "schema" else {}
    files: dict[str, Any] = {
        "models.yaml": {"m": pin},
        "apps/chat.yaml": {"app": "chat", "suite": "chat"},
        "suites/chat.yaml": {"suite": "chat", "dimensions": [check]},
        "judges/tone.yaml": judge,
    }
    write_catalog(root, files)


class BatchTeam:
    """One night of the team, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake(folder / "home").open()
        self.catalog: Catalog = load_catalog(folder / "catalog")

    def write_night(self, *outputs: str, night: date = NIGHT) -> None:
        """Writes a night's traces, one for each output."""
        at = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
        rows = [
            Trace(f"t{i}", at + timedelta(seconds=i), "chat", output)
            for i, output in enumerate(outputs)
        ]
        self.lake.write("traces", night, rows)

    @property
    def judge(self) -> Evaluator:
        """Its one judge."""
        evaluators = resolution.resolve_app(self.catalog, "chat")
        return next(evaluator for evaluator in evaluators if evaluator.kind == "judge")

    def score(self, now: datetime = NOON, night: date = NIGHT) -> runner.Tally:
        """Scores a night from the stored answers; submits the other requests as a batch."""
        references = GoldAndLabels.of(self.catalog.root, [])
        with (
            open_budget(self.lake, "run", now.date(), self.catalog) as budget,
            ledger.open_journal(self.lake, "run") as journal,
        ):
            route = Route(self.lake, self.catalog, now)
            run = runner.ScoringRun(self.lake, references, journal, route, budget)
            return runner.score_night(run, NightTraces(self.lake, night), self.judge)

    def collect(self, now: datetime = NOON + timedelta(hours=1)) -> list[BatchJob]:
        """Collects the answers of batches that ended."""
        with ledger.open_journal(self.lake, "back") as journal:
            return take_back_batches(self.lake, self.catalog, journal, now)

    def read_verdicts(self) -> dict[str, str]:
        """Reads each trace's verdict or error code."""
        rows = self.lake.read("scores", [NIGHT])
        return {row.trace_id: row.verdict or f"{row.status}:{row.code}" for row in rows}

    def read_answers(self) -> list[Answer]:
        """Reads the night's answers from the ledger."""
        return self.lake.read("answers", [NIGHT])

    def read_coverage(self) -> Coverage:
        """Reads the night's coverage."""
        (row,) = self.lake.read("coverage", [NIGHT])
        return row

    def read_jobs(self) -> list[BatchJob]:
        """Reads the team's batch jobs."""
        return list(read_jobs(self.lake))


if __name__ == "__main__":
    team = BatchTeam(Path(sys.argv[1]))
    ledger.recover_journals(team.lake)
    team.score() if sys.argv[2] == "score" else team.collect()


def is_paid_once(server: Server) -> bool:
    """Whether no request was paid twice in batches, and none was sent live."""
    return set(server.state.count_submissions().values()) <= {1} and not server.state.live


def sum_spent(team: BatchTeam) -> tuple[float, int]:
    """Sums what the home's day has spent, reservations included."""
    shared = SharedState(team.lake)
    sql = "select sum(spent_usd + reserved_usd), sum(spent_calls + reserved_calls) from purse"
    usd, calls = shared.db.execute(sql).fetchone()
    shared.close()
    return usd, calls
