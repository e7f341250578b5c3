"""Batch jobs, which answer questions at half the price: submitted, resumed, collected.

A job is written before the provider is contacted, so that a crash at any moment neither loses a
job nor pays twice. `routing` decides which questions go by batch.
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
from evals.calls.batch_answers import (
    BatchAnswers,
    FindCutOff,
    count_most_bytes,
    find_no_cut_off,
)
from evals.calls.day_budget import Spent
from evals.calls.requests import CallPlan
from evals.calls.server_memory import store_logprob_limits
from evals.calls.shared_state import SharedState
from evals.evaluators import registry
from evals.models.batches import Batches, RemoteBatch, build_row_url
from evals.records import Answer, Failure, digest
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
from evals.storage.documents.evaluator_specs import read_evaluator, write_evaluator
from evals.storage.errors import DamagedFileError
from evals.storage.files import choose_temporary_path, open_temporary
from evals.storage.lake import Lake
from evals.storage.ledger import Journal
from evals.worklist.worklist import WantedAnswer

LISTING_DELAY_S = 60.0
"""Seconds after which a batch that the provider does not list was never created."""

READ_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between checks whether the provider has processed a file."""

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
    provider: BatchProvider, plan: CallPlan, wanted: Sequence[WantedAnswer]
) -> list[BatchJob]:
    """Writes jobs, split by the provider's limits; does not contact the provider."""
    created: list[BatchJob] = []
    for sent, size, aside in write_request_files(provider, plan, wanted):
        tag = name_batch(plan, sent)
        if read_job(provider.lake, tag):  # a crash between the two writes below left the first
            aside.unlink()
            continue
        aside.replace(requests_path(provider.lake, tag))
        new = build_job(provider, plan, tag, sent, size)
        if plan.budget:  # before the job: a crash between them books again under the same name
            plan.budget.book_batch(new.app, tag, Spent(new.booked_usd, new.requests))
        write_evaluator(provider.lake, plan.work.evaluator)
        created.append(write_job(provider.lake, new))
    return created


def name_batch(plan: CallPlan, sent: Sequence[SentQuestion]) -> str:
    """Names a batch: the same questions at the same attempt get the same name in any process."""
    work = plan.work
    identity = [work.evaluator.answer_version, work.evaluator.app, [s[:2] for s in sent]]
    return f"{work.night.isoformat()}-{work.evaluator.name[:48]}-{digest(identity, 12)}"


def build_job(
    provider: BatchProvider, plan: CallPlan, tag: str, sent: Sequence[SentQuestion], size: int
) -> BatchJob:
    """Builds a job as it is first written."""
    evaluator = plan.work.evaluator
    first = plan.build_question(WantedAnswer(sent[0].key, sent[0].attempts)).request
    price = provider.pin.price_on(plan.work.night)
    share = price.batch if price else 0.0
    most = sum(plan.max_cost(WantedAnswer(question.key, question.attempts)) for question in sent)
    return BatchJob(
        tag=tag,
        state="intended",
        evaluator=evaluator.name,
        answer_version=evaluator.answer_version or "",
        app=evaluator.app,
        night=plan.work.night.isoformat(),
        pin=provider.pin.model_dump(mode="json"),
        asked=RequestOptions(
            messages=[],
            max_tokens=first.max_tokens,
            temperature=first.temperature,
            seed=first.seed,
            schema=first.schema,
            yes_no=first.yes_no,
        ),
        endpoint=provider.client.path,
        window=f"{provider.limits.window_h}h",
        keys=tuple(sent),
        requests=len(sent),
        size=size,
        booked_usd=round(most * share, 9),
        created=provider.now,
        route=evaluator.route,
        evaluator_version=evaluator.version,
    )


def write_request_files(
    provider: BatchProvider, plan: CallPlan, wanted: Sequence[WantedAnswer]
) -> Iterator[tuple[list[SentQuestion], int, Path]]:
    """Writes files of requests within the limits; yields questions, bytes, path of each."""
    rest = list(reversed(wanted))
    while rest:
        aside = choose_temporary_path(requests_path(provider.lake, "next"))
        sent: list[SentQuestion] = []
        size = 0
        with open_temporary(aside) as file:
            while rest and len(sent) < provider.limits.max_requests:
                question = plan.build_question(rest[-1])
                line = build_request_line(provider, question.key, question.request)
                if sent and size + len(line) > provider.limits.max_mb * 10**6:
                    break
                rest.pop()
                size += file.write(line)
                chars = sum(len(message["content"]) for message in question.request.messages)
                sent.append(SentQuestion(question.key, question.attempts, chars))
        yield sent, size, aside


