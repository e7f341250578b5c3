"""One application with one judge, and the runner over its nights: what tests of calls share."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.calls.day_budget import open_budget
from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.records import Score, Trace
from evals.runs import runner
from evals.specs import Budget, Evaluator, load_catalog
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.worklist.night_contents import NightTraces
from tests.catalog_files import write_catalog

NIGHT = date(2026, 10, 1)
TODAY = date(2026, 10, 2)


def build_traces(count: int, night: date = NIGHT, words: int = 8) -> list[Trace]:
    """Builds traces that all differ."""
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    return [
        Trace(
            f"t{n}",
            noon + timedelta(seconds=n),
            "chat",
            f"answer {night} {n} " + "word " * (words + n % 7),
            metadata={"tier": "gold" if n % 20 == 0 else "free"},
        )
        for n in range(count)
    ]


class Team:
    """A lake with a catalog, and the runner over it."""

    def __init__(
        self,
        root: Path,
        url: str,
        *,
        pin: dict[str, Any] | None = None,
        judge: dict[str, Any] | None = None,
        sample: Any = 1.0,
        budget: dict[str, Any] | None = None,
        app_budget: dict[str, Any] | None = None,
        gold: str | None = None,
    ) -> None:
        self.root, self.lake = root, Lake(root / "home").open()
        named = {"judge": "tone"} | ({"gold": gold} if gold else {})
        check = {"check": named, "sample": sample}
        files: dict[str, Any] = {
            "catalog.yaml": {"budget": budget or Budget().model_dump()},
            "models.yaml": {"m": {"model": "m-2026-01-01", "base_url": url, **(pin or {})}},
            "apps/chat.yaml": {"app": "chat", "suite": "chat", "budget": app_budget or {}},
            "suites/chat.yaml": {
                "suite": "chat",
                "dimensions": [{"dimension": "kind", "question": "Kind?", **check}],
            },
            "judges/tone.yaml": {
                "judge": "tone",
                "asks": "Kind?",
                "model": "m",
                "system": "Judge.",
                **(judge or {}),
            },
        }
        self.catalog = load_catalog(write_catalog(root / "catalog", files))

    @property
    def evaluator(self) -> Evaluator:
        """Its judge."""
        return resolution.resolve_app(self.catalog, "chat")[0]

    def score(
        self, night: date = NIGHT, day: date = TODAY, run_id: str = "run", **options: Any
    ) -> runner.Tally:
        """Brings the judge's scores of a night up to date."""
        references = GoldAndLabels.of(self.catalog.root, [])
        with (
            open_budget(self.lake, run_id, day, self.catalog) as budget,
            ledger.open_journal(self.lake, run_id) as journal,
        ):
            run = runner.ScoringRun(self.lake, references, journal, budget=budget, **options)
            return runner.score_night(run, NightTraces(self.lake, night), self.evaluator)

    def read_scores(self, night: date = NIGHT) -> list[Score]:
        """Reads the night's scores."""
        return self.lake.read("scores", [night])
