"""Sends the messages that are due, each once to each target, and records what became of them.

What is due is in `planning`, what a message contains in `messages`, how it is sent in `targets`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from time import monotonic, sleep
from typing import NamedTuple

from evals.digests.messages import Text
from evals.digests.nights import HomeNights, list_targets, read_home
from evals.digests.planning import plan_messages
from evals.digests.targets import Send, Sent, UnusableTarget, open_target
from evals.specs import Catalog
from evals.storage.documents.digests import (
    Delivery,
    DigestRecord,
    Message,
    read_digests,
    write_digests,
)
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.locks import LockHeldError

MOST_ATTEMPTS = 8
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=4), timedelta(hours=4)
"""Between attempts: twice as long each time, so that eight of them take half a day."""
EXPIRES = timedelta(days=3)
"""A message that no attempt could deliver for so long is news no more."""
LOCK_WAIT_S = 5.0


class Limits(NamedTuple):
    """How long one run tries."""

    tries: int = 3
    """Of one attempt, while a target cannot be reached or answers with an error of its own."""
    wait_s: float = 1.0
    """Before the second try; four times as long before the third."""
    seconds: float = 300.0
    """After which no further message is begun."""


LIMITS = Limits()


@dataclass
class DigestRun:
    """What one run sent."""

    sent: int = 0
    failures: list[str] = field(default_factory=list[str])
    """A sentence for each target that failed, without its address."""
    waiting: int = 0
    """Deliveries that a later run makes."""


class Pending(NamedTuple):
    """A delivery that is due."""

    app: str
    message: Message
    delivery: Delivery


class Draft(NamedTuple):
    """A message that would be sent."""

    app: str
    message: Message
    text: Text


class Sender:
    """Sends the messages of a home while it holds their lock."""

    def __init__(self, home: HomeNights, limits: Limits) -> None:
        self.home, self.lake, self.catalog, self.now = home, home.lake, home.catalog, home.now
        self.limits = limits
        self.until = monotonic() + limits.seconds
        self.records: dict[str, DigestRecord] = {}
        self.targets: dict[str, Send | None] = {}
        """The open targets; None: it cannot be used, or is down, during this run."""
        self.run = DigestRun()

    def load_records(self) -> None:
        """Reads the records, adds what is due, and settles what earlier runs left."""
        for app in self.home.list_apps():
            with self.reporting_damage():
                before = read_digests(self.lake, app)
                self.records[app] = plan_app(self.home, app, before)
                if self.records[app] != before:
                    write_digests(self.lake, app, self.records[app])

    @contextlib.contextmanager
    def reporting_damage(self) -> Generator[None]:
        """Turns a damaged record of one application into a failure; the others go on."""
        try:
            yield
        except DamagedFileError as error:
            self.run.failures.append(f"digest: {error}")

    def list_pending(self) -> list[Pending]:
        """Lists the deliveries that are due, those that failed before last."""
        every = [
            Pending(app, message, delivery)
            for app, record in sorted(self.records.items())
            for message in record.messages
            for delivery in message.deliveries
            if delivery.state == "open" and is_due(delivery, self.now)
        ]
        return sorted(every, key=lambda one: one.delivery.attempts)

    def send_pending(self) -> None:
        """Makes the deliveries that are due, until the time of the run is over."""
        for pending in self.list_pending():
            send = self.open(pending.delivery.target)
            if send is None or monotonic() > self.until:
                self.run.waiting += 1
                continue
            text = self.home.compose(pending.app, pending.message)
            if text is None:
                self.record(pending, pending.delivery._replace(state="given up", reason=OUTDATED))
                continue
            self.deliver(pending, send, text)

    def open(self, name: str) -> Send | None:
        """Opens a target once in a run; None where it cannot be used."""
        if name not in self.targets:
            try:
                self.targets[name] = open_target(self.catalog.digest.targets[name])
            except UnusableTarget as error:
                self.targets[name] = None
                self.run.failures.append(f"digest target {name}: {error}")
        return self.targets[name]

    def deliver(self, pending: Pending, send: Send, text: Text) -> None:
        """Makes one delivery; its record has `sending` while its outcome is unknown.

        A process that dies in between has perhaps sent it: it is not sent again.
        """
        attempts, at = pending.delivery.attempts + 1, self.now.isoformat(timespec="seconds")
        begun = pending.delivery._replace(state="sending", attempts=attempts, at=at, reason="")
        self.record(pending, begun)
        sent = self.try_sending(send, text)
        if not sent.reason:
            self.record(pending, begun._replace(state="sent"))
            self.run.sent += 1
            return
        is_last = attempts >= MOST_ATTEMPTS
        state = "given up" if is_last else "open"
        self.record(pending, begun._replace(state=state, reason=sent.reason))
        then = "given up" if is_last else f"attempt {attempts} of {MOST_ATTEMPTS}"
        about = f"{pending.app}, {pending.message.night}"
        self.run.failures.append(f"digest target {begun.target}: {sent.reason} ({about}; {then})")
        if sent.is_down:
            self.targets[begun.target] = None

    def try_sending(self, send: Send, text: Text) -> Sent:
        """Sends a message, and again for a short while where its target cannot be reached."""
        wait_s, sent = self.limits.wait_s, send(text, self.now)
        for _ in range(self.limits.tries - 1):
            if not sent.is_down or monotonic() + wait_s > self.until:
                break
            sleep(wait_s)
            wait_s, sent = 4 * wait_s, send(text, self.now)
        return sent

    def record(self, pending: Pending, delivery: Delivery) -> None:
        """Stores the state of a delivery."""
        record = self.records[pending.app]
        messages = tuple(
            one.replace_delivery(delivery) if is_same(one, pending.message) else one
            for one in record.messages
        )
        self.records[pending.app] = replace(record, messages=messages)
        write_digests(self.lake, pending.app, self.records[pending.app])


OUTDATED = "its night has changed since"
UNDECLARED = "the catalog no longer names this target"


def is_same(one: Message, other: Message) -> bool:
    """Whether two records are of one message: deliveries change."""
    return one._replace(deliveries=()) == other._replace(deliveries=())


def is_due(delivery: Delivery, now: datetime) -> bool:
    """Whether enough time has passed since the last attempt."""
    if not delivery.attempts:
        return True
    wait = min(FIRST_WAIT * 2 ** (delivery.attempts - 1), LONGEST_WAIT)
    return now >= datetime.fromisoformat(delivery.at) + wait


def settle_record(record: DigestRecord, catalog: Catalog, now: datetime) -> DigestRecord:
    """Ends deliveries whose process died, whose target is gone, or that are too old."""
    return replace(
        record,
        messages=tuple(
            message._replace(
                deliveries=tuple(
                    settle_delivery(one, message, catalog, now) for one in message.deliveries
                )
            )
            for message in record.messages
        ),
    )


def settle_delivery(one: Delivery, message: Message, catalog: Catalog, now: datetime) -> Delivery:
    """Ends one delivery, if it has to end. The caller has the lock: nobody else is sending."""
    if one.state == "sending":
        return one._replace(state="interrupted")
    if one.state == "open" and one.target not in catalog.digest.targets:
        return one._replace(state="given up", reason=UNDECLARED)
    if one.state == "open" and now - datetime.fromisoformat(message.made) > EXPIRES:
        return one._replace(state="given up", reason=one.reason or "never sent in three days")
    return one


def plan_app(home: HomeNights, app: str, record: DigestRecord) -> DigestRecord:
    """Adds the messages that are due to the record of an application, and settles older ones."""
    planned = plan_messages(
        record, home.find_nights(app), lambda night: home.read_report(app, night), home.now
    )
    return settle_record(planned, home.catalog, home.now)


def send_digests(lake: Lake, catalog: Catalog, now: datetime, limits: Limits = LIMITS) -> DigestRun:
    """Sends every message that is due, each once to each target.

    A target that fails raises nothing: it is in the result, and tried again by later runs.
    """

    def send() -> DigestRun:
        sender = Sender(read_home(lake, catalog, now), limits)
        sender.load_records()
        sender.send_pending()
        return sender.run

    return with_lock(lake, send) if catalog.digest.targets else DigestRun()


def send_again(lake: Lake, catalog: Catalog, app: str, night: date, now: datetime) -> DigestRun:
    """Sends the message of a night to the application's targets, even if it was sent before."""

    def send() -> DigestRun:
        home = read_home(lake, catalog, now)
        sender, draft = Sender(home, LIMITS), draft_night(home, app, night)
        if draft is None:
            return DigestRun(
                failures=[f"digest: {app} has neither a report of {night} nor lacks it"]
            )
        record = read_digests(lake, app)
        sender.records[app] = replace(record, messages=(*record.messages, draft.message))
        for delivery in draft.message.deliveries:
            if opened := sender.open(delivery.target):
                sender.deliver(Pending(app, draft.message, delivery), opened, draft.text)
        return sender.run

    return with_lock(lake, send)


