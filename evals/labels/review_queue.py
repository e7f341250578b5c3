"""What a person should read: a night's queue of traces, each with the chance it had to be in it.

Pure; a label that comes back is `label_files`', what it does to a judge is `alignment`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from evals.evaluators.gold import digest_answer, is_about, is_from_people
from evals.records import GoldValue, Label, Score, Trace, digest
from evals.storage.documents.review_queues import ReviewQuestion
from evals.worklist.sampling import compute_place


def judged_already(
    labels: Iterable[Label], gold_values: Iterable[GoldValue], traces: Iterable[Trace]
) -> set[tuple[str, str]]:
    """The traces and dimensions that people judged, of answers unchanged since, or have gold."""
    held = {trace.trace_id: trace for trace in traces}
    judged = {
        (label.subject_id, label.dimension)
        for label in labels
        if is_from_people(label)
        and label.subject_id in held
        and is_about(label, held[label.subject_id])
    }
    return judged | {(one.subject_id, one.dimension) for one in gold_values}


def queue(
    app: str,
    traces: Iterable[str],
    failed: Iterable[Score],
    judged: Collection[tuple[str, str]],
    dimensions: Mapping[str, tuple[str, str]],
    size: int,
) -> list[ReviewQuestion]:
    """Half a random sample, half answers an evaluator failed; what is labelled is left out.

    Args:
        app: the application.
        traces: the ids of its night.
        failed: its scores that fail.
        judged: what people judged already; see `judged_already`.
        dimensions: the labels' name and the question of each dimension people judge.
        size: the most traces to ask about.
    """
    ranked = sorted(traces, key=lambda name: (compute_place(name, "review"), name))
    half = size // 2
    found: list[ReviewQuestion] = []
    for dimension, (name, question) in dimensions.items():
        chance = round(min(1.0, half / len(ranked)), 6) if ranked else None
        for trace_id in ranked[:half]:
            if (trace_id, name) not in judged:
                about = (trace_id, app, dimension, name, question)
                found.append(ReviewQuestion(*about, "random sample", chance))
    taken = {asked.trace_id for asked in found}
    failing = sorted(
        (score for score in failed if score.dimension in dimensions),
        key=lambda score: (
            compute_place(score.trace_id, "review"),
            score.trace_id,
            score.dimension,
        ),
    )
    room = size - half
    for score in failing:
        name, question = dimensions[score.dimension]
        if room and score.trace_id not in taken and (score.trace_id, name) not in judged:
            about = (score.trace_id, score.app, score.dimension, name, question)
            found.append(ReviewQuestion(*about, f"failed by {score.evaluator}", None))
            room -= 1
    return found


def sheet(asked: Iterable[ReviewQuestion], traces: Mapping[str, Trace]) -> list[dict[str, Any]]:
    """The queue as rows to fill in: the answer to read, and an empty verdict."""
    rows: list[dict[str, Any]] = []
    for one in asked:
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
