"""Promises of labels: a label is about the answer that a person judged, not a corrected one."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.erasure.forget import forget_person
from evals.evaluators.gold import GoldAndLabels, digest_answer
from evals.intake import Intake, import_intake
from evals.labels import label_files, review_queue
from evals.labels.mapped_labels import map_labels
from evals.labels.stored_checks import check_stored_labels
from evals.labels.stored_labels import read_stored_labels
from evals.records import Label, Trace
from evals.reports.label_counts import count_labels
from evals.reports.row_counts import LabelCounts
from evals.specs import Catalog, Evaluator, load_catalog
from evals.specs.review import ReviewQueue
from evals.storage.documents import label_batches
from evals.storage.label_records import read_gold_values, read_labels, write_labels
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 1)
NOW = datetime(2026, 10, 20, 5, tzinfo=UTC)
TRACE = Trace("t1", datetime(2026, 10, 1, 9, tzinfo=UTC), "desk", "It is red.", "Which colour?")
RIGHT = {"right": review_queue.ReviewDimension("right", "Is it right?")}
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
    import_rows(lake, Catalog(root=folder), more)


def import_rows(lake: Lake, catalog: Catalog, *rows: dict[str, Any]) -> label_files.LabelImport:
    """Imports a labels file; each row names what differs from an ordinary label."""
    path = catalog.root / "labels.jsonl"
    path.write_text("".join(json.dumps({**JUDGED, **row}) + "\n" for row in rows))
    return label_files.import_labels(lake, catalog, path, NOW)


def declare(folder: Path, *dimensions: str) -> Catalog:
    """A catalog whose application `desk` has some dimensions, each a line of YAML."""
    (folder / "catalog" / "apps").mkdir(parents=True, exist_ok=True)
    (folder / "catalog" / "suites").mkdir(exist_ok=True)
    (folder / "catalog" / "apps" / "desk.yaml").write_text("{app: desk, suite: desk}")
    rows = "".join(f"  - {{question: 'Is it so?', {one}}}\n" for one in dimensions)
    (folder / "catalog" / "suites" / "desk.yaml").write_text(f"suite: desk\ndimensions:\n{rows}")
    load_catalog.cache_clear()
    return load_catalog(folder / "catalog")


def import_label(lake: Lake, folder: Path, **more: Any) -> Label:
    """A label of the trace, after its file was imported."""
    import_row(lake, folder, **more)
    (label,) = read_labels(lake)
    return label


def test_a_label_is_bound_to_the_answer_at_rest(lake: Lake, tmp_path: Path) -> None:
    """A label imported after its trace is about that answer, not a later correction."""
    references = GoldAndLabels.of(tmp_path, [import_label(lake, tmp_path)])
    assert references.labels_on(TRACE, "right", "Is it so?").votes
    assert not references.labels_on(CORRECTED, "right", "Is it so?").votes


def test_gold_belongs_to_the_question(lake: Lake, tmp_path: Path) -> None:
    """A row by the annotator `gold` is a gold value, whatever the application answered."""
    import_row(lake, tmp_path, annotator="gold", verdict={"colour": "blue"})
    assert read_labels(lake) == []
    references = GoldAndLabels.of(tmp_path, read_labels(lake), read_gold_values(lake))
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
    assert references.gold_for(evaluator, CORRECTED) == {"colour": "blue"}


@pytest.mark.parametrize("start", ["", "\ufeff", "sep=;\n"])
def test_labels_are_read_from_a_table(lake: Lake, tmp_path: Path, start: str) -> None:
    """Empty cells are left out and numbers read as such; a refused row has its line."""
    rows = [
        "trace_id;dimension;verdict;annotator;annotator_kind;seconds;time;critique",
        't1;right;pass;ann;human;41.5;2026-10-02T09:30:00z;"red\u2028and\nblue"',
        "t2;right;;ann;human;;;",
        "t3;right;pass;ann;human;soon;;",
    ]
    path = tmp_path / "labels.csv"
    path.write_text(start + "\n".join(rows))
    done = label_files.import_labels(lake, Catalog(root=tmp_path), path, NOW)
    (label,) = read_labels(lake)
    assert (label.seconds_spent, label.critique) == (41.5, "red\u2028and\nblue")
    assert label.time == datetime(2026, 10, 2, 9, 30, tzinfo=UTC)
    assert (done.added, done.blank) == (1, 1)
    (refused,) = done.refused
    assert refused.line == 5 + start.startswith("sep")
    assert refused.reason.startswith("`seconds` is 'soon'; expected")


def test_a_byte_order_mark_is_no_part_of_a_label(lake: Lake, tmp_path: Path) -> None:
    """The first line is read as the others are, separators within its texts included."""
    path = tmp_path / "labels.jsonl"
    row = {**JUDGED, "critique": "a\u2028b\x85c"}
    path.write_text("\ufeff" + json.dumps(row, ensure_ascii=False) + "\n")
    assert label_files.import_labels(lake, Catalog(root=tmp_path), path, NOW).refused == ()
    assert read_labels(lake)[0].critique == "a\u2028b\x85c"


def test_a_label_keeps_what_is_known_of_its_making(lake: Lake, tmp_path: Path) -> None:
    """Critique, time, seconds, rubric and sampling probability of a row rest with its label."""
    label = import_label(
        lake,
        tmp_path,
        note="Names the wrong shade.",
        time="2026-10-02T11:30:00+02:00",
        seconds=41.5,
        rubric_version="r7",
        probability=0.25,
    )
    assert label.critique == "Names the wrong shade."
    assert label.time == datetime(2026, 10, 2, 9, 30, tzinfo=UTC)
    assert (label.seconds_spent, label.rubric_version) == (41.5, "r7")
    assert label.sampling_probability == 0.25
    assert (label.subject, label.subject_id, label.origin) == ("trace", "t1", "production")


def test_a_queue_that_comes_back_keeps_the_chance_of_each_trace(lake: Lake, tmp_path: Path) -> None:
    """The label has the trace's sampling probability and the question's version."""
    (queued,) = review_queue.build_queue("chat", ["t1"], [], {}, RIGHT, ReviewQueue(double=0))
    (row,) = review_queue.build_sheet([queued], {"t1": TRACE})
    label = import_label(lake, tmp_path, **{**row, "verdict": "fail", "annotator": "ann"})
    assert label.sampling_probability == queued.probability == 1.0
    assert label.rubric_version == row["rubric_version"]


def test_a_label_takes_the_place_of_the_one_it_supersedes(lake: Lake, tmp_path: Path) -> None:
    """Labels are appended: a corrected one names the first, which no longer counts."""
    first = import_label(lake, tmp_path)
    second = import_label(lake, tmp_path, verdict="fail", supersedes=first.id)
    assert (second.verdict, second.supersedes) == ("fail", first.id)
    assert len(list((lake.home / "labels").glob("*.jsonl"))) == 2


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("annotator_kind", "robot", "`annotator_kind` is 'robot'; expected 'human'"),
        ("probability", 1.5, "`probability` is '1.5'; expected less than or equal to 1"),
        ("time", "2026-10-02T11:30:00", "`time` is '2026-10-02T11:30:00'; expected"),
        ("note", 7, "`note` is '7'; expected a valid string"),
        ("annotator", "  ", "`annotator` is '  '; expected a text that is not empty"),
        ("trace_id", "", "`trace_id` is ''; expected a text that is not empty"),
        ("dimension", " ", "`dimension` is ' '; expected a text that is not empty"),
    ],
)
def test_a_wrong_value_refuses_its_row_with_file_line_and_key(
    lake: Lake, tmp_path: Path, key: str, value: Any, expected: str
) -> None:
    """The row is refused with what was found and what was expected; the row after it is added."""
    done = import_rows(lake, Catalog(root=tmp_path), {key: value}, {"annotator": "bob"})
    (line,) = done.describe_refused()
    assert line.startswith(f"{done.path}:1: ")
    assert expected in line
    assert [label.annotator for label in read_labels(lake)] == ["bob"]


def test_rows_refused_for_one_reason_are_one_line(lake: Lake, tmp_path: Path) -> None:
    """A file of hundreds of rows without a key prints one line, with the first of their lines."""
    without = {"annotator_kind": ""}
    done = import_rows(lake, Catalog(root=tmp_path), *[without] * 7, {"annotator": ""})
    many, one = done.describe_refused()
    assert many.startswith(f"{done.path}:1, 2, 3, 4, 5, … (7 rows): ")
    assert one.startswith(f"{done.path}:8: ")
    assert done.describe_refused(most=3)[-1].startswith(f"{done.path}: 5 more rows refused")


def test_a_sheet_names_the_answer_that_is_judged(lake: Lake, tmp_path: Path) -> None:
    """A filled-in sheet is about the answer it showed, even if the trace was corrected since."""
    (queued,) = review_queue.build_queue("chat", ["t1"], [], {}, RIGHT, ReviewQueue(double=0))
    (row,) = review_queue.build_sheet([queued], {"t1": TRACE})
    lake.write("staged", NIGHT, [CORRECTED])
    assert import_label(lake, tmp_path, answer=row["answer"]).answer == digest_answer(TRACE)


def test_a_corrected_answer_is_asked_about_again(lake: Lake, tmp_path: Path) -> None:
    """A label of a replaced answer does not keep the new answer out of the queue."""
    labels = [import_label(lake, tmp_path)]
    spec = ReviewQueue(double=0)
    before, after = (review_queue.count_people(labels, [], [trace]) for trace in (TRACE, CORRECTED))
    assert not review_queue.build_queue("chat", ["t1"], [], before, RIGHT, spec)
    assert len(review_queue.build_queue("chat", ["t1"], [], after, RIGHT, spec)) == 1


TONE = "dimension: tone, labels: right, recorded: true, map: {good: pass, bad: fail, unsure: skip}"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"verdict": "goood"}, "`verdict` is 'goood'; right maps good, bad, unsure; did you mean"),
        ({"verdict": 7}, "`verdict` is '7'; right maps good, bad, unsure"),
        ({"verdict": ["good", "odd"]}, "right maps good, bad, unsure"),
        ({"dimension": "rihgt"}, "'rihgt'; the suite of desk has right; did you mean 'right'?"),
        ({"dimension": "tone"}, "the suite's `labels` calls it 'right' in labels"),
        ({"dimension": "rite", "annotator": "gold"}, "'rite'; the suite of desk has right"),
        ({"trace_id": "t9", "dimension": "rite"}, "'rite'; the suites have right"),
        ({"trace_id": "t9", "verdict": "maybe"}, "`verdict` is 'maybe'; right maps good"),
    ],
)
def test_a_label_no_suite_can_use_is_refused_with_what_is_known(
    lake: Lake, tmp_path: Path, row: dict[str, Any], expected: str
) -> None:
    """An unknown word or dimension refuses that row; the message has what was found and known."""
    catalog = declare(tmp_path, TONE)
    done = import_rows(lake, catalog, {"verdict": "bad", **row}, {"verdict": "bad"})
    assert done.added == 1
    (line,) = done.describe_refused()
    assert line.startswith(f"{done.path}:1: ")
    assert expected in line


def test_a_refused_row_is_tried_again_with_its_file(lake: Lake, tmp_path: Path) -> None:
    """Once the suite maps the word, the same file adds that row, and no other twice."""
    rows = ({"verdict": "good"}, {"verdict": "fine", "annotator": "bob"})
    first = import_rows(lake, declare(tmp_path, TONE), *rows)
    again = import_rows(lake, declare(tmp_path, TONE), *rows)
    mended = declare(tmp_path, TONE.replace("good:", "fine: pass, good:"))
    mended_import = import_rows(lake, mended, *rows)
    last = import_rows(lake, mended, *rows)
    assert [(one.added, len(one.refused)) for one in (first, again, mended_import)] == [
        (1, 1),
        (0, 1),
        (1, 0),
    ]
    assert last.was_added_before
    assert [label.annotator for label in read_labels(lake)] == ["ann", "bob"]


@pytest.mark.parametrize("word", ["GOOD", " good ", "Good\t"])
def test_words_are_matched_without_case_and_spaces(lake: Lake, tmp_path: Path, word: str) -> None:
    """A word that differs from the suite's in case or spaces alone has its meaning."""
    catalog = declare(tmp_path, TONE)
    lake.write("traces", NIGHT, [TRACE])
    assert import_rows(lake, catalog, {"verdict": word}).added == 1
    (row,) = map_labels(lake, catalog, read_labels(lake), NIGHT)
    assert (row.dimension, row.verdict) == ("tone", "pass")


