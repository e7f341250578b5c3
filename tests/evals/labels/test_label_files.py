"""Promises of labels: an answer that was corrected is not the one a person judged."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from evals.evaluators.gold import References, answer_shown
from evals.labels import label_files, review_queue
from evals.records import Label, Trace
from evals.specs import Catalog
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 1)
TRACE = Trace("t1", datetime(2026, 10, 1, 9, tzinfo=UTC), "desk", "It is red.", "Which colour?")
CORRECTED = dataclasses.replace(TRACE, output="It is blue.")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with one staged trace."""
    made = Lake(tmp_path / "home").open()
    made.write("staged", NIGHT, [TRACE])
    return made


def imported(lake: Lake, folder: Path, **more: str) -> Label:
    """A label of the trace, after its file was imported."""
    row = {"trace_id": "t1", "dimension": "right", "verdict": "pass", "annotator": "ann"}
    path = folder / "labels.jsonl"
    path.write_text(json.dumps({**row, "annotator_kind": "human", **more}) + "\n")
    label_files.import_labels(lake, Catalog(root=folder), path)
    (found,) = lake.labels()
    return found


def test_a_label_is_bound_to_the_answer_at_rest(lake: Lake, tmp_path: Path) -> None:
    """A label imported beside its trace speaks of that answer and of no later correction."""
    said = References.of(tmp_path, [imported(lake, tmp_path)])
    assert said.on(TRACE, "right")
    assert not said.on(CORRECTED, "right")


def test_gold_belongs_to_the_question(lake: Lake, tmp_path: Path) -> None:
    """A gold value holds whatever the application answered."""
    gold = imported(lake, tmp_path, annotator="gold")
    assert References.of(tmp_path, [gold]).on(CORRECTED, "right")


def test_a_sheet_says_which_answer_is_judged(lake: Lake, tmp_path: Path) -> None:
    """A filled-in sheet keeps to the answer it showed, whatever rests there when it comes back."""
    (asked,) = review_queue.queue("chat", ["t1"], [], [], {"right": ("right", "Is it right?")}, 2)
    (row,) = review_queue.sheet([asked], {"t1": TRACE})
    lake.write("staged", NIGHT, [CORRECTED])
    assert imported(lake, tmp_path, answer=row["answer"]).answer == answer_shown(TRACE)


def test_a_corrected_answer_is_asked_about_again(lake: Lake, tmp_path: Path) -> None:
    """What a person said of an answer that is gone does not keep the new one from being read."""
    said = [imported(lake, tmp_path)]
    dimensions = {"right": ("right", "Is it right?")}
    before, after = (review_queue.done(said, [trace]) for trace in (TRACE, CORRECTED))
    assert not review_queue.queue("chat", ["t1"], [], before, dimensions, 2)
    assert len(review_queue.queue("chat", ["t1"], [], after, dimensions, 2)) == 1
