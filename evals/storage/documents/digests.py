"""The messages about nights that were sent or are to be sent, one document an application.

No text of a message is stored: it is composed from the report each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

from evals.storage.lake import Lake, require_safe_name

FOLDER = "digests"
Kind = Literal["night", "missing", "earlier"]
KINDS: dict[str, Kind] = {"night": "night", "missing": "missing", "earlier": "earlier"}
State = Literal["open", "sending", "sent", "interrupted", "given up"]
STATES: dict[str, State] = {
    "open": "open",
    "sending": "sending",
    "sent": "sent",
    "interrupted": "interrupted",
    "given up": "given up",
}


class Announced(NamedTuple):
    """What was last announced of a night, or is about to be."""

    version: str
    """Of its report."""
    content: str
    """A digest of what matters in it: the night is announced again only if this differs."""
    verdict: str


class Change(NamedTuple):
    """An earlier night that was reported for the first time, or has another verdict."""

    night: date
    before: str
    """The verdict that was announced; empty: none was."""
    after: str


class Delivery(NamedTuple):
    """One message to one target."""

    target: str
    state: State = "open"
    """`sending`: its process has not recorded the outcome. `interrupted`: that process died, so
    that the message may have arrived; it is not sent again. `given up`: after many attempts."""
    attempts: int = 0
    at: str = ""
    """The last attempt, in ISO form."""
    reason: str = ""
    """Why that failed."""


class Message(NamedTuple):
    """A message about a night, without its text."""

    kind: Kind
    """`night`: its report. `missing`: it has none. `earlier`: nothing but `changes`."""
    night: date
    made: str
    """When it was decided to send it, in ISO form."""
    changes: tuple[Change, ...]
    deliveries: tuple[Delivery, ...]
    due: str = ""
    """Why an error analysis is due, and the command that begins it; empty: not to announce."""

    def replace_delivery(self, delivery: Delivery) -> Message:
        """Returns the message with another delivery to the same target."""
        same = (delivery if one.target == delivery.target else one for one in self.deliveries)
        return self._replace(deliveries=tuple(same))


@dataclass(frozen=True)
class DigestRecord:
    """What was announced of one application."""

    nights: Mapping[date, Announced] = field(default_factory=dict[date, Announced])
    messages: tuple[Message, ...] = ()
    due: str = ""
    """The error analysis that was last announced as due; empty: none is."""


def read_digests(lake: Lake, app: str) -> DigestRecord:
    """Reads the record of an application."""
    return lake.read_document(locate(app), parse_record) or DigestRecord()


def locate(app: str) -> str:
    """Returns the name of an application's document."""
    return f"{FOLDER}/{require_safe_name(app)}.json"


def list_digest_apps(lake: Lake) -> list[str]:
    """Lists the applications that have a record."""
    return lake.store.list_stems(FOLDER, ".json")


def write_digests(lake: Lake, app: str, record: DigestRecord) -> None:
    """Replaces the record of an application; survives a power cut."""
    document = {
        "nights": {f"{night}": one._asdict() for night, one in sorted(record.nights.items())},
        "messages": [format_message(one) for one in record.messages],
        "due": record.due,
    }
    lake.replace_document(locate(app), document, durable=True)


def format_message(message: Message) -> dict[str, object]:
    """Returns a message as JSON."""
    return {
        **message._asdict(),
        "night": f"{message.night}",
        "changes": [{**one._asdict(), "night": f"{one.night}"} for one in message.changes],
        "deliveries": [one._asdict() for one in message.deliveries],
    }


def parse_record(row: Mapping[str, Any]) -> DigestRecord:
    """Returns the document as a record."""
    return DigestRecord(
        {date.fromisoformat(night): Announced(**one) for night, one in row["nights"].items()},
        tuple(map(parse_message, row["messages"])),
        row.get("due", ""),
    )


def parse_message(row: Mapping[str, Any]) -> Message:
    """Returns a message of the document."""
    return Message(
        kind=KINDS[row["kind"]],
        night=date.fromisoformat(row["night"]),
        made=row["made"],
        changes=tuple(parse_changes(row["changes"])),
        deliveries=tuple(map(parse_delivery, row["deliveries"])),
        due=row.get("due", ""),
    )


def parse_delivery(row: Mapping[str, Any]) -> Delivery:
    """Returns a delivery of the document."""
    state = STATES[row["state"]]
    return Delivery(row["target"], state, row["attempts"], row["at"], row["reason"])


def parse_changes(rows: Iterable[Mapping[str, str]]) -> Iterable[Change]:
    """Yields the changes of a message."""
    for row in rows:
        yield Change(date.fromisoformat(row["night"]), row["before"], row["after"])
