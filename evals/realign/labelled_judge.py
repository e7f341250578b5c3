"""A judge with the answers that people decided on, while candidates for it are made.

Asks only what it is allowed to, and stores every answer as those of a night are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from evals.evaluators.gold import GoldAndLabels
from evals.realign.labelled_answers import LabelledAnswer, collect_answers, select_split
from evals.realign.verdicts import JudgeTrial, Trial
from evals.records import Outcome, digest
from evals.runs.runner import ScoringRun
from evals.specs import Catalog, Judge
from evals.storage.lake import Lake

LEAST_DEV = 10
"""Dev labels of each verdict without which no candidate is chosen."""


@dataclass
class LabelledJudge:
    """One judge and its labels, while candidates for it are made."""

    lake: Lake
    catalog: Catalog
    references: GoldAndLabels
    judge: Judge
    now: datetime
    run: ScoringRun | None = None
    """Asks for answers; None: only answers that are stored are used."""
    calls_left: int = 0
    clock: Callable[[], float] = time.perf_counter
    """By which a classifier is timed."""
    is_down: bool = False
    """Whether its provider refuses further calls to the end of this run."""
    answers: list[LabelledAnswer] = field(default_factory=list[LabelledAnswer])

    def __post_init__(self) -> None:
        self.answers = collect_answers(self.lake, self.catalog, self.references, self.judge)
        self.dev = select_split(self.answers, "dev")
        self.test = select_split(self.answers, "test")
        self.incumbent = self.open_trial(self.judge)

    def open_trial(self, judge: Judge) -> JudgeTrial:
        """Opens a trial of a judge, or of a candidate for it."""
        nights = self.lake.list_nights("traces")
        night = nights[-1] if nights else self.now.date()
        return JudgeTrial(self.lake, self.references, self.catalog, judge, night)

    @property
    def before(self) -> str:
        """A digest of the judge's declaration."""
        return digest_judge(self.judge)

    def ask(self, trial: Trial, answers: Sequence[LabelledAnswer]) -> tuple[int, float]:
        """Asks for missing answers, if all of them are allowed; returns calls and dollars.

        After a provider that answers nothing no further candidate is asked about.
        """
        needed = trial.count_calls(answers)
        is_refused = needed > self.calls_left or self.is_down
        if not needed or self.run is None or is_refused or not trial.can_ask():
            return 0, 0.0
        result = trial.ask(self.run, answers)
        self.calls_left -= result.calls
        self.is_down = result.ends_run
        return result.calls, result.usd

    def find_judged(self) -> list[Outcome | None]:
        """Returns what the judge decides on dev, as it is; asks where few are known.

        Where enough are known, the others are no longer part of dev and test: a candidate would
        have to be asked about answers that it cannot be compared on.
        """
        known = self.incumbent.read(self.dev)
        if not self.is_enough(known):
            self.ask(self.incumbent, self.dev)
            self.ask(self.incumbent, self.test)
            known = self.incumbent.read(self.dev)
        if self.is_enough(known):
            pairs = list(zip(self.dev, known, strict=True))
            self.dev, known = [a for a, v in pairs if v], [v for _, v in pairs if v]
            verdicts = self.incumbent.read(self.test)
            judged = [a for a, v in zip(self.test, verdicts, strict=True) if v]
            self.test = judged or self.test
        return list(known)

    def is_enough(self, known: Sequence[Outcome | None]) -> bool:
        """Whether the verdicts on dev labels suffice to choose by."""
        pairs = list(zip(self.dev, known, strict=True))
        counts = [sum(a.passed is side for a, v in pairs if v) for side in (True, False)]
        return min(counts) >= LEAST_DEV


def digest_judge(judge: Judge) -> str:
    """Returns a digest of what a judge declares."""
    return digest(judge.model_dump(mode="json", exclude={"realign"}, exclude_defaults=True))
