"""The step of a night: each trace's topic, and whether its request was met.

Makes a topic model where an application has none yet, or where enough requests are in no topic.
Reads traces in batches; what is compared with each other is bounded.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from evals.evaluators.refusals import is_apology, is_refusal
from evals.storage.documents.topic_models import StoredModel, read_models, write_model
from evals.storage.lake import Lake
from evals.table_rows import RequestRow
from evals.topics.embedding import load_embedding
from evals.topics.fitting import (
    LEAST_TEXTS,
    MOST_SHARE,
    MOST_TEXTS,
    Request,
    Sample,
    fit_topics,
    sample_requests,
)
from evals.topics.history import (
    OTHER,
    LoadedModel,
    assign_topics,
    collect_terms,
    load_model,
    select_models,
    store_model,
)
from evals.topics.request_languages import Languages, find_languages, read_languages
from evals.topics.sessions import (
    COMPARED_CHARACTERS,
    PartCounts,
    Turn,
    Unmet,
    judge_session,
)
from evals.topics.tokens import MOST_CHARACTERS

TABLE = "requests"
FIRST_NIGHTS = 14
"""The first topics are made from this many nights at most, the night itself included."""
LATER_NIGHTS = 7
"""Later ones are made from what no topic had in this many."""
BETWEEN = 3
"""Nights between two models, at least."""
MOST_REQUESTS = 4 * MOST_TEXTS
"""Requests that are looked at to make a model."""
NEW_SHARE = 0.02
"""The share of all requests looked at that a later topic has, at least."""
COLUMNS = ("trace_id", "app", "input", "output", "status", "metadata", "content_hash")
TURN_COLUMNS = ("trace_id", "app", "input", "output", "session_id", "turn", "status")
TEXT_COLUMNS = ("trace_id", "app", "input", "session_id", "user_id")
NO_SESSION = Unmet()


class RequestCounts(NamedTuple):
    """A night's requests."""

    requests: int
    in_topics: int
    unmet: int


class Assigned(NamedTuple):
    """How an application's night was assigned before."""

    rows: int
    models: int
    gap: str | None


NEVER = Assigned(0, 0, None)


class Window(NamedTuple):
    """Requests that a model may be made from."""

    requests: list[Request]
    nights: list[date]
    total: int
    """All requests of those nights that were looked at, in topics and not."""


def describe_night(lake: Lake, night: date, embedding: Path | None = None) -> RequestCounts:
    """Writes the rows of a night's requests, and the models that are made for it.

    Args:
        lake: the home.
        night: the night.
        embedding: the folder of a static embedding model that topics are made with; None: of none.
    """
    with lake.lock("topics"):
        before = read_assigned(lake, night)
        traces = count_traces(lake, night)
        counts: Counter[str] = Counter()
        with lake.open_writer(TABLE, night, "data") as writer:
            for app in sorted(traces):
                was = before.get(app, NEVER)
                is_new = was.rows != traces[app]
                for row in describe_app(lake, night, app, was, embedding, is_new=is_new):
                    writer.add(row)
                    counts["in_topics"] += row.topic_id is not None
                    counts["unmet"] += is_unmet(row)
    return RequestCounts(traces.total(), counts["in_topics"], counts["unmet"])


def is_unmet(row: RequestRow) -> bool:
    """Whether a request was not met in any way."""
    return row.refused or row.apologised or row.repeated or row.rephrased or row.abandoned


def describe_app(
    lake: Lake, night: date, app: str, was: Assigned, embedding: Path | None, *, is_new: bool
) -> Iterator[RequestRow]:
    """Yields the rows of an application's requests.

    Args:
        lake: the home.
        night: the night.
        app: the application.
        was: how the night was assigned before.
        embedding: the folder of an embedding model.
        is_new: whether its traces are others than those assigned before: then a model may be made.
    """
    stored = read_models(lake, app)
    models, gap = select_models(stored, night, was.models), was.gap or "few"
    if is_new and not was.models and is_newest(lake, stored, night):
        made, gap = make_model(lake, night, app, models, embedding)
        models = [*models, made] if made else models
    loaded = [load_model(model) for model in models]
    outcomes, described = judge_sessions(lake, night, app), read_languages(lake, night, app)
    for rows in lake.stream_batches("traces", night, COLUMNS, app):
        languages = [find_languages(row, described) for row in rows]
        yield from describe_rows(night, rows, loaded, outcomes, languages, gap)


def describe_rows(
    night: date,
    rows: Sequence[Mapping[str, Any]],
    models: Sequence[LoadedModel],
    outcomes: Mapping[str, Unmet],
    languages: Sequence[Languages],
    gap: str,
) -> Iterator[RequestRow]:
    """Yields the rows of a batch of traces."""
    topics = assign_topics(models, [row["input"] or "" for row in rows])
    for row, topic, spoken in zip(rows, topics, languages, strict=True):
        output = row["output"] or ""
        yield RequestRow(
            date=night,
            app=row["app"],
            trace_id=row["trace_id"],
            topic=topic.label if topic else OTHER if models else None,
            topic_id=topic.id if topic else None,
            topic_since=topic.since if topic else None,
            topic_models=len(models),
            topic_gap=None if models else gap,
            refused=is_refused(row),
            apologised=is_apology(output),
            **outcomes.get(row["trace_id"], NO_SESSION)._asdict(),
            content_hash=row.get("content_hash"),
            **spoken._asdict(),
        )


def is_refused(row: Mapping[str, Any]) -> bool:
    """Whether a trace's request was refused: by its answer, or by a content filter."""
    return row.get("status") == "filtered" or is_refusal(row["output"] or "")


