"""Weave's feedback on calls, as labels: annotations, reactions, notes and scorers' results.

`weave` knows which call has it.
"""

from __future__ import annotations

from collections.abc import Iterator

from evals.records import AnnotatorKind, Json, Label, NonAnswer
from evals.traces.rows import canonical
from evals.traces.spans.observations import (
    Object,
    find_value,
    list_objects,
    parse_object,
    to_text,
    to_whole_number,
)
from evals.traces.spans.values import parse_literal

ANNOTATION, RUNNABLE = "wandb.annotation.", "wandb.runnable."
DIMENSIONS = {"wandb.reaction.1": "reaction", "wandb.note.1": "note"}
VALUES = ("value", "output", "alias", "emoji", "note", "score", "label")
"""Keys of a payload that hold the verdict."""
SCORES = ("passed", "score", "value", "label", "correct", "flagged")
"""Keys of a scorer's output that hold its verdict, where it is an object."""


def read_feedback(value: Json, trace_id: str, line: int) -> Iterator[Label | NonAnswer]:
    """Yields the labels of the feedback on a call; counts what is none."""
    for item in list_objects(parse_literal(value)):
        kind, dimension = describe_type(to_text(item.get("feedback_type")))
        payload = parse_object(item.get("payload"))
        person = to_text(find_value(item, ("creator", "wb_user_id")))
        note = to_text(find_value(payload, ("reason", "explanation", "comment")))
        verdicts = list_verdicts(payload)
        if not verdicts:
            yield canonical.name_missing(None, line)
        for part, verdict in verdicts:
            name = f"{dimension}.{part}" if part else dimension
            annotator = person if kind == "human" else f"weave-{dimension}"
            label = canonical.make_label(trace_id, name, verdict, annotator, kind, note)
            yield canonical.name_missing(label, line)


def describe_type(name: str) -> tuple[AnnotatorKind, str]:
    """Returns who gives feedback of a type, and on which dimension."""
    if name.startswith(RUNNABLE):
        return "judge", name.removeprefix(RUNNABLE)
    return "human", DIMENSIONS.get(name, name.removeprefix(ANNOTATION))


def list_verdicts(payload: Object) -> list[tuple[str, Json]]:
    """Lists the verdicts of a payload with the part they are about, empty for the whole.

    A scorer's object without a known key has a verdict for each number, and each true or false.
    """
    verdict = find_value(payload, VALUES)
    if verdict is None and len(payload) == 1:
        verdict = next(iter(payload.values()))
    if type(verdict) is not dict:
        return [("", to_verdict(verdict))]
    if (known := find_value(verdict, SCORES)) is not None:
        return [("", to_verdict(known))]
    return [
        (key, to_verdict(value))
        for key, value in verdict.items()
        if type(value) in (bool, int, float)
    ]


def to_verdict(value: Json) -> Json:
    """Converts a whole number to an integer; true and false and words stay as they are."""
    return value if type(value) in (bool, str) else to_whole_number(value)
