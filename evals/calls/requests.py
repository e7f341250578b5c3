"""The calls of one evaluator's night in hash order, and the ledger rows of their replies.

Makes no call: `live` and `batch` do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple, Protocol

from evals import models
from evals.calls.day_budget import DayBudget
from evals.evaluators import registry
from evals.evaluators.protocol import EvaluatorByModel
from evals.privacy import redaction
from evals.records import Answer, Failure, Skip
from evals.specs import Judge, ModelPin
from evals.storage.lake import Lake
from evals.storage.ledger import Journal
from evals.worklist.night_contents import build_partial_trace
from evals.worklist.worklist import WantedAnswer, Worklist

EMPTY_REQUEST = models.Request(messages=(), max_tokens=0, temperature=0.0, seed=0)
MAYBE_CHARGED = frozenset({"timeout", "truncated-response", "malformed-response"})
"""Error codes of calls that the provider may charge although no answer came."""
TOO_LONG = models.ModelError("not-shown-whole", models.FAULTS["not-shown-whole"], retryable=False)


class Question(NamedTuple):
    """One question, ready to be sent."""

    key: str
    """The key of its content: with the answer version it names the answer in the ledger."""
    attempts: int
    """Earlier runs that did not get an answer."""
    request: models.Request

    @property
    def chars(self) -> int:
        """Characters sent."""
        return sum(len(message["content"]) for message in self.request.messages)


@dataclass(frozen=True)
class CallPlan:
    """The questions of one evaluator's night, and where their answers go."""

    work: Worklist
    judge: Judge
    pin: ModelPin
    journal: Journal | None
    """None: calls are only estimated."""
    lake: Lake
    """Has the file in which processes share the pace of each account."""
    budget: DayBudget | None = None
    """The day's budget; None: no limit."""
    progress: Callable[[int], None] = lambda done: None
    waited_s: float = 0.0
    """Seconds of the night's deadline that passed before, waiting for another process."""

    @property
    def left_s(self) -> float:
        """Seconds left of the night's deadline."""
        return max(0.0, self.pin.night_deadline_s - self.waited_s)

    @property
    def wanted(self) -> tuple[WantedAnswer, ...]:
        """The answers to ask for, in hash order: any prefix is a valid sample."""
        return self.work.wanted

    def __len__(self) -> int:
        return len(self.wanted)

    def exclude(self, keys: Collection[str]) -> CallPlan:
        """Returns the plan without some contents."""
        if not keys:
            return self
        rest = tuple(want for want in self.wanted if want.key not in keys)
        return replace(self, work=replace(self.work, wanted=rest))

    @cached_property
    def model(self) -> EvaluatorByModel:
        """The evaluator's type, which builds its requests."""
        return registry.model_of(self.work.evaluator)

    @cached_property
    def route(self) -> str:
        """The evaluator's route; computed once, since it hashes the pin's settings."""
        return self.work.evaluator.route

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes sent with every question beside its content."""
        nothing = build_partial_trace(
            self.work.evaluator.app, dict.fromkeys(self.work.evaluator.reads)
        )
        messages = self.model.request(self.work.evaluator, nothing, None).messages
        return sum(len(message["content"].encode()) for message in messages)

    def max_cost(self, want: WantedAnswer) -> float:
        """Computes the most a question can cost, in US dollars; 0 where no price is known.

        No tokenizer makes more tokens than there are bytes; of English prose it makes a quarter.
        """
        price = self.pin.price_on(self.work.night)
        if price is None:
            return 0.0
        tokens_in = self.work.contents.count_bytes(want.key) + self.frame_bytes
        return (tokens_in * price.input + self.judge.max_tokens * price.output) / 1e6

    def exclude_too_long(self) -> CallPlan:
        """Returns the plan without contents too long to show whole, which become errors."""
        long = {want for want in self.wanted if not self.fits_limit(want)}
        if self.journal is not None:
            for want in long:
                question = Question(want.key, want.attempts, EMPTY_REQUEST)
                self.journal.append(self.build_failure(question, TOO_LONG))
        return self.exclude({want.key for want in long})

    def fits_limit(self, want: WantedAnswer) -> bool:
        """Whether a content fits into the question; cheap for those within the limit."""
        if self.work.contents.count_bytes(want.key) <= self.judge.max_chars:
            return True
        fields, gold = self.work.contents.read(want.key)
        trace = build_partial_trace(self.work.evaluator.app, fields)
        return self.model.is_shown_whole(self.work.evaluator, trace, gold)

    def build_question(self, want: WantedAnswer) -> Question:
        """Builds one question from its content in the worklist's file."""
        fields, gold = self.work.contents.read(want.key)
        trace = build_partial_trace(self.work.evaluator.app, fields)
        request = self.model.request(self.work.evaluator, trace, gold)
        return Question(want.key, want.attempts, request)

    def build_answer(self, question: Question, reply: models.Reply) -> Answer:
        """Builds the ledger row of a reply, with secrets and personal data removed."""
        return build_answer(self.describe_call(question, reply), self.pin, reply)

    def build_failure(self, question: Question, error: models.ModelError) -> Answer:
        """Builds the ledger row of a call that gave no answer, with what it cost."""
        return build_failure(self.describe_call(question, error.reply), self.pin, error)

    def describe_call(self, question: Question, reply: models.Reply | None) -> AskedCall:
        """Describes the call that asked a question; at its most where its reply has no usage."""
        evaluator, is_bound = self.work.evaluator, reply is not None and not reply.has_usage
        want = WantedAnswer(question.key, question.attempts)
        return AskedCall(
            content_key=question.key,
            answer_version=evaluator.answer_version or "",
            evaluator=evaluator.name,
            night=self.work.night,
            app=evaluator.app,
            attempts=question.attempts + 1,
            chars=question.chars,
            route=self.route,
            most_usd=self.max_cost(want) if is_bound else 0.0,
        )

    def save_answer(self, answer: Answer) -> None:
        """Writes an answer to the journal, which survives a crash."""
        assert self.journal is not None  # noqa: S101  only an estimate has none
        self.journal.append(answer)
        self.progress(1)


