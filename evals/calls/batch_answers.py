"""A batch's rows as rows of the ledger: every one is checked, and what is missing is a failure.

Joins on `custom_id` alone: rows come in any order, some twice, some from nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from evals import models
from evals.calls.circuit_breaker import ACCOUNT_CODES
from evals.calls.day_budget import Spent
from evals.calls.requests import describe_reply
from evals.models.batches import RemoteBatch
from evals.models.faults import classify_status
from evals.records import Answer
from evals.specs import ModelPin
from evals.storage.documents.batch_jobs import BatchJob, SentQuestion

CODES_BY_STATUS = {
    "expired": "batch-expired",
    "cancelled": "batch-cancelled",
    "failed": "batch-refused",
    "completed": "batch-missing",
}
"""By the batch's last state, what is said of a question with no row of its own."""

NEVER_ASKED = frozenset(CODES_BY_STATUS.values())
"""Codes of questions the model never saw: they cost nothing and count as no call."""

ParseAnswer = Callable[[models.Request, Any], models.Reply]


class BatchAnswers:
    """A batch's rows, read against what was sent."""

    def __init__(self, ticket: BatchJob, read: ParseAnswer, seen: RemoteBatch | None) -> None:
        self.ticket, self.read, self.seen = ticket, read, seen
        self.pin = ModelPin.model_validate(ticket.pin)
        self.request = models.Request(**{**ticket.asked, "messages": ()})
        self.waiting = {sent.key: sent for sent in ticket.keys}
        self.ours = frozenset(self.waiting)
        self.counts: Counter[str] = Counter()
        self.usd, self.calls = 0.0, 0

    @property
    def spent(self) -> Spent:
        """What the batch came to."""
        return Spent(round(self.usd, 9), self.calls)

    def read_answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """One answer or failure for each question, in the order of the rows.

        An answer outweighs an error of the same question; a second answer is counted and left.
        """
        failed: dict[str, Answer] = {}
        for path in files:
            with path.open("rb") as file:
                for line in file:
                    answer = self.read_row(line)
                    if answer is None:
                        continue
                    if answer.code is not None:
                        failed.setdefault(answer.content_key, answer)
                        continue
                    del self.waiting[answer.content_key]
                    yield self.count_answer(answer)
        for key, sent in self.waiting.items():
            yield self.count_answer(failed.get(key) or self.build_missing(sent))

    def count_answer(self, answer: Answer) -> Answer:
        """The answer, counted by how it ended."""
        self.counts[answer.code or "answered"] += 1
        self.usd += answer.cost_usd or 0.0
        self.calls += answer.code not in NEVER_ASKED
        return answer

    def read_row(self, line: bytes) -> Answer | None:
        """A row as an answer or a failure; None for one that belongs to no question of ours."""
        try:
            row = orjson.loads(line)
            key = row["custom_id"]
            sent = self.waiting.get(key)
        except (ValueError, KeyError, TypeError):
            self.counts["unreadable-row"] += 1 if line.strip() else 0
            return None
        if sent is None:
            self.counts["second-row" if key in self.ours else "unknown-row"] += 1
            return None
        try:
            return self.build_answer(sent, reply=self.read(self.request, read_body(row)))
        except models.ModelError as error:
            return self.build_answer(sent, error=error)

    def build_missing(self, sent: SentQuestion) -> Answer:
        """The failure of a question that has no row."""
        status = self.seen.status if self.seen else "failed"
        code = CODES_BY_STATUS.get(status, CODES_BY_STATUS["completed"])
        error = models.ModelError(code, models.FAULTS[code], retryable=True)
        return self.build_answer(sent, error=error)

    def build_answer(
        self,
        sent: SentQuestion,
        reply: models.Reply | None = None,
        error: models.ModelError | None = None,
    ) -> Answer:
        """A row of the ledger, at the price of a batch."""
        ticket, night = self.ticket, date.fromisoformat(self.ticket.night)
        came = reply or (error.reply if error else None)
        return Answer(
            content_key=sent.key,
            answer_version=ticket.answer_version,
            evaluator=ticket.evaluator,
            night=night,
            app=ticket.app,
            text=reply.text if reply else None,
            probability=reply.probability if reply else None,
            code=error.code if error else None,
            retryable=bool(error and error.retryable),
            attempts=sent.attempts + 1,
            model=self.pin.model,
            chars=sent.chars,
            batch=ticket.tag,
            **describe_reply(self.pin, night, came, batch=True),
        )


def read_body(row: dict[str, Any]) -> Any:
    """The answer in a row, if it holds one.

    A batch that reads `completed` may hold rows of status 0, or of errors: each is looked at.

    Raises:
        ModelError: when the row says that it failed, or nothing that can be believed.
    """
    error, response = row.get("error"), row.get("response")
    if error:
        code = str(error.get("code") if isinstance(error, dict) else error)
        known = {"batch_expired": "batch-expired", "insufficient_quota": "quota-exhausted"}
        raise models.ModelError(known.get(code, "batch-row-failed"), code[:80], retryable=True)
    response = response if isinstance(response, dict) else {}
    status, body = response.get("status_code"), response.get("body")
    if status == 200 and isinstance(body, dict):
        return body
    if isinstance(status, int) and 400 <= status < 500:
        said = orjson.dumps(body)[:4096].decode("utf-8", "replace").lower()
        code, retryable = classify_status(status, said)
        if code in ACCOUNT_CODES or not retryable:
            raise models.ModelError(code, f"HTTP {status}", retryable=retryable)
    raise models.ModelError("batch-row-failed", f"status {status}", retryable=True)
