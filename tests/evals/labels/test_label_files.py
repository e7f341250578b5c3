"""Promises of labels: a label is about the answer that a person judged, not a corrected one."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators.gold import GoldAndLabels, digest_answer
from evals.labels import label_files, review_queue
from evals.records import Label, Trace
from evals.specs import Catalog, Evaluator
from evals.storage.label_records import read_gold_values, read_labels
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 1)
TRACE = Trace("t1", datetime(2026, 10, 1, 9, tzinfo=UTC), "desk", "It is red.", "Which colour?")
CORRECTED = dataclasses.replace(TRACE, output="It is blue.")


JUDGED = {
    "trace_id": "t1",
    "dimension": "right",
    "verdict": "pass",
    "annotator": "ann",
    "annotator_kind": "human",
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with one staged trace."""
    made = Lake(tmp_path / "home").open()
    made.write("staged", NIGHT, [TRACE])
    return made


def import_row(lake: Lake, folder: Path, **more: Any) -> None:
    """Imports a labels file of one row."""
    path = folder / "labels.jsonl"
    path.write_text(json.dumps({**JUDGED, **more}) + "\n")
    label_files.import_labels(lake, Catalog(root=folder), path)


def imported(lake: Lake, folder: Path, **more: Any) -> Label:
    """A label of the trace, after its file was imported."""
    import_row(lake, folder, **more)
    (found,) = read_labels(lake)
    return found


def test_a_label_is_bound_to_the_answer_at_rest(lake: Lake, tmp_path: Path) -> None:
    """A label imported after its trace is about that answer, not a later correction."""
    known = GoldAndLabels.of(tmp_path, [imported(lake, tmp_path)])
    assert known.labels_on(TRACE, "right")
    assert not known.labels_on(CORRECTED, "right")


def test_gold_belongs_to_the_question(lake: Lake, tmp_path: Path) -> None:
    """A row by the annotator `gold` is a gold value, whatever the application answered."""
    import_row(lake, tmp_path, annotator="gold", verdict={"colour": "blue"})
    assert read_labels(lake) == []
    known = GoldAndLabels.of(tmp_path, read_labels(lake), read_gold_values(lake))
    evaluator = Evaluator(
        name="desk.right",
        app="desk",
        dimension="right",
        question="Is it right?",
        kind="reference",
        check="attributes",
        gold="labels",
        labels="right",
    )
    assert known.gold_for(evaluator, CORRECTED) == {"colour": "blue"}


def test_a_label_keeps_what_is_known_of_its_making(lake: Lake, tmp_path: Path) -> None:
    """Critique, time, seconds, rubric and sampling probability of a row rest with its label."""
    found = imported(
        lake,
        tmp_path,
        note="Names the wrong shade.",
        time="2026-10-02T11:30:00+02:00",
        seconds=41.5,
        rubric_version="r7",
        probability=0.25,
    )
    assert found.critique == "Names the wrong shade."
    assert found.time == datetime(2026, 10, 2, 9, 30, tzinfo=UTC)
    assert (found.seconds_spent, found.rubric_version) == (41.5, "r7")
    assert found.sampling_probability == 0.25
    assert (found.subject, found.subject_id, found.origin) == ("trace", "t1", "production")


def test_a_queue_that_comes_back_keeps_the_chance_of_each_trace(lake: Lake, tmp_path: Path) -> None:
    """The label has the trace's sampling probability and the question's version."""
    (asked,) = review_queue.build_queue(
        "chat", ["t1"], [], [], {"right": ("right", "Is it right?")}, 2
    )
    (row,) = review_queue.build_sheet([asked], {"t1": TRACE})
    found = imported(lake, tmp_path, **{**row, "verdict": "fail", "annotator": "ann"})
    assert found.sampling_probability == asked.probability == 1.0
    assert found.rubric_version == row["rubric_version"]


def test_a_label_takes_the_place_of_the_one_it_supersedes(lake: Lake, tmp_path: Path) -> None:
    """Labels are appended: a corrected one names the first, which no longer counts."""
    first = imported(lake, tmp_path)
    second = imported(lake, tmp_path, verdict="fail", supersedes=first.id)
    assert (second.verdict, second.supersedes) == ("fail", first.id)
    assert len(list((lake.home / "labels").glob("*.jsonl"))) == 2


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("annotator_kind", "robot", "`annotator_kind` is 'robot'; expected 'human'"),
        ("probability", 1.5, "`probability` is '1.5'; expected less than or equal to 1"),
        ("time", "2026-10-02T11:30:00", "`time` is '2026-10-02T11:30:00'; expected"),
        ("note", 7, "`note` is '7'; expected a valid string"),
    ],
)
def test_a_wrong_value_is_named_by_file_line_and_key(
    lake: Lake, tmp_path: Path, key: str, value: Any, expected: str
) -> None:
    """A labels file with one invalid value is refused whole."""
    with pytest.raises(label_files.LabelsError, match=r"labels\.jsonl:1: ") as error:
        import_row(lake, tmp_path, **{key: value})
    assert expected in str(error.value)
    assert read_labels(lake) == []


def test_a_sheet_says_which_answer_is_judged(lake: Lake, tmp_path: Path) -> None:
    """A filled-in sheet is about the answer it showed, even if the trace was corrected since."""
    (asked,) = review_queue.build_queue(
        "chat", ["t1"], [], [], {"right": ("right", "Is it right?")}, 2
    )
    (row,) = review_queue.build_sheet([asked], {"t1": TRACE})
    lake.write("staged", NIGHT, [CORRECTED])
    assert imported(lake, tmp_path, answer=row["answer"]).answer == digest_answer(TRACE)


def test_a_corrected_answer_is_asked_about_again(lake: Lake, tmp_path: Path) -> None:
    """A label of a replaced answer does not keep the new answer out of the queue."""
    said = [imported(lake, tmp_path)]
    dimensions = {"right": ("right", "Is it right?")}
    before, after = (review_queue.find_judged(said, [], [trace]) for trace in (TRACE, CORRECTED))
    assert not review_queue.build_queue("chat", ["t1"], [], before, dimensions, 2)
    assert len(review_queue.build_queue("chat", ["t1"], [], after, dimensions, 2)) == 1
