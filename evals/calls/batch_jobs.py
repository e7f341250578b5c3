"""Batches as we remember them: one small document each, replaced whole, and the file it sends.

Nobody is spoken to here; how a ticket moves from state to state is `batch`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evals.storage.lake import Lake

State = Literal[
    "intended", "uploading", "uploaded", "creating", "submitted", "collected", "refused"
]
"""`uploading` and `creating` are written before the provider is told: whoever finds one after a
death looks whether it was told. The last two are final."""

OPEN_STATES = frozenset({"intended", "uploading", "uploaded", "creating", "submitted"})


class SentQuestion(NamedTuple):
    """One question in a batch."""

    key: str
    """Its content's key, and the `custom_id` its answer is joined on."""
    attempts: int
    """Runs that asked it in vain."""
    chars: int


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch: what it asks, how far it is, what came of it."""

    tag: str
    """Its name with us; the provider keeps it as metadata."""
    state: State
    evaluator: str
    answer_version: str
    app: str
    night: str
    """ISO date of the night that pays."""
    pin: dict[str, Any]
    """The model asked, as it was pinned."""
    asked: dict[str, Any]
    """What all its requests have in common, without their messages."""
    endpoint: str
    window: str
    keys: tuple[SentQuestion, ...]
    """What it asks; empty once it is over."""
    requests: int
    size: int
    """Bytes of the file."""
    booked_usd: float
    """What it may cost at most: counted as spent when it was submitted."""
    created: float
    """Unix seconds."""
    told: float = 0.0
    """When the provider was last told to make something of it, in Unix seconds."""
    file_id: str | None = None
    batch_id: str | None = None
    status: str = ""
    """The provider's word, as last heard."""
    done: int = 0
    """Requests the provider has finished, as last heard."""
    counts: dict[str, int] = field(default_factory=dict)
    """What came back: answered, failed by code, and rows that belong to nothing."""
    usd: float = 0.0
    problem: str = ""
    """Why it does not move, or was refused."""

    @property
    def is_open(self) -> bool:
        """Whether answers may still come."""
        return self.state in OPEN_STATES

    @property
    def queued_tokens(self) -> int:
        """About as many as it has waiting at the provider."""
        return sum(sent.chars for sent in self.keys) // 4

    def with_state(self, state: State, **changes: Any) -> BatchJob:
        """The ticket in another state."""
        return dataclasses.replace(self, state=state, **changes)


def describe_job(ticket: BatchJob) -> dict[str, Any]:
    """A batch as people are shown it, in JSON and in tables."""
    return {
        "batch": ticket.tag,
        "night": ticket.night,
        "evaluator": ticket.evaluator,
        "app": ticket.app,
        "model": ticket.pin["model"],
        "state": ticket.state,
        "open": ticket.is_open,
        "provider_says": ticket.status,
        "provider_id": ticket.batch_id,
        "handed_in": datetime.fromtimestamp(ticket.created, UTC).isoformat(timespec="seconds"),
        "done": ticket.done,
        "requests": ticket.requests,
        "usd": ticket.usd,
        "at_most_usd": ticket.booked_usd,
        "counts": ticket.counts,
        "problem": ticket.problem,
    }


def batches_folder(lake: Lake) -> Path:
    """Where batches rest."""
    return lake.home / "batches"


def requests_path(lake: Lake, tag: str) -> Path:
    """The requests of a batch, kept until its answers are."""
    return batches_folder(lake) / f"{tag}.requests.jsonl"


def write_job(lake: Lake, ticket: BatchJob) -> BatchJob:
    """Replaces a ticket's document; survives the death of the process at any moment after."""
    keys = [" ".join(map(str, sent)) for sent in ticket.keys]
    document = {**dataclasses.asdict(ticket), "keys": keys}
    lake.write_document(document, "batches", f"{ticket.tag}.json")
    return ticket


def read_job(lake: Lake, tag: str) -> BatchJob | None:
    """A ticket by its name."""
    found = lake.document("batches", f"{tag}.json")
    if found is None:
        return None
    rows = (row.split(" ") for row in found["keys"])
    keys = tuple(SentQuestion(key, int(attempts), int(chars)) for key, attempts, chars in rows)
    return BatchJob(**{**found, "keys": keys})


def read_jobs(lake: Lake) -> Iterator[BatchJob]:
    """Every batch ever made, the oldest first."""
    found = (read_job(lake, path.stem) for path in batches_folder(lake).glob("*.json"))
    yield from sorted((one for one in found if one), key=lambda one: (one.created, one.tag))


def list_open_jobs(lake: Lake) -> list[BatchJob]:
    """The batches something may still come of, the oldest first."""
    return [one for one in read_jobs(lake) if one.is_open or one.keys]


def list_awaited_keys(lake: Lake, answer_version: str) -> set[str]:
    """The contents whose answers are awaited from a batch."""
    return {
        sent.key
        for ticket in read_jobs(lake)
        if ticket.is_open and ticket.answer_version == answer_version
        for sent in ticket.keys
    }
