"""MLflow's assessments: feedback as labels, and the answers that people expected.

`mlflow` knows where a trace has them.
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

SOURCES: dict[str, AnnotatorKind] = {"HUMAN": "human", "LLM_JUDGE": "judge", "AI_JUDGE": "judge"}
NAMES = ("assessment_name", "name")


def read_assessments(value: Json, trace_id: str, line: int) -> Iterator[Label | NonAnswer]:
    """Yields a label for each feedback; one that was replaced since is left out.

    A judge's or a rule's feedback without a value is an error of theirs, which is counted, as is
    one without a name and a person's without a value.
    """
    for item in list_objects(parse_literal(value)):
        feedback = parse_object(item.get("feedback"))
        if item.get("valid") is False or not feedback:
            continue
        source = parse_object(item.get("source"))
        kind = SOURCES.get(to_text(source.get("source_type")).upper(), "rule")
        name = to_text(find_value(item, NAMES))
        label = canonical.make_label(
            trace_id,
            name,
            read_verdict(feedback.get("value")),
            to_text(source.get("source_id")) or f"mlflow-{name}",
            kind,
            to_text(item.get("rationale")),
        )
        yield canonical.name_missing(label, line)


def read_verdict(value: Json) -> Json:
    """Reads the value of a feedback: true, false, a word or a number."""
    return value if type(value) is bool else to_whole_number(value)


def list_expectations(value: Json) -> Object:
    """Lists the expected values by name, for the trace's metadata; empty where there are none."""
    expected: Object = {}
    for item in list_objects(parse_literal(value)):
        expectation = parse_object(item.get("expectation"))
        if expectation.get("value") is not None and item.get("valid") is not False:
            expected[to_text(find_value(item, NAMES))] = expectation["value"]
    return {"expectations": expected} if expected else {}
