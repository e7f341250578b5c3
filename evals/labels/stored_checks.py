"""Checks the labels at rest: those no suite can use, those that wait, and refused rows of files.

Changes nothing; an import checks a file's rows in `label_files`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from evals.evaluators.label_verdicts import is_from_people
from evals.labels.label_checks import SHOWN, LabelChecks
from evals.labels.label_counts import find_waiting
from evals.labels.label_files import read_apps
from evals.records import Label
from evals.specs import Catalog
from evals.storage.documents.label_batches import read_arrivals
from evals.storage.label_records import read_label_batches, read_labels
from evals.storage.lake import Lake


class LabelFinding(NamedTuple):
    """What is wrong with some of the labels at rest."""

    state: Literal["ok", "warn"]
    about: str
    words: str
    """What was found, and what to do."""


def check_stored_labels(lake: Lake, catalog: Catalog, now: datetime) -> list[LabelFinding]:
    """Checks every label of a home against the suites."""
    labels = read_labels(lake)
    return [
        *check_words(lake, catalog, labels),
        *check_waiting(lake, labels, now),
        *check_refused(lake),
    ]


def check_words(lake: Lake, catalog: Catalog, labels: list[Label]) -> Iterator[LabelFinding]:
    """Yields the dimensions and words that an application's suite does not know, each once.

    Verdicts of judges and rules on other dimensions are common in exports: no problem.
    """
    checks = LabelChecks(catalog)
    apps = read_apps(lake, {label.subject_id for label in labels if label.subject == "trace"})
    counts = Counter[tuple[str, str, bool]]()
    for label in labels:
        app = apps.get(label.subject_id)
        problem = checks.find_problem(label, app) if app else None
        if app and problem:
            is_harmless = problem.code == "unknown-dimension" and not is_from_people(label)
            counts[app, problem.words, is_harmless] += 1
        if not label.annotator.strip():
            counts[app or "unknown", "`annotator` is empty; expected who judged it", False] += 1
    for (app, message, is_harmless), n in sorted(counts.items()):
        state = "ok" if is_harmless else "warn"
        yield LabelFinding(state, f"labels of {app}", f"{count_labels(n)} not used: {message}")


def check_waiting(lake: Lake, labels: list[Label], now: datetime) -> Iterator[LabelFinding]:
    """Yields the labels whose trace has not arrived, with their age."""
    waiting = find_waiting(lake, labels)
    if not waiting:
        return
    arrived = read_times(lake)
    times = [time for label in waiting if (time := arrived.get(label.id) or label.time)]
    ids = list(dict.fromkeys(label.subject_id for label in waiting))
    shown = ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
    age = f", the oldest for {describe_age(min(times), now)}" if times else ""
    message = f"{count_labels(len(waiting))} waiting for a trace that has not arrived{age}: {shown}"
    hint = "import its export, or mend `trace_id` in the labels file"
    yield LabelFinding("warn", "labels that wait", f"{message}; {hint}")


def read_times(lake: Lake) -> Mapping[str, datetime]:
    """Reads when each label arrived, by its id, where that was recorded."""
    arrivals = read_arrivals(lake)
    return {
        label.id: arrival.time
        for name, labels in read_label_batches(lake).items()
        if (arrival := arrivals.get(name)) and arrival.time
        for label in labels
    }


def describe_age(since: datetime, now: datetime) -> str:
    """Describes how long ago something was, in whole days."""
    days = max(0, (now - since).days)
    return "less than a day" if not days else "1 day" if days == 1 else f"{days} days"


def check_refused(lake: Lake) -> Iterator[LabelFinding]:
    """Yields the labels files of which rows are refused."""
    for arrival in read_arrivals(lake).values():
        if arrival.refused:
            lines = ", ".join(map(str, arrival.refused[:SHOWN]))
            lines += ", …" if len(arrival.refused) > SHOWN else ""
            rows = "1 row" if len(arrival.refused) == 1 else f"{len(arrival.refused):,} rows"
            message = f"{rows} refused (line {lines}); `andon labels import` shows why"
            yield LabelFinding("warn", f"labels file {arrival.file}", message)


def count_labels(n: int) -> str:
    """Returns a number of labels in words."""
    return "1 label" if n == 1 else f"{n:,} labels"
