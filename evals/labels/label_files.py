"""Labels and gold values from files and exports into the lake; labels in the words of the suite.

What they say about an evaluator is `alignment`'s.
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
from evals.storage.id_index import as_table, nights_with
from evals.storage.lake import Lake, connection
from evals.storage.night_state import DAY
from evals.storage.tables import MappedLabel
from evals.traces.files.streams import file_sha

Row = dict[str, Any]

NEEDED = {"trace_id", "dimension", "verdict", "annotator", "annotator_kind"}
GOLD = "gold"
"""The annotator whose rows in a labels file are gold values."""


class LabelsError(ValueError):
    """A labels file holds a row that is no label; the message names file and line."""


class Batch(NamedTuple):
    """Labels and gold values that came together."""

    labels: Sequence[Label] = ()
    gold_values: Sequence[GoldValue] = ()

    def trace_ids(self) -> set[str]:
        """The traces it is about."""
        return {one.subject_id for one in (*self.labels, *self.gold_values)}


class LabelLine(BaseModel):
    """One line of a labels file; keys it does not know are a team's own."""

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
        "is bound to the answer at rest",
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
    supersedes: str | None = Field(
        default=None, description="the `id` of the label it takes the place of"
    )
    id: str | int = Field(default="", description="names the label; empty: made of its content")
    source: str = Field(default="", description="of gold: where it comes from")

    def label(self) -> Label:
        """The line as a label."""
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
    """The labels and gold values of a file: JSONL, gz or not, rows of the contract's columns.

    A row whose verdict is still empty, as a review queue leaves it, is no label yet.

    Args:
        path: the file.
        name: what gold values name as their source, where they name none.

    Raises:
        LabelsError: naming the line that is no label.
    """
    from evals.traces.files import streams, strict_json

    labels: list[Label] = []
    gold: list[GoldValue] = []
    with streams.open_unpacked(path) as stream:
        for line in streams.read_lines(stream):
            try:
                row = {} if line.code else strict_json.parse(line.raw).row
            except strict_json.Refused as error:
                raise LabelsError(f"{path}:{line.number}: {error.reason}") from error
            if missing := NEEDED - set(row):
                wanted = ", ".join(sorted(missing))
                raise LabelsError(f"{path}:{line.number}: a label needs {wanted}")
            if row["verdict"] in ("", None):
                continue
            read = read_line(row, f"{path}:{line.number}")
            if read.annotator == GOLD:
                about = (read.trace_id, read.dimension, read.verdict)
                gold.append(GoldValue(*about, read.source or name))
            else:
                labels.append(read.label())
    return Batch(labels, gold)


def read_line(row: dict[str, Any], where: str) -> LabelLine:
    """A row of a labels file, checked.

    Raises:
        LabelsError: naming the key that is wrong.
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
    """Adds a labels file to the lake; the same file twice is once.

    Returns:
        How many labels and gold values were added.
    """
    name = file_sha(path)[:16]
    if name in read_label_batches(lake):
        return 0
    return add_batches(lake, PrivacyFilter.load(lake, catalog), {name: read_labels(path, name)})


def add_batches(lake: Lake, door: PrivacyFilter, batches: Mapping[str, Batch]) -> int:
    """Adds batches by name, and notes the nights each touches: those are due again.

    A label that does not name the answer it was given for is bound to the one at rest. Only
    nights that have one of the traces are looked into.
    """
    if not batches:
        return 0
    ids = {door.hash_identity(one) for batch in batches.values() for one in batch.trace_ids()}
    at_rest = resting(lake, ids)
    touched: dict[str, set[date]] = {}
    added = 0
    for name, batch in batches.items():
        own = [row for one in batch.trace_ids() for row in at_rest[door.hash_identity(one)]]
        added += add_batch(lake, door, name, batch, at_rest)
        nights = {near for row in own for near in (row["night"], row["night"] - DAY)}
        touched[name] = nights.intersection(lake.nights("staged"))
    add_label_batches(lake, touched)
    return added


def add_batch(
    lake: Lake, door: PrivacyFilter, name: str, batch: Batch, at_rest: Mapping[str, Sequence[Row]]
) -> int:
    """Adds one batch, redacted, each label bound to its answer; returns how many it has."""

    def app(trace_id: str) -> str | None:
        rows = at_rest.get(door.hash_identity(trace_id), ())
        return rows[-1]["app"] if rows else None

    labels = [door.filter_label(label, app(label.subject_id)) for label in batch.labels]
    values = [door.filter_gold_value(value, app(value.subject_id)) for value in batch.gold_values]
    bound = [bind_to_answer(label, at_rest.get(label.subject_id, ())) for label in labels if label]
    gold = [value for value in values if value]
    if bound:
        lake.add_labels(bound, name)
    if gold:
        lake.add_gold_values(gold, name)
    return len(bound) + len(gold)


def resting(lake: Lake, ids: Collection[str]) -> dict[str, list[Row]]:
    """The staged rows of some traces: application, night, and a digest of what was answered."""
    found: dict[str, list[Row]] = defaultdict(list)
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


def bind_to_answer(label: Label, rows: Sequence[Row]) -> Label:
    """The label with the answer it was given for, where only one is at rest."""
    answers = {row["answer"] for row in rows}
    if label.answer or len(answers) != 1:
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
        if is_from_people(label) and label.subject == "trace":
            by_trace[label.subject_id].append(label)
    found: list[MappedLabel] = []
    for trace in (one for one in traces if one.app not in catalog.broken):
        suite = catalog.suites.get(catalog.app(trace.app).suite or "")
        for dimension in suite.dimensions if suite else ():
            name = dimension.labels or dimension.dimension
            for label in by_trace.get(trace.trace_id, ()):
                said = map_verdict(dimension.mapping, label.verdict)
                if label.dimension != name or not is_about(label, trace):
                    continue
                if isinstance(said, Outcome):
                    verdict = "pass" if said.passed else "fail"
                    row = (night, trace.app, trace.trace_id, dimension.dimension, verdict)
                    found.append(MappedLabel(*row, label.annotator, label.annotator_kind))
    return found
