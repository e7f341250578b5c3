"""Labels from files and exports into the lake, and in the words of the suite.

What they say about an evaluator is `alignment`'s.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

from evals.annotations import GOLD, map_verdict, speaks_of
from evals.importers.streams import file_sha
from evals.lake import Lake
from evals.privacy import Door
from evals.records import AnnotatorKind, Label, Outcome, Trace, digest
from evals.specs import Catalog
from evals.tables import MappedLabel

NEEDED = {"trace_id", "dimension", "verdict", "annotator", "annotator_kind"}
LABEL_KEYS = {field.name for field in dataclasses.fields(Label)}


class LabelsError(ValueError):
    """A labels file holds a row that is no label; the message names file and line."""


def read_labels(path: Path) -> list[Label]:
    """The labels of a file: JSONL, gz or not, rows of the contract's columns.

    A row whose verdict is still empty, as a review queue leaves it, is no label yet.

    Raises:
        LabelsError: naming the line that is no label.
    """
    from evals.importers import streams, strict_json

    labels = []
    with streams.unpacked(path) as stream:
        for line in streams.read_lines(stream):
            try:
                row = {} if line.code else strict_json.parse(line.raw).row
            except strict_json.Refused as error:
                raise LabelsError(f"{path}:{line.number}: {error.reason}") from error
            known = {key: row[key] for key in LABEL_KEYS & set(row)}
            missing = NEEDED - set(known)
            if missing:
                wanted = ", ".join(sorted(missing))
                raise LabelsError(f"{path}:{line.number}: a label needs {wanted}")
            if known["verdict"] not in ("", None):
                if problem := label_problem(known):
                    raise LabelsError(f"{path}:{line.number}: {problem}")
                labels.append(Label(**known))
    return labels


def label_problem(row: dict[str, Any]) -> str | None:
    """What is wrong with a label's values, naming the key; None where nothing is."""
    for key in sorted(LABEL_KEYS & set(row) - {"verdict"}):
        if not isinstance(row[key], str):
            return f"`{key}` is {row[key]!r}; expected text"
    if row["annotator_kind"] not in get_args(AnnotatorKind):
        known = ", ".join(get_args(AnnotatorKind))
        return f"`annotator_kind` is {row['annotator_kind']!r}; expected one of {known}"
    return None


def import_labels(lake: Lake, catalog: Catalog, path: Path) -> int:
    """Adds a labels file to the lake; the same file twice is once. Returns labels added."""
    name = file_sha(path)[:16]
    batches: dict[str, list[str]] = lake.document("label_batches.json") or {}
    if name in batches:
        return 0
    return keep_labels(lake, Door.of(lake, catalog), read_labels(path), name)


def keep_labels(lake: Lake, door: Door, labels: Sequence[Label], name: str) -> int:
    """Adds a batch of labels, and notes the nights it touches so that those are due again.

    A label that does not say which answer it was given for is bound to the one at rest.
    """
    batches: dict[str, list[str]] = lake.document("label_batches.json") or {}
    ids = {door.identity(label.trace_id) for label in labels}
    sql = "select distinct trace_id, app, ts from staged"
    staged = [row for row in lake.rows(sql, {"staged": None}) if row["trace_id"] in ids]
    apps = {row["trace_id"]: row["app"] for row in staged}
    cleaned = (door.label(label, apps.get(door.identity(label.trace_id))) for label in labels)
    kept = [label for label in cleaned if label]
    touched = {row["ts"].date() for row in staged}
    nights = {near for night in touched for near in (night, night - timedelta(days=1))}
    known = sorted(nights & set(lake.nights("staged")))
    lake.add_labels(bound(lake, kept, known), name)
    stamp = [night.isoformat() for night in known]
    lake.write_document({**batches, name: stamp}, "label_batches.json")
    return len(kept)


def bound(lake: Lake, labels: Sequence[Label], nights: Sequence[date]) -> list[Label]:
    """The labels with the answer each was given for, where only one is at rest.

    Gold is not bound: it belongs to the question.
    """
    asked = {label.trace_id for label in labels if not label.answer}
    answers: dict[str, set[str]] = defaultdict(set)
    for night in nights if asked else ():
        rows = lake.rows("select trace_id, input, context, output from staged", {"staged": [night]})
        for row in rows:
            if row["trace_id"] in asked:
                shown = [row["input"], row["context"], row["output"]]
                answers[row["trace_id"]].add(digest(shown))
    return [
        dataclasses.replace(label, answer=next(iter(answers[label.trace_id])))
        if not label.answer and label.annotator != GOLD and len(answers[label.trace_id]) == 1
        else label
        for label in labels
    ]


def take_in_labels(lake: Lake, catalog: Catalog, more: Iterable[Path] = ()) -> int:
    """Adds the catalog's label files and some more; returns how many labels are new."""
    return sum(import_labels(lake, catalog, path) for path in (*catalog.label_files, *more))


def mapped_labels(
    catalog: Catalog, labels: Iterable[Label], night: date, traces: Iterable[Trace]
) -> list[MappedLabel]:
    """People's labels of a night's traces in the words of the suite; unmapped ones are left out."""
    by_trace: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if label.annotator_kind in ("human", "adjudicated") and label.annotator != GOLD:
            by_trace[label.trace_id].append(label)
    found = []
    for trace in traces:
        suite = catalog.suites.get(catalog.app(trace.app).suite or "")
        for dimension in suite.dimensions if suite else ():
            name = dimension.labels or dimension.dimension
            for label in by_trace.get(trace.trace_id, ()):
                said = map_verdict(dimension.mapping, label.verdict)
                if label.dimension != name or not speaks_of(label, trace):
                    continue
                if isinstance(said, Outcome):
                    verdict = "pass" if said.passed else "fail"
                    row = (night, trace.app, trace.trace_id, dimension.dimension, verdict)
                    found.append(MappedLabel(*row, label.annotator, label.annotator_kind))
    return found
