"""Why answers of a night are worth reading: what evaluators, guards, users and numbers show.

Reads the night's tables; how many of each are asked about is decided in `review_queue`.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple, cast

from evals.evaluators.label_verdicts import is_people_row
from evals.records import Json, Label
from evals.specs.review import Reason
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.storage.parquet_files import stream_rows

NEAR = 0.25
"""How far a graded score may be from where verdicts change to be uncertain."""
NEAREST = 0.1
"""The share of an evaluator's scores that are uncertain at most."""
FAR = 3.5
"""Robust standard deviations from which a number is an outlier (Iglewicz and Hoaglin, 1993)."""
RECENT = timedelta(days=7)
"""How long a topic is new."""
NEGATIVE = frozenset({
    "down", "thumbs down", "thumbs_down", "thumbsdown", "negative", "bad", "dislike", "disliked",
    "no", "false", "fail", "wrong", "unhelpful", "not helpful", "👎",
})  # fmt: skip
FEEDBACK_KEYS = ("value", "score", "rating", "verdict", "thumbs", "sentiment", "label")


class Signal(NamedTuple):
    """A reason to read an answer."""

    trace_id: str
    reason: Reason
    about: str = ""
    """The evaluator, dimension or number that shows it."""

    @property
    def name(self) -> str:
        """The reason, and what shows it."""
        return f"{self.reason}: {self.about}" if self.about else self.reason


class Judged(NamedTuple):
    """What an evaluator found in a trace, without the rest of its score."""

    trace_id: str
    app: str
    dimension: str
    evaluator: str
    passed: bool
    value: float | None


def read_judged(lake: Lake, night: date) -> Iterator[Judged]:
    """Yields the verdicts of a night's evaluators, those of people left out."""
    columns = ("trace_id", "app", "dimension", "evaluator", "verdict", "value")
    for path in list_locked_files(lake, "scores", [night]):
        for rows in stream_rows(path, columns, ("verdict", ["pass", "fail"])):
            for row in rows:
                one = Judged(
                    row["trace_id"],
                    row["app"],
                    row["dimension"],
                    row["evaluator"],
                    row["verdict"] == "pass",
                    row["value"],
                )
                if not is_people_row(one.dimension, one.evaluator):
                    yield one


def find_verdict_signals(
    judged: Iterable[Judged], dimensions: Collection[str], incidents: Collection[str] = ()
) -> Iterator[Signal]:
    """Yields what the verdicts on some dimensions show.

    Args:
        judged: verdicts of one application.
        dimensions: those that people judge.
        incidents: the dimensions with an open incident; empty text: all.
    """
    by_evaluator: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        if one.dimension in dimensions:
            by_evaluator[one.dimension, one.evaluator].append(one)
    for (dimension, evaluator), rows in by_evaluator.items():
        failed = [one for one in rows if not one.passed]
        yield from (Signal(one.trace_id, "failed", evaluator) for one in failed)
        if dimension in incidents or "" in incidents:
            yield from (Signal(one.trace_id, "incident", dimension) for one in failed)
        yield from (Signal(trace, "uncertain", evaluator) for trace in find_uncertain(rows))
    yield from find_disagreements(row for rows in by_evaluator.values() for row in rows)


def find_uncertain(rows: Sequence[Judged]) -> list[str]:
    """Finds the traces whose graded score is nearest to where the evaluator's verdicts change."""
    graded = [(one.value, one) for one in rows if one.value is not None]
    passing = [value for value, one in graded if one.passed]
    failing = [value for value, one in graded if not one.passed]
    if not passing or not failing or not max(failing) <= min(passing):
        return []
    boundary = (max(failing) + min(passing)) / 2
    near = sorted(
        (abs(value - boundary), one.trace_id)
        for value, one in graded
        if abs(value - boundary) <= NEAR and value not in (0.0, 1.0)
    )
    return [trace for _, trace in near[: max(1, round(NEAREST * len(graded)))]]


def find_disagreements(judged: Iterable[Judged]) -> Iterator[Signal]:
    """Yields the traces that two evaluators of one dimension judge differently."""
    verdicts: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for one in judged:
        verdicts[one.trace_id, one.dimension].add(one.passed)
    for (trace_id, dimension), both in verdicts.items():
        if len(both) > 1:
            yield Signal(trace_id, "disagree", dimension)