def with_lock(lake: Lake, send: Callable[[], DigestRun]) -> DigestRun:
    """Sends under the lock of all senders."""
    try:
        with lake.lock("digest", wait=LOCK_WAIT_S):
            return send()
    except LockHeldError:
        return DigestRun(failures=["digest: another process is sending; nothing was sent here"])


def list_drafts(lake: Lake, catalog: Catalog, now: datetime) -> list[Draft]:
    """Lists the messages that would be sent now, without storing or sending anything."""
    home = read_home(lake, catalog, now)
    drafts: list[Draft] = []
    for app in home.list_apps():
        for message in plan_app(home, app, read_digests(lake, app)).messages:
            text = home.compose(app, message)
            still_open = tuple(one for one in message.deliveries if one.state == "open")
            if text and still_open:
                drafts.append(Draft(app, message._replace(deliveries=still_open), text))
    return drafts


def draft_night(home: HomeNights, app: str, night: date) -> Draft | None:
    """Drafts the message of one night, whether or not it was sent before; None without a night."""
    lost, targets = home.missing.get(app), list_targets(home.catalog, app)
    kind = "missing" if lost and lost.date == night else "night"
    made = home.now.isoformat(timespec="microseconds")
    message = Message(kind, night, made, (), tuple(map(Delivery, targets)))
    text = home.compose(app, message)
    return Draft(app, message, text) if text else None
