"""Which messages are due: what of an application's nights was not announced yet.

Pure: reports and missing nights are given; nothing is read, written or sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from evals.records import digest
from evals.reports.report import Report
from evals.reports.sections import alarms, incidents, results
from evals.storage.documents.digests import (
    Announced,
    Change,
    Delivery,
    DigestRecord,
    Message,
)
from evals.storage.documents.due_analyses import DueAnalysis

REMEMBERED = timedelta(days=90)
"""How long a message is remembered; a night that was announced is remembered for ever."""


@dataclass(frozen=True)
class AppNights:
    """The nights of one application, as far as they may be announced."""

    versions: Mapping[date, str]
    """The current version of each final report."""
    missing: date | None
    """The last night without a report, if no later one has any."""
    targets: Sequence[str]
    """Who receives its messages."""
    analysis: DueAnalysis | None = None
    """Its error analysis, if that is due."""


def plan_messages(
    record: DigestRecord,
    nights: AppNights,
    read: Callable[[date], Report | None],
    now: datetime,
) -> DigestRecord:
    """Adds the messages that are due to the record of an application.

    The newest night gets a message of its own. Older nights, and nights whose verdict is another
    than was announced, are one line: of that message, or of one of their own.

    Args:
        record: what was announced before.
        nights: the nights there are.
        read: reads a night's current report; None where it cannot be read.
        now: the present.
    """
    announced, changes, fresh = dict(record.nights), list[Change](), None
    newest = max(nights.versions, default=None)
    for night, version in sorted(nights.versions.items()):
        before = announced.get(night)
        if before and before.version == version:
            continue
        report = read(night)
        if report is None:
            continue
        announced[night] = after = summarize_report(report)
        if before is None and night == newest:
            fresh = night
        elif before is None or before.content != after.content:
            changes.append(Change(night, before.verdict if before else "", after.verdict))
    messages = forget_old(record.messages, now)
    deliveries = tuple(map(Delivery, nights.targets))
    made, every = now.isoformat(timespec="seconds"), tuple(changes)
    due, words = plan_analysis(record, nights.analysis, is_sent=fresh is not None)
    if fresh:
        messages.append(Message("night", fresh, made, every, deliveries, words))
    elif changes:
        messages.append(Message("earlier", changes[-1].night, made, every, deliveries))
    if nights.missing and not has_missing(record, nights.missing):
        messages.append(Message("missing", nights.missing, made, (), deliveries))
    if (announced, tuple(messages), due) == (record.nights, record.messages, record.due):
        return record
    return replace(record, nights=announced, messages=tuple(messages), due=due)


def plan_analysis(
    record: DigestRecord, analysis: DueAnalysis | None, *, is_sent: bool
) -> tuple[str, str]:
    """Plans the line about an error analysis that is due: once, with the next night's message.

    Returns:
        What is announced from now on, and the words of the line; empty: no line.
    """
    if analysis is None:
        return "", ""
    if not is_sent or analysis.is_begun or analysis.reason == record.due:
        return record.due, ""
    return analysis.reason, analysis.describe_task()


def summarize_report(report: Report) -> Announced:
    """Returns what matters of a report: verdicts and incidents, no figures."""
    rows = [
        [row.dimension, row.evaluator, row.verdict]
        for row in report[results.SECTION]
        if row.is_whole and row.decides
    ]
    found = [[row.name, row.is_open] for row in report[incidents.SECTION].rows if row.decides]
    raised = [[alarm.code, alarm.evaluator] for alarm in report[alarms.SECTION]]
    frame = [report.status, report.verdict, report.gate.outcome]
    content = digest([frame, sorted(rows), sorted(found), sorted(raised)])
    return Announced(report.version, content, report.verdict)


def has_missing(record: DigestRecord, night: date) -> bool:
    """Whether it was announced that a night is missing."""
    return any(one.kind == "missing" and one.night == night for one in record.messages)


def forget_old(messages: Sequence[Message], now: datetime) -> list[Message]:
    """Returns the messages without old ones that are settled."""
    return [one for one in messages if is_open(one) or not is_old(one, now)]


def is_open(message: Message) -> bool:
    """Whether a target still has to receive it."""
    return any(one.state in ("open", "sending") for one in message.deliveries)


def is_old(message: Message, now: datetime) -> bool:
    """Whether it was made long ago."""
    return datetime.fromisoformat(message.made) < now - REMEMBERED
