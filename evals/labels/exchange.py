"""Writes labels as files of other tools: CSV that no spreadsheet computes, Label Studio, Argilla.

A row has the keys of a labels file (`label_lines`), and those of the answer that was judged. Files
that come back are read in `annotation_tools`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from evals.evaluators.label_verdicts import PEOPLE
from evals.records import Json, Label, digest

Format = Literal["jsonl", "csv", "label-studio", "argilla"]
Row: TypeAlias = dict[str, Any]

COLUMNS = (
    "trace_id", "dimension", "verdict", "annotator", "annotator_kind", "critique", "answer",
    "rubric_version", "time", "seconds", "probability", "supersedes", "tags", "status", "subject",
    "id",
)  # fmt: skip
"""The keys of a label, in the order of a table's columns."""
SHOWN = ("question", "reason", "input", "context", "output")
"""The keys of what the annotator reads."""
SHARED = ("answer", "rubric_version", "probability")
"""The keys of a label that all labels of one question have."""
OWN = ("annotator_kind", "time", "seconds", "supersedes", "status", "subject", "id", *SHARED)
"""The keys that other tools have no place for; a digest ties them to the annotation."""
EXTRAS = "andon"
RISKY = ("=", "+", "-", "@", "\t", "\r", "[", "{")
"""What a cell may not begin with: spreadsheets compute the first six, and lists begin so."""
VERDICT, NOTE, TAGS = "verdict", "note", "tags"


def write_rows(rows: Iterable[Row], form: Format) -> Iterator[str]:
    """Yields the text of a file with some labels, or with questions whose verdict is empty."""
    if form == "csv":
        yield from write_csv(list(rows))
    elif form == "jsonl":
        yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        build = build_task if form == "label-studio" else build_record
        groups = group_rows(rows)
        built = [build(own, number) for number, own in enumerate(groups, start=1)]
        yield json.dumps(built, ensure_ascii=False, indent=1) + "\n"


def group_rows(rows: Iterable[Row]) -> list[list[Row]]:
    """Groups the rows about one answer and dimension."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        about = (row["trace_id"], row["dimension"], row.get("answer"), row.get("subject"))
        groups.setdefault(about, []).append(row)
    return list(groups.values())


def write_csv(rows: Sequence[Row]) -> Iterator[str]:
    """Yields the lines of a table; a cell that a spreadsheet would compute begins with a quote."""
    names = [name for name in (*COLUMNS, *SHOWN) if any(name in row for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([encode_cell(row.get(name)) for name in names])
    yield text.getvalue()


def encode_cell(value: Json) -> str:
    """Returns a value as a cell: a text that begins like a formula or a list gets a quote."""
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if text.lstrip("'").startswith(RISKY) else text


def decode_cell(text: str) -> Json:
    """Returns the value of a cell that `encode_cell` wrote; another's cell is its text."""
    if text.startswith("'") and text.lstrip("'").startswith(RISKY):
        return text[1:]
    if text.startswith(("[", "{")):
        try:
            return cast("Json", json.loads(text, parse_constant=refuse_constant))
        except ValueError:
            return text
    return text