def build_request_line(provider: BatchProvider, key: str, request: models.Request) -> bytes:
    """Builds the line of a batch file that asks a question."""
    url = build_row_url(provider.pin, provider.client.path)
    line = {
        "custom_id": key,
        "method": "POST",
        "url": url,
        "body": provider.client.build_body(request),
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


async def advance_job(provider: BatchProvider, tag: str) -> tuple[BatchJob, RemoteBatch | None]:
    """Moves a job as far as possible, and returns it with the provider's view of it.

    Takes the job's lock. A provider that cannot be reached leaves the job where it is; one that
    refuses it for good ends it.
    """
    with provider.lake.lock("batch", tag):
        job = read_job(provider.lake, tag)
        assert job is not None  # noqa: S101  its name was just read
        try:
            while job.is_open and job.state != "submitted":
                moved = await STEPS[job.state](provider, job)
                if moved.state == job.state:
                    return moved, None
                job = moved
            if not job.is_open:
                return job, None
            remote = await provider.api.retrieve(job.batch_id or "")
        except models.ModelError as error:
            return write_job(provider.lake, record_error(job, error)), None
        updated = replace(
            job, status=remote.status, done=remote.completed + remote.failed, problem=""
        )
        return write_job(provider.lake, updated), remote


def record_error(job: BatchJob, error: models.ModelError) -> BatchJob:
    """Returns a job after an error, in its earlier state or refused, with the error's message."""
    rolled_back = roll_back(job, error)
    return replace(rolled_back, problem=str(error)[:300])


def roll_back(job: BatchJob, error: models.ModelError) -> BatchJob:
    """Returns the job in the state an error leaves; `creating` stays only while it is uncertain."""
    if error.code in UNCERTAIN:
        return job
    if job.state != "intended" and not error.retryable:
        return replace(job, state="refused")
    back = {"uploading": "intended", "creating": "uploaded"}
    return replace(job, state=back.get(job.state, job.state))  # type: ignore[arg-type]


async def begin_upload(provider: BatchProvider, job: BatchJob) -> BatchJob:
    """From `intended`: uploads the job, once the provider's queue has room for its tokens."""
    most = provider.limits.enqueued_tokens
    waiting = sum(
        one.queued_tokens
        for one in read_jobs(provider.lake)
        if one.is_open and one.state != "intended" and one.model == job.model
    )
    if most is not None and waiting and waiting + job.queued_tokens > most:
        why = f"waits for room: {waiting} of {most} tokens are enqueued"
        return write_job(provider.lake, replace(job, problem=why))
    written = write_job(provider.lake, replace(job, state="uploading", told=provider.now))
    return await upload_requests(provider, written)


async def resume_upload(provider: BatchProvider, job: BatchJob) -> BatchJob:
    """From `uploading`, after a crash: finds the file, or sends it again; neither is charged."""
    file_id = await provider.api.find_file(build_file_name(job), since=int(job.created))
    if file_id:
        return write_job(provider.lake, replace(job, state="uploaded", file_id=file_id))
    return await upload_requests(provider, job)


async def upload_requests(provider: BatchProvider, job: BatchJob) -> BatchJob:
    """Uploads the file of requests."""
    path = requests_path(provider.lake, job.tag)
    try:
        file_id = await provider.api.upload(path, build_file_name(job))
    except models.ModelError as error:
        return write_job(provider.lake, record_error(job, error))
    return write_job(provider.lake, replace(job, state="uploaded", file_id=file_id, problem=""))


def build_file_name(job: BatchJob) -> str:
    """Builds the name of the file at the provider."""
    return f"andon-{job.tag}.jsonl"


async def create_batch(provider: BatchProvider, job: BatchJob) -> BatchJob:
    """From `uploaded`: creates the batch. This costs money, so it is requested once."""
    if not await wait_until_processed(provider, job):
        why = "waits for the provider to read its file"
        return write_job(provider.lake, replace(job, problem=why))
    job = write_job(provider.lake, replace(job, state="creating", told=provider.now))
    try:
        created = await provider.api.create(job.file_id or "", job.endpoint, job.tag, job.window)
    except models.ModelError as error:
        return write_job(provider.lake, record_error(job, error))
    return mark_submitted(provider, job, created)


async def wait_until_processed(provider: BatchProvider, job: BatchJob) -> bool:
    """Waits a while until the provider has read the file; False: the next run looks again."""
    for wait_s in (*READ_WAITS_S, None):
        if await provider.api.is_ready(job.file_id or ""):
            return True
        if wait_s is not None:
            await asyncio.sleep(wait_s)
    return False


async def resume_creation(provider: BatchProvider, job: BatchJob) -> BatchJob:
    """From `creating`, after a crash: finds the batch, or after a while goes back to `uploaded`."""
    created = await provider.api.find_batch(job.tag, job.file_id or "", since=int(job.created))
    if created:
        return mark_submitted(provider, job, created)
    if provider.now - job.told < LISTING_DELAY_S:
        return job
    return write_job(provider.lake, replace(job, state="uploaded"))


def mark_submitted(provider: BatchProvider, job: BatchJob, created: RemoteBatch) -> BatchJob:
    """Stores the id of the created batch."""
    moved = replace(
        job, state="submitted", batch_id=created.batch_id, status=created.status, problem=""
    )
    return write_job(provider.lake, moved)


STEPS = {
    "intended": begin_upload,
    "uploading": resume_upload,
    "uploaded": create_batch,
    "creating": resume_creation,
}
"""The function that moves a job out of a state."""


async def collect_answers(
    provider: BatchProvider, job: BatchJob, remote: RemoteBatch, journal: Journal
) -> BatchJob:
    """Writes a batch's answers to the journal, every row checked, and closes the job.

    Idempotent: the ledger keeps one answer for each content.
    """
    with provider.lake.lock("batch", job.tag):
        stored = read_job(provider.lake, job.tag)
        if stored is None or not stored.is_open:  # another process collected it meanwhile
            return stored or job
        parse, find_cut_off = provider.client.parse_answer, judge_cut_off(provider.lake, stored)
        batch_answers = BatchAnswers(stored, parse, remote, find_cut_off)
        files, problems = await download_answers(provider, stored, remote)
        for answer in batch_answers.read_answers(files):
            journal.append(answer)
        day_budget.settle_batch(provider.lake, job.tag, batch_answers.spent)
        if batch_answers.counts["takes-no-logprobs"]:
            note_logprob_limit(provider)
        closed = replace(job, state=
            "collected", keys=(), status=remote.status, counts=dict(batch_answers.counts),
            usd=round(batch_answers.usd, 9), done=job.requests,
            problem="; ".join((*remote.problems[:3], *problems)),
        )  # fmt: skip
        write_job(provider.lake, closed)
    for path in (*files, requests_path(provider.lake, job.tag)):
        path.unlink(missing_ok=True)
    for file_id in filter(None, (job.file_id, remote.output_file, remote.error_file)):
        with contextlib.suppress(models.ModelError):
            await provider.api.delete(file_id)
    return closed


def note_logprob_limit(provider: BatchProvider) -> None:
    """Has later requests to the provider's server ask for fewer log probabilities."""
    provider.client.shape.limit_candidates()
    with contextlib.closing(SharedState(provider.lake)) as shared:
        store_logprob_limits(shared)


async def download_answers(
    provider: BatchProvider, job: BatchJob, remote: RemoteBatch
) -> tuple[list[Path], list[str]]:
    """Downloads a batch's files; returns them, and a sentence for each that is too large."""
    files, problems = list[Path](), list[str]()
    most = count_most_bytes(job)
    for file_id, kind in ((remote.output_file, "output"), (remote.error_file, "errors")):
        if file_id:
            path = answers_path(provider.lake, job.tag, kind)
            if not await provider.api.download(file_id, path, most):
                problems.append(
                    f"its file of {kind} is larger than {most:,} bytes: the rest is lost"
                )
            files.append(path)
    return files, problems


def judge_cut_off(lake: Lake, job: BatchJob) -> FindCutOff:
    """Returns what finds out whether an answer of a job ends in its middle."""
    if not job.evaluator_version:
        return find_no_cut_off
    try:
        evaluator = read_evaluator(lake, job.evaluator, job.app, job.evaluator_version)
    except DamagedFileError:
        return find_no_cut_off
    model = registry.model_of(evaluator)

    def find_cut_off(answer: Answer) -> Failure | None:
        if not model.is_cut_off(evaluator, answer):
            return None
        result = model.read_answer(evaluator, answer)
        return result if isinstance(result, Failure) else None

    return find_cut_off


def close_refused(provider: BatchProvider, job: BatchJob, journal: Journal) -> BatchJob:
    """Closes a job the provider refused: each of its questions is one failed attempt."""
    with provider.lake.lock("batch", job.tag):
        stored = read_job(provider.lake, job.tag)
        if stored is None or not stored.keys:
            return stored or job
        batch_answers = BatchAnswers(job, provider.client.parse_answer, None)
        for answer in batch_answers.read_answers([]):
            journal.append(answer)
        day_budget.settle_batch(provider.lake, job.tag, batch_answers.spent)
        closed = write_job(
            provider.lake,
            replace(job, state="refused", keys=(), counts=dict(batch_answers.counts)),
        )
    requests_path(provider.lake, job.tag).unlink(missing_ok=True)
    return closed
