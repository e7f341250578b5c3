"""Requests to erase a person: one file each, deleted when the request is done.

`erasure.forget` finds the person and erases the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from evals.records import Json, digest, encode_canonical
from evals.storage import files
from evals.storage.damage import find_set_aside
from evals.storage.lake import Lake, LakeError

FOLDER = "quarantine/forgetting"
"""In a restricted folder: the requests name the people they are about."""


@dataclass(frozen=True)
class Person:
    """Everything that identifies a person's data in the home."""

    traces: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """Hashed."""
    names: tuple[str, ...] = ()
    """Ids as they were given; only raw rows contain them."""
    texts: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    """Content keys of paid answers about the person's traces, or that may be about them."""
    files: tuple[str, ...] = ()
    """Names of the files that the person's traces were read from."""
    outside: tuple[str, ...] = ()
    """Those of them that are outside the home and still exist."""
    nights: Mapping[str, int] = field(default_factory=dict[str, int])
    """Traces by ISO night."""
    compared: tuple[str, ...] = ()
    """Traces of others whose scores may quote the person: of a pair, or of a whole session."""
    sessions: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    """What people wrote about the traces: critiques, gold values and notes."""

    def list_ids(self) -> set[str]:
        """Returns the ids that are nobody else's."""
        return {*self.traces, *self.users, *self.names}

    def owns_row(self, row: Mapping[str, object]) -> bool:
        """Whether a row is about the person."""
        return row.get("trace_id") in self.traces or (row.get("user_id") or "") in self.users


@dataclass(frozen=True)
class ErasureRequest:
    """A request to erase users and traces, with the person's data once it is identified."""

    asked: str
    """When it was made, in ISO form."""
    users: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    person: Person | None = None
    """Stored before the first row is deleted, since those rows identify the person."""

    @property
    def ids(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The users and the traces to forget."""
        return self.users, self.traces


def name_document(request: ErasureRequest) -> str:
    """Returns the name of a request's file; two requests never share one."""
    return f"{FOLDER}/{digest([request.asked, request.users, request.traces], 16)}.json"


def write_request(lake: Lake, request: ErasureRequest) -> ErasureRequest:
    """Stores a request with its person; survives a crash and a power cut."""
    with lake.lock("wishes"):
        lake.store.replace(name_document(request), encode_canonical(asdict(request)), durable=True)
    return request


def record_person(lake: Lake, request: ErasureRequest, person: Person) -> ErasureRequest:
    """Adds the person to a stored request."""
    return write_request(lake, replace(request, person=person))


def list_unfinished(lake: Lake) -> list[ErasureRequest]:
    """Returns the requests that are not done, oldest first.

    Raises:
        LakeError: a file cannot be read.
    """
    names = lake.store.list_names(f"{FOLDER}/*.json")
    return sorted((read_request(lake, name) for name in names), key=lambda request: request.asked)


def read_request(lake: Lake, name: str) -> ErasureRequest:
    """Reads a request's file.

    Raises:
        LakeError: it cannot be read.
    """
    try:
        return parse_request(json.loads(lake.store.read(name) or b""))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LakeError(
            f"{lake.store.path(name)}: expected the request of an unfinished `andon forget`; "
            "delete the file, then request it again with "
            "`andon forget --user ID --yes` or `--trace ID`"
        ) from error


def parse_request(row: dict[str, Json]) -> ErasureRequest:
    """Returns a request from its JSON."""
    person = row["person"]
    return ErasureRequest(
        asked=parse_text(row["asked"]),
        users=parse_texts(row["users"]),
        traces=parse_texts(row["traces"]),
        person=parse_person(person) if isinstance(person, dict) and person else None,
    )


def parse_person(row: dict[str, Json]) -> Person:
    """Returns a person from its JSON."""
    nights = row["nights"]
    if not isinstance(nights, dict):
        raise TypeError("expected an object")
    return Person(
        traces=parse_texts(row["traces"]),
        users=parse_texts(row["users"]),
        names=parse_texts(row["names"]),
        texts=parse_texts(row["texts"]),
        compared=parse_texts(row.get("compared", [])),
        sessions=parse_texts(row.get("sessions", [])),
        written=parse_texts(row.get("written", [])),
        contents=parse_texts(row["contents"]),
        files=parse_texts(row["files"]),
        outside=parse_texts(row["outside"]),
        nights={night: count for night, count in nights.items() if isinstance(count, int)},
    )


def parse_text(value: Json) -> str:
    """Returns a value that has to be a string.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def parse_texts(value: Json) -> tuple[str, ...]:
    """Returns a value that has to be a list of strings.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return tuple(map(parse_text, value))


def remove_request(lake: Lake, request: ErasureRequest) -> None:
    """Deletes a request's file."""
    lake.store.delete(name_document(request))


def delete_temporary_files(lake: Lake) -> int:
    """Deletes what killed writers left behind, and damaged files that were set aside.

    Both may name a person. Needs the home exclusively. Returns how many.
    """
    with lake.lock("wishes"):  # another request may be about to be written
        paths = [*files.find_temporary_files(lake.home), *find_set_aside(lake.home)]
        for path in paths:
            path.unlink(missing_ok=True)
    return len(paths)
