"""Reads the tasks of Label Studio and the records of Argilla as rows of labels.

What such a file may lack or have in another form is left out; whether a row is a label is checked
in `label_lines`. The files are written in `exchange`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from evals.labels.exchange import EXTRAS, NOTE, SHARED, TAGS, VERDICT, digest_annotation
from evals.records import Json

Row = dict[str, Json]
UNKNOWN = "unknown"
"""The name of an annotator whom a file does not name."""


def expand_object(value: Row) -> list[Row] | None:
    """Returns the rows of a task or record of another tool; None: it is a row of its own."""
    if isinstance(value.get("data"), dict) and {"annotations", "predictions"} & value.keys():
        return list(expand_task(value))
    if isinstance(value.get("fields"), dict) and {"responses", "suggestions"} & value.keys():
        return list(expand_record(value))
    return None


def expand_task(task: Row) -> Iterator[Row]:
    """Yields the labels of a task of Label Studio; those that were skipped are left out."""
    data = as_object(task.get("data"))
    about, extras = list_shared(data), read_extras(data.get(EXTRAS))
    for one in list_objects(task.get("annotations")):
        if not one.get("was_cancelled"):
            kind = "adjudicated" if one.get("ground_truth") else "human"
            who: Row = {
                "annotator": name_annotator(one.get("completed_by")),
                "annotator_kind": kind,
                "time": one.get("created_at"),
                "seconds": one.get("lead_time"),
            }
            given = {key: value for key, value in who.items() if value is not None}
            yield from merge_results({**about, **given}, one, extras)
    for one in list_objects(task.get("predictions")):
        judge: Row = {"annotator": str(one.get("model_version") or "model")}
        yield from merge_results({**about, **judge, "annotator_kind": "judge"}, one, extras)


def list_shared(data: Row) -> Row:
    """Returns what all labels of a question share."""
    return {key: data[key] for key in ("trace_id", "dimension", *SHARED) if data.get(key)}


def merge_results(row: Row, one: Row, extras: Mapping[str, Row]) -> Iterator[Row]:
    """Yields the labels of one annotation: one for each of its choices that is a verdict.

    Where the task names no dimension, each choice's name is one.
    """
    row, verdicts = dict(row), list[tuple[str, Json]]()
    for region in list_objects(one.get("result")):
        name, value = str(region.get("from_name", "")), as_object(region.get("value"))
        if isinstance(lines := value.get("text"), list):
            row["critique"] = "\n".join(map(str, lines))
        elif name == TAGS:
            row["tags"] = value.get("choices")
        elif "choices" in value or "rating" in value:
            verdicts.append((name, read_choice(value.get("choices", value.get("rating")))))
    for name, verdict in verdicts:
        yield add_extras({"dimension": name, **row, "verdict": verdict}, extras)


def read_choice(chosen: Json) -> Json:
    """Returns the verdict of choices: the only one, or all."""
    return chosen[0] if isinstance(chosen, list) and len(chosen) == 1 else chosen


def expand_record(record: Row) -> Iterator[Row]:
    """Yields the labels of a record of Argilla: each person's submitted responses."""
    metadata = as_object(record.get("metadata"))
    about, extras = list_shared(metadata), read_extras(metadata.get(EXTRAS))
    people: dict[str, Row] = {}
    for name, value, who in list_responses(record.get("responses")):
        people.setdefault(who, {})[name] = value
    for who, answers in people.items():
        row: Row = {**about, "annotator": who, "annotator_kind": "human"}
        row |= {"critique": answers[NOTE]} if answers.get(NOTE) else {}
        row |= {"tags": answers[TAGS]} if answers.get(TAGS) else {}
        for name, verdict in answers.items():
            if name not in (NOTE, TAGS):
                yield add_extras({"dimension": name, **row, "verdict": verdict}, extras)
    for name, value, agent in list_suggestions(record.get("suggestions")):
        judge: Row = {**about, "annotator": agent, "annotator_kind": "judge"}
        yield add_extras({"dimension": name, **judge, "verdict": value}, extras)


def list_responses(responses: Json) -> Iterator[tuple[str, Json, str]]:
    """Yields question, value and person of submitted responses, of Argilla 2 or 1."""
    if isinstance(responses, dict):
        for name, own in responses.items():
            for one in filter(is_submitted, list_objects(own)):
                yield name, one.get("value"), str(one.get("user_id") or UNKNOWN)
        return
    for one in filter(is_submitted, list_objects(responses)):
        for name, own in as_object(one.get("values")).items():
            value = own.get("value") if isinstance(own, dict) else own
            yield name, value, str(one.get("user_id") or UNKNOWN)


def is_submitted(response: Row) -> bool:
    """Whether a response is neither a draft nor discarded."""
    return response.get("status") in (None, "submitted")


def list_suggestions(suggestions: Json) -> Iterator[tuple[str, Json, str]]:
    """Yields question, value and agent of suggestions, of Argilla 2 or 1."""
    if isinstance(suggestions, dict):
        items = [{"question_name": k, **as_object(v)} for k, v in suggestions.items()]
    else:
        items = list_objects(suggestions)
    for one in items:
        if one.get("value") is not None and one.get("question_name") not in (NOTE, TAGS):
            agent = str(one.get("agent") or "suggestion")
            yield str(one.get("question_name") or VERDICT), one["value"], agent


def as_object(value: Json) -> Row:
    """Returns an object; an empty one for any other value."""
    return value if isinstance(value, dict) else {}


def list_objects(value: Json) -> list[Row]:
    """Returns the objects of a list; none of any other value."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def name_annotator(value: Json) -> str:
    """Returns the name of who completed an annotation: an e-mail address, or a number."""
    if isinstance(value, dict):
        return str(value.get("email") or value.get("username") or value.get("id") or UNKNOWN)
    return UNKNOWN if value is None else str(value)


def read_extras(value: Json) -> Mapping[str, Row]:
    """Returns the objects that `exchange.build_extras` made; none where it is something else."""
    try:
        extras: Json = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return {key: one for key, one in as_object(extras).items() if isinstance(one, dict)}


def add_extras(row: Row, extras: Mapping[str, Row]) -> Row:
    """Returns a label with what was exported beside it, unless the annotation was changed."""
    return {**row, **extras.get(digest_annotation(row), {})}
