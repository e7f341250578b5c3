"""Labels back into the line: a night's review queue, and candidates for judges that misjudge.

Gathers from the lake and keeps what `review` and `alignment` decide; a person promotes.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from datetime import date
from typing import Any

from evals.evaluators.registry import find_declared_type
from evals.labels import alignment, review_queue
from evals.labels.label_files import mapped_labels
from evals.records import Score
from evals.specs import Catalog, Judge
from evals.storage import night_state
from evals.storage.documents.candidates import Candidate, MeasuredCandidate, write_candidate
from evals.storage.documents.review_queues import (
    ReviewQuestion,
    read_review_queue,
    write_review_queue,
)
from evals.storage.lake import Lake
from evals.storage.marts import locked_files


def night_queue(lake: Lake, catalog: Catalog, night: date) -> list[ReviewQuestion]:
    """Makes and keeps a night's queue over all its applications."""
    labels = lake.labels()
    failed: dict[str, list[Score]] = defaultdict(list)
    for file in locked_files(lake, "scores", [night]):
        for score in lake.each("scores", file, ("verdict", ["fail"])):
            failed[score.app].append(score)
    ids: dict[str, list[str]] = defaultdict(list)
    for rows in lake.batches("traces", night, ("trace_id", "app")):
        for row in rows:
            ids[row["app"]].append(row["trace_id"])
    gold = lake.gold_values()
    labelled = "trace_id", {label.subject_id for label in labels}
    judged = review_queue.judged_already(labels, gold, lake.picked("traces", night, labelled))
    found: list[ReviewQuestion] = []
    for app in sorted(set(ids) - set(catalog.broken)):
        asked = asked_of(catalog, app)
        size = catalog.app(app).review_queue
        found += review_queue.queue(app, ids[app], failed[app], judged, asked, size)
    write_review_queue(lake, night, found)
    return found


def asked_of(catalog: Catalog, app: str) -> dict[str, tuple[str, str]]:
    """The dimensions of an application that people judge: those of its judges, or else all."""
    suite = catalog.suites.get(catalog.app(app).suite or "")
    dimensions = suite.dimensions if suite else ()
    judged = [
        d
        for d in dimensions
        if d.recorded or (d.check and find_declared_type(d.check).needs_alignment)
    ]
    return {d.dimension: (d.labels or d.dimension, d.question) for d in judged or dimensions}


def sheet(lake: Lake, night: date, app: str | None) -> list[dict[str, Any]]:
    """A night's queue as rows to fill in."""
    asked = [one for one in read_review_queue(lake, night) if app in (None, one.app)]
    shown = "trace_id", {one.trace_id for one in asked}
    return review_queue.sheet(asked, {t.trace_id: t for t in lake.picked("traces", night, shown)})


def candidates(lake: Lake, catalog: Catalog) -> list[Candidate]:
    """Proposes a threshold for each judge with a graded score and labels; promotes nothing."""
    pairs = judged_pairs(lake, catalog)
    found: list[Candidate] = []
    for name, judge in sorted(catalog.judges.items()):
        if judge.mode != "logprobs":
            continue
        found.append(candidate(lake, judge, pairs.get(name, {})))
    return found


def candidate(lake: Lake, judge: Judge, splits: dict[str, list[tuple[float, bool]]]) -> Candidate:
    """One judge's candidate, kept under `candidates/`, or the reason there is none."""
    try:
        proposed = alignment.propose_threshold(splits.get("dev", []), splits.get("test", []))
    except ValueError as error:
        return Candidate(judge=judge.judge, now=judge.threshold, proposed=None, why=str(error))
    row: MeasuredCandidate = {
        "judge": judge.judge,
        "now": judge.threshold,
        "proposed": proposed.threshold,
        "dev": dataclasses.asdict(proposed.dev),
        "test": dataclasses.asdict(proposed.test) if proposed.test else None,
        "why": f"set `threshold: {proposed.threshold:.4g}` in judges/{judge.judge}.yaml to promote",
    }
    write_candidate(lake, judge.judge, row)
    return row


def judged_pairs(lake: Lake, catalog: Catalog) -> dict[str, dict[str, list[tuple[float, bool]]]]:
    """Graded score and human verdict by judge and split, over every labelled night."""
    labels = lake.labels()
    spoken_of = "trace_id", {label.subject_id for label in labels}
    found: dict[str, dict[str, list[tuple[float, bool]]]] = {}
    for night in lake.nights("traces"):
        traces = list(lake.picked("traces", night, spoken_of))
        session = {trace.trace_id: trace.session_id or trace.trace_id for trace in traces}
        said = {
            (row.trace_id, row.dimension): row.verdict == "pass"
            for row in mapped_labels(catalog, labels, night, traces)
        }
        for score in latest(lake, catalog, night):
            human = said.get((score.trace_id, score.dimension))
            if human is None or score.value is None or score.status != "scored":
                continue
            part = alignment.split(session[score.trace_id])
            splits = found.setdefault(score.evaluator, {"dev": [], "test": [], "pool": []})
            splits[part].append((score.value, human))
    return found


def latest(lake: Lake, catalog: Catalog, night: date) -> list[Score]:
    """A night's scores of judges whose answers are still asked the same way."""
    from evals.evaluators import resolution

    known = night_state.read_state(lake, night).evaluators
    current = {
        (e.name, app): e.answer_version
        for app in known
        if app not in catalog.broken
        for e in resolution.resolve_app(catalog, app)
        if e.answer_version
    }
    rows = (s for f in locked_files(lake, "scores", [night]) for s in lake.each("scores", f))
    wanted = (row for row in rows if row.answer_version is not None)
    return [row for row in wanted if current.get((row.evaluator, row.app)) == row.answer_version]
