"""Wishes to be forgotten: noted when they are made, kept until they are done, a file each.

How a person is found and taken out of the home is `forget`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evals.records import digest, encode_canonical
from evals.storage import files
from evals.storage.lake import Lake, LakeError

FOLDER = ("quarantine", "forgetting")
"""In the restricted room: the notes name whom they are about."""


@dataclass(frozen=True)
class Person:
    """Everything by which a person or a trace is found."""

    traces: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """Hashed."""
    names: tuple[str, ...] = ()
    """Ids as they were given: they stand in raw rows alone."""
    texts: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    """Content keys of paid answers that nobody else's trace shares."""
    files: tuple[str, ...] = ()
    """Names of the files its traces were read from."""
    outside: tuple[str, ...] = ()
    """Those of them that lie beyond the home and are still there."""
    nights: dict[str, int] = field(default_factory=dict)
    """Traces by ISO night."""

    def list_ids(self) -> set[str]:
        """Ids that are nobody else's."""
        return {*self.traces, *self.users, *self.names}

    def owns_row(self, row: dict[str, Any]) -> bool:
        """Whether a row is about it."""
        return row.get("trace_id") in self.traces or (row.get("user_id") or "") in self.users


@dataclass(frozen=True)
class ErasureRequest:
    """Whom somebody asked to be forgotten, and when; the person once it was found."""

    asked: str
    """The moment, in ISO form."""
    users: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    person: Person | None = None
    """Noted before the first row goes: what goes first is what it was found by."""

    @property
    def ids(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What was asked for."""
        return self.users, self.traces

    def note_path(self, lake: Lake) -> Path:
        """Where it is noted: a wish never takes the place of another that is not done."""
        name = digest([self.asked, self.users, self.traces], 16)
        return lake.home.joinpath(*FOLDER, f"{name}.json")


def write_request(lake: Lake, wish: ErasureRequest) -> ErasureRequest:
    """Notes a wish, or what was found out for it: no death or power cut loses it from then on."""
    with lake.lock("wishes"):
        files.replace(wish.note_path(lake), encode_canonical(asdict(wish)), durable=True)
    return wish


def record_person(lake: Lake, wish: ErasureRequest, person: Person) -> ErasureRequest:
    """Notes whom a wish is about."""
    return write_request(lake, replace(wish, person=person))


def list_unfinished(lake: Lake) -> list[ErasureRequest]:
    """The wishes that are not done, the oldest first.

    Raises:
        LakeError: a note cannot be read.
    """
    paths = sorted(lake.home.joinpath(*FOLDER).glob("*.json"))
    return sorted(map(read_request, paths), key=lambda wish: wish.asked)


def read_request(path: Path) -> ErasureRequest:
    """The wish in a note.

    Raises:
        LakeError: it cannot be read.
    """
    try:
        known: dict[str, Any] = json.loads(path.read_bytes())
        wish = ErasureRequest(**freeze_lists(known))
        return (
            replace(wish, person=Person(**freeze_lists(known["person"])))
            if known["person"]
            else wish
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LakeError(
            f"{path}: expected the note of an `andon forget` that is not done, found something "
            "else; delete the file, then ask again with `andon forget --user ID --yes` or "
            "`--trace ID` for whomever it was about"
        ) from error


def freeze_lists(known: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a note, lists as tuples."""
    return {name: tuple(it) if isinstance(it, list) else it for name, it in known.items()}


def remove_request(lake: Lake, wish: ErasureRequest) -> None:
    """Removes the note of a wish."""
    wish.note_path(lake).unlink(missing_ok=True)


def drop_leftovers(lake: Lake) -> int:
    """Removes what killed writers left aside in the home, which one has to have alone; how many."""
    with lake.lock("wishes"):  # another wish may be about to be noted
        paths = list(files.leftovers(lake.home))
        for path in paths:
            path.unlink(missing_ok=True)
    return len(paths)
