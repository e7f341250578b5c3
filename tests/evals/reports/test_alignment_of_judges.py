"""Promises of alignment: what a judge still needs, its looks, its splits, slices and people."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from evals.records import Trace
from evals.reports import board_pages
from evals.reports.alignment import (
    describe_as_json,
    find_passable_look,
    measure_alignment,
    read_last_reports,
    store_alignment,
)
from evals.reports.disagreements import read_disagreements
from evals.storage.documents.review_queues import ReviewQuestion, write_review_queue
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.table_rows import MappedLabel
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page
from tests.evals.reports.test_board import store

NIGHT, TODAY = date(2026, 10, 8), date(2026, 10, 9)
VERSION = "0" * 16


def agree(**more: Any) -> dict[str, Any]:
    """The agreement of the judge in a report."""
    row = {"dimension": "tone", "evaluator": "polite", "evaluator_version": VERSION, "n": 60}
    row |= {"tp": 34, "fn": 6, "fp": 4, "tn": 16, "tpr": 0.85, "tpr_low": 0.71, "tpr_high": 0.93}
    row |= {"tnr": 0.8, "tnr_low": 0.58, "tnr_high": 0.92, "usable": False, "ties": 1}
    return row | {"missing": {"passes": 14, "failures": 9}} | more


def look(at: int, **more: Any) -> dict[str, Any]:
    """A look of a report."""
    row = {"at": at, "tpr": 0.85, "tpr_low": 0.64, "tnr": 0.8, "tnr_low": 0.58, "passed": False}
    return row | {"night": "2026-10-08", "passes": 22, "failures": 20} | more


def open_home(root: Path, *agreed: dict[str, Any], labels: int = 60) -> Lake:
    """A home with a night of which people labelled some answers of a judge."""
    lake = Lake(root).open()
    row = bodies.result("tone", 150, 50, kind="judge", evaluator="polite", aligned=False)
    row["evaluator_version"] = VERSION
    store(lake, bodies.sealed(bodies.night(results=[row], agreement=[*agreed])))
    splits = ("pool", "dev", "dev", "test", "test")
    mapped = [
        MappedLabel(
            NIGHT, "shop", f"t{n}", "tone", "fail" if n % 3 == 0 else "pass",
            split=splits[n % 5], pairs=n % 2, pairs_agreed=int(n % 4 == 1), pairs_passed=0,
        )
        for n in range(labels)
    ]  # fmt: skip
    lake.write("labels_mapped", NIGHT, mapped)
    write_mart(lake, "fct_scores", [build_score(n) for n in range(labels + 5)])
    slices = [{"slice": "plan=free" if n % 2 else "plan=paid"} | place(n) for n in range(labels)]
    slices += [{"slice": "all"} | place(n) for n in range(labels)]
    if slices:
        write_mart(lake, "fct_slice_members", slices)
    return lake


def place(n: int) -> dict[str, Any]:
    """Where a trace is."""
    return {"date": NIGHT, "app": "shop", "trace_id": f"t{n}"}


def build_score(n: int) -> dict[str, Any]:
    """A verdict of the judge: it is wrong about every tenth answer, all of the paid plan."""
    passed = (n % 3 != 0) != (n % 10 == 0)
    row = {"subject": "trace", "subject_id": f"t{n}", "dimension": "tone", "evaluator": "polite"}
    row |= {"evaluator_version": VERSION, "status": "scored", "explanation": ""}
    return place(n) | row | {"verdict": "pass" if passed else "fail"}


def write_mart(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    """Writes a mart of the night."""
    path = lake.home / "marts" / name / f"date={NIGHT}" / "data.parquet"
    write_parquet(path, pa.Table.from_pylist(rows))


def ask(lake: Lake, *ids: str) -> None:
    """Queues questions about some traces."""
    about = ("shop", "tone", "tone", "Is it polite?", "random sample", 0.5)
    write_review_queue(lake, NIGHT, [ReviewQuestion(one, *about) for one in ids])


def test_a_judge_names_what_it_still_needs(tmp_path: Path) -> None:
    """Labels until the next look, and the questions of the queue that nobody answered."""
    lake = open_home(tmp_path, agree(), labels=90)
    ask(lake, "t1", "new-1", "new-2")
    (one,) = measure_alignment(lake, read_last_reports(lake))
    assert one.sentence == (
        "watch only: 14 passes and 9 failures still needed; the next queue is ready (2 questions)"
    )
    assert one.outlook == (
        "TPR 100% and TNR 100% on dev labels: the look at 20 is the first that it may pass"
    )


def test_a_judge_without_labels_needs_the_first_look(tmp_path: Path) -> None:
    """Twenty of each class, and the queue that is not there yet."""
    lake = open_home(tmp_path, labels=0)
    (one,) = measure_alignment(lake, read_last_reports(lake))
    assert one.sentence == (
        "watch only: 20 passes and 20 failures still needed; the next queue comes with the next "
        "night"
    )
    assert (one.agreed, one.outlook, one.counts.splits) == (None, "", {})


def test_labels_are_counted_by_split_and_slice(tmp_path: Path) -> None:
    """Pool labels, which may be in a prompt, are no part of a slice's agreement."""
    lake = open_home(tmp_path, agree())
    (one,) = measure_alignment(lake, read_last_reports(lake))
    assert {name: own.n for name, own in one.counts.splits.items()} == {
        "pool": 12, "dev": 24, "test": 24
    }  # fmt: skip
    assert [(part.slice, part.labels.n) for part in one.counts.slices] == [
        ("plan=free", 24), ("plan=paid", 24)
    ]  # fmt: skip
    assert (one.people.n, one.people.split, one.people.both_failed) == (30, 15, 15)


