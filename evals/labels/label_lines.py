"""Reads the lines of a labels file as labels and gold values; a line it cannot read is refused.

Whether a suite can use a label is checked in `label_checks`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from evals.evaluators.label_verdicts import PEOPLE
from evals.labels.annotation_tools import expand_object
from evals.labels.exchange import decode_cell
from evals.records import AnnotatorKind, GoldValue, Json, Label, LabelStatus, Subject
from evals.specs.label_rules import fold_word

if TYPE_CHECKING:
    from evals.traces.files.written_objects import WrittenObject

REQUIRED_KEYS = {"trace_id", "dimension", "verdict", "annotator", "annotator_kind"}
GOLD = "gold"
"""The annotator whose rows in a labels file are gold values."""
OTHER_KINDS = {"model": "judge", "llm": "judge"}
"""Other words for a kind of annotator."""


class RefusedLine(NamedTuple):
    """A line of a labels file that is not used, and why."""

    line: int
    reason: str
    """What was found, what was expected and what to do."""


class LabelRow(NamedTuple):
    """A line of a labels file as a label, or as a gold value."""

    line: int
    value: Label | GoldValue


class LabelsFile(NamedTuple):
    """What a labels file holds."""

    rows: Sequence[LabelRow]
    refused: Sequence[RefusedLine]
    blank: int
    """Lines without a person's verdict, as of a review queue that is not filled in."""


def read_kind(value: object) -> object:
    """Returns the word of a kind of annotator as the records spell it."""
    word = fold_word(value) if isinstance(value, str) else value
    return OTHER_KINDS.get(word, word) if isinstance(word, str) else word


def require_text(value: str) -> str:
    """Refuses a text of nothing but spaces."""
    if not value.strip():
        raise ValueError("a text that is not empty")
    return value


def require_name(value: str) -> str:
    """Returns a name without the spaces around it; refuses an empty one."""
    return require_text(value).strip()


class LabelLine(BaseModel):
    """One line of a labels file; other keys are ignored."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    trace_id: Annotated[str, AfterValidator(require_text)] = Field(
        description="the trace that was judged"
    )
    dimension: Annotated[str, AfterValidator(require_name)] = Field(
        description="what it was judged on, as the suite's `labels` names it"
    )
    verdict: Any = Field(
        description="a word, a number, a list of tags, or of gold any value; the suite's `map` "
        "reads it. An empty one of a person leaves the row out; one of a judge or rule is an error"
    )
    annotator: Annotated[str, AfterValidator(require_name)] = Field(
        description="who judged it; `gold`: the verdict is the right answer"
    )
    annotator_kind: Annotated[AnnotatorKind, BeforeValidator(read_kind)] = Field(
        description="what kind of annotator that is; `model` is another word for `judge`"
    )
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
    tags: list[str] = Field(default=[], description="what went wrong, in words of a taxonomy")
    status: LabelStatus = Field(
        default="given", description="`deferred` or `withdrawn`: it is no vote"
    )
    subject: Subject = Field(default="trace", description="what it is about")
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
            tags=tuple(self.tags),
            status=self.status,
            subject=self.subject,
            id=str(self.id),
        )

    def to_gold_value(self, source: str) -> GoldValue:
        """Returns the line as a gold value."""
        return GoldValue(self.trace_id, self.dimension, self.verdict, self.source or source)


def read_labels(path: Path, source: str = "", only: Collection[int] = ()) -> LabelsFile:
    """Reads a file of labels and gold values, gzipped or not: JSON lines, a list, or a table.

    Args:
        path: the file.
        source: the source of gold values that name none.
        only: the lines to read; empty: all.
    """
    from evals.traces.files.written_objects import read_objects

    rows: list[LabelRow] = []
    refused: list[RefusedLine] = []
    blank = 0
    for row in (one for written in read_objects(path) for one in expand(written)):
        if only and row.line not in only:
            continue
        value = read_row(row, source)
        if isinstance(value, RefusedLine):
            refused.append(value)
        elif value is None:
            blank += 1
        else:
            rows.append(LabelRow(row.line, value))
    return LabelsFile(rows, refused, blank)


def expand(one: WrittenObject) -> list[WrittenObject]:
    """Returns a row, or those of the task or record of another tool that it is."""
    if one.value is None:
        return [one]
    if one.is_row:
        cells = {k: decode_cell(v) if isinstance(v, str) else v for k, v in one.value.items()}
        return [one._replace(value=cells)]
    rows = expand_object(one.value)
    return [one] if rows is None else [one._replace(value=row) for row in rows]


def read_row(one: WrittenObject, source: str) -> Label | GoldValue | RefusedLine | None:
    """Reads one row; None where a person's verdict is empty.

    Of a table's cells empty ones are left out, except the verdict; numbers are read as such.
    """
    row = one.value
    if row is None:
        return RefusedLine(one.line, one.problem)
    if one.is_row:
        row = {key: cell for key, cell in row.items() if cell is not None or key == "verdict"}
    if missing := REQUIRED_KEYS - set(row):
        return RefusedLine(one.line, describe_missing(sorted(missing)))
    if is_blank(row):
        return None
    try:
        entry = LabelLine.model_validate(row, strict=False if one.is_row else None)
    except ValidationError as error:
        return RefusedLine(one.line, describe_error(row, error))
    return entry.to_gold_value(source) if entry.annotator == GOLD else entry.to_label()


def describe_missing(keys: Sequence[str]) -> str:
    """Describes the keys that a row lacks, with the kinds of annotators where that is one."""
    kinds = f" ({', '.join(get_args(AnnotatorKind))})" if "annotator_kind" in keys else ""
    return f"a label needs {', '.join(keys)}{kinds}"


def is_blank(row: dict[str, Json]) -> bool:
    """Whether a row is one that a person has not filled in; a judge's empty verdict is an error."""
    if row["verdict"] not in ("", None):
        return False
    return row["annotator"] == GOLD or read_kind(row["annotator_kind"]) in PEOPLE


def describe_error(row: dict[str, Json], error: ValidationError) -> str:
    """Describes the first wrong value of a row: its key, what was found and what was expected."""
    first = error.errors()[0]
    key = str(first["loc"][0])
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"`{key}` is {str(row.get(key))[:60]!r}; expected {expected}"
