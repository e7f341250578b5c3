"""Promises of criteria drift: labels of an earlier wording are offered, likely flips first."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from evals.labels.mapped_labels import map_labels
from evals.labels.regrading import (
    compare_words,
    list_offers,
    measure_by_rubric,
    queue_offers,
)
from evals.labels.verdicts import record_label
from evals.records import Label, Score, Trace, digest
from evals.runs.night_locks import digest_inputs
from evals.runs.outdated_labels import list_outdated_wordings
from evals.specs import Catalog, load_catalog
from evals.storage.documents.label_batches import add_label_batches
from evals.storage.documents.review_queues import (
    ReviewQuestion,
    read_review_queue,
    write_review_queue,
)
from evals.storage.label_records import change_label_rows, read_labels, write_labels
from evals.storage.lake import Lake
from evals.storage.night_state import update_state
from tests.catalog_files import write_catalog

NOW = datetime(2026, 10, 15, 9, tzinfo=UTC)
NIGHT = date(2026, 10, 14)
BEFORE, AFTER = "Is the answer kind?", "Is the answer kind and does it greet the customer?"
TRACES = [
    Trace(f"t{i}", datetime(2026, 10, 14, 8, i, tzinfo=UTC), "desk", "Hi.", f"Question {i}")
    for i in range(5)
]
NOTES = {"t3": "it does not greet the customer"}


def score(trace_id: str, version: str, verdict: str, value: float) -> Score:
    """A judge's score under one of its versions."""
    about = (NIGHT, "desk", "kind", "kind.judge", version, "judge", "scored")
    return Score(trace_id, *about, "pass" if verdict == "pass" else "fail", value, "", None)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog with the changed question."""
    dimension = {"dimension": "kind", "question": AFTER, "recorded": True}
    files = {
        "apps/desk.yaml": {"app": "desk", "suite": "desk"},
        "suites/desk.yaml": {"suite": "desk", "dimensions": [dimension]},
    }
    return load_catalog(write_catalog(tmp_path / "catalog", files))


@pytest.fixture
def lake(tmp_path: Path, catalog: Catalog) -> Lake:
    """A home with five labels of the earlier wording, and a judge's scores before and after."""
    lake = Lake(tmp_path / "home").open()
    lake.write("staged", NIGHT, TRACES)
    lake.write("traces", NIGHT, TRACES)
    question = ReviewQuestion("t0", "desk", "kind", "kind", BEFORE, "random sample", 1.0)
    write_review_queue(lake, NIGHT, [question])
    old = [score("t1", "v1", "pass", 0.9), score("t2", "v1", "pass", 0.55)]
    new = [score("t1", "v2", "fail", 0.1), score("t2", "v2", "pass", 0.55)]
    lake.write("scores", NIGHT, old, "kind.judge@desk@v1")
    lake.write("scores", NIGHT, new, "kind.judge@desk@v2")
    for i, trace in enumerate(TRACES):
        note = NOTES.get(trace.trace_id, "")
        label = Label(trace.trace_id, "kind", "pass", "ann", "human", critique=note)
        label = dataclasses.replace(label, rubric_version=digest(BEFORE))
        record_label(lake, catalog, label, NOW + timedelta(minutes=i))
    return lake


def test_what_may_flip_comes_first(lake: Lake, catalog: Catalog) -> None:
    """Where the judge changed its mind, then near its threshold, then notes on what changed."""
    offers = list_offers(lake, catalog, "desk", "kind")
    assert [(one.label.subject_id, one.basis) for one in offers] == [
        ("t1", "judges differ"),
        ("t2", "near the threshold"),
        ("t3", "note"),
        ("t0", "age"),
        ("t4", "age"),
    ]


def test_a_label_given_again_is_no_longer_offered(lake: Lake, catalog: Catalog) -> None:
    """Agreement is counted under each wording for itself."""
    again = Label("t1", "kind", "fail", "ann", "human", rubric_version=digest(AFTER))
    record_label(lake, catalog, again, NOW + timedelta(hours=1))
    bob = dataclasses.replace(again, annotator="bob")
    record_label(lake, catalog, bob, NOW + timedelta(hours=1))
    assert "t1" not in {x.label.subject_id for x in list_offers(lake, catalog, "desk", "kind")}
    by_version = {
        one.rubric_version: one for one in measure_by_rubric(lake, catalog, "desk", "kind")
    }
    present, earlier = by_version[digest(AFTER)], by_version[digest(BEFORE)]
    assert (present.labels, present.pairs, present.agreed, present.is_present) == (2, 1, 1, True)
    assert (present.judged, present.judge_agreed) == (2, 2)
    assert (earlier.labels, earlier.pairs, earlier.judged) == (4, 0, 1)


def test_an_adjudication_is_no_second_opinion(lake: Lake, catalog: Catalog) -> None:
    """People's pairs are of those who judged alone; a label that was imported twice is one."""
    label = Label("t1", "kind", "pass", "ann", "human", rubric_version=digest(AFTER), id="7")
    verdicts = {"bob": "human", "eve": "adjudicated"}
    others = [
        dataclasses.replace(label, annotator=who, annotator_kind=kind, id=who, verdict="fail")
        for who, kind in verdicts.items()
    ]
    write_labels(lake, [label, *others], "first")
    write_labels(lake, [label], "second")
    *_, present = [
        one for one in measure_by_rubric(lake, catalog, "desk", "kind") if one.is_present
    ]
    assert (present.labels, present.pairs, present.agreed) == (3, 1, 0)


