"""What a message contains: verdict, what changed, why, owner, answers to read, the next command.

Text that came with traces is made plain; answers are quoted only where their application asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple
from urllib.parse import quote

from evals.digests.plain_text import Line, make_plain
from evals.readable import make_readable
from evals.reports.phrases import format_day, join_names
from evals.reports.report import Report
from evals.reports.sections import alarms, causes, examples, incidents
from evals.reports.sections.examples import Example
from evals.storage.documents.digests import Change
from evals.storage.documents.missing_nights import MissingNight

SHOWN = 5
"""Causes, incidents, answers and nights that a message lists of each; the others are counted."""
Tone = Literal["success", "warning", "failure", "info"]


class Style(NamedTuple):
    """What the catalog declares about an application's messages."""

    title: str
    owner: str
    texts: bool = False
    """Whether answers are quoted."""
    link: str | None = None
    """Where the folder `reports/` is served."""


class Text(NamedTuple):
    """A message as it is sent."""

    title: str
    lines: tuple[Line, ...]
    tone: Tone


def compose_night(report: Report, changes: Sequence[Change], style: Style, due: str = "") -> Text:
    """Composes the message about a night that has a report."""
    name = make_plain(report.title or style.title, 80)
    title = f"{name}, {format_day(report.date)}: {report.verdict}"
    lines = [
        Line(make_plain(report.sentence, 800)),
        *(Line(f"Alarm: {make_plain(one.words)}", 1) for one in report[alarms.SECTION][:SHOWN]),
        *list_causes(report),
        *list_incidents(report),
        *describe_owner(report.owner or style.owner),
        *list_answers(report, style),
        *(Line(f"Page: {url}", 2) for url in link_page(report, style)),
        Line(f"Next: {choose_command(report)}", 1),
        *([Line(f"Error analysis: {make_plain(due)}", 2)] if due else []),
        *describe_changes(changes),
    ]
    return Text(title, tuple(lines), choose_tone(report))


def list_causes(report: Report) -> Iterator[Line]:
    """Yields what else changed where something fell or rose, with its evidence."""
    found = dict.fromkeys(f"{one.dimension}: {one.words}" for one in report[causes.SECTION])
    yield from (Line(f"Why: {make_plain(words)}", 3) for words in list(found)[:SHOWN])


def list_incidents(report: Report) -> Iterator[Line]:
    """Yields the incidents that decide and are open, and those that ended with the night."""
    found = report[incidents.SECTION]
    ended = [r for r in found.rows if r.decides and not r.is_open and r.last == report.date]
    for row in [*found.list_open()[:SHOWN], *ended[:SHOWN]]:
        fallen = make_plain(join_names([rate.name for rate in row.rates]))
        first = format_day(row.first, "short")
        since = f"{row.state} since {first}" if row.is_open else f"{row.state}, it began on {first}"
        by = f", by {make_plain(row.done[-1].by, 60)}" if row.state == "accepted" else ""
        yield Line(f"Incident {row.name}: {fallen}, {since}{by}", 2)


def describe_owner(owner: str) -> Iterator[Line]:
    """Yields the owner, as the catalog names it."""
    if owner:
        yield Line(f"Owner: {make_readable(owner)}", 1)


def list_answers(report: Report, style: Style) -> Iterator[Line]:
    """Yields the answers to read: their ids, and their texts where the application asks."""
    found = report[examples.SECTION][:SHOWN]
    if found and not style.texts:
        ids = [f"{make_plain(one.trace_id, 80)} ({make_plain(one.dimension, 60)})" for one in found]
        yield Line(f"Read: {', '.join(ids)}", 2)
    for one in found if style.texts else ():
        yield from quote_answer(one)


def quote_answer(one: Example) -> Iterator[Line]:
    """Yields a failing answer in lines: its id, the question, the answer, the explanation."""
    yield Line(f"Read: {make_plain(one.trace_id, 80)} ({make_plain(one.dimension, 60)})", 2)
    parts = {"asked": one.input, "answered": one.output, "judged": one.explanation}
    for label, text in parts.items():
        if text:
            yield Line(f"  {label}: {make_plain(text)}", 4)


def link_page(report: Report, style: Style) -> Iterator[str]:
    """Yields the address of the night's page, where the catalog names one."""
    if style.link:
        folder = f"{report.date}/{quote(report.app)}/{report.version}"
        yield f"{style.link.rstrip('/')}/{folder}/index.html"


def choose_command(report: Report) -> str:
    """Chooses the command that helps next."""
    still_open = report[incidents.SECTION].list_open()
    if report.is_refused:
        return f"andon quarantine list --app {report.app}"
    if report.gate.outcome == "infrastructure" or report[alarms.SECTION]:
        return "andon doctor --online"
    if still_open:
        return f"andon incident show {still_open[0].name}"
    return f"andon report show --app {report.app} --date {report.date}"


def choose_tone(report: Report) -> Tone:
    """Chooses the colour of a message where its target has colours."""
    tones: dict[str, Tone] = {"pass": "success", "inconclusive": "warning"}
    return tones.get(report.gate.outcome, "failure")


def describe_changes(changes: Sequence[Change]) -> Iterator[Line]:
    """Yields one line about earlier nights that are new or have another verdict."""
    if changes:
        yield Line(f"Earlier nights: {list_changes(changes)}.", 2)


def list_changes(changes: Sequence[Change]) -> str:
    """Lists earlier nights by what they are now; what slipped comes first, by night."""
    groups: dict[tuple[bool, str], list[date]] = {}
    for one in sorted(changes, key=lambda one: one.after != "slipped"):
        words = f"{one.before} → {one.after}" if one.before else f"{one.after}, reported now"
        if one.before == one.after:
            words = f"still {one.after}, with other measures or incidents"
        groups.setdefault((bool(one.before), words), []).append(one.night)
    return "; ".join(f"{show_nights(nights)} {words}" for (_, words), nights in groups.items())


def show_nights(nights: Sequence[date]) -> str:
    """Shows one night, or the first, the last and the count of several."""
    first, last = (format_day(night, "short") for night in (min(nights), max(nights)))
    return first if len(nights) == 1 else f"{len(nights)} nights from {first} to {last}"


def compose_missing(missing: MissingNight, style: Style) -> Text:
    """Composes the message about a night that should have a report and has none."""
    title = f"{make_plain(style.title, 80)}, {format_day(missing.date)}: no report"
    lines = (
        Line(f"Missing: {make_plain(missing.describe(), 600)}."),
        *describe_owner(style.owner),
        Line("Next: andon doctor", 1),
    )
    return Text(title, lines, "failure")


def compose_earlier(changes: Sequence[Change], style: Style) -> Text:
    """Composes the message about earlier nights alone."""
    slipped = any(one.after == "slipped" != one.before for one in changes)
    title = f"{make_plain(style.title, 80)}: earlier nights"
    return Text(title, tuple(describe_changes(changes)), "failure" if slipped else "info")


def compose_test(name: str) -> Text:
    """Composes the message by which a target is tried."""
    words = f"Andon can send its digest to {name}. No night is reported by this message."
    return Text("Andon: a test", (Line(words),), "info")
