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

OPEN = frozenset({"intended", "uploading", "uploaded", "creating", "submitted"})


class Sent(NamedTuple):
    """One question in a batch."""

    key: str
    """Its content's key, and the `custom_id` its answer is joined on."""
    attempts: int
    """Runs that asked it in vain."""
    chars: int


@dataclass(frozen=True, slots=True)
class Ticket:
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
    keys: tuple[Sent, ...]
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
    def open(self) -> bool:
        """Whether answers may still come."""
        return self.state in OPEN

    @property
    def tokens(self) -> int:
        """About as many as it has waiting at the provider."""
        return sum(sent.chars for sent in self.keys) // 4

    def moved(self, state: State, **changes: Any) -> Ticket:
        """The ticket in another state."""
        return dataclasses.replace(self, state=state, **changes)


def row(ticket: Ticket) -> dict[str, Any]:
    """A batch as people are shown it, in JSON and in tables."""
    return {
        "batch": ticket.tag,
        "night": ticket.night,
        "evaluator": ticket.evaluator,
        "app": ticket.app,
        "model": ticket.pin["model"],
        "state": ticket.state,
        "open": ticket.open,
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


def folder(lake: Lake) -> Path:
    """Where batches rest."""
    return lake.home / "batches"


def requests_file(lake: Lake, tag: str) -> Path:
    """The requests of a batch, kept until its answers are."""
    return folder(lake) / f"{tag}.requests.jsonl"


def remember(lake: Lake, ticket: Ticket) -> Ticket:
    """Replaces a ticket's document; survives the death of the process at any moment after."""
    keys = [" ".join(map(str, sent)) for sent in ticket.keys]
    document = {**dataclasses.asdict(ticket), "keys": keys}
    lake.write_document(document, "batches", f"{ticket.tag}.json")
    return ticket


def recalled(lake: Lake, tag: str) -> Ticket | None:
    """A ticket by its name."""
    found = lake.document("batches", f"{tag}.json")
    if found is None:
        return None
    rows = (row.split(" ") for row in found["keys"])
    keys = tuple(Sent(key, int(attempts), int(chars)) for key, attempts, chars in rows)
    return Ticket(**{**found, "keys": keys})


def tickets(lake: Lake) -> Iterator[Ticket]:
    """Every batch ever made, the oldest first."""
    found = (recalled(lake, path.stem) for path in folder(lake).glob("*.json"))
    yield from sorted((one for one in found if one), key=lambda one: (one.created, one.tag))


def under_way(lake: Lake) -> list[Ticket]:
    """The batches something may still come of, the oldest first."""
    return [one for one in tickets(lake) if one.open or one.keys]


def outstanding(lake: Lake, answer_version: str) -> set[str]:
    """The contents whose answers are awaited from a batch."""
    return {
        sent.key
        for ticket in tickets(lake)
        if ticket.open and ticket.answer_version == answer_version
        for sent in ticket.keys
    }
