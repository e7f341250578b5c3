"""Chooses the traces that people read first: half at random, half as different as they come.

Bounded: looks at no more than a pool of traces, whatever the nights hold.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime

from evals.error_analysis import clusters
from evals.storage.documents.reading_lists import ListedTrace, ReadingList
from evals.storage.lake import Lake
from evals.storage.queries import query_tables, quote_text
from evals.topics.history import OTHER

POOL = 20
"""Traces looked at for each one chosen."""
MOST_POOL = 2000
NIGHTS = 28
"""Of the newest nights."""
CHARACTERS = 2000
"""Of a request that are compared."""
Candidate = tuple[str, str, date]
"""The place in the random order, the trace, its night."""


def choose_traces(
    lake: Lake, app: str, size: int, nights: Sequence[date], read_before: Collection[str], seed: str
) -> list[ListedTrace]:
    """Chooses traces of an application: half at random, half by topic, the rarest topic first.

    Args:
        lake: has the traces.
        app: the application.
        size: how many.
        nights: the nights to choose from.
        read_before: traces that people have read; they are left out.
        seed: another one gives another random order.
    """
    pool = draw_pool(lake, app, min(size * POOL, MOST_POOL), nights, read_before, seed)
    half = (size + 1) // 2
    drawn, rest = pool[:half], pool[half:]
    chosen = [ListedTrace(trace, night, "random") for _, trace, night in drawn]
    topics = read_topics(lake, app, rest) or cluster_requests(lake, app, rest, size - half)
    return [*chosen, *take_turns(rest, topics, size - half)]


def draw_pool(
    lake: Lake,
    app: str,
    count: int,
    nights: Sequence[date],
    read_before: Collection[str],
    seed: str,
) -> list[Candidate]:
    """Draws traces at random: those with the smallest hashes; each of a night's own."""
    room = count + len(read_before)
    pool: list[Candidate] = []
    for night in nights:
        sql = (
            f"select md5(trace_id || {quote_text(seed)}) as place, trace_id from traces"  # noqa: S608  quoted
            f" where app = {quote_text(app)} order by 1, 2 limit {room}"
        )
        rows = query_tables(lake, sql, {"traces": [night]})
        own = [(row["place"], row["trace_id"], night) for row in rows]
        pool = heapq.nsmallest(room, [*pool, *own])
    return [row for row in pool if row[1] not in read_before][:count]


def read_topics(lake: Lake, app: str, pool: Sequence[Candidate]) -> dict[str, str]:
    """Reads the topic of each trace; empty where the application has no topics."""
    listed = ", ".join(quote_text(trace) for _, trace, _ in pool) or "null"
    sql = (
        "select trace_id, topic from requests"  # noqa: S608  quoted
        f" where app = {quote_text(app)} and topic is not null and trace_id in ({listed})"
    )
    rows = query_tables(lake, sql, {"requests": sorted({night for *_, night in pool})})
    topics = {row["trace_id"]: row["topic"] for row in rows}
    return topics if len(set(topics.values()) - {OTHER}) > 1 else {}


def cluster_requests(lake: Lake, app: str, pool: Sequence[Candidate], count: int) -> dict[str, str]:
    """Groups the requests of traces without topics by their words."""
    texts: dict[str, str] = {}
    for night in sorted({night for *_, night in pool}):
        listed = ", ".join(quote_text(trace) for _, trace, at in pool if at == night)
        sql = (
            f"select trace_id, left(input, {CHARACTERS}) as input from traces"  # noqa: S608  quoted
            f" where app = {quote_text(app)} and trace_id in ({listed})"
        )
        rows = query_tables(lake, sql, {"traces": [night]})
        texts |= {row["trace_id"]: row["input"] or "" for row in rows}
    groups = clusters.group_texts(list(texts.values()), min(count, len(texts)))
    return dict(zip(texts, map(str, groups), strict=True))


def take_turns(
    pool: Sequence[Candidate], topics: Mapping[str, str], count: int
) -> Iterator[ListedTrace]:
    """Yields traces of different topics by turns, the rarest topic first."""
    sizes = Counter(topics.get(trace, "") for _, trace, _ in pool)
    by_topic: dict[str, list[ListedTrace]] = defaultdict(list)
    for _, trace, night in pool:
        topic = topics.get(trace, "")
        reason = "unlike the others" if topic.isdecimal() or not topic else f"topic {topic}"
        by_topic[topic].append(ListedTrace(trace, night, reason))
    queues = [by_topic[topic] for topic in sorted(by_topic, key=lambda one: (sizes[one], one))]
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    yield from itertools.islice(filter(None, rounds), count)


def make_reading_list(
    lake: Lake,
    app: str,
    size: int,
    nights: Sequence[date],
    read_before: Collection[str],
    by: str,
    now: datetime,
) -> ReadingList:
    """Chooses the traces of a new error analysis; its order is another one each time."""
    seed = f"{app} {now.isoformat()}"
    traces = choose_traces(lake, app, size, nights, read_before, seed)
    return ReadingList(app, now, by, tuple(traces))
