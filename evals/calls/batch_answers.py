"""Turns the rows of a batch into rows of the ledger; a missing row becomes a failure.

Joins on `custom_id` alone: rows come in any order, some twice, some with unknown ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import orjson

from evals import models
from evals.calls.circuit_breaker import ACCOUNT_CODES
from evals.calls.day_budget import Spent
from evals.calls.requests import AskedCall, build_answer, build_failure
from evals.models.batches import RemoteBatch
from evals.models.faults import classify_status
from evals.records import Answer, Json
from evals.specs import ModelPin
from evals.storage.documents.batch_jobs import BatchJob, SentQuestion

CODES_BY_STATUS = {
    "expired": "batch-expired",
    "cancelled": "batch-cancelled",
    "failed": "batch-refused",
    "completed": "batch-missing",
}
"""The code of a question without a row, by the batch's final status."""

NEVER_ASKED = frozenset(CODES_BY_STATUS.values())
"""Codes of questions that never reached the model: they are free and count as no call."""

ParseAnswer = Callable[[models.Request, Json], models.Reply]


class BatchAnswers:
    """A batch's rows, checked against what was sent."""

    def __init__(self, job: BatchJob, parse: ParseAnswer, seen: RemoteBatch | None) -> None:
        self.job, self.parse, self.seen = job, parse, seen
        self.pin, options = ModelPin.model_validate(job.pin), job.asked
        self.request = models.Request(
            messages=(),
            max_tokens=options["max_tokens"],
            temperature=options["temperature"],
            seed=options["seed"],
            schema=options["schema"],
            yes_no=options["yes_no"],
        )
        self.waiting = {sent.key: sent for sent in job.keys}
        self.ours = frozenset(self.waiting)
        self.counts: Counter[str] = Counter()
        self.usd, self.calls = 0.0, 0

    @property
    def spent(self) -> Spent:
        """What the batch cost."""
        return Spent(round(self.usd, 9), self.calls)

    def read_answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """Reads one answer or failure for each question, in the order of the rows.

        An answer outweighs an error of the same question; a second answer is counted and ignored.
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
        """Counts an answer by its code, and returns it."""
        self.counts[answer.code or "answered"] += 1
        self.usd += answer.cost_usd or 0.0
        self.calls += answer.code not in NEVER_ASKED
        return answer

    def read_row(self, line: bytes) -> Answer | None:
        """Reads a row as an answer or a failure; None where it belongs to none of our questions."""
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
            reply = self.parse(self.request, read_body(row))
        except models.ModelError as error:
            return build_failure(self.describe_call(sent), self.pin, error)
        return build_answer(self.describe_call(sent), self.pin, reply)

    def build_missing(self, sent: SentQuestion) -> Answer:
        """Builds the failure of a question that has no row."""
        status = self.seen.status if self.seen else "failed"
        code = CODES_BY_STATUS.get(status, CODES_BY_STATUS["completed"])
        error = models.ModelError(code, models.FAULTS[code], retryable=True)
        return build_failure(self.describe_call(sent), self.pin, error)

    def describe_call(self, sent: SentQuestion) -> AskedCall:
        """Describes the call that asked a question."""
        return AskedCall(
            content_key=sent.key,
            answer_version=self.job.answer_version,
            evaluator=self.job.evaluator,
            night=date.fromisoformat(self.job.night),
            app=self.job.app,
            attempts=sent.attempts + 1,
            chars=sent.chars,
            batch=self.job.tag,
            route=self.job.route,
            most_usd=self.job.booked_usd / max(self.job.requests, 1),
        )


def read_body(row: dict[str, Json]) -> Json:
    """Returns the answer in a row.

    A `completed` batch may have rows of status 0, or of errors: each row is checked.

    Raises:
        ModelError: when the row reports a failure, or has no answer.
    """
    error, response = row.get("error"), row.get("response")
    if error:
        code = str(error.get("code") if isinstance(error, dict) else error)
        our_codes = {"batch_expired": "batch-expired", "insufficient_quota": "quota-exhausted"}
        raise models.ModelError(our_codes.get(code, "batch-row-failed"), code[:80], retryable=True)
    response = response if isinstance(response, dict) else {}
    status, body = response.get("status_code"), response.get("body")
    if status == 200 and isinstance(body, dict):
        return body
    if isinstance(status, int) and 400 <= status < 500:
        text = orjson.dumps(body)[:4096].decode("utf-8", "replace").lower()
        code, retryable = classify_status(status, text)
        if code in ACCOUNT_CODES or not retryable:
            raise models.ModelError(code, f"HTTP {status}", retryable=retryable)
    raise models.ModelError("batch-row-failed", f"status {status}", retryable=True)
