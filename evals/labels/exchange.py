"""Labels as the files of other tools: CSV that no spreadsheet computes, Label Studio, Argilla.

A row has the keys of a labels file (`label_lines`), and those of the answer that was judged.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast

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
KEPT = ("verdict",)
"""Keys that a row has even where they are empty."""
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
            return cast("Json", json.loads(text))
        except ValueError:
            return text
    return text


def build_extras(rows: Iterable[Row]) -> dict[str, Row]:
    """Returns what other tools have no place for, by a digest of each annotation."""
    return {
        identify(row): {key: row[key] for key in OWN if row.get(key) not in (None, "")}
        for row in rows
        if row.get("annotator")
    }


def identify(row: Mapping[str, Any]) -> str:
    """Returns a digest of an annotation, which another annotation does not have."""
    note, tags = row.get("critique") or "", list(row.get("tags") or ())
    return digest([str(row.get("annotator")), row.get("verdict"), note, tags])


def list_shown(row: Row) -> Row:
    """Returns what identifies and shows a question."""
    about = {key: row[key] for key in ("trace_id", "dimension", *SHARED) if key in row}
    return {**about, **{key: row[key] for key in SHOWN if row.get(key) is not None}}


def build_task(rows: Sequence[Row], number: int) -> Row:
    """Builds a task of Label Studio: people's labels are annotations, others predictions.

    Its labelling interface has the choices `verdict` and `tags` and the text area `note`, each
    `toName="output"`.
    """
    labels = [row for row in rows if row.get("annotator")]
    people = [row for row in labels if row.get("annotator_kind") in ("human", "adjudicated")]
    others = [row for row in labels if row not in people]
    return {
        "id": number,
        "data": {**list_shown(rows[0]), EXTRAS: build_extras(labels)},
        "annotations": [build_annotation(row) for row in people],
        "predictions": [
            {"model_version": row["annotator"], "result": build_result(row)} for row in others
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
    labels = [row for row in rows if row.get("annotator")]
    people = [row for row in labels if row.get("annotator_kind") in ("human", "adjudicated")]
    others = [row for row in labels if row not in people]
    shown = list_shown(rows[0])
    metadata = {k: v for k, v in shown.items() if k not in SHOWN and v is not None}
    responses: dict[str, list[Row]] = {}
    for row in people:
        answers = {VERDICT: row.get("verdict"), NOTE: row.get("critique"), TAGS: row.get("tags")}
        for name, value in answers.items():
            if name == VERDICT or value:
                own = {"value": value, "user_id": row["annotator"], "status": "submitted"}
                responses.setdefault(name, []).append(own)
    suggestions: Row = {}
    if others:
        suggestions[VERDICT] = {"value": others[0].get("verdict"), "agent": others[0]["annotator"]}
    return {
        "id": str(number),
        "fields": {key: str(shown[key]) for key in SHOWN if key in shown},
        "metadata": {**metadata, EXTRAS: json.dumps(build_extras(labels))},
        "responses": responses,
        "suggestions": suggestions,
    }


def expand_object(value: dict[str, Json]) -> list[dict[str, Json]] | None:
    """Returns the rows of a task or record of another tool; None: it is a row of its own."""
    if isinstance(value.get("data"), dict) and {"annotations", "predictions"} & value.keys():
        return list(expand_task(value))
    if isinstance(value.get("fields"), dict) and {"responses", "suggestions"} & value.keys():
        return list(expand_record(value))
    return None


def expand_task(task: dict[str, Any]) -> Iterator[dict[str, Json]]:
    """Yields the labels of a task of Label Studio; those that were skipped are left out."""
    data, extras = task["data"], read_extras(task["data"].get(EXTRAS))
    about = {key: data[key] for key in ("trace_id", "dimension", *SHARED) if data.get(key)}
    for one in list_objects(task.get("annotations")):
        if not one.get("was_cancelled"):
            kind = "adjudicated" if one.get("ground_truth") else "human"
            who = {"annotator": name_annotator(one.get("completed_by")), "annotator_kind": kind}
            spent = {"time": one.get("created_at"), "seconds": one.get("lead_time")}
            known = {key: value for key, value in spent.items() if value is not None}
            yield from merge_results({**about, **who, **known}, one, extras)
    for one in list_objects(task.get("predictions")):
        judge = {"annotator": str(one.get("model_version") or "model"), "annotator_kind": "judge"}
        yield from merge_results({**about, **judge}, one, extras)


def merge_results(row: Row, one: Row, extras: Mapping[str, Row]) -> Iterator[dict[str, Json]]:
    """Yields the labels of one annotation: one for each of its choices that is a verdict.

    Where the task names no dimension, each choice's name is one.
    """
    row, verdicts = dict(row), list[tuple[str, Json]]()
    for region in list_objects(one.get("result")):
        name, value = str(region.get("from_name", "")), region.get("value")
        value = cast("Row", value) if isinstance(value, dict) else {}
        if isinstance(value.get("text"), list):
            row["critique"] = "\n".join(map(str, value["text"]))
        elif name == TAGS:
            row["tags"] = value.get("choices")
        elif "choices" in value or "rating" in value:
            chosen = value.get("choices", value.get("rating"))
            verdicts.append((name, read_choice(chosen)))
    for name, verdict in verdicts:
        yield add_extras({"dimension": name, **row, "verdict": verdict}, extras)


def read_choice(chosen: Json) -> Json:
    """Returns the verdict of choices: the only one, or all."""
    return chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen


def expand_record(record: dict[str, Any]) -> Iterator[dict[str, Json]]:
    """Yields the labels of a record of Argilla: each person's submitted responses."""
    metadata = cast("Row", record.get("metadata") or {})
    extras = read_extras(metadata.get(EXTRAS))
    about = {key: metadata[key] for key in ("trace_id", "dimension", *SHARED) if metadata.get(key)}
    people: dict[str, Row] = {}
    for name, value, who in list_responses(record.get("responses")):
        people.setdefault(who, {})[name] = value
    for who, answers in people.items():
        row = {**about, "annotator": who, "annotator_kind": "human"}
        row |= {"critique": answers[NOTE]} if answers.get(NOTE) else {}
        row |= {"tags": answers[TAGS]} if answers.get(TAGS) else {}
        for name, verdict in answers.items():
            if name not in (NOTE, TAGS):
                yield add_extras({"dimension": name, **row, "verdict": verdict}, extras)
    for name, value, agent in list_suggestions(record.get("suggestions")):
        judge = {**about, "annotator": agent, "annotator_kind": "judge"}
        yield add_extras({"dimension": name, **judge, "verdict": value}, extras)


