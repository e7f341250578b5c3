"""Builds the review queue of a night: reads what it is drawn from, and stores it.

`review_queue` draws it, and `queue_reasons` finds why an answer is worth reading.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from evals.evaluators import registry
from evals.evaluators.gold import digest_answer
from evals.evaluators.registry import find_declared_type
from evals.labels import queue_reasons, review_queue
from evals.labels.mapped_labels import list_guardrails
from evals.labels.queue_reasons import Signal
from evals.labels.review_queue import ReviewDimension
from evals.records import Label, Outcome
from evals.runs.model_servers import ModelServers
from evals.runs.noise import compare_answers, list_answer_keys
from evals.specs import Catalog, Check, Evaluator
from evals.storage import ledger
from evals.storage.documents.review_queues import (
    ReviewQuestion,
    change_review_queue,
    read_review_queue,
)
from evals.storage.label_records import read_gold_values, read_labels
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.storage.parquet_files import stream_rows
from evals.table_rows import AnchorRow
from evals.worklist.sampling import compute_place
from evals.worklist.session_traces import read_last_turns


def build_night_queue(
    lake: Lake,
    catalog: Catalog,
    night: date,
    incidents: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[ReviewQuestion]:
    """Builds and stores a night's review queue over all its applications.

    Args:
        lake: has the night.
        catalog: has what people judge.
        night: the night.
        incidents: the dimensions with an open incident, by application.
    """
    judged = read_judged_night(lake, night)
    measured = queue_reasons.read_measured(lake, night)
    signals = collect_signals(lake, catalog, night, incidents)
    queued: list[ReviewQuestion] = []
    for app in sorted(set(measured) - set(catalog.broken)):
        ids = [one.trace_id for one in measured[app]]
        own = set(ids)
        about = [label for label in judged.labels if label.subject_id in own]
        dimensions = list_review_dimensions(catalog, app)
        has_sessions = any(one.is_of_sessions for one in dimensions.values())
        turns = read_last_turns(lake, night, app) if has_sessions else ()
        queued += review_queue.build_queue(
            app,
            ids,
            [
                *signals[app],
                *queue_reasons.find_outliers(measured[app]),
                *queue_reasons.find_complaints(measured[app], about),
            ],
            judged.people,
            dimensions,
            catalog.app(app).queue,
            {turn.trace_id for turn in turns},
        )
    changed = change_review_queue(
        lake,
        night,
        lambda before: [
            one._replace(answer=judged.answers.get(one.trace_id, ""))
            for one in (*queued, *list_added(before, queued, judged.people))
        ],
    )
    return changed.after


def list_added(
    before: Iterable[ReviewQuestion],
    drawn: Iterable[ReviewQuestion],
    people: Mapping[tuple[str, str], int],
) -> list[ReviewQuestion]:
    """Lists the questions that were added to a queue and stay in it when it is drawn anew.

    Those about anchors stay until somebody has judged them, those that are asked again for good.
    """
    asked = {(one.trace_id, one.labels) for one in drawn}
    return [
        one
        for one in before
        if (about := (one.trace_id, one.labels)) not in asked
        and (
            one.stratum == review_queue.REGRADE
            or (one.stratum == review_queue.ANCHOR and not people.get(about))
        )
    ]


class JudgedNight(NamedTuple):
    """The labels of a home, and what people judged of a night."""

    labels: Sequence[Label]
    people: Counter[tuple[str, str]]
    """How many people judged each present answer, by trace and dimension."""
    answers: Mapping[str, str]
    """The digest of the present answer of each trace that has a label."""


def read_judged_night(lake: Lake, night: date) -> JudgedNight:
    """Reads the labels of a home, and counts the people who judged each answer of a night."""
    labels = read_labels(lake)
    labelled = "trace_id", {label.subject_id for label in labels}
    traces = list(lake.stream_night("traces", night, labelled))
    people = review_queue.count_people(labels, read_gold_values(lake), traces)
    return JudgedNight(labels, people, {one.trace_id: digest_answer(one) for one in traces})


def collect_signals(
    lake: Lake, catalog: Catalog, night: date, incidents: Mapping[str, Collection[str]]
) -> defaultdict[str, list[Signal]]:
    """Collects what evaluators, guards and topics show, by application."""
    signals: defaultdict[str, list[Signal]] = defaultdict(list)
    verdicts: defaultdict[str, list[queue_reasons.Judged]] = defaultdict(list)
    for one in queue_reasons.read_judged(lake, night):
        verdicts[one.app].append(one)
    for app in set(verdicts) - set(catalog.broken):
        names = list_review_dimensions(catalog, app)
        open_ones = incidents.get(app, ())
        signals[app] += queue_reasons.find_verdict_signals(verdicts[app], names, open_ones)
        signals[app] += find_unsteady(lake, catalog, night, app)
    others = (
        *queue_reasons.find_guard_signals(lake, night),
        *queue_reasons.find_topic_signals(lake, night),
    )
    for app, signal in others:
        signals[app].append(signal)
    return signals


def find_unsteady(lake: Lake, catalog: Catalog, night: date, app: str) -> Iterator[Signal]:
    """Yields the traces on which further answers of a judge differ from its first."""
    judges = [one for one in catalog.judges.values() if one.repeats > 1]
    if not judges:
        return
    for evaluator in ModelServers(lake, catalog).resolve_app(app):
        if evaluator.judge and evaluator.judge.repeats > 1:
            traces = read_contents(lake, night, evaluator)
            for key in find_flipped(lake, evaluator, traces):
                yield from (Signal(one, "uncertain", evaluator.name) for one in traces[key])


def read_contents(lake: Lake, night: date, evaluator: Evaluator) -> dict[str, list[str]]:
    """Reads the traces of a night by the content that an evaluator judged."""
    traces: dict[str, list[str]] = defaultdict(list)
    name = f"{evaluator.name}@{evaluator.app}@{evaluator.version}"
    for path in list_locked_files(lake, "scores", [night]):
        for rows in stream_rows(path, ("trace_id", "content_key")) if path.stem == name else ():
            for row in rows:
                if row["content_key"]:
                    traces[row["content_key"]].append(row["trace_id"])
    return traces


def find_flipped(lake: Lake, evaluator: Evaluator, contents: Iterable[str]) -> list[str]:
    """Finds the contents to which a judge gave both verdicts."""
    repeats = evaluator.judge.repeats if evaluator.judge else 1
    keys = {content: list_answer_keys(content, repeats) for content in contents}
    model = registry.model_of(evaluator)
    verdicts: dict[str, bool | None] = {}
    every = {key for own in keys.values() for key in own}
    with ledger.open_index(lake, evaluator.answer_version or "", every) as paid:
        for answer in paid.read_answers():
            result = model.read_answer(evaluator, answer)
            verdicts[answer.content_key] = result.passed if isinstance(result, Outcome) else None
    return [content for content, own in keys.items() if compare_answers(own, verdicts).flips]


def queue_anchors(lake: Lake, catalog: Catalog, night: date) -> int:
    """Asks people about anchors without a label, each in the queue of its own night.

    Anchors are answers of earlier nights that a judge was asked about again on this one. They were
    not drawn for people, so their questions have no chance. Returns how many were added.
    """
    due: defaultdict[date, list[AnchorRow]] = defaultdict(list)
    for row in cast("list[AnchorRow]", lake.read("anchors", [night])):
        if row.label is None and row.app not in catalog.broken:
            due[row.trace_date].append(row)
    added = 0
    for day, rows in due.items():
        people = read_judged_night(lake, day).people

        def add_anchors(
            before: list[ReviewQuestion],
            rows: Sequence[AnchorRow] = rows,
            people: Mapping[tuple[str, str], int] = people,
        ) -> list[ReviewQuestion]:
            return [*before, *list_anchor_questions(catalog, rows, before, people)]

        added += change_review_queue(lake, day, add_anchors).added
    return added


def list_anchor_questions(
    catalog: Catalog,
    rows: Iterable[AnchorRow],
    before: Iterable[ReviewQuestion],
    judged: Mapping[tuple[str, str], int],
) -> list[ReviewQuestion]:
    """Lists the questions about anchors that no queue asks yet, at most a quarter of one."""
    asked = {(one.trace_id, one.labels) for one in before}
    room = Counter({app: -(-spec.queue.size // 4) for app, spec in catalog.apps.items()})
    more: list[ReviewQuestion] = []
    for row in sorted(rows, key=lambda row: compute_place(row.trace_id, "review")):
        dimension = list_review_dimensions(catalog, row.app).get(row.dimension)
        about = (row.trace_id, dimension.labels if dimension else "")
        if dimension and room[row.app] > 0 and about not in asked and not judged.get(about):
            asked.add(about)
            room[row.app] -= 1
            drawn = review_queue.Drawn(row.trace_id, 1.0, ())
            one = review_queue.build_question(row.app, row.dimension, dimension, drawn, 1)
            why = {"reason": "anchor due", "reasons": (review_queue.ANCHOR,)}
            more.append(one._replace(probability=None, stratum=review_queue.ANCHOR, **why))
    return more


def needs_people(check: str | Check | None) -> bool:
    """Whether people have to agree with a check, or there is none; code is named by a word."""
    if isinstance(check, str):
        return False
    return check is None or find_declared_type(check).needs_alignment


def list_review_dimensions(catalog: Catalog, app: str) -> dict[str, ReviewDimension]:
    """Returns the dimensions that people judge.

    Those with a judge, panel, classifier or recorded verdicts, or that only people can judge, and
    guardrails whose check people have to agree with; never what code asserts.
    """
    suite = catalog.suites.get(catalog.app(app).suite or "")
    own = [
        dimension
        for dimension in (suite.dimensions if suite else ())
        if dimension.recorded or needs_people(dimension.check)
    ]
    weak = [
        dimension
        for dimension in list_guardrails(catalog, app, suite.dimensions if suite else ())
        if needs_people(catalog.guardrails[dimension.dimension].check)
    ]
    return {
        one.dimension: ReviewDimension(one.labels_name, one.question, one.subject == "session")
        for one in (*own, *weak)
    }


def build_sheet(lake: Lake, night: date, app: str | None) -> list[dict[str, Any]]:
    """Returns a night's queue as rows to fill in."""
    questions = [one for one in read_review_queue(lake, night) if app in (None, one.app)]
    wanted = "trace_id", {one.trace_id for one in questions}
    return review_queue.build_sheet(
        questions, {t.trace_id: t for t in lake.stream_night("traces", night, wanted)}
    )


def explain_empty(
    lake: Lake, catalog: Catalog, apps: Iterable[str], night: date | None
) -> dict[str, str]:
    """Explains why nobody is asked about a night's answers, by application."""
    return {app: describe_empty(lake, catalog, app, night) for app in sorted(apps)}


def describe_empty(lake: Lake, catalog: Catalog, app: str, night: date | None) -> str:
    """Describes why nobody is asked about an application's answers of a night."""
    if night is None:
        return "no night has a queue yet; run `andon nightly`"
    if not catalog.app(app).queue.size:
        return "its `review_queue` is 0"
    if not list_review_dimensions(catalog, app):
        return "code alone decides its dimensions; add a judge, or a dimension with `recorded`"
    if not any(lake.stream_batches("traces", night, ("trace_id",), app)):
        return f"it has no answers on {night:%Y-%m-%d}"
    return "everything that was drawn is judged"