def find_guard_signals(lake: Lake, night: date) -> Iterator[tuple[str, Signal]]:
    """Yields the traces on which a guardrail fired, by application."""
    columns = ("trace_id", "app", "guardrail", "tripped")
    for rows in lake.stream_batches("verdicts", night, columns):
        for row in rows:
            if row["tripped"]:
                yield row["app"], Signal(row["trace_id"], "guard", row["guardrail"])


def find_topic_signals(lake: Lake, night: date) -> Iterator[tuple[str, Signal]]:
    """Yields the traces whose request is of a topic that is new, by application."""
    for rows in lake.stream_batches("requests", night, ("trace_id", "app", "topic_since")):
        for row in rows:
            if row["topic_since"] and timedelta(0) <= night - row["topic_since"] < RECENT:
                yield row["app"], Signal(row["trace_id"], "topic")


class Measured(NamedTuple):
    """The numbers of a trace that outliers are found by, and its user's feedback."""

    trace_id: str
    numbers: Mapping[str, float]
    complained: bool


def read_measured(lake: Lake, night: date) -> dict[str, list[Measured]]:
    """Reads the numbers of a night's traces, by application."""
    columns = ("trace_id", "app", "output", "latency_ms", "steps", "feedback")
    measured: dict[str, list[Measured]] = defaultdict(list)
    for rows in lake.stream_batches("traces", night, columns):
        for row in rows:
            complained = any(map(is_negative, parse_list(row["feedback"])))
            measured[row["app"]].append(Measured(row["trace_id"], measure(row), complained))
    return measured


def measure(row: Mapping[str, Any]) -> dict[str, float]:
    """Measures a trace; leaves out what it does not have."""
    numbers = {"length": float(len(row["output"] or ""))}
    if row["latency_ms"] is not None:
        numbers["latency"] = float(row["latency_ms"])
    steps = [one for one in parse_list(row["steps"]) if isinstance(one, dict)]
    tools = [one for one in steps if one.get("kind") == "tool"]
    numbers["tools"] = float(len(tools))
    calls = [json.dumps([one.get("name"), one.get("input")], sort_keys=True) for one in tools]
    numbers["retries"] = float(len(calls) - len(set(calls)))
    return numbers


def parse_list(text: object) -> list[Json]:
    """Returns a nested column's value, which is a list."""
    value = json.loads(text) if isinstance(text, str) and text else text
    return cast("list[Json]", value) if isinstance(value, list) else []


def is_negative(feedback: Json) -> bool:
    """Whether a piece of feedback is a complaint: a number up to 0, or a word such as `down`."""
    if isinstance(feedback, dict):
        return any(is_negative(feedback[key]) for key in FEEDBACK_KEYS if key in feedback)
    if isinstance(feedback, bool):
        return not feedback
    if isinstance(feedback, int | float):
        return feedback <= 0
    return isinstance(feedback, str) and feedback.strip().casefold() in NEGATIVE


def find_outliers(measured: Sequence[Measured]) -> Iterator[Signal]:
    """Yields the traces with an unusually large number, which each number has few of."""
    for name in ("length", "latency", "tools", "retries"):
        values = [(one.numbers[name], one.trace_id) for one in measured if name in one.numbers]
        if len(values) < 20:
            continue
        middle = statistics.median(value for value, _ in values)
        spread = 1.4826 * statistics.median(abs(value - middle) for value, _ in values)
        limit = max(middle + FAR * spread, 2 * middle, middle + 1)
        far = sorted(((value, trace) for value, trace in values if value > limit), reverse=True)
        yield from (Signal(trace, "outlier", name) for _, trace in far[: max(1, len(values) // 20)])


def find_complaints(measured: Iterable[Measured], labels: Iterable[Label]) -> Iterator[Signal]:
    """Yields the traces whose user complained: in the trace, or in feedback that became a label."""
    yield from (Signal(one.trace_id, "complaint") for one in measured if one.complained)
    for label in labels:
        about = label.dimension.casefold()
        is_feedback = any(word in about for word in ("feedback", "thumb", "user"))
        if is_feedback and is_negative(label.verdict):
            yield Signal(label.subject_id, "complaint")