def list_responses(responses: object) -> Iterator[tuple[str, Json, str]]:
    """Yields question, value and person of submitted responses, of Argilla 2 or 1."""
    if isinstance(responses, dict):
        for name, own in cast("Row", responses).items():
            for one in list_objects(own):
                if one.get("status") in (None, "submitted"):
                    yield name, one.get("value"), str(one.get("user_id") or "unknown")
        return
        return
    for one in list_objects(responses):
        if one.get("status") in (None, "submitted"):
            who = str(one.get("user_id") or "unknown")
            for name, own in cast("Row", one.get("values") or {}).items():
                yield name, cast("Row", own).get("value") if isinstance(own, dict) else own, who


def list_suggestions(suggestions: object) -> Iterator[tuple[str, Json, str]]:
    """Yields question, value and agent of suggestions, of Argilla 2 or 1."""
    if isinstance(suggestions, dict):
        items = [{"question_name": k, **v} for k, v in cast("Row", suggestions).items()]
    else:
        items = list_objects(suggestions)
    for one in items:
        if one.get("value") is not None and one.get("question_name") not in (NOTE, TAGS):
            agent = str(one.get("agent") or "suggestion")
            yield str(one.get("question_name") or VERDICT), one["value"], agent


def list_objects(value: object) -> list[Row]:
    """Returns the objects of a list."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Row", one) for one in items if isinstance(one, dict)]


def name_annotator(value: object) -> str:
    """Returns the name of who completed an annotation: an e-mail address, or a number."""
    if isinstance(value, dict):
        user = cast("Row", value)
        return str(user.get("email") or user.get("username") or user.get("id") or "unknown")
    return "unknown" if value is None else str(value)


def read_extras(value: object) -> Mapping[str, Row]:
    """Returns what `build_extras` made; empty where it is something else."""
    try:
        extras = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return cast("Mapping[str, Row]", extras) if isinstance(extras, dict) else {}


def add_extras(row: Row, extras: Mapping[str, Row]) -> dict[str, Json]:
    """Returns a label with what was exported beside it, unless the annotation was changed."""
    more = extras.get(identify(row))
    return {**row, **more} if isinstance(more, dict) else row


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
    return {key: value for key, value in row.items() if value not in (None, "", []) or key in KEPT}