def test_the_first_look_that_may_pass_follows_from_the_rule() -> None:
    """Lower bounds above .70 need more labels the closer a rate is to .80; .80 never passes."""
    assert find_passable_look((0.95, 0.95), 0) == 20
    assert find_passable_look((0.85, 0.95), 0) == 40
    assert find_passable_look((0.85, 0.95), 40) == 80
    assert find_passable_look((0.81, 0.95), 0) == 80
    assert find_passable_look((0.7, 0.95), 0) is None


def test_a_look_has_the_day_it_was_first_seen_for_ever(tmp_path: Path) -> None:
    """What a look showed stays as it was, also where labels change afterwards."""
    lake = open_home(tmp_path, agree(looks=[look(20)]))
    store_alignment(lake, TODAY)
    changed = [look(20, tpr=0.95), look(40)]
    row = bodies.result("tone", 150, 50, kind="judge", evaluator="polite", aligned=False)
    row["evaluator_version"] = VERSION
    store(lake, bodies.sealed(bodies.night(results=[row], agreement=[agree(looks=changed)])))
    (one,) = store_alignment(lake, date(2026, 10, 20))
    assert [(seen.at, seen.seen, seen.tpr) for seen in one.looks] == [
        (20, "2026-10-09", 0.85), (40, "2026-10-20", 0.85)
    ]  # fmt: skip
    assert describe_as_json(one)["looks"] == [seen._asdict() for seen in one.looks]


@pytest.mark.parametrize("people", [None, {"pairs": 30, "agreed": 15, "rate": 0.5}])
def test_the_page_of_a_judge_shows_its_alignment(
    tmp_path: Path, people: dict[str, Any] | None
) -> None:
    """Sentence, looks with their days, splits, people and slices are on the evaluator's page."""
    more = {"people": people | {"low": 0.3, "high": 0.7, "ceiling": None}} if people else {}
    lake = open_home(tmp_path, agree(looks=[look(20)], **more))
    store_alignment(lake, TODAY)
    board_pages.write_board(lake)
    page = Page((tmp_path / "reports" / "evaluators" / "shop" / "polite.html").read_text())
    assert "Watch only: 14 passes and 9 failures still needed" in page.words
    assert "at 209 October 2026222085%64%80%58%it may not decide" in page.words
    assert "16 passes and 8 failures in dev (they choose between candidates)" in page.words
    assert "Two people agree on 50% (33–67%) of 30 pairs of verdicts (κ" in page.words
    assert "plan=paid24" in page.words


def test_disagreements_of_the_test_labels_stay_unread(tmp_path: Path) -> None:
    """Whoever reads them would fit the judge to them, and the look would show nothing."""
    lake = open_home(tmp_path, agree())
    traces = [Trace(f"t{n}", datetime(2026, 10, 8, tzinfo=UTC), "shop", "no") for n in range(60)]
    lake.write("traces", NIGHT, traces)
    wrong = {"dimension": "tone", "evaluator": "polite", "evaluator_version": VERSION}
    wrong |= {"verdict": "pass", "label": "fail"}
    write_mart(lake, "fct_disagreements", [place(n) | wrong for n in (1, 2, 3, 4)])
    (found,) = read_disagreements(lake, [NIGHT]).values()
    assert sorted(one.row.trace_id for one in found) == ["t1", "t2"]


def test_labels_of_an_earlier_wording_are_counted_apart(tmp_path: Path) -> None:
    """The page, the command and JSON name them, and who asks again; they answer no question."""
    lake = open_home(tmp_path, agree(), labels=9)
    old = [MappedLabel(NIGHT, "shop", f"old-{n}", "tone", None, earlier=n) for n in (1, 2)]
    lake.write("labels_mapped", NIGHT, [*lake.read("labels_mapped", [NIGHT]), *old])
    ask(lake, "old-1")
    (one,) = measure_alignment(lake, read_last_reports(lake))
    assert (one.earlier, one.open_questions, describe_as_json(one)["earlier_labels"]) == (3, 1, 3)
    board_pages.write_board(lake)
    page = Page((tmp_path / "reports" / "evaluators" / "shop" / "polite.html").read_text())
    assert one.drift.startswith("3 labels answered an earlier wording of the question and decide")
    assert "--app shop --dimension tone" in one.drift
    assert one.drift in page.words
