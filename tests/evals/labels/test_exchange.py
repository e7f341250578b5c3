"""Promises of labels in other tools' files: what is written comes back, and nothing computes."""

from __future__ import annotations

import copy
import csv
import functools
import json
import operator
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.labels.annotation_tools import expand_object
from evals.labels.exchange import Format, decode_cell, describe_label, write_rows
from evals.labels.label_lines import read_labels
from evals.records import Json, Label

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=20
)
NAME = TEXT.filter(lambda text: bool(text.strip()) and text == text.strip() and text != "gold")
NOTE = st.one_of(st.just(""), TEXT, st.sampled_from(["=1+1", "'=1", "@x", "-2", "[a", "+", "'"]))
LABELS = st.builds(
    Label,
    subject_id=NAME,
    dimension=NAME,
    verdict=st.one_of(NAME, st.lists(NAME, min_size=2, max_size=3)),
    annotator=NAME,
    annotator_kind=st.sampled_from(["human", "adjudicated"]),
    critique=NOTE,
    answer=st.sampled_from(["", "0123456789abcdef"]),
    rubric_version=st.one_of(st.none(), NAME),
    time=st.one_of(
        st.none(), st.datetimes(datetime(2020, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
    ),
    seconds_spent=st.one_of(st.none(), st.floats(0, 1e6)),
    sampling_probability=st.one_of(st.none(), st.floats(1e-6, 1)),
    tags=st.lists(NAME, max_size=2).map(tuple),
    status=st.sampled_from(["given", "deferred"]),
    id=NAME,
)
SUFFIXES = {"jsonl": "jsonl", "csv": "csv", "label-studio": "json", "argilla": "json"}


@pytest.mark.parametrize("form", get_args(Format))
@settings(max_examples=60, deadline=None)
@given(label=LABELS)
def test_a_label_comes_back_unchanged(
    form: Format, label: Label, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From every format, with what the other tool has no place for."""
    path = tmp_path_factory.mktemp("labels") / f"labels.{SUFFIXES[form]}"
    text = "".join(write_rows([describe_label(label)], form))
    path.write_text(text, encoding="utf-8", newline="")
    file = read_labels(path)
    assert not file.refused
    assert [row.value for row in file.rows] == [label]


def write(folder: Path, value: Any) -> Path:
    """Writes a JSON file."""
    path = folder / "labels.json"
    path.write_text(json.dumps(value))
    return path


def test_no_cell_of_a_table_is_a_formula(tmp_path: Path) -> None:
    """A note that begins like one gets a quote, which reading removes."""
    rows = [{"trace_id": "t1", "dimension": "d", "verdict": "pass", "annotator": "ann",
             "annotator_kind": "human", "critique": note} for note in
            ("=HYPERLINK(1)", "+1", "-1", "@a", "\tx", "\rx", "'=1", "it's")]  # fmt: skip
    path = tmp_path / "labels.csv"
    path.write_text("".join(write_rows(rows, "csv")), newline="")
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    notes = [row.value.critique for row in read_labels(path).rows if isinstance(row.value, Label)]
    assert notes == [row["critique"] for row in rows]


def test_an_export_of_label_studio_is_read(tmp_path: Path) -> None:
    """A number for who completed it, a skipped annotation, a prediction, choices by dimension."""
    result = [
        {"from_name": "right", "to_name": "text", "type": "choices", "value": {"choices": ["no"]}},
        {"from_name": "why", "to_name": "text", "type": "textarea", "value": {"text": ["a", "b"]}},
        {"from_name": "stars", "to_name": "text", "type": "rating", "value": {"rating": 4}},
    ]
    task = {
        "id": 1,
        "data": {"trace_id": "t1"},
        "annotations": [
            {"completed_by": 7, "created_at": "2026-10-15T09:00:00Z", "lead_time": 4.5,
             "result": result},
            {"completed_by": 8, "was_cancelled": True, "result": result},
        ],
        "predictions": [{"model_version": "m1", "result": result[:1]}],
    }  # fmt: skip
    values = [row.value for row in read_labels(write(tmp_path, [task])).rows]
    labels = [one for one in values if isinstance(one, Label)]
    assert [(x.dimension, x.verdict, x.annotator, x.annotator_kind) for x in labels] == [
        ("right", "no", "7", "human"),
        ("stars", 4, "7", "human"),
        ("right", "no", "m1", "judge"),
    ]
    assert (labels[0].critique, labels[0].seconds_spent) == ("a\nb", 4.5)


@pytest.mark.parametrize(
    "responses",
    [
        {"right": [{"value": "yes", "user_id": "u1"},
                   {"value": "no", "user_id": "u2", "status": "draft"}]},
        [{"user_id": "u1", "status": "submitted", "values": {"right": {"value": "yes"}}}],
    ],
)  # fmt: skip
def test_records_of_argilla_are_read(tmp_path: Path, responses: Any) -> None:
    """Of version 2 and 1; a draft is no label, a suggestion is a judge's."""
    suggestions = {"right": {"value": "no", "agent": "m1", "score": 0.9}}
    record = {"id": "1", "fields": {"text": "x"}, "metadata": {"trace_id": "t1"},
              "responses": responses, "suggestions": suggestions}  # fmt: skip
    values = [row.value for row in read_labels(write(tmp_path, [record])).rows]
    labels = [one for one in values if isinstance(one, Label)]
    assert [(x.verdict, x.annotator, x.annotator_kind) for x in labels] == [
        ("yes", "u1", "human"),
        ("no", "m1", "judge"),
    ]


TASK = {
    "data": {"trace_id": "t1", "dimension": "right", "andon": {}},
    "annotations": [{"completed_by": {"email": "ann"}, "result": [
        {"from_name": "verdict", "value": {"choices": ["no"]}},
        {"from_name": "tags", "value": {"choices": ["late"]}},
        {"from_name": "note", "value": {"text": ["late"]}}]}],
    "predictions": [{"result": [{"from_name": "verdict", "value": {"choices": ["no"]}}]}],
}  # fmt: skip
RECORD = {
    "fields": {"text": "x"},
    "metadata": {"trace_id": "t1", "andon": "{}"},
    "responses": {"verdict": [{"value": "no"}], "tags": [{"value": ["late"]}]},
    "suggestions": {"verdict": {"value": "no"}},
}
OLD_RECORD = RECORD | {
    "responses": [{"values": {"verdict": {"value": "no"}}}],
    "suggestions": [{"question_name": "verdict", "value": "no"}],
}
OTHER_VALUES: tuple[Json, ...] = (None, 1, "x", "", True, [], {}, [1], ["x"], {"a": 1})


def list_places(value: Json) -> Iterator[tuple[str | int, ...]]:
    """Yields the way to each value within another."""
    items = value.items() if isinstance(value, dict) else ()
    for key, one in [*items, *enumerate(value if isinstance(value, list) else ())]:
        yield from ((key, *rest) for rest in [(), *list_places(one)])


@pytest.mark.parametrize("value", [TASK, RECORD, OLD_RECORD], ids=["task", "record", "old record"])
def test_a_value_of_another_kind_stops_no_import(value: Any) -> None:
    """Whatever is in the place of any value, the object is read, or is a row of its own."""
    for *way, last in list_places(value):
        for other in OTHER_VALUES:
            changed = copy.deepcopy(value)
            functools.reduce(operator.getitem, way, changed)[last] = other
            rows = expand_object(changed)
            assert rows is None or all({"verdict", "annotator"} <= row.keys() for row in rows)


def test_a_cell_that_is_no_json_is_a_text() -> None:
    """`NaN` in a list would be stored by no file of labels."""
    assert decode_cell("[NaN]") == "[NaN]"
    assert decode_cell('["late"]') == ["late"]


def test_a_task_without_a_trace_is_refused_with_its_place(tmp_path: Path) -> None:
    """A task that nobody has judged is no problem; one that was changed loses its old time."""
    task = {"data": {"text": "x"}, "annotations": [{"completed_by": 7, "result": [
        {"from_name": "right", "type": "choices", "value": {"choices": ["no"]}}]}]}  # fmt: skip
    empty = {"data": {"trace_id": "t1"}, "annotations": []}
    file = read_labels(write(tmp_path, [task, empty]))
    assert [(one.line, one.reason) for one in file.refused] == [(1, "a label needs trace_id")]
    assert not file.rows
