"""Imports labels and gold values into the lake, and maps labels to a suite's dimensions.

Does not compare them with an evaluator: `alignment` does.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)

from evals.evaluators.gold import is_about, is_from_people, map_verdict
from evals.privacy.redaction import PrivacyFilter
from evals.records import AnnotatorKind, GoldValue, Label, Outcome, Trace, digest
from evals.specs import Catalog
from evals.storage.documents.label_batches import add_label_batches, read_label_batches
from evals.storage.id_index import build_id_table, find_nights
from evals.storage.label_records import write_gold_values, write_labels
from evals.storage.lake import Lake
from evals.storage.night_state import DAY
from evals.storage.queries import create_table_view, open_duckdb
from evals.storage.tables import MappedLabel
from evals.traces.files.streams import file_sha

Row = dict[str, Any]

REQUIRED_KEYS = {"trace_id", "dimension", "verdict", "annotator", "annotator_kind"}
GOLD = "gold"
"""The annotator whose rows in a labels file are gold values."""


class LabelsError(ValueError):
    """A row of a labels file is invalid; the message names file and line."""


class Batch(NamedTuple):
    """Labels and gold values that are imported together."""

    labels: Sequence[Label] = ()
    gold_values: Sequence[GoldValue] = ()

    def trace_ids(self) -> set[str]:
        """Returns the ids of the labelled traces."""
        return {one.subject_id for one in (*self.labels, *self.gold_values)}


class LabelLine(BaseModel):
    """One line of a labels file; other keys are ignored."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    trace_id: str = Field(description="the trace that was judged")
    dimension: str = Field(description="what it was judged on, as the suite's `labels` names it")
    verdict: Any = Field(description="a word, number or value; the suite's `map` reads it")
    annotator: str = Field(description="who judged it; `gold`: the verdict is the right answer")
    annotator_kind: AnnotatorKind = Field(description="what kind of annotator that is")
    critique: str = Field(
        default="", validation_alias=AliasChoices("critique", "note"), description="why, in words"
    )
    answer: str = Field(
        default="",
        description="the digest that `andon labels export` gave of the answer; empty: the label "
        "is bound to the stored answer",
    )
    rubric_version: str | None = Field(
        default=None, description="which wording of the question was answered"
    )
    time: AwareDatetime | None = Field(
        default=None, strict=False, description="when it was judged, with its zone"
    )
    seconds: float | None = Field(default=None, ge=0, description="how long it took")
    probability: float | None = Field(
        default=None, gt=0, le=1, description="the chance the trace had to be asked about"
    )
    supersedes: str | None = Field(default=None, description="the `id` of the label it replaces")
    id: str | int = Field(default="", description="names the label; empty: made of its content")
    source: str = Field(default="", description="of gold: where it comes from")

    def to_label(self) -> Label:
        """Returns the line as a label."""
        return Label(
            subject_id=self.trace_id,
            dimension=self.dimension,
            verdict=self.verdict,
            annotator=self.annotator,
            annotator_kind=self.annotator_kind,
            critique=self.critique,
            answer=self.answer,
            rubric_version=self.rubric_version,
            time=self.time and self.time.astimezone(UTC),
            seconds_spent=self.seconds,
            sampling_probability=self.probability,
            supersedes=self.supersedes,
            id=str(self.id),
        )


def read_labels(path: Path, name: str = "") -> Batch:
    """Reads the labels and gold values of a JSONL file, gzipped or not.

    Skips rows with an empty verdict, as in a review queue that is not filled in.

    Args:
        path: the file.
        name: the source of gold values that name none.

    Raises:
        LabelsError: when a line is invalid.
    """
    from evals.traces.files import streams, strict_json

    labels: list[Label] = []
    gold: list[GoldValue] = []
    with streams.open_unpacked(path) as stream:
        for line in streams.read_lines(stream):
            try:
                row = {} if line.code else strict_json.parse_line(line.raw)
            except strict_json.Refused as error:
                raise LabelsError(f"{path}:{line.number}: {error.reason}") from error
            if missing := REQUIRED_KEYS - set(row):
                wanted = ", ".join(sorted(missing))
                raise LabelsError(f"{path}:{line.number}: a label needs {wanted}")
            if row["verdict"] in ("", None):
                continue
            entry = read_line(row, f"{path}:{line.number}")
            if entry.annotator == GOLD:
                about = (entry.trace_id, entry.dimension, entry.verdict)
                gold.append(GoldValue(*about, entry.source or name))
            else:
                labels.append(entry.to_label())
    return Batch(labels, gold)


def read_line(row: dict[str, Any], where: str) -> LabelLine:
    """Reads and checks a row of a labels file.

    Raises:
        LabelsError: when a key has a wrong value.
    """
    try:
        return LabelLine.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        expected = first["msg"].removeprefix("Input should be ")
        message = f"{where}: `{key}` is {str(row.get(key))[:60]!r}; expected {expected}"
        raise LabelsError(message) from error


