"""The review queue of a night: traces for people to judge, with their sampling probabilities.

Pure; `queue_reasons` finds why an answer is worth reading, `label_files` imports the labels, and
`alignment` compares judges with them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from evals.evaluators.gold import digest_answer, is_about
from evals.evaluators.label_verdicts import is_from_people
from evals.evaluators.label_wordings import digest_wording
from evals.labels.queue_reasons import Signal
from evals.records import GoldValue, Label, Trace
from evals.specs.review import ReviewQueue
from evals.storage.documents.review_queues import ReviewQuestion
from evals.worklist.sampling import compute_place

RANDOM = "random"
"""The stratum of answers that are read for no other reason."""
ANCHOR = "anchor"
"""The stratum of answers that a judge was asked about again, and that nobody has labelled."""
REGRADE = "regrade"
"""The stratum of answers that are judged again, since the wording of their question changed."""
EVERYBODY = 1_000_000
"""More people than any question asks."""
WORDS = {
    "failed": "failed by {}",
    "uncertain": "{} is uncertain",
    "disagree": "judges disagree on {}",
    "guard": "guard fired: {}",
    "outlier": "unusual {}",
    "topic": "new topic",
    "complaint": "the user complained",
    "incident": "open incident: {}",
}


class ReviewDimension(NamedTuple):
    """A dimension that people judge."""

    labels: str
    """The dimension name its labels use."""
    question: str
    is_of_sessions: bool = False
    """Whether it evaluates sessions, which a session's last turn is shown for."""


class Drawn(NamedTuple):
    """A trace of a queue."""

    trace_id: str
    probability: float
    signals: Sequence[Signal]
    """Its reasons, the strongest first."""


def count_people(
    labels: Iterable[Label], gold_values: Iterable[GoldValue], traces: Iterable[Trace]
) -> Counter[tuple[str, str]]:
    """Counts who judged the present answer of a trace, by trace and dimension; gold suffices.

    Whatever wording they answered: regrading asks those of an earlier one again.
    """
    traces_by_id = {trace.trace_id: trace for trace in traces}
    people = {
        (label.subject_id, label.dimension, label.annotator)
        for label in labels
        if is_from_people(label)
        and label.subject_id in traces_by_id
        and is_about(label, traces_by_id[label.subject_id])
    }
    judged = Counter((trace_id, dimension) for trace_id, dimension, _ in people)
    judged.update({(one.subject_id, one.dimension): EVERYBODY for one in gold_values})
    return judged


def build_queue(
    app: str,
    traces: Iterable[str],
    signals: Iterable[Signal],
    judged: Mapping[tuple[str, str], int],
    dimensions: Mapping[str, ReviewDimension],
    spec: ReviewQueue,
    last_turns: Collection[str] = (),
) -> list[ReviewQuestion]:
    """Builds a queue: the traces that are drawn, on each dimension that still lacks a person.

    Labelled traces take part in the draw, so that a queue that is built again has the same traces.

    Args:
        app: the application.
        traces: the ids of its traces.
        signals: why some are worth reading.
        judged: how many people judged a trace on a dimension; see `count_people`.
        dimensions: what people judge.
        spec: how many answers, and of which.
        last_turns: the traces that stand for a session.
    """
    if not dimensions:
        return []
    every = list(dict.fromkeys(traces))
    queued: list[ReviewQuestion] = []
    for drawn in draw_traces(every, signals, spec):
        people = 2 if compute_place(drawn.trace_id, "double") < spec.double else 1
        for name, dimension in dimensions.items():
            is_asked = not dimension.is_of_sessions or drawn.trace_id in last_turns
            if is_asked and judged.get((drawn.trace_id, dimension.labels), 0) < people:
                queued.append(build_question(app, name, dimension, drawn, people))
    return queued


def build_question(
    app: str, name: str, dimension: ReviewDimension, drawn: Drawn, people: int
) -> ReviewQuestion:
    """Builds the question about a trace on a dimension."""
    first = drawn.signals[0] if drawn.signals else None
    return ReviewQuestion(
        drawn.trace_id,
        app,
        name,
        dimension.labels,
        dimension.question,
        WORDS[first.reason].format(first.about) if first else "random sample",
        drawn.probability,
        reasons=tuple(dict.fromkeys(one.name for one in drawn.signals)),
        stratum=first.reason if first else RANDOM,
        rubric_version=digest_wording(dimension.question),
        people=people,
    )


def draw_traces(traces: Sequence[str], signals: Iterable[Signal], spec: ReviewQueue) -> list[Drawn]:
    """Draws the traces to read, and computes the chance that each had.

    Priority sampling (Duffield, Lund and Thorup, "Priority sampling for estimation of arbitrary
    subset sums", Journal of the ACM 54(6), 2007): a trace of weight w and place u in [0, 1) has the
    priority w / u. Of n traces the `size` with the highest are drawn, and with t, the highest of
    the others, each was drawn with the chance min(1, w t), t as u / w. Sums weighted by 1 / chance
    are unbiased for every subset, and their errors are uncorrelated. The size is exact, and a trace
    whose weight rises stays drawn.

    Every trace has the weight 1, which gives a uniform floor of the share `floor`; the rest of the
    weight is shared by the reasons, and within a reason by its traces.
    """
    weights, reasons = weigh_traces(traces, signals, spec)
    ranked = sorted(
        ((max(compute_place(name, "review"), 1e-12) / weights[name]), name) for name in traces
    )
    beyond = ranked[spec.size][0] if len(ranked) > spec.size else None
    return [
        Drawn(
            name,
            1.0 if beyond is None else max(1e-6, min(1.0, round(weights[name] * beyond, 6))),
            reasons.get(name, ()),
        )
        for _, name in ranked[: spec.size]
    ]


def weigh_traces(
    traces: Sequence[str], signals: Iterable[Signal], spec: ReviewQueue
) -> tuple[dict[str, float], dict[str, list[Signal]]]:
    """Returns each trace's weight, and the reasons of those that have one, the strongest first."""
    weights = dict.fromkeys(traces, 1.0)
    groups: dict[str, dict[str, Signal]] = defaultdict(dict)
    for one in signals:
        if one.trace_id in weights and spec.get_share(one.reason):
            groups[one.name][one.trace_id] = one
    total = sum(spec.get_share(next(iter(own.values())).reason) for own in groups.values())
    rest = len(traces) * (1 - spec.floor) / spec.floor
    reasons: dict[str, list[tuple[float, Signal]]] = defaultdict(list)
    for own in groups.values():
        share = spec.get_share(next(iter(own.values())).reason)
        weight = rest * share / total / len(own)
        for name, signal in own.items():
            weights[name] += weight
            reasons[name].append((weight, signal))
    ordered = {
        name: [signal for _, signal in sorted(own, key=lambda one: (-one[0], one[1]))]
        for name, own in reasons.items()
    }
    return weights, ordered


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
                "rubric_version": one.rubric_version or digest_wording(one.question),
                "verdict": "",
                "annotator": "",
                "annotator_kind": "human",
            }
        )
    return rows
