"""Asks by batch, at half the price: submits jobs, resumes them after a crash, collects answers.

A job is written before the provider is contacted, so that a crash at any moment neither loses one
nor pays twice. `routing` decides which questions go by batch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from evals import models
from evals.calls import day_budget
from evals.calls.batch_answers import BatchAnswers
from evals.calls.day_budget import Spent
from evals.calls.requests import CallPlan
from evals.models.batches import Batches, RemoteBatch, build_row_url
from evals.records import digest
from evals.specs import BatchLimits, ModelPin
from evals.storage.documents.batch_jobs import (
    BatchJob,
    RequestOptions,
    SentQuestion,
    answers_path,
    read_job,
    read_jobs,
    requests_path,
    write_job,
)
from evals.storage.files import aside_of, open_aside
from evals.storage.lake import Lake
from evals.storage.ledger import Journal
from evals.worklist.worklist import WantedAnswer

LISTING_DELAY_S = 60.0
"""Seconds after which a batch the provider does not list was never made."""

READ_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks whether a file was read."""

UNCERTAIN = frozenset({"timeout", "connection", "server-error", "malformed-response"})
"""Errors after which it is unknown whether the provider did what was requested."""


@dataclass(frozen=True)
class BatchProvider:
    """A pin's provider, and the lake its jobs are stored in."""

    lake: Lake
    pin: ModelPin
    client: models.OpenAIClient
    limits: BatchLimits
    now: float
    """Unix seconds."""

    @property
    def api(self) -> Batches:
        """The provider's files and batches."""
        return Batches(self.client.client, self.pin)


def write_batches(
    desk: BatchProvider, asking: CallPlan, wanted: Sequence[WantedAnswer]
) -> list[BatchJob]:
    """Writes jobs, split by the provider's limits; does not contact the provider."""
    made: list[BatchJob] = []
    for sent, size, aside in write_request_files(desk, asking, wanted):
        tag = name_batch(asking, sent)
        if read_job(desk.lake, tag):  # a crash between the two writes below left the first
            aside.unlink()
            continue
        aside.replace(requests_path(desk.lake, tag))
        new = build_job(desk, asking, tag, sent, size)
        if asking.budget:  # before the job: a crash between them books again under the same name
            asking.budget.book_batch(new.app, tag, Spent(new.booked_usd, new.requests))
        made.append(write_job(desk.lake, new))
    return made


def name_batch(asking: CallPlan, sent: Sequence[SentQuestion]) -> str:
    """Names a batch: the same questions at the same attempt get the same name in any process."""
    work = asking.work
    asked = [work.evaluator.answer_version, work.evaluator.app, [s[:2] for s in sent]]
    return f"{work.night.isoformat()}-{work.evaluator.name[:48]}-{digest(asked, 12)}"


def build_job(
    desk: BatchProvider, asking: CallPlan, tag: str, sent: Sequence[SentQuestion], size: int
) -> BatchJob:
    """Builds a job as it is first written."""
    evaluator = asking.work.evaluator
    first = asking.build_question(WantedAnswer(sent[0].key, sent[0].attempts)).request
    price = desk.pin.price_on(asking.work.night)
    share = price.batch if price else 0.0
    most = sum(asking.max_cost(WantedAnswer(one.key, one.attempts)) for one in sent)
    return BatchJob(
        tag=tag,
        state="intended",
        evaluator=evaluator.name,
        answer_version=evaluator.answer_version or "",
        app=evaluator.app,
        night=asking.work.night.isoformat(),
        pin=desk.pin.model_dump(mode="json"),
        asked=RequestOptions(
            messages=[],
            max_tokens=first.max_tokens,
            temperature=first.temperature,
            seed=first.seed,
            schema=first.schema,
            yes_no=first.yes_no,
        ),
        endpoint=desk.client.path,
        window=f"{desk.limits.window_h}h",
        keys=tuple(sent),
        requests=len(sent),
        size=size,
        booked_usd=round(most * share, 9),
        created=desk.now,
    )


