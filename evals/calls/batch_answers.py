"""Turns the rows of a batch into rows of the ledger; a missing row becomes a failure.

Joins on `custom_id` alone: rows come in any order, some twice, some with unknown ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import orjson

from evals import models
from evals.calls.circuit_breaker import ACCOUNT_CODES
from evals.calls.day_budget import Spent
from evals.calls.requests import MAYBE_CHARGED, AskedCall, build_answer, build_failure
from evals.models.batches import RemoteBatch
from evals.models.faults import classify_status
from evals.models.transport import MOST_BYTES
from evals.records import Answer, Failure, Json
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

USUAL_BYTES = 2**18
"""The most bytes of a row, on average over a file."""
LEADING_ID = re.compile(rb'"custom_id"\s*:\s*"([^"\\]{1,200})"')
"""Finds the id in a row that is cut off, where it comes before the answer, as at OpenAI."""

ParseAnswer = Callable[[models.Request, Json], models.Reply]
FindCutOff = Callable[[Answer], Failure | None]
"""Finds out whether an answer ends in its middle, and how that is reported."""


def find_no_cut_off(answer: Answer) -> Failure | None:
    """Takes every answer as complete."""
    return None


class BatchAnswers:
    """A batch's rows, checked against what was sent."""

    def __init__(
        self,
        job: BatchJob,
        parse: ParseAnswer,
        seen: RemoteBatch | None,
        find_cut_off: FindCutOff = find_no_cut_off,
    ) -> None:
        self.job, self.parse, self.seen = job, parse, seen
        self.find_cut_off = find_cut_off
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
        self.usd, self.calls, self.maybe_usd = 0.0, 0, 0.0
        self.most_usd = job.booked_usd / max(job.requests, 1)

    @property
    def spent(self) -> Spent:
        """What the batch cost, and at most what answers cost that could not be read."""
        return Spent(round(self.usd + self.maybe_usd, 9), self.calls)

    def read_answers(self, files: Sequence[Path]) -> Iterator[Answer]:
        """Reads one answer or failure for each question, in the order of the rows.

        An answer outweighs an error of the same question; a second answer is counted and ignored.
        """
        failed: dict[str, Answer] = {}
        for path in files:
            for line in read_lines(path):
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
        self.maybe_usd += self.most_usd if answer.code in MAYBE_CHARGED else 0.0
        self.calls += answer.code not in NEVER_ASKED
        return answer

    def read_row(self, line: bytes) -> Answer | None:
        """Reads a row as an answer or a failure; None where it belongs to none of our questions."""
        try:
            row = orjson.loads(line)
            key = row["custom_id"]
            sent = self.waiting.get(key)
        except (ValueError, KeyError, TypeError):
            return self.read_broken_row(line)
        if sent is None:
            self.counts["second-row" if key in self.ours else "unknown-row"] += 1
            return None
        try:
            reply = self.parse(self.request, read_body(row))
        except models.ModelError as error:
            return build_failure(self.describe_call(sent), self.pin, error)
        return self.read_reply(sent, reply)

    def read_reply(self, sent: SentQuestion, reply: models.Reply) -> Answer:
        """Returns a reply as an answer; one that ends in its middle the first time is an error.

        The question is then asked once more, as a live one is.
        """
        call = self.describe_call(sent)
        answer = build_answer(call, self.pin, reply)
        cut_off = None if sent.attempts else self.find_cut_off(answer)
        if cut_off is None:
            return answer
        error = models.ModelError(cut_off.code, cut_off.message, retryable=True, reply=reply)
        return build_failure(call, self.pin, error)

    def read_broken_row(self, line: bytes) -> Answer | None:
        """Reads a row that is too long or no JSON as a failure of the question that it names."""
        named = LEADING_ID.search(line[:4096])
        sent = self.waiting.get(named[1].decode("utf-8", "replace")) if named else None
        if sent is None:
            self.counts["unreadable-row"] += 1 if line.strip() else 0
            return None
        error = models.ModelError("malformed-response", "cut off or too large", retryable=True)
        return build_failure(self.describe_call(sent), self.pin, error)

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
            most_usd=self.most_usd,
        )


def read_lines(path: Path) -> Iterator[bytes]:
    """Yields the rows of a file; of one that is longer than an answer may be, its beginning."""
    with path.open("rb") as file:
        while line := file.readline(MOST_BYTES):
            yield line
            while len(line) == MOST_BYTES and not line.endswith(b"\n"):
                line = file.readline(MOST_BYTES)


def count_most_bytes(job: BatchJob) -> int:
    """Returns the most bytes of a file of answers that are read."""
    return MOST_BYTES + job.requests * USUAL_BYTES


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