def is_failed(row: Mapping[str, Any]) -> bool:
    """Whether a trace's request was refused or not answered."""
    return (row.get("status") or "ok") != "ok" or is_refused(row)


def judge_sessions(lake: Lake, night: date, app: str) -> dict[str, Unmet]:
    """Finds what sessions show about their turns, by trace; of traces in no session, nothing."""
    sessions: defaultdict[str, list[tuple[int, Turn]]] = defaultdict(list)
    for rows in lake.stream_batches("traces", night, TURN_COLUMNS, app):
        for row in rows:
            if row["session_id"] is not None:
                number = row.get("turn")
                text = (row["input"] or "")[:COMPARED_CHARACTERS] if number else ""  # alone in it
                turn = Turn(row["trace_id"], text, is_failed(row))
                sessions[row["session_id"]].append((number or 1, turn))
    ordered = [[turn for _, turn in sorted(turns)] for turns in sessions.values()]
    counts = PartCounts()
    for turns in ordered:
        for turn in turns if len(turns) > 1 else ():
            counts.add_text(turn.text)
    outcomes: dict[str, Unmet] = {}
    for turns in ordered:
        judged = judge_session(turns, counts)
        outcomes |= {turn.trace_id: one for turn, one in zip(turns, judged, strict=True)}
    return outcomes


def is_newest(lake: Lake, stored: Sequence[StoredModel], night: date) -> bool:
    """Whether no later night was assigned: a model is made in the order of nights only."""
    later = [day for day in lake.list_nights(TABLE) if day > night]
    recent = [model for model in stored if (night - model.made).days < BETWEEN]
    return not later and not recent


def make_model(
    lake: Lake, night: date, app: str, before: Sequence[StoredModel], embedding: Path | None
) -> tuple[StoredModel | None, str]:
    """Makes a model for a night, if its requests call for one.

    Returns:
        The model, or why there is none: `few` different requests, or `unlike` each other.
    """
    window = collect_window(lake, night, app, [load_model(model) for model in before])
    sample = sample_requests(window.requests)
    if len(sample.terms) < LEAST_TEXTS:
        return None, "few"
    least = max(1, round(NEW_SHARE * window.total)) if before else 0
    if before and not has_new_term(sample, before, least):
        return None, "unlike"
    # what is left over may all be about one new thing, whose terms then are in all of it
    vectors = load_embedding(embedding) if embedding else None
    share = 1.0 if before else MOST_SHARE
    model = fit_topics(sample, least, share, vectors)
    if model is None:
        return None, "unlike"
    made = store_model(app, model, before, night, window.nights, len(sample.terms))
    write_model(lake, made)
    return made, ""


def has_new_term(sample: Sample, before: Sequence[StoredModel], least: int) -> bool:
    """Whether enough requests have a term in common that no model has; else none is fitted."""
    known = collect_terms(before)
    counts = Counter(term for terms in sample.terms for term in set(terms).difference(known))
    return max(counts.values(), default=0) >= max(least, LEAST_TEXTS // 6)


def collect_window(lake: Lake, night: date, app: str, before: Sequence[LoadedModel]) -> Window:
    """Collects the requests that a model may be made from: those in no topic.

    Night by night backwards, in an order that depends on their ids alone, up to a bound.
    """
    back = LATER_NIGHTS if before else FIRST_NIGHTS
    requests: list[Request] = []
    nights: list[date] = []
    total = 0
    for day in (night - timedelta(days=number) for number in range(back)):
        own = sample_night(lake, day, app) if total < MOST_REQUESTS else []
        if own:
            total += len(own)
            nights.append(day)
            topics = assign_topics(before, [request.text for request in own])
            requests += [one for one, topic in zip(own, topics, strict=True) if topic is None]
    return Window(requests, nights, total)


def sample_night(lake: Lake, night: date, app: str) -> list[Request]:
    """Returns a night's requests, of many those whose hashed ids come first."""
    rows = (
        (hash_id(row["trace_id"]), row["trace_id"], read_request(row))
        for batch in lake.stream_batches("traces", night, TEXT_COLUMNS, app)
        for row in batch
        if row["input"]
    )
    chosen = heapq.nsmallest(MOST_REQUESTS, rows, key=lambda item: item[:2])
    return [request for _, _, request in chosen]


def hash_id(trace_id: str) -> bytes:
    """Returns a trace's place in the order in which requests are looked at."""
    return hashlib.sha256(trace_id.encode("utf-8", "surrogatepass")).digest()[:8]


def read_request(row: Mapping[str, Any]) -> Request:
    """Returns a trace's request, made by a user; a session or a trace where none is recorded."""
    person = row["user_id"] or row["session_id"] or row["trace_id"]
    return Request(row["input"][:MOST_CHARACTERS], person)


def read_assigned(lake: Lake, night: date) -> dict[str, Assigned]:
    """Reads how each application's night was assigned before."""
    rows: Counter[str] = Counter()
    last: dict[str, Mapping[str, Any]] = {}
    for batch in lake.stream_batches(TABLE, night, ("app", "topic_models", "topic_gap")):
        rows.update(row["app"] for row in batch)
        last |= {row["app"]: row for row in batch}
    return {
        app: Assigned(n, last[app]["topic_models"], last[app]["topic_gap"])
        for app, n in rows.items()
    }


def count_traces(lake: Lake, night: date) -> Counter[str]:
    """Counts a night's traces by application."""
    counts: Counter[str] = Counter()
    for batch in lake.stream_batches("traces", night, ("app",)):
        counts.update(row["app"] for row in batch)
    return counts