def write_request_files(
    desk: BatchProvider, asking: CallPlan, wanted: Sequence[WantedAnswer]
) -> Iterator[tuple[list[SentQuestion], int, Path]]:
    """Writes files of requests within the limits; yields questions, bytes, path of each."""
    rest = list(reversed(wanted))
    while rest:
        aside = aside_of(requests_path(desk.lake, "next"))
        sent: list[SentQuestion] = []
        size = 0
        with open_aside(aside) as file:
            while rest and len(sent) < desk.limits.max_requests:
                question = asking.build_question(rest[-1])
                line = build_request_line(desk, question.key, question.request)
                if sent and size + len(line) > desk.limits.max_mb * 10**6:
                    break
                rest.pop()
                size += file.write(line)
                chars = sum(len(message["content"]) for message in question.request.messages)
                sent.append(SentQuestion(question.key, question.attempts, chars))
        yield sent, size, aside


def build_request_line(desk: BatchProvider, key: str, request: models.Request) -> bytes:
    """Builds the line of a batch file that asks a question."""
    url = build_row_url(desk.pin, desk.client.path)
    asked = {"custom_id": key, "method": "POST", "url": url}
    line = {**asked, "body": desk.client.build_body(request)}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


async def advance_job(desk: BatchProvider, tag: str) -> tuple[BatchJob, RemoteBatch | None]:
    """Moves a job as far as possible, and returns it with the provider's view of it.

    Takes the job's lock. A provider that cannot be reached leaves the job where it is; one that
    refuses it for good ends it.
    """
    with desk.lake.lock("batch", tag):
        found = read_job(desk.lake, tag)
        assert found is not None  # noqa: S101  its name was just read
        try:
            while found.is_open and found.state != "submitted":
                moved = await STEPS[found.state](desk, found)
                if moved.state == found.state:
                    return moved, None
                found = moved
            if not found.is_open:
                return found, None
            seen = await desk.api.retrieve(found.batch_id or "")
        except models.ModelError as error:
            return write_job(desk.lake, record_error(found, error)), None
        heard = replace(found, status=seen.status, done=seen.completed + seen.failed, problem="")
        return write_job(desk.lake, heard), seen


def record_error(found: BatchJob, error: models.ModelError) -> BatchJob:
    """Returns a job after an error: where it was, or refused for good."""
    now = roll_back(found, error)
    return replace(now, problem=str(error)[:300])


def roll_back(found: BatchJob, error: models.ModelError) -> BatchJob:
    """Returns the job in the state an error leaves; `creating` stays only while it is uncertain."""
    if error.code in UNCERTAIN:
        return found
    if found.state != "intended" and not error.retryable:
        return replace(found, state="refused")
    back = {"uploading": "intended", "creating": "uploaded"}
    return replace(found, state=back.get(found.state, found.state))  # type: ignore[arg-type]


async def begin_upload(desk: BatchProvider, found: BatchJob) -> BatchJob:
    """From `intended`: uploads the job, once the provider's queue has room for its tokens."""
    most = desk.limits.enqueued_tokens
    waiting = sum(
        one.queued_tokens
        for one in read_jobs(desk.lake)
        if one.is_open and one.state != "intended" and one.model == found.model
    )
    if most is not None and waiting and waiting + found.queued_tokens > most:
        why = f"waits for room: {waiting} of {most} tokens are enqueued"
        return write_job(desk.lake, replace(found, problem=why))
    written = write_job(desk.lake, replace(found, state="uploading", told=desk.now))
    return await upload_requests(desk, written)


async def resume_upload(desk: BatchProvider, found: BatchJob) -> BatchJob:
    """From `uploading`, after a crash: finds the file, or sends it again; neither is charged."""
    held = await desk.api.find_file(build_file_name(found), since=int(found.created))
    if held:
        return write_job(desk.lake, replace(found, state="uploaded", file_id=held))
    return await upload_requests(desk, found)


async def upload_requests(desk: BatchProvider, found: BatchJob) -> BatchJob:
    """Uploads the file of requests."""
    path = requests_path(desk.lake, found.tag)
    try:
        file_id = await desk.api.upload(path, build_file_name(found))
    except models.ModelError as error:
        return write_job(desk.lake, record_error(found, error))
    return write_job(desk.lake, replace(found, state="uploaded", file_id=file_id, problem=""))


def build_file_name(found: BatchJob) -> str:
    """Builds the name of the file at the provider."""
    return f"andon-{found.tag}.jsonl"


