"""What a judge, as it is or as a candidate, decides on labelled answers.

Answers are asked for and stored as those of a night are, so that a promoted candidate finds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from evals.calls.cost_estimate import Estimate, estimate_cost
from evals.calls.requests import CallsResult
from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import content_of
from evals.realign.labelled_answers import LabelledAnswer, find_uses
from evals.records import Outcome
from evals.runs.model_servers import ModelServers, record_answers
from evals.runs.runner import ScoringRun, ask_wanted, can_ask
from evals.specs import Catalog, Evaluator, Judge
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.worklist.night_contents import ContentFile, hash_content
from evals.worklist.worklist import WantedAnswer, Worklist, list_unpaid


class Trial(Protocol):
    """A judge, or what may decide in its place, on some labelled answers."""

    def select(self, answers: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
        """Selects the answers that it can be measured on."""
        ...

    def read(self, answers: Sequence[LabelledAnswer]) -> list[Outcome | None]:
        """Returns what it decided; None without a verdict."""
        ...

    def count_calls(self, answers: Sequence[LabelledAnswer]) -> int:
        """Counts the answers that would have to be asked for."""
        ...

    def estimate(self, answers: Sequence[LabelledAnswer], *, paid_too: bool = False) -> Estimate:
        """Estimates what they would cost; with `paid_too` as if nothing was paid."""
        ...

    def can_ask(self) -> bool:
        """Whether its model is available here."""
        ...

    def ask(self, run: ScoringRun, answers: Sequence[LabelledAnswer]) -> CallsResult:
        """Asks for the answers that are missing."""
        ...


@dataclass
class JudgeTrial:
    """A judge on some labelled answers."""

    lake: Lake
    references: GoldAndLabels
    catalog: Catalog
    judge: Judge
    night: date
    """The night that pays for new answers, and whose prices are used."""
    uses: dict[str, Evaluator] = field(default_factory=dict[str, Evaluator])
    """By application."""

    def __post_init__(self) -> None:
        self.uses = {one.app: one for one in find_uses(self.lake, self.catalog, self.judge)}

    def select(self, answers: Sequence[LabelledAnswer]) -> list[LabelledAnswer]:
        """Selects the answers that it can be measured on: all."""
        return list(answers)

    def build_keys(self, answers: Sequence[LabelledAnswer]) -> list[tuple[str, str, bytes] | None]:
        """Returns application, key and content of each answer; None of one it does not cover."""
        return [self.build_key(one) for one in answers]

    def build_key(self, answer: LabelledAnswer) -> tuple[str, str, bytes] | None:
        """Returns the application, key and content of an answer."""
        evaluator = self.uses.get(answer.trace.app)
        if evaluator is None or not registry.type_of(evaluator).covers_answer(
            evaluator, answer.trace
        ):
            return None
        gold = self.references.gold_for(evaluator, answer.trace)
        data = content_of(evaluator, answer.trace, gold)
        return answer.trace.app, hash_content(data), data

    def read(self, answers: Sequence[LabelledAnswer]) -> list[Outcome | None]:
        """Reads what it decided, from stored answers; None without one, or without a verdict."""
        keys = self.build_keys(answers)
        found: dict[tuple[str, str], Outcome] = {}
        for app, evaluator in self.uses.items():
            wanted = {place[1] for place in keys if place and place[0] == app}
            model = registry.model_of(evaluator)
            version = evaluator.answer_version or ""
            with ledger.open_index(self.lake, version, wanted) as paid:
                for answer in paid.read_answers():
                    result = model.read_answer(evaluator, answer)
                    if isinstance(result, Outcome):
                        found[app, answer.content_key] = result
        return [found.get(place[:2]) if place else None for place in keys]

    @contextlib.contextmanager
    def open_worklist(
        self, app: str, answers: Sequence[LabelledAnswer], *, paid_too: bool = False
    ) -> Generator[Worklist]:
        """Opens what has to be asked of an application; with `paid_too` as if nothing was paid."""
        evaluator = self.uses[app]
        own = [one for one in answers if one.trace.app == app]
        with contextlib.closing(ContentFile(self.lake)) as contents:
            for _, key, data in filter(None, self.build_keys(own)):
                contents.add(key, data)
            if paid_too:
                wanted = [WantedAnswer(key, 0) for key in contents.positions]
            else:
                wanted = list(list_unpaid(self.lake, evaluator, contents.positions))
            yield Worklist(evaluator, self.night, 0, {}, set(), tuple(wanted), contents)

    def count_calls(self, answers: Sequence[LabelledAnswer]) -> int:
        """Counts the answers that would have to be asked for."""
        count = 0
        for app in self.uses:
            with self.open_worklist(app, answers) as work:
                count += len(work.wanted)
        return count

    def estimate(self, answers: Sequence[LabelledAnswer], *, paid_too: bool = False) -> Estimate:
        """Estimates what they would cost."""
        estimates: list[Estimate] = []
        for app in self.uses:
            with self.open_worklist(app, answers, paid_too=paid_too) as work:
                estimates.append(estimate_cost(self.lake, work, work.wanted))
        return add_estimates(estimates)

    def can_ask(self) -> bool:
        """Whether its model is available here."""
        return bool(self.uses) and all(map(can_ask, self.uses.values()))

    def ask(self, run: ScoringRun, answers: Sequence[LabelledAnswer]) -> CallsResult:
        """Asks for the answers that are missing, within the run's budget."""
        calls, usd, rest, ends_run = 0, 0.0, None, False
        servers = ModelServers(self.lake, self.catalog)
        for evaluator in self.uses.values():
            servers.assign(evaluator)
        servers.save()
        for app, evaluator in self.uses.items():
            with (
                self.lake.lock("calls", evaluator.answer_version or ""),
                self.open_worklist(app, answers) as work,
            ):
                if not work.wanted:
                    continue
                result = ask_wanted(run, work)
            record_answers(self.lake, evaluator)
            calls, usd, rest = calls + result.calls, usd + result.usd, rest or result.rest
            if ends_run := result.ends_run:
                break
        return CallsResult(calls, usd, rest, ends_run=ends_run)

    def price_per_thousand(self, answers: Sequence[LabelledAnswer]) -> float | None:
        """Estimates what it costs to judge 1,000 answers; None: unknown, or nothing to go by."""
        whole = self.estimate(answers, paid_too=True)
        return whole.usd / whole.calls * 1000 if whole.calls and whole.usd is not None else None


def add_estimates(estimates: Sequence[Estimate]) -> Estimate:
    """Adds what several worklists would cost; unknown where one of them is."""
    some = [one for one in estimates if one.calls]
    usd = [one.usd for one in some]
    known = [one for one in usd if one is not None]
    return Estimate(
        sum(one.calls for one in some),
        sum(one.tokens_in for one in some),
        sum(one.tokens_out for one in some),
        sum(known) if len(known) == len(usd) else None,
        None,
        None,
        some[0].basis if some else Estimate().basis,
    )


def pair_verdicts(
    first: Sequence[Outcome | None], second: Sequence[Outcome | None]
) -> Mapping[int, tuple[Outcome, Outcome]]:
    """Returns the verdicts of both, by place, where both have one."""
    return {n: (a, b) for n, (a, b) in enumerate(zip(first, second, strict=True)) if a and b}
