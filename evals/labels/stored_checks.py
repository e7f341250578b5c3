"""Checks the labels at rest: those no suite can use, those that wait, and refused rows of files.

Changes nothing; an import checks a file's rows in `label_files`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from evals.evaluators.label_verdicts import is_from_people
from evals.labels.label_checks import SHOWN, LabelChecks
from evals.labels.staged_subjects import read_apps
from evals.labels.stored_labels import find_waiting
from evals.records import Label, Subject
from evals.specs import Catalog
from evals.storage.documents.inbox_files import InboxFile
from evals.storage.documents.label_batches import name_export_batch, read_arrivals
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
        *check_subjects(catalog, labels),
        *check_waiting(lake, labels, now),
        *check_refused(lake),
    ]


def check_words(lake: Lake, catalog: Catalog, labels: list[Label]) -> Iterator[LabelFinding]:
    """Yields the dimensions and words that an application's suite does not know, each once.

    Verdicts of judges and rules on other dimensions are common in exports: no problem.
    """
    for unused in count_unused(lake, catalog, labels):
        words = f"{count_labels(unused.labels)} not used: {unused.reason}"
        state = "ok" if unused.is_harmless else "warn"
        yield LabelFinding(state, f"labels of {unused.app}", words)


class UnusedLabels(NamedTuple):
    """Labels of one application that its suite cannot use, for one reason."""

    app: str
    labels: int
    reason: str
    is_harmless: bool
    """Whether they are verdicts of judges or rules on dimensions that the suite does not have."""
    file: str = ""
    """The export they came with; empty where all labels of a home are checked."""


def count_unused(lake: Lake, catalog: Catalog, labels: Sequence[Label]) -> list[UnusedLabels]:
    """Counts the labels that no suite can use, by application and reason."""
    checks = LabelChecks(catalog)
    apps = read_apps(lake, (label for label in labels if label.subject == "trace"))
    counts = Counter[tuple[str, str, bool]]()
    for label in labels:
        app = apps.get(label.subject_id)
        problem = checks.find_problem(label, app) if app else None
        if app and problem:
            is_harmless = problem.code == "unknown-dimension" and not is_from_people(label)
            counts[app, problem.words, is_harmless] += 1
        if not label.annotator.strip():
            counts[app or "unknown", "`annotator` is empty; expected who judged it", False] += 1
    return [
        UnusedLabels(app, n, words, is_harmless)
        for (app, words, is_harmless), n in sorted(counts.items())
    ]


def find_unused_in_exports(
    lake: Lake, catalog: Catalog, files: Iterable[InboxFile]
) -> list[UnusedLabels]:
    """Counts the labels beside the traces of some exports that no suite can use."""
    batches = {name_export_batch(file.sha256): file.name for file in files if file.labels}
    if not batches:
        return []
    return [
        unused._replace(file=batches[name])
        for name, labels in read_label_batches(lake).items()
        if name in batches
        for unused in count_unused(lake, catalog, labels)
        if not unused.is_harmless
    ]


SUBJECTS: dict[Subject, str] = {"session": "sessions", "pair": "pairs of answers"}


def check_subjects(catalog: Catalog, labels: Sequence[Label]) -> Iterator[LabelFinding]:
    """Yields how many labels are about sessions or pairs that no dimension evaluates."""
    used = {
        (one.subject, one.labels_name)
        for suite in catalog.suites.values()
        for one in suite.dimensions
    }
    for subject, name in SUBJECTS.items():
        of_subject = (label for label in labels if label.subject == subject)
        if n := sum((subject, label.dimension) not in used for label in of_subject):
            words = f"{count_labels(n)} stored, not counted: no dimension evaluates {name}"
            yield LabelFinding("warn", f"labels of {name}", words)


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