def refuse_constant(text: str) -> None:
    """Refuses `NaN` and `Infinity`, which are no JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{text} is no JSON")


def build_extras(rows: Iterable[Row]) -> dict[str, Row]:
    """Returns what other tools have no place for, by a digest of each annotation."""
    return {
        digest_annotation(row): {key: row[key] for key in OWN if row.get(key) not in (None, "")}
        for row in rows
        if row.get("annotator")
    }


def digest_annotation(row: Mapping[str, Any]) -> str:
    """Returns a digest of an annotation, which another annotation does not have."""
    note: Json = row.get("critique") or ""
    tags: Json = row.get("tags") or []
    return digest([str(row.get("annotator")), row.get("verdict"), note, tags])


def list_shown(row: Row) -> Row:
    """Returns what identifies and shows a question."""
    about = {key: row[key] for key in ("trace_id", "dimension", *SHARED) if key in row}
    return {**about, **{key: row[key] for key in SHOWN if row.get(key) is not None}}


class Annotators(NamedTuple):
    """The labels of a question, by who gave them."""

    people: list[Row]
    others: list[Row]
    """Those of judges and rules."""


def split_annotators(rows: Iterable[Row]) -> Annotators:
    """Splits the labels of a question; leaves out rows that nobody has filled in."""
    given = Annotators([], [])
    for row in rows:
        if row.get("annotator"):
            (given.people if row.get("annotator_kind") in PEOPLE else given.others).append(row)
    return given


def build_task(rows: Sequence[Row], number: int) -> Row:
    """Builds a task of Label Studio: people's labels are annotations, others predictions.

    Its labelling interface has the choices `verdict` and `tags` and the text area `note`, each
    `toName="output"`.
    """
    given = split_annotators(rows)
    return {
        "id": number,
        "data": {**list_shown(rows[0]), EXTRAS: build_extras(rows)},
        "annotations": [build_annotation(row) for row in given.people],
        "predictions": [
            {"model_version": row["annotator"], "result": build_result(row)} for row in given.others
        ],
    }


def build_annotation(row: Row) -> Row:
    """Builds an annotation of Label Studio."""
    return {
        "completed_by": {"email": row["annotator"]},
        "ground_truth": row.get("annotator_kind") == "adjudicated",
        "was_cancelled": False,
        "created_at": row.get("time"),
        "lead_time": row.get("seconds"),
        "result": build_result(row),
    }


def build_result(row: Row) -> list[Row]:
    """Builds the regions of an annotation or prediction."""
    parts: list[tuple[str, str, Row]] = [
        (VERDICT, "choices", {"choices": to_list(row.get("verdict"))})
    ]
    if row.get("critique"):
        parts.append((NOTE, "textarea", {"text": [row["critique"]]}))
    if row.get("tags"):
        parts.append((TAGS, "choices", {"choices": list(row["tags"])}))
    return [
        {"from_name": name, "to_name": "output", "type": kind, "value": value}
        for name, kind, value in parts
    ]


def to_list(value: Json) -> list[Json]:
    """Returns a verdict as choices."""
    return value if isinstance(value, list) else [value]


def build_record(rows: Sequence[Row], number: int) -> Row:
    """Builds a record of Argilla: people's labels are responses, another's is a suggestion."""
    given = split_annotators(rows)
    shown = list_shown(rows[0])
    metadata = {k: v for k, v in shown.items() if k not in SHOWN and v is not None}
    responses: dict[str, list[Row]] = {}
    for row in given.people:
        answers = {VERDICT: row.get("verdict"), NOTE: row.get("critique"), TAGS: row.get("tags")}
        for name, value in answers.items():
            if name == VERDICT or value:
                own = {"value": value, "user_id": row["annotator"], "status": "submitted"}
                responses.setdefault(name, []).append(own)
    suggestions: Row = {}
    for row in given.others[:1]:
        suggestions[VERDICT] = {"value": row.get("verdict"), "agent": row["annotator"]}
    return {
        "id": str(number),
        "fields": {key: str(shown[key]) for key in SHOWN if key in shown},
        "metadata": {**metadata, EXTRAS: json.dumps(build_extras(rows))},
        "responses": responses,
        "suggestions": suggestions,
    }


def describe_label(label: Label) -> Row:
    """Returns a label as the row of a labels file."""
    row: Row = {
        "trace_id": label.subject_id,
        "dimension": label.dimension,
        "verdict": label.verdict,
        "annotator": label.annotator,
        "annotator_kind": label.annotator_kind,
        "critique": label.critique,
        "answer": label.answer,
        "rubric_version": label.rubric_version,
        "time": label.time and label.time.isoformat(),
        "seconds": label.seconds_spent,
        "probability": label.sampling_probability,
        "supersedes": label.supersedes,
        "tags": list(label.tags),
        "status": label.status if label.status != "given" else None,
        "subject": label.subject if label.subject != "trace" else None,
        "id": label.id,
    }
    return {k: value for k, value in row.items() if k == VERDICT or value not in (None, "", [])}
