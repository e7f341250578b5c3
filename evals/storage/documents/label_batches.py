"""The batches of labels: the nights each touches, which are due again, and how it arrived."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from evals.storage.label_records import ARRIVALS
from evals.storage.lake import Lake

NAME = "label_batches.json"
LOCK = "label-batches"
"""The lock that whoever changes one of both documents holds."""


class Arrival(NamedTuple):
    """How a batch of labels arrived."""

    order: int
    """How many batches arrived before it."""
    time: datetime | None = None
    """When it was first added; None where nobody recorded it."""
    refused: tuple[int, ...] = ()
    """The lines of its file that were refused, which are tried again with the file."""
    file: str = ""
    """The name of its file; empty where the labels came with an export."""


def name_export_batch(sha256: str) -> str:
    """Returns the name of the batch of labels beside the traces of an export."""
    return f"found-in-{sha256[:16]}"


def read_batch_nights(lake: Lake) -> dict[str, tuple[date, ...]]:
    """Reads the nights by the batch's name, oldest first."""
    return lake.read_document(NAME, parse_batches) or {}


def parse_batches(rows: Mapping[str, list[str]]) -> dict[str, tuple[date, ...]]:
    """Returns the document of nights as dates."""
    return {name: tuple(map(date.fromisoformat, nights)) for name, nights in rows.items()}


def add_label_batches(lake: Lake, batches: Mapping[str, Collection[date]]) -> None:
    """Adds batches, or replaces those of the same name."""
    with lake.lock(LOCK):
        write_batch_nights(lake, {**read_batch_nights(lake), **batches})


def drop_label_batches(lake: Lake, names: Collection[str]) -> None:
    """Removes batches, which are then added like new ones."""
    with lake.lock(LOCK):
        every = read_batch_nights(lake)
        write_batch_nights(lake, {name: every[name] for name in every if name not in names})


def write_batch_nights(lake: Lake, batches: Mapping[str, Collection[date]]) -> None:
    """Replaces the document of nights."""
    rows = {name: [night.isoformat() for night in sorted(own)] for name, own in batches.items()}
    lake.replace_document(NAME, rows)


def read_arrivals(lake: Lake) -> dict[str, Arrival]:
    """Reads how each batch arrived, by its name; batches of older homes have no entry."""
    return lake.read_document(ARRIVALS, parse_arrivals) or {}


def parse_arrivals(rows: Mapping[str, dict[str, Any]]) -> dict[str, Arrival]:
    """Returns the document of arrivals as records."""
    return {name: parse_arrival(row) for name, row in rows.items()}


def parse_arrival(row: Mapping[str, Any]) -> Arrival:
    """Returns an entry of the document as a record."""
    time = row.get("time")
    known_time = datetime.fromisoformat(time) if time else None
    return Arrival(row["order"], known_time, tuple(row.get("refused", ())), row.get("file", ""))


def record_arrivals(lake: Lake, names: Iterable[str], now: datetime | None = None) -> None:
    """Records batches in the order in which they arrive; one that came before keeps its place.

    Args:
        lake: has the document.
        names: the batches.
        now: the present; None: not recorded.
    """
    with lake.lock(LOCK):
        arrivals = read_arrivals(lake)
        for name in names:
            arrivals.setdefault(name, Arrival(len(arrivals), now))
        write_arrivals(lake, arrivals)


def record_refused(lake: Lake, name: str, file: str, refused: Iterable[int]) -> None:
    """Records which lines of a batch's file were refused, in the place of those before."""
    with lake.lock(LOCK):
        arrivals = read_arrivals(lake)
        arrival = arrivals.get(name) or Arrival(len(arrivals))
        arrivals[name] = arrival._replace(refused=tuple(refused), file=file)
        write_arrivals(lake, arrivals)


def write_arrivals(lake: Lake, arrivals: Mapping[str, Arrival]) -> None:
    """Replaces the document."""
    rows = {name: describe_arrival(arrival) for name, arrival in arrivals.items()}
    lake.replace_document(ARRIVALS, rows)


def describe_arrival(arrival: Arrival) -> dict[str, Any]:
    """Returns a record as an entry of the document, without what is not known."""
    time = {"time": arrival.time.isoformat()} if arrival.time else {}
    refused = {"refused": list(arrival.refused)} if arrival.refused else {}
    file = {"file": arrival.file} if arrival.file else {}
    return {"order": arrival.order, **time, **refused, **file}