async def create_batch(desk: BatchProvider, found: BatchJob) -> BatchJob:
    """From `uploaded`: creates the batch. This costs money, so it is requested once."""
    if not await wait_until_processed(desk, found):
        why = "waits for the provider to read its file"
        return write_job(desk.lake, replace(found, problem=why))
    found = write_job(desk.lake, replace(found, state="creating", told=desk.now))
    try:
        made = await desk.api.create(found.file_id or "", found.endpoint, found.tag, found.window)
    except models.ModelError as error:
        return write_job(desk.lake, record_error(found, error))
    return mark_submitted(desk, found, made)


async def wait_until_processed(desk: BatchProvider, found: BatchJob) -> bool:
    """Waits a while until the provider has read the file; False: the next run looks again."""
    for wait_s in (*READ_WAITS_S, None):
        if await desk.api.is_ready(found.file_id or ""):
            return True
        if wait_s is not None:
            await asyncio.sleep(wait_s)
    return False


async def resume_creation(desk: BatchProvider, found: BatchJob) -> BatchJob:
    """From `creating`, after a crash: finds the batch, or after a while goes back to `uploaded`."""
    made = await desk.api.find_batch(found.tag, found.file_id or "", since=int(found.created))
    if made:
        return mark_submitted(desk, found, made)
    if desk.now - found.told < LISTING_DELAY_S:
        return found
    return write_job(desk.lake, replace(found, state="uploaded"))


def mark_submitted(desk: BatchProvider, found: BatchJob, made: RemoteBatch) -> BatchJob:
    """Stores the id of the created batch."""
    moved = replace(
        found, state="submitted", batch_id=made.batch_id, status=made.status, problem=""
    )
    return write_job(desk.lake, moved)


STEPS = {
    "intended": begin_upload,
    "uploading": resume_upload,
    "uploaded": create_batch,
    "creating": resume_creation,
}
"""The function that moves a job out of a state."""


async def collect_answers(
    desk: BatchProvider, found: BatchJob, seen: RemoteBatch, journal: Journal
) -> BatchJob:
    """Writes a batch's answers to the journal, every row checked, and closes the job.

    Idempotent: the ledger keeps one answer for each content.
    """
    with desk.lake.lock("batch", found.tag):
        now = read_job(desk.lake, found.tag)
        if now is None or not now.is_open:  # another process collected it meanwhile
            return now or found
        checked = BatchAnswers(found, desk.client.parse_answer, seen)
        kept: list[Path] = []
        for file_id, kind in ((seen.output_file, "output"), (seen.error_file, "errors")):
            if file_id:
                path = answers_path(desk.lake, found.tag, kind)
                await desk.api.download(file_id, path)
                kept.append(path)
        for answer in checked.read_answers(kept):
            journal.append(answer)
        day_budget.settle_batch(desk.lake, found.tag, checked.spent)
        over = replace(found, state=
            "collected", keys=(), status=seen.status, counts=dict(checked.counts),
            usd=round(checked.usd, 9), done=found.requests, problem="; ".join(seen.problems[:3]),
        )  # fmt: skip
        write_job(desk.lake, over)
    for path in (*kept, requests_path(desk.lake, found.tag)):
        path.unlink(missing_ok=True)
    for file_id in filter(None, (found.file_id, seen.output_file, seen.error_file)):
        with contextlib.suppress(models.ModelError):
            await desk.api.delete(file_id)
    return over


def close_refused(desk: BatchProvider, found: BatchJob, journal: Journal) -> BatchJob:
    """Closes a job the provider refused: each of its questions is one failed attempt."""
    with desk.lake.lock("batch", found.tag):
        now = read_job(desk.lake, found.tag)
        if now is None or not now.keys:
            return now or found
        checked = BatchAnswers(found, desk.client.parse_answer, None)
        for answer in checked.read_answers([]):
            journal.append(answer)
        day_budget.settle_batch(desk.lake, found.tag, checked.spent)
        over = write_job(
            desk.lake,
            replace(found, state="refused", keys=(), counts=dict(checked.counts)),
        )
    requests_path(desk.lake, found.tag).unlink(missing_ok=True)
    return over
