"""What users ask about: the night's topics by size, with their nights before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple, cast

from evals.reports.decide.rows import TopicCount, read_rows
from evals.reports.json_form import Change, Count, Share
from evals.reports.phrases import round_figure
from evals.reports.section import Day, NightData, Parts, Section
from evals.statistics import Difference, Proportion, compare_rates

NIGHTS_BEFORE = 7
"""A night's shares are compared with those of this many nights before."""
NEW_NIGHTS = 7
"""A topic is new on its first nights, this many."""

Gap = Literal["few", "unlike", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NightCount:
    """The requests of a topic on one night."""

    date: Day
    n: Count
    unmet: Count
    """Those that were not met, as the section `unmet` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSize:
    """A topic's requests."""

    topic: str
    """Its label: the terms that set it apart, each in requests of at least five people."""
    topic_id: str | None
    """Its model and its number in it; null: `other`."""
    since: Day | None
    """The night whose requests first had it; null: it is one of the first topics."""
    is_new: bool
    """Whether that was in the last seven nights."""
    n: Count
    share: Share
    """Of the night's requests."""
    change: Change | None
    """`share` − the share in the seven nights before; null without such nights."""
    change_low: Change | None
    """Lower end of its 95% interval (Newcombe), each session as one request."""
    change_high: Change | None
    """Upper end of the same."""
    nights: tuple[NightCount, ...]
    """This night and up to 13 before, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The night's topics; empty in a report made before there were any."""

    n: Count = 0
    """Requests."""
    models: Count = 0
    """How many models of topics assigned the night, each dividing what those before left over."""
    gap: Gap | None = None
    """Why there are no topics: `few` different requests, `unlike` each other, or `none` made."""
    topics: tuple[TopicSize, ...] = ()
    """The largest first; `other`, of the requests in no topic, is last."""


class Counts(NamedTuple):
    """Rows of this night and of those before."""

    night: date
    rows: Sequence[TopicCount]


def collect(night: NightData) -> Counts:
    """Reads how many requests each topic had, on this night and the nights before."""
    return Counts(night.date, read_rows(TopicCount, night.read_recent_rows("rpt_topics")))


def build(counts: Counts, parts: Parts) -> Topics:
    """Builds the topics by size."""
    del parts
    whole = {row.date: row for row in counts.rows if row.is_whole}
    tonight = whole.get(counts.night)
    if tonight is None:
        return Topics()
    if not tonight.topic_models:
        return Topics(n=tonight.n, gap=cast("Gap", tonight.topic_gap or "none"))
    own = [row for row in counts.rows if row.date == counts.night and row.is_topic]
    own.sort(key=lambda row: (row.topic == "other", -row.n, row.topic))
    sizes = (build_size(row, counts, tonight.n) for row in own)
    return Topics(n=tonight.n, models=tonight.topic_models, topics=tuple(sizes))


def build_size(row: TopicCount, counts: Counts, total: int) -> TopicSize:
    """Builds one topic's size."""
    change = compare_share(row, counts)
    return TopicSize(
        topic=row.topic,
        topic_id=row.topic_id,
        since=row.topic_since,
        is_new=row.topic_since is not None and (counts.night - row.topic_since).days < NEW_NIGHTS,
        n=row.n,
        share=row.n / total,
        change=round_figure(change.change) if change else None,
        change_low=round_figure(change.low) if change else None,
        change_high=round_figure(change.high) if change else None,
        nights=list_nights(row.topic, counts),
    )


def list_nights(topic: str, counts: Counts) -> tuple[NightCount, ...]:
    """Lists the nights that had topics, with the requests of one."""
    own = {row.date: row for row in counts.rows if row.is_topic and row.topic == topic}
    nights = sorted({row.date for row in counts.rows if row.is_whole and row.topic_models})
    return tuple(
        NightCount(date=night, n=own[night].n, unmet=own[night].unmet)
        if night in own
        else NightCount(date=night, n=0, unmet=0)
        for night in nights
    )


def compare_share(row: TopicCount, counts: Counts) -> Difference | None:
    """Compares a topic's share with the nights before; None without any."""
    first = counts.night - timedelta(days=NIGHTS_BEFORE)
    before = [one for one in counts.rows if first <= one.date < counts.night and one.topic_models]
    n = sum(one.n for one in before if one.is_whole)
    whole = next(one for one in counts.rows if one.is_whole and one.date == counts.night)
    if not n:
        return None
    had = sum(one.n for one in before if one.is_topic and one.topic == row.topic)
    sessions = sum(one.sessions for one in before if one.is_whole)
    return compare_rates(
        Proportion(had, n, float(sessions)), Proportion(row.n, whole.n, float(whole.sessions))
    )


def build_empty(night: NightData) -> Topics:
    """Counts nothing: no trace of a refused night was accepted."""
    del night
    return Topics()


SECTION = Section[Counts, Topics](
    name="topics",
    about="What users ask about: topics by size and change, new ones marked.",
    part=Topics,
    collect=collect,
    build=build,
    empty=build_empty,
    default=Topics(),
)