def import_labels(lake: Lake, catalog: Catalog, path: Path) -> int:
    """Adds a labels file to the lake; a file that was added before is skipped.

    Returns:
        How many labels and gold values were added.
    """
    name = file_sha(path)[:16]
    if name in read_label_batches(lake):
        return 0
    return add_batches(lake, PrivacyFilter.load(lake, catalog), {name: read_labels(path, name)})


def add_batches(lake: Lake, privacy_filter: PrivacyFilter, batches: Mapping[str, Batch]) -> int:
    """Adds batches by name, and records the nights each changes, which are scored again.

    A label that names no answer is bound to the stored one. Reads only nights that have one of
    the traces.
    """
    if not batches:
        return 0
    ids = {
        privacy_filter.hash_identity(one) for batch in batches.values() for one in batch.trace_ids()
    }
    staged = read_staged_answers(lake, ids)
    touched: dict[str, set[date]] = {}
    added = 0
    for name, batch in batches.items():
        rows = [
            row for one in batch.trace_ids() for row in staged[privacy_filter.hash_identity(one)]
        ]
        added += add_batch(lake, privacy_filter, name, batch, staged)
        nights = {near for row in rows for near in (row["night"], row["night"] - DAY)}
        touched[name] = nights.intersection(lake.list_nights("staged"))
    add_label_batches(lake, touched)
    return added


def add_batch(
    lake: Lake,
    privacy_filter: PrivacyFilter,
    name: str,
    batch: Batch,
    staged: Mapping[str, Sequence[Row]],
) -> int:
    """Adds one batch, redacted, each label bound to its answer; returns how many were added."""

    def app(trace_id: str) -> str | None:
        rows = staged.get(privacy_filter.hash_identity(trace_id), ())
        return rows[-1]["app"] if rows else None

    labels = [privacy_filter.filter_label(label, app(label.subject_id)) for label in batch.labels]
    values = [
        privacy_filter.filter_gold_value(value, app(value.subject_id))
        for value in batch.gold_values
    ]
    bound = [bind_to_answer(label, staged.get(label.subject_id, ())) for label in labels if label]
    gold = [value for value in values if value]
    if bound:
        write_labels(lake, bound, name)
    if gold:
        write_gold_values(lake, gold, name)
    return len(bound) + len(gold)


def read_staged_answers(lake: Lake, ids: Collection[str]) -> dict[str, list[Row]]:
    """Reads the application, night and answer digest of some traces' staged rows."""
    by_trace: dict[str, list[Row]] = defaultdict(list)
    nights = find_nights(lake, ids)
    if not nights:
        return by_trace
    with open_duckdb() as db:
        db.register("wanted", build_id_table(ids))
        create_table_view(db, lake, "staged", nights)
        rows = db.sql(STAGED_ANSWERS).to_arrow_table().to_pylist()
    for row in rows:
        shown = [row.pop(name) for name in ("input", "context", "output")]
        row["night"], row["answer"] = row.pop("ts").date(), digest(shown)
        by_trace[row["trace_id"]].append(row)
    return by_trace


STAGED_ANSWERS = """
    select distinct trace_id, app, ts, input, context, output from staged
    where trace_id in (select trace_id from wanted)
"""


def bind_to_answer(label: Label, rows: Sequence[Row]) -> Label:
    """Returns the label bound to its trace's answer, where only one is stored."""
    answers = {row["answer"] for row in rows}
    if label.answer or len(answers) != 1:
        return label
    return dataclasses.replace(label, answer=answers.pop())


def add_label_files(lake: Lake, catalog: Catalog, more: Iterable[Path] = ()) -> int:
    """Adds the catalog's label files and some more; returns how many labels are new."""
    return sum(import_labels(lake, catalog, path) for path in (*catalog.label_files, *more))


def map_labels(
    catalog: Catalog, labels: Iterable[Label], night: date, traces: Iterable[Trace]
) -> list[MappedLabel]:
    """Maps people's labels of a night's traces to the suite's dimensions; omits unmapped ones."""
    by_trace: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if is_from_people(label) and label.subject == "trace":
            by_trace[label.subject_id].append(label)
    mapped: list[MappedLabel] = []
    for trace in (one for one in traces if one.app not in catalog.broken):
        suite = catalog.suites.get(catalog.app(trace.app).suite or "")
        for dimension in suite.dimensions if suite else ():
            name = dimension.labels or dimension.dimension
            for label in by_trace.get(trace.trace_id, ()):
                result = map_verdict(dimension.mapping, label.verdict)
                if label.dimension != name or not is_about(label, trace):
                    continue
                if isinstance(result, Outcome):
                    verdict = "pass" if result.passed else "fail"
                    row = (night, trace.app, trace.trace_id, dimension.dimension, verdict)
                    mapped.append(MappedLabel(*row, label.annotator, label.annotator_kind))
    return mapped
