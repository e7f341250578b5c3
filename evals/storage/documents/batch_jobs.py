"""The batch jobs sent to providers: questions, state and results of each, and its files.

`calls.batch` decides how a job moves from one state to the next.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

from evals.records import Json
from evals.storage.damage import report
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake

FOLDER = "batches"

State = Literal[
    "intended", "uploading", "uploaded", "creating", "submitted", "collected", "refused"
]
"""`uploading` and `creating` are written before the provider is contacted: whoever finds one after
a crash checks whether the provider has it. The last two are final."""

OPEN_STATES = frozenset({"intended", "uploading", "uploaded", "creating", "submitted"})


class SentQuestion(NamedTuple):
    """One question in a batch."""

    key: str
    """The key of its content, and the `custom_id` its answer is joined on."""
    attempts: int
    """Earlier runs that got no answer to it."""
    chars: int


class RequestOptions(TypedDict):
    """What all requests of a batch have in common; see `models.Request`."""

    messages: list[Json]
    """Always empty: each request has its own."""
    max_tokens: int
    temperature: float
    seed: int
    schema: dict[str, Json] | None
    yes_no: bool


class JobRow(TypedDict):
    """A batch job as commands and tables show it."""

    batch: str
    night: str
    evaluator: str
    app: str
    model: str
    state: State
    open: bool
    provider_says: str
    provider_id: str | None
    handed_in: str
    done: int
    requests: int
    usd: float
    at_most_usd: float
    counts: dict[str, int]
    problem: str


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch: its questions, its state and its results."""

    tag: str
    """Our name for it; the provider keeps it as metadata."""
    state: State
    evaluator: str
    answer_version: str
    app: str
    night: str
    """ISO date of the night that pays."""
    pin: dict[str, Json]
    """The pin of the model."""
    asked: RequestOptions
    endpoint: str
    window: str
    keys: tuple[SentQuestion, ...]
    """Its questions; empty once it is over."""
    requests: int
    size: int
    """Bytes of the file of requests."""
    booked_usd: float
    """The most it may cost: counted as spent from its submission on."""
    created: float
    """Unix seconds."""
    told: float = 0.0
    """When an upload or a creation was last requested, in Unix seconds."""
    file_id: str | None = None
    batch_id: str | None = None
    status: str = ""
    """The provider's status, as last read."""
    done: int = 0
    """Requests the provider has finished, as last read."""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """Rows that came back: answered, failed by code, and rows that match no question."""
    usd: float = 0.0
    problem: str = ""
    """Why it makes no progress, or was refused."""
    route: str = ""
    """The pin's settings; see `Evaluator.route`."""
    evaluator_version: str = ""
    """The version of its evaluator, whose specification is stored; empty in older jobs."""

    @property
    def is_open(self) -> bool:
        """Whether answers may still come."""
        return self.state in OPEN_STATES

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.pin["model"])

    @property
    def queued_tokens(self) -> int:
        """Estimated tokens that wait at the provider."""
        return sum(sent.chars for sent in self.keys) // 4


def describe_job(job: BatchJob) -> JobRow:
    """Returns a job as commands and tables show it."""
    return {
        "batch": job.tag,
        "night": job.night,
        "evaluator": job.evaluator,
        "app": job.app,
        "model": job.model,
        "state": job.state,
        "open": job.is_open,
        "provider_says": job.status,
        "provider_id": job.batch_id,
        "handed_in": datetime.fromtimestamp(job.created, UTC).isoformat(timespec="seconds"),
        "done": job.done,
        "requests": job.requests,
        "usd": job.usd,
        "at_most_usd": job.booked_usd,
        "counts": job.counts,
        "problem": job.problem,
    }


def requests_path(lake: Lake, tag: str) -> Path:
    """Returns the path of a job's requests, a file that is deleted when its answers arrive."""
    return lake.store.path(f"{FOLDER}/{tag}.requests.jsonl")


def answers_path(lake: Lake, tag: str, kind: str) -> Path:
    """Returns the path of a downloaded file of answers; its kind is `output` or `errors`."""
    return lake.store.path(f"{FOLDER}/{tag}.{kind}.jsonl")


def write_job(lake: Lake, job: BatchJob) -> BatchJob:
    """Writes a job, which survives a crash at any moment after, and returns it."""
    keys = [" ".join(map(str, sent)) for sent in job.keys]
    lake.replace_document(f"{FOLDER}/{job.tag}.json", {**dataclasses.asdict(job), "keys": keys})
    return job


def read_job(lake: Lake, tag: str) -> BatchJob | None:
    """Reads a job by its tag; None where there is none."""
    return lake.read_document(f"{FOLDER}/{tag}.json", parse_job)


def read_intact_job(lake: Lake, tag: str) -> BatchJob | None:
    """Reads a job by its tag; None for a damaged one, which is reported."""
    try:
        return read_job(lake, tag)
    except DamagedFileError as error:
        report(str(error))
        return None


def parse_job(row: dict[str, Any]) -> BatchJob:
    """Returns a job from its JSON."""
    sent = (str(text).split(" ") for text in row["keys"])
    keys = tuple(SentQuestion(key, int(attempts), int(chars)) for key, attempts, chars in sent)
    values: dict[str, Any] = {**row, "keys": keys}
    return BatchJob(**values)


def list_job_tags(lake: Lake, night: date | None = None) -> list[str]:
    """Lists the tags of all jobs, or of those created for one night."""
    begin = f"{night or ''}"
    return [tag for tag in lake.store.list_stems(FOLDER, ".json") if tag.startswith(begin)]


def read_jobs(lake: Lake) -> list[BatchJob]:
    """Reads every job ever created, oldest first."""
    jobs = (read_intact_job(lake, tag) for tag in list_job_tags(lake))
    return sorted((job for job in jobs if job), key=lambda job: (job.created, job.tag))


def list_open_jobs(lake: Lake) -> list[BatchJob]:
    """Lists the jobs that are not finished on our side, oldest first."""
    return [job for job in read_jobs(lake) if job.is_open or job.keys]


def list_awaited_keys(lake: Lake, answer_version: str) -> set[str]:
    """Lists the keys of the contents whose answers are expected from a batch."""
    return {
        sent.key
        for job in read_jobs(lake)
        if job.is_open and job.answer_version == answer_version
        for sent in job.keys
    }