def test_all_who_judged_are_asked_again(lake: Lake, catalog: Catalog) -> None:
    """A new label beside another person's old one would be a tie of two questions."""
    label = Label("t0", "kind", "pass", "bob", "human", rubric_version=digest(BEFORE))
    record_label(lake, catalog, label, NOW)
    queue_offers(lake, "desk", "kind", list_offers(lake, catalog, "desk", "kind"))
    people = {one.trace_id: one.people for one in read_review_queue(lake, NIGHT)}
    assert people == {"t0": 2, "t1": 1, "t2": 1, "t3": 1, "t4": 1}


def test_words_that_changed() -> None:
    """Those that only one of two wordings has, whatever their case."""
    assert compare_words("Is it Kind?", "is it kind and short?") == {"and", "short"}


def test_an_offer_is_asked_in_the_queue_of_its_night(lake: Lake, catalog: Catalog) -> None:
    """Once, under the present wording, in place of the question that was asked there before."""
    offers = list_offers(lake, catalog, "desk", "kind")
    assert queue_offers(lake, "desk", "kind", offers) == 5
    assert queue_offers(lake, "desk", "kind", offers) == 0
    queue = read_review_queue(lake, NIGHT)
    assert {(one.question, one.stratum) for one in queue} == {(AFTER, "regrade")}
    assert len(queue) == 5


def decide(lake: Lake, catalog: Catalog) -> dict[str, tuple[str | None, int]]:
    """What people decided on the night, and how many labels of an earlier wording there are."""
    rows = map_labels(lake, catalog, read_labels(lake), NIGHT)
    return {row.trace_id: (row.verdict, row.earlier) for row in rows}


def test_labels_of_an_earlier_wording_decide_nothing(lake: Lake, catalog: Catalog) -> None:
    """Until somebody judges again; a label that records no digest of a wording counts as any."""
    assert decide(lake, catalog) == {f"t{i}": (None, 1) for i in range(5)}
    again = Label("t0", "kind", "fail", "ann", "human", rubric_version=digest(AFTER))
    record_label(lake, catalog, again, NOW + timedelta(hours=1))
    for name, version in (("t1", None), ("t2", "v7")):
        label = Label(name, "kind", "pass", "bob", "human", rubric_version=version)
        record_label(lake, catalog, label, NOW + timedelta(hours=1))
    assert decide(lake, catalog) == {
        "t0": ("fail", 0), "t1": ("pass", 1), "t2": ("pass", 1), "t3": (None, 1), "t4": (None, 1)
    }  # fmt: skip


def test_an_earlier_wording_leaves_no_verdict_to_imply(lake: Lake, tmp_path: Path) -> None:
    """An answer that somebody judged under it does not pass as one that nobody labelled."""
    dimension = {"dimension": "kind", "question": AFTER, "recorded": True, "unlabelled": "pass"}
    files = {
        "apps/desk.yaml": {"app": "desk", "suite": "desk"},
        "suites/desk.yaml": {"suite": "desk", "dimensions": [dimension]},
    }
    implying = load_catalog(write_catalog(tmp_path / "implying", files))
    assert set(decide(lake, implying).values()) == {(None, 1)}


def test_a_changed_question_makes_the_nights_of_its_labels_due(
    lake: Lake, catalog: Catalog, tmp_path: Path
) -> None:
    """Not those of labels that record no wording, as the labels of older homes do."""
    dimension = {"dimension": "kind", "question": BEFORE, "recorded": True}
    files = {
        "apps/desk.yaml": {"app": "desk", "suite": "desk"},
        "suites/desk.yaml": {"suite": "desk", "dimensions": [dimension]},
    }
    before = load_catalog(write_catalog(tmp_path / "before", files))
    assert list_outdated_wordings(lake, before, ["desk"], NIGHT) == []
    found = list_outdated_wordings(lake, catalog, ["desk"], NIGHT)
    assert found == [f"desk kind {digest(BEFORE)}"]
    assert list_outdated_wordings(lake, catalog, ["desk"], NIGHT + timedelta(days=9)) == []
    update_state(lake, NIGHT, apps={"desk": {}})
    assert digest_inputs(lake, before, NIGHT) != digest_inputs(lake, catalog, NIGHT)
    change_label_rows(lake, "labels", lambda row: {**row, "rubric_version": None})
    assert digest_inputs(lake, before, NIGHT) == digest_inputs(lake, catalog, NIGHT)


def test_a_batch_of_an_earlier_wording_makes_its_nights_due(lake: Lake, catalog: Catalog) -> None:
    """As a sheet of the queue that somebody filled in has it."""
    label = Label("t0", "kind", "pass", "cy", "human", rubric_version="0" * 16)
    write_labels(lake, [label], "sheet")
    add_label_batches(lake, {"sheet": [NIGHT]})
    found = list_outdated_wordings(lake, catalog, ["desk"], NIGHT)
    assert f"desk kind {'0' * 16}" in found
