"""The review queue of a night: traces for people to judge, with their sampling probabilities.

Pure; `label_files` imports the labels, and `alignment` compares judges with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from evals.evaluators.gold import digest_answer, is_about
from evals.evaluators.label_verdicts import is_from_people
from evals.records import GoldValue, Label, Score, Trace, digest
from evals.storage.documents.review_queues import ReviewQuestion
from evals.worklist.sampling import compute_place


def find_judged(
    labels: Iterable[Label], gold_values: Iterable[GoldValue], traces: Iterable[Trace]
) -> set[tuple[str, str]]:
    """Finds traces and dimensions with gold, or with a label of the present answer."""
    traces_by_id = {trace.trace_id: trace for trace in traces}
    judged = {
        (label.subject_id, label.dimension)
        for label in labels
        if is_from_people(label)
        and label.subject_id in traces_by_id
        and is_about(label, traces_by_id[label.subject_id])
    }
    return judged | {(one.subject_id, one.dimension) for one in gold_values}


def build_queue(
    app: str,
    traces: Iterable[str],
    failed: Iterable[Score],
    judged: Collection[tuple[str, str]],
    dimensions: Mapping[str, tuple[str, str]],
    size: int,
) -> list[ReviewQuestion]:
    """Builds a queue: half a random sample, half failed answers, without labelled ones.

    Args:
        app: the application.
        traces: the ids of its traces.
        failed: its failing scores.
        judged: what is judged already; see `find_judged`.
        dimensions: the labels' name and the question of each dimension people judge.
        size: the most traces to ask about.
    """
    half = size // 2
    traces, failures = list(traces), rank_failures(failed, dimensions)
    sampled = list(sample_questions(app, traces, dimensions, half))
    queued = [one for one in sampled if (one.trace_id, one.labels) not in judged]
    asked = {(one.trace_id, one.labels) for one in sampled}
    room = size - half
    for score in failures:
        name, question = dimensions[score.dimension]
        about = (score.trace_id, name)
        if room and about not in asked and about not in judged:
            asked.add(about)
            words = f"failed by {score.evaluator}"
            queued.append(
                ReviewQuestion(score.trace_id, app, score.dimension, name, question, words, None)
            )
            room -= 1
    chances = compute_chances(failures, {(one.trace_id, one.dimension) for one in queued})
    return [
        one._replace(probability=chances.get((one.trace_id, one.dimension), one.probability))
        for one in queued
    ]


def compute_chances(
    failures: Iterable[Score], queued: Collection[tuple[str, str]]
) -> dict[tuple[str, str], float]:
    """Computes the chance of each failed answer of a queue to be in it, by trace and dimension.

    Failed answers are asked about in the order of the random sample, so those of a dimension that
    are asked are a random sample of all its failed ones, whichever half of the queue asked them.

    Args:
        failures: in that order.
        queued: the traces and dimensions of the queue's questions.
    """
    order: dict[str, dict[str, None]] = defaultdict(dict)
    for score in failures:
        order[score.dimension][score.trace_id] = None
    chances: dict[tuple[str, str], float] = {}
    for dimension, ids in order.items():
        asked = [i for i, trace_id in enumerate(ids, 1) if (trace_id, dimension) in queued]
        share = round(asked[-1] / len(ids), 6) if asked else None
        chances |= {(trace_id, dimension): share for trace_id in ids if share}
    return chances


def sample_questions(
    app: str, traces: Iterable[str], dimensions: Mapping[str, tuple[str, str]], size: int
) -> Iterator[ReviewQuestion]:
    """Yields the questions about a random sample of traces, with each one's inclusion chance."""
    ranked = sorted(traces, key=lambda trace_id: (compute_place(trace_id, "review"), trace_id))
    chance = round(min(1.0, size / len(ranked)), 6) if ranked else None
    for dimension, (name, question) in dimensions.items():
        for trace_id in ranked[:size]:
            about = (trace_id, app, dimension, name, question)
            yield ReviewQuestion(*about, "random sample", chance)


def rank_failures(
    failed: Iterable[Score], dimensions: Mapping[str, tuple[str, str]]
) -> list[Score]:
    """Returns the failing scores of some dimensions in a random order that stays the same."""
    return sorted(
        (score for score in failed if score.dimension in dimensions),
        key=lambda score: (
            compute_place(score.trace_id, "review"),
            score.trace_id,
            score.dimension,
        ),
    )


def build_sheet(
    questions: Iterable[ReviewQuestion], traces: Mapping[str, Trace]
) -> list[dict[str, Any]]:
    """Returns the queue as rows to fill in: the answer to read, and an empty verdict."""
    rows: list[dict[str, Any]] = []
    for one in questions:
        trace = traces[one.trace_id]
        rows.append(
            {
                "trace_id": one.trace_id,
                "dimension": one.labels,
                "question": one.question,
                "reason": one.reason,
                "probability": one.probability,
                "input": trace.input,
                "context": trace.context,
                "output": trace.output,
                "answer": digest_answer(trace),
                "rubric_version": digest(one.question),
                "verdict": "",
                "annotator": "",
                "annotator_kind": "human",
            }
        )
    return rows
