"""Labels from files and exports into the lake, and in the words of the suite.

What they say about an evaluator is `alignment`'s.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

from evals.evaluators.gold import GOLD, map_verdict, speaks_of
from evals.privacy.redaction import Door
from evals.records import AnnotatorKind, Label, Outcome, Trace, digest
from evals.specs import Catalog
from evals.storage.id_index import as_table, nights_with
from evals.storage.lake import Lake, connection
from evals.storage.night_state import DAY
from evals.storage.tables import MappedLabel
from evals.traces.files.streams import file_sha

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
    from evals.traces.files import streams, strict_json

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
    return keep_labels(lake, Door.of(lake, catalog), {name: read_labels(path)})


def keep_labels(lake: Lake, door: Door, found: Mapping[str, Sequence[Label]]) -> int:
    """Adds batches of labels by name, and notes the nights each touches: those are due again.

    A label that does not say which answer it was given for is bound to the one at rest. Only
    nights that have one of the traces are looked into.
    """
    if not found:
        return 0
    ids = {door.identity(label.trace_id) for labels in found.values() for label in labels}
    at_rest = resting(lake, ids)
    stamps: dict[str, list[str]] = {}
    kept = 0
    for name, labels in found.items():
        own = [row for label in labels for row in at_rest[door.identity(label.trace_id)]]
        apps = {row["trace_id"]: row["app"] for row in own}
        cleaned = (door.label(label, apps.get(door.identity(label.trace_id))) for label in labels)
        bound = [bound_to(label, at_rest[label.trace_id]) for label in cleaned if label]
        kept += lake.add_labels(bound, name)
        touched = {near for row in own for near in (row["night"], row["night"] - DAY)}
        known = touched.intersection(lake.nights("staged"))
        stamps[name] = sorted(night.isoformat() for night in known)
    batches: dict[str, list[str]] = lake.document("label_batches.json") or {}
    lake.write_document({**batches, **stamps}, "label_batches.json")
    return kept


def resting(lake: Lake, ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """The staged rows of some traces: application, night, and a digest of what was answered."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    nights = nights_with(lake, ids)
    if not nights:
        return found
    with connection() as db:
        db.register("wanted", as_table(ids))
        lake.view(db, "staged", "staged", nights)
        rows = db.sql(RESTING).to_arrow_table().to_pylist()
    for row in rows:
        shown = [row.pop(name) for name in ("input", "context", "output")]
        row["night"], row["answer"] = row.pop("ts").date(), digest(shown)
        found[row["trace_id"]].append(row)
    return found


RESTING = """
    select distinct trace_id, app, ts, input, context, output from staged
    where trace_id in (select trace_id from wanted)
"""


def bound_to(label: Label, rows: Sequence[dict[str, Any]]) -> Label:
    """The label with the answer it was given for, where only one is at rest.

    Gold is not bound: it belongs to the question.
    """
    answers = {row["answer"] for row in rows}
    if label.answer or label.annotator == GOLD or len(answers) != 1:
        return label
    return dataclasses.replace(label, answer=answers.pop())


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
