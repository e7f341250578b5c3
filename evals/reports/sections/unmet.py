"""Requests that were not met: how many, of which kind, in which topic, with real ones to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from evals.reports.decide.rows import Row, TopicCount
from evals.reports.json_form import Change, Count, Share, from_json
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, show_rate
from evals.reports.sections import topics
from evals.reports.sections.topics import NIGHTS_BEFORE, NightCount, list_nights
from evals.statistics import Difference, Proportion, compare_rates, effective_n, pool_proportions

KINDS = ("refused", "apologised", "repeated", "rephrased", "abandoned")
SHOWN = 10
"""Topics that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetKind:
    """Requests that were not met in one way; a request may be so in several."""

    kind: str
    """`refused`, `apologised`, `repeated`, `rephrased` or `abandoned`."""
    n: Count
    share: Share
    """Of all requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetRequest:
    """A request that was not met, redacted and shortened."""

    trace_id: str
    kinds: tuple[str, ...]
    """In which ways."""
    input: str
    output: str
    """What the application answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetTopic:
    """The requests of one topic that were not met."""

    topic: str
    """Its label; `other`: in no topic; empty: the night has no topics."""
    n: Count
    """Its requests."""
    unmet: Count
    share: Share
    """`unmet` / `n`."""
    low: Share | None
    """Lower end of its 95% interval (Wilson), sessions counted as clusters."""
    high: Share | None
    """Upper end of the same."""
    kinds: tuple[UnmetKind, ...]
    """Only those that occur, the most frequent first."""
    change: Change | None
    """`share` − the share in the seven nights before; null without such nights."""
    change_low: Change | None
    """Lower end of its 95% interval (Newcombe)."""
    change_high: Change | None
    """Upper end of the same."""
    nights: tuple[NightCount, ...]
    """This night and up to 13 before, oldest first."""
    examples: tuple[UnmetRequest, ...]
    """Up to three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetRequests:
    """The night's requests that were not met; all zero in a report made before it was counted."""

    n: Count = 0
    """Requests."""
    unmet: Count = 0
    """Those refused, apologised for, repeated, rephrased or abandoned."""
    share: Share | None = None
    low: Share | None = None
    """Lower end of its 95% interval (Wilson), sessions counted as clusters."""
    high: Share | None = None
    """Upper end of the same."""
    kinds: tuple[UnmetKind, ...] = ()
    """Only those that occur, the most frequent first."""
    topics: tuple[UnmetTopic, ...] = ()
    """The ten with the most unmet requests."""


class Found(NamedTuple):
    """What the section is built from."""

    counts: topics.Counts
    examples: Sequence[Row]
    """Unmet requests to read, with their `topic`."""


def collect(night: NightData) -> Found:
    """Reads the counts, and requests to read."""
    return Found(topics.collect(night), night.list_unmet_requests())


def build(found: Found, parts: Parts) -> UnmetRequests:
    """Builds the unmet requests, the topics with most of them first."""
    del parts
    counts = found.counts
    tonight = [row for row in counts.rows if row.date == counts.night]
    whole = next((row for row in tonight if row.is_whole), None)
    if whole is None:
        return UnmetRequests()
    shown = show_rate(count_unmet(whole))
    own = [row for row in tonight if not row.is_whole and row.unmet]
    own.sort(key=lambda row: (-row.unmet, row.topic == "other", row.topic))
    return UnmetRequests(
        n=whole.n,
        unmet=whole.unmet,
        share=shown.rate,
        low=shown.low,
        high=shown.high,
        kinds=list_kinds(whole),
        topics=tuple(build_topic(row, found) for row in own[:SHOWN]),
    )


def build_topic(row: TopicCount, found: Found) -> UnmetTopic:
    """Builds the unmet requests of one topic."""
    shown = show_rate(count_unmet(row))
    change = compare_nights(row, found.counts.rows, found.counts.night)
    return UnmetTopic(
        topic=row.topic,
        n=row.n,
        unmet=row.unmet,
        share=row.unmet / row.n,
        low=shown.low,
        high=shown.high,
        kinds=list_kinds(row),
        change=round_figure(change.change) if change else None,
        change_low=round_figure(change.low) if change else None,
        change_high=round_figure(change.high) if change else None,
        nights=list_nights(row.topic, found.counts),
        examples=tuple(list_examples(row.topic, found.examples)),
    )


def count_unmet(row: TopicCount) -> Proportion:
    """Returns the share of unmet requests, with the effective size of its sessions."""
    size = effective_n(row.unmet, row.n, row.sessions, row.session_ss, row.session_squares)
    return Proportion(row.unmet, row.n, size)


def list_kinds(row: TopicCount) -> tuple[UnmetKind, ...]:
    """Lists the kinds of unmet requests that occur, the most frequent first."""
    by_kind: Mapping[str, int] = {kind: getattr(row, kind) for kind in KINDS}
    ordered = sorted(KINDS, key=lambda kind: -by_kind[kind])
    return tuple(
        UnmetKind(kind=kind, n=by_kind[kind], share=by_kind[kind] / row.n)
        for kind in ordered
        if by_kind[kind]
    )


def compare_nights(row: TopicCount, rows: Iterable[TopicCount], night: date) -> Difference | None:
    """Compares a topic's share of unmet requests with the nights before; None without any."""
    first = night - timedelta(days=NIGHTS_BEFORE)
    before = [
        count_unmet(one)
        for one in rows
        if first <= one.date < night and not one.is_whole and one.topic == row.topic
    ]
    if not before:
        return None
    return compare_rates(pool_proportions(before), count_unmet(row))


def list_examples(topic: str, rows: Iterable[Row]) -> list[UnmetRequest]:
    """Lists a topic's requests to read."""
    return [from_json(UnmetRequest, row) for row in rows if row["topic"] == topic]


def build_empty(night: NightData) -> UnmetRequests:
    """Counts nothing: no trace of a refused night was accepted."""
    del night
    return UnmetRequests()


SECTION = Section[Found, UnmetRequests](
    name="unmet",
    about="Requests refused, apologised for, repeated, rephrased or abandoned, by topic.",
    part=UnmetRequests,
    collect=collect,
    build=build,
    empty=build_empty,
    default=UnmetRequests(),
)