class AskedCall(NamedTuple):
    """The fields of a ledger row that are known before the reply."""

    content_key: str
    answer_version: str
    evaluator: str
    night: date
    app: str
    attempts: int
    """Number of runs that asked it, this one included."""
    chars: int
    batch: str | None = None
    """The batch it was part of; None: it was asked live."""
    route: str = ""
    """The pin's settings; see `Evaluator.route`."""
    most_usd: float = 0.0
    """The most it can cost, which is booked where the provider reports no usage."""


NO_REPLY = models.Reply("", None, "", None, None, tokens_in=0, tokens_out=0)


def build_answer(call: AskedCall, pin: ModelPin, reply: models.Reply) -> Answer:
    """Builds the ledger row of a reply, with secrets and personal data removed."""
    return build_row(call, pin, reply, text=redaction.redact_answer(reply.text))


def build_failure(call: AskedCall, pin: ModelPin, error: models.ModelError) -> Answer:
    """Builds the ledger row of a call that gave no answer, with what it cost."""
    again = error.retryable or error.code in models.ASKED_AGAIN
    return build_row(call, pin, error.reply, code=error.code, retryable=again)


def build_row(
    call: AskedCall,
    pin: ModelPin,
    reply: models.Reply | None,
    *,
    text: str | None = None,
    code: str | None = None,
    retryable: bool = False,
) -> Answer:
    """Builds a ledger row from a call, and its reply's identity and cost."""
    details, by_batch = reply or NO_REPLY, call.batch is not None
    tokens = (details.tokens_in, details.tokens_out, details.tokens_cached)
    cost = models.compute_cost(pin, call.night, *tokens, batch=by_batch)
    is_bound = reply is not None and not reply.has_usage and call.most_usd > 0
    return Answer(
        content_key=call.content_key,
        answer_version=call.answer_version,
        evaluator=call.evaluator,
        night=call.night,
        app=call.app,
        text=text,
        probability=None if code else details.probability,
        code=code,
        retryable=retryable,
        attempts=call.attempts,
        model=pin.model,
        model_answered=reply.model if reply else None,
        fingerprint=details.fingerprint,
        created=details.created,
        tokens_in=details.tokens_in,
        tokens_out=details.tokens_out,
        cost_usd=max(cost, call.most_usd) if is_bound else cost,
        tokens_cached=details.tokens_cached,
        finish=details.finish,
        temperature=details.temperature,
        seed=details.seed,
        chars=call.chars,
        batch=call.batch,
        route=call.route,
        cost_is_bound=is_bound,
    )


def add_earlier_cost(answer: Answer, earlier: Answer) -> Answer:
    """Adds what an earlier answer to the same question used and cost, which is not stored."""
    return replace(
        answer,
        tokens_in=answer.tokens_in + earlier.tokens_in,
        tokens_out=answer.tokens_out + earlier.tokens_out,
        tokens_cached=answer.tokens_cached + earlier.tokens_cached,
        cost_usd=round(answer.cost_usd + earlier.cost_usd, 9),
        cost_is_bound=answer.cost_is_bound or earlier.cost_is_bound,
    )


class CallsResult(NamedTuple):
    """How many calls were made, what they cost, and what is left."""

    calls: int = 0
    usd: float = 0.0
    rest: Skip | Failure | None = None
    """Why some contents have no answer; None: all have one."""
    awaited: frozenset[str] = frozenset()
    """Contents whose answers are expected from a batch: they get no row yet."""
    ends_run: bool = False
    """Whether further calls to the account, or to its model, would fail to the end of this run."""


class AskFunction(Protocol):
    """A way to ask: live, or by a batch."""

    def __call__(self, plan: CallPlan) -> CallsResult:
        """Asks, and writes every answer to the journal at once."""
        ...