def test_an_application_without_a_suite_takes_every_label(lake: Lake, tmp_path: Path) -> None:
    """Where nothing is declared a label cannot be wrong: it waits for a suite."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "desk.yaml").write_text("app: desk")
    done = import_rows(lake, load_catalog(tmp_path), {"dimension": "anything", "verdict": 3})
    assert (done.added, done.refused) == (1, ())


def test_a_line_that_is_no_json_refuses_itself_alone(lake: Lake, tmp_path: Path) -> None:
    """A torn line is named, and the label after it is added."""
    path = tmp_path / "labels.jsonl"
    path.write_text('{"trace_id": "t1",\n[1]\n' + json.dumps(JUDGED) + "\n")
    done = label_files.import_labels(lake, Catalog(root=tmp_path), path)
    assert done.added == 1
    assert [row.line for row in done.refused] == [1, 2]


def test_labels_that_arrive_before_their_trace_are_counted_as_waiting(
    lake: Lake, tmp_path: Path
) -> None:
    """They are added and counted, doctor names them with their age, and they count in the end."""
    catalog = declare(tmp_path, TONE)
    done = import_rows(lake, catalog, {"trace_id": "t2", "verdict": "good"})
    assert (done.added, done.waiting, done.refused) == (1, 1, ())
    assert count_labels(lake, catalog, "desk", NIGHT) == LabelCounts(waiting=1)
    (finding,) = check_stored_labels(lake, catalog, NOW + timedelta(days=12))
    assert finding.state == "warn"
    assert "1 label waiting for a trace that has not arrived, the oldest for 12 days: t2" in (
        finding.words
    )
    late = dataclasses.replace(TRACE, trace_id="t2")
    lake.write("staged", NIGHT, [TRACE, late])
    lake.write("traces", NIGHT, [TRACE, late])
    assert read_stored_labels(lake).waiting == ()
    assert count_labels(lake, catalog, "desk", NIGHT) == LabelCounts(labels=1, counted=1, traces=1)
    assert check_stored_labels(lake, catalog, NOW) == []


def test_a_label_of_a_deleted_trace_does_not_wait(lake: Lake, tmp_path: Path) -> None:
    """A label that was bound to its answer had its trace, whatever retention deletes."""
    catalog = declare(tmp_path, TONE)
    import_rows(lake, catalog, {"verdict": "good"})
    lake.delete_night("staged", NIGHT)
    assert check_stored_labels(lake, catalog, NOW) == []


def test_a_label_of_a_forgotten_trace_does_not_wait(lake: Lake, tmp_path: Path) -> None:
    """It is refused for good, so that nobody waits for its trace."""
    catalog = declare(tmp_path, TONE)
    forget_person(lake, catalog, [], ["t1"], NOW)
    done = import_rows(lake, catalog, {"verdict": "good"})
    assert (done.added, done.waiting) == (0, 0)


def test_every_label_of_a_night_is_counted_once_with_what_became_of_it(
    lake: Lake, tmp_path: Path
) -> None:
    """Those that count, the corrected, the outdated, of an earlier wording, or of no use add up."""
    catalog = declare(tmp_path, TONE)
    lake.write("traces", NIGHT, [TRACE])
    stored = [
        Label("t1", "right", "good", "ann", "human", id="1"),
        Label("t1", "right", "bad", "ann", "human", id="2"),
        Label("t1", "right", "bad", "bob", "human", answer=digest_answer(CORRECTED), id="3"),
        Label("t1", "right", "maybe", "cy", "human", id="4"),
        Label("t1", "style", "bad", "cy", "human", id="5"),
        Label("t1", "right", "bad", "dee", "human", rubric_version="0" * 16, id="6"),
    ]
    write_labels(lake, stored, "found-in-an-export")
    assert count_labels(lake, catalog, "desk", NIGHT) == LabelCounts(
        labels=6,
        counted=1,
        corrected=1,
        outdated=1,
        unmapped=1,
        unknown_dimension=1,
        traces=1,
        earlier=1,
    )
    words = [finding.words for finding in check_stored_labels(lake, catalog, NOW)]
    assert any("1 label not used: `verdict` is 'maybe'; right maps good, bad" in w for w in words)
    assert any("1 label not used: `dimension` is 'style'; the suite of desk" in w for w in words)


def test_what_a_judge_did_not_say_is_an_error_and_what_a_person_did_not_is_blank(
    lake: Lake, tmp_path: Path
) -> None:
    """A judge's null, empty or unmapped verdict is an error row; a person's is not filled in."""
    catalog = declare(tmp_path, TONE)
    empty = ({"verdict": None}, {"verdict": ""}, {"verdict": "As an AI"})
    judge = {"annotator": "j", "annotator_kind": "judge"}
    judges = [{**row, **judge} for row in empty]
    done = import_rows(lake, catalog, *judges, *empty[:2])
    assert (done.added, done.errors, done.blank, done.refused) == (3, 3, 2, ())


def test_doctor_names_a_labels_file_with_refused_rows(lake: Lake, tmp_path: Path) -> None:
    """Until the rows are mended, `andon doctor` has the file and the lines."""
    catalog = declare(tmp_path, TONE)
    import_rows(lake, catalog, {"verdict": "good"}, {"verdict": "meh"})
    (finding,) = check_stored_labels(lake, catalog, NOW)
    assert finding.about == "labels file labels.jsonl"
    assert finding.words == "1 row refused (line 2); `andon labels import` shows why"


def test_labels_are_read_in_the_order_of_arrival(lake: Lake) -> None:
    """A batch that arrived later comes later, whatever its name; older homes keep their order."""
    for name, who in (("b", "old-b"), ("a", "old-a")):
        write_labels(lake, [Label("t1", "right", "good", who, "human")], name)
    label_batches.record_arrivals(lake, ["9", "1"])
    for name, who in (("1", "second"), ("9", "first")):
        write_labels(lake, [Label("t1", "right", "good", who, "human")], name)
    assert [label.annotator for label in read_labels(lake)] == ["old-a", "old-b", "first", "second"]


def test_a_night_warns_of_refused_rows_until_they_are_mended(lake: Lake, tmp_path: Path) -> None:
    """The first rows are listed and the others counted, each time the file is read."""
    catalog, path = declare(tmp_path, TONE), tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps({**JUDGED, "verdict": f"w{n}"}) + "\n" for n in range(7)))
    intake = Intake(labels=(path,), pull=False)
    for _ in range(2):
        warnings: list[str] = []
        assert not import_intake(lake, catalog, intake, NOW, warn=warnings.append)
        assert warnings[0].startswith(
            f"label refused: {path}:1: `verdict` is 'w0'; right maps good"
        )
        assert len(warnings) == 6
        assert "2 more rows refused" in warnings[-1]
