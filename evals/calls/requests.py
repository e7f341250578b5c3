"""What one evaluator has to ask of one night, in hash order, and how answers become ledger rows.

Asks nothing: `live` does, one question at a time, and whoever else keeps `Asker`'s promise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from evals import models
from evals.calls.day_budget import Purse
from evals.evaluators import registry
from evals.evaluators.protocol import EvaluatorByModel
from evals.privacy import redaction
from evals.records import Answer, Failure, Skip
from evals.specs import Judge, ModelPin
from evals.storage.ledger import Journal
from evals.worklist.worklist import Survey, Wanted, partial

NOTHING = models.Request(messages=(), max_tokens=0, temperature=0.0, seed=0)
NOT_SHOWN = models.ModelError("not-shown-whole", models.FAULTS["not-shown-whole"], retryable=False)


class Question(NamedTuple):
    """One question, ready to be sent."""

    key: str
    """Its content's key: with the answer version it names the answer in the ledger."""
    attempts: int
    """Runs that asked it in vain."""
    request: models.Request

    @property
    def chars(self) -> int:
        """Characters sent."""
        return sum(len(message["content"]) for message in self.request.messages)


@dataclass(frozen=True)
class Asking:
    """What has to be asked, and where answers go."""

    work: Survey
    judge: Judge
    pin: ModelPin
    journal: Journal | None
    """None: nothing is asked, an estimate only looks."""
    home: Path
    """Where the pace of each account is shared."""
    purse: Purse | None = None
    """The day's budget; None: it is not counted."""
    progress: Callable[[int], None] = lambda done: None

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """In hash order: whatever is left out at the end leaves a valid sample."""
        return self.work.wanted

    def __len__(self) -> int:
        return len(self.wanted)

    def without(self, keys: Collection[str]) -> Asking:
        """The same without some contents."""
        if not keys:
            return self
        rest = tuple(want for want in self.wanted if want.key not in keys)
        return replace(self, work=replace(self.work, wanted=rest))

    @cached_property
    def model(self) -> EvaluatorByModel:
        """How a subject becomes a request."""
        return registry.model_of(self.work.evaluator)

    @cached_property
    def frame(self) -> int:
        """Bytes sent with every question beside its content."""
        nothing = partial(self.work.evaluator.app, dict.fromkeys(self.work.evaluator.reads))
        asked = self.model.request(self.work.evaluator, nothing, None).messages
        return sum(len(message["content"].encode()) for message in asked)

    def most(self, want: Wanted) -> float:
        """US dollars a question can cost at most; 0 where the model has no known price.

        No tokenizer makes more tokens than there are bytes; of English prose it makes a quarter.
        """
        price = self.pin.price_on(self.work.night)
        if price is None:
            return 0.0
        tokens_in = self.work.contents.at[want.key][1] + self.frame
        return (tokens_in * price.input + self.judge.max_tokens * price.output) / 1e6

    def questions(self) -> Iterator[Question]:
        """The questions, each made when its turn comes."""
        for want in self.wanted:
            yield self.question(want)

    def shown_whole(self) -> Asking:
        """The same without contents too long to be shown whole, which are answered by an error."""
        long = {want for want in self.wanted if not self.fits(want)}
        if self.journal is not None:
            for want in long:
                question = Question(want.key, want.attempts, NOTHING)
                self.journal.append(self.failed(question, NOT_SHOWN))
        return self.without({want.key for want in long})

    def fits(self, want: Wanted) -> bool:
        """Whether a content is shown whole; most are shorter than the limit all together."""
        if self.work.contents.at[want.key][1] <= self.judge.max_chars:
            return True
        fields, gold = self.work.contents.read(want.key)
        trace = partial(self.work.evaluator.app, fields)
        return self.model.is_shown_whole(self.work.evaluator, trace, gold)

    def question(self, want: Wanted) -> Question:
        """One question, its content read from the survey's file."""
        fields, gold = self.work.contents.read(want.key)
        trace = partial(self.work.evaluator.app, fields)
        request = self.model.request(self.work.evaluator, trace, gold)
        return Question(want.key, want.attempts, request)

    def answered(self, question: Question, reply: models.Reply) -> Answer:
        """A reply as a row of the ledger."""
        said = {"text": redaction.said(reply.text), "probability": reply.probability}
        return Answer(**self.about(question, reply), **said, code=None, retryable=False)

    def failed(self, question: Question, error: models.ModelError) -> Answer:
        """A call that gave no answer as a row of the ledger, with what it cost all the same."""
        said = {"code": error.code, "retryable": error.retryable}
        return Answer(**self.about(question, error.reply), **said, text=None, probability=None)

    def about(self, question: Question, reply: models.Reply | None) -> dict[str, Any]:
        """What was asked, and what came back beside its text."""
        evaluator = self.work.evaluator
        return {
            "content_key": question.key,
            "answer_version": evaluator.answer_version or "",
            "evaluator": evaluator.name,
            "night": self.work.night,
            "app": evaluator.app,
            "attempts": question.attempts + 1,
            "model": self.pin.model,
            "chars": question.chars,
            **came_with(self.pin, self.work.night, reply),
        }

    def keep(self, answer: Answer) -> None:
        """An answer is durable from here on."""
        assert self.journal is not None  # noqa: S101  whoever asks has one
        self.journal.append(answer)
        self.progress(1)


def came_with(
    pin: ModelPin, night: date, reply: models.Reply | None, *, batch: bool = False
) -> dict[str, Any]:
    """What an answer says of itself beside its text; nothing when nothing came."""
    if reply is None:
        unknown = dict.fromkeys(("model_answered", "fingerprint", "created"))
        return {**unknown, "tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0}
    return {
        "model_answered": reply.model,
        "fingerprint": reply.fingerprint,
        "created": reply.created,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "tokens_cached": reply.tokens_cached,
        "finish": reply.finish,
        "temperature": reply.temperature,
        "seed": reply.seed,
        "cost_usd": models.compute_cost(
            pin, night, reply.tokens_in, reply.tokens_out, reply.tokens_cached, batch=batch
        ),
    }


class Asked(NamedTuple):
    """What asking came to."""

    calls: int = 0
    usd: float = 0.0
    rest: Skip | Failure | None = None
    """What is said of contents that have no answer now; None: there are none."""
    awaited: frozenset[str] = frozenset()
    """Contents whose answers come with a batch: nothing is said of them yet."""


class Asker(Protocol):
    """A way to ask: live, or by a batch."""

    def __call__(self, asking: Asking) -> Asked:
        """Asks, and keeps every answer in the journal at once."""
        ...
