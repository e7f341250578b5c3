"""What one evaluator has to ask of one night, in hash order, and how answers become ledger rows.

Asks nothing: `live` does, one question at a time, and whoever else keeps `Asker`'s promise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from evals import models
from evals.calls.day_budget import DayBudget
from evals.evaluators import registry
from evals.evaluators.protocol import EvaluatorByModel
from evals.privacy import redaction
from evals.records import Answer, Failure, Skip
from evals.specs import Judge, ModelPin
from evals.storage.lake import Lake
from evals.storage.ledger import Journal
from evals.worklist.worklist import WantedAnswer, Worklist, build_partial_trace

EMPTY_REQUEST = models.Request(messages=(), max_tokens=0, temperature=0.0, seed=0)
TOO_LONG = models.ModelError("not-shown-whole", models.FAULTS["not-shown-whole"], retryable=False)


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
class CallPlan:
    """What has to be asked, and where answers go."""

    work: Worklist
    judge: Judge
    pin: ModelPin
    journal: Journal | None
    """None: nothing is asked, an estimate only looks."""
    lake: Lake
    """Where the pace of each account is shared."""
    budget: DayBudget | None = None
    """The day's budget; None: it is not counted."""
    progress: Callable[[int], None] = lambda done: None

    @property
    def wanted(self) -> tuple[WantedAnswer, ...]:
        """In hash order: whatever is left out at the end leaves a valid sample."""
        return self.work.wanted

    def __len__(self) -> int:
        return len(self.wanted)

    def exclude(self, keys: Collection[str]) -> CallPlan:
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
    def frame_bytes(self) -> int:
        """Bytes sent with every question beside its content."""
        nothing = build_partial_trace(
            self.work.evaluator.app, dict.fromkeys(self.work.evaluator.reads)
        )
        asked = self.model.request(self.work.evaluator, nothing, None).messages
        return sum(len(message["content"].encode()) for message in asked)

    def max_cost(self, want: WantedAnswer) -> float:
        """US dollars a question can cost at most; 0 where the model has no known price.

        No tokenizer makes more tokens than there are bytes; of English prose it makes a quarter.
        """
        price = self.pin.price_on(self.work.night)
        if price is None:
            return 0.0
        tokens_in = self.work.contents.at[want.key][1] + self.frame_bytes
        return (tokens_in * price.input + self.judge.max_tokens * price.output) / 1e6

    def build_questions(self) -> Iterator[Question]:
        """The questions, each made when its turn comes."""
        for want in self.wanted:
            yield self.build_question(want)

    def exclude_too_long(self) -> CallPlan:
        """The same without contents too long to be shown whole, which are answered by an error."""
        long = {want for want in self.wanted if not self.fits_limit(want)}
        if self.journal is not None:
            for want in long:
                question = Question(want.key, want.attempts, EMPTY_REQUEST)
                self.journal.append(self.build_failure(question, TOO_LONG))
        return self.exclude({want.key for want in long})

    def fits_limit(self, want: WantedAnswer) -> bool:
        """Whether a content is shown whole; most are shorter than the limit all together."""
        if self.work.contents.at[want.key][1] <= self.judge.max_chars:
            return True
        fields, gold = self.work.contents.read(want.key)
        trace = build_partial_trace(self.work.evaluator.app, fields)
        return self.model.is_shown_whole(self.work.evaluator, trace, gold)

    def build_question(self, want: WantedAnswer) -> Question:
        """One question, its content read from the survey's file."""
        fields, gold = self.work.contents.read(want.key)
        trace = build_partial_trace(self.work.evaluator.app, fields)
        request = self.model.request(self.work.evaluator, trace, gold)
        return Question(want.key, want.attempts, request)

    def build_answer(self, question: Question, reply: models.Reply) -> Answer:
        """A reply as a row of the ledger."""
        said = {"text": redaction.redact_answer(reply.text), "probability": reply.probability}
        return Answer(**self.describe_call(question, reply), **said, code=None, retryable=False)

    def build_failure(self, question: Question, error: models.ModelError) -> Answer:
        """A call that gave no answer as a row of the ledger, with what it cost all the same."""
        said = {"code": error.code, "retryable": error.retryable}
        return Answer(
            **self.describe_call(question, error.reply), **said, text=None, probability=None
        )

    def describe_call(self, question: Question, reply: models.Reply | None) -> dict[str, Any]:
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
            **describe_reply(self.pin, self.work.night, reply),
        }

    def save_answer(self, answer: Answer) -> None:
        """An answer is durable from here on."""
        assert self.journal is not None  # noqa: S101  whoever asks has one
        self.journal.append(answer)
        self.progress(1)


def describe_reply(
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


class CallsResult(NamedTuple):
    """What asking came to."""

    calls: int = 0
    usd: float = 0.0
    rest: Skip | Failure | None = None
    """What is said of contents that have no answer now; None: there are none."""
    awaited: frozenset[str] = frozenset()
    """Contents whose answers come with a batch: nothing is said of them yet."""


class AskFunction(Protocol):
    """A way to ask: live, or by a batch."""

    def __call__(self, asking: CallPlan) -> CallsResult:
        """Asks, and keeps every answer in the journal at once."""
        ...
