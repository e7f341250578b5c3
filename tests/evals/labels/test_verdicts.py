"""Promises of verdicts given one at a time: nothing is lost, mixed, changed or given twice."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from evals.evaluators.gold import digest_answer
from evals.labels.exchange import describe_label
from evals.labels.label_files import import_labels
from evals.labels.stored_labels import list_exported
from evals.labels.verdicts import RefusedVerdict, read_history, record_label, withdraw_label
from evals.privacy.scrubbing import build_words, scrub_text
from evals.records import Label, Trace, digest
from evals.repair.inspection import inspect_home
from evals.repair.label_record import restore_batches
from evals.reports.assembly import mark_reported
from evals.runs.night_locks import digest_inputs, record_labels
from evals.specs import Catalog, load_catalog
from evals.storage.label_records import change_label_rows, read_labels, write_labels
from evals.storage.lake import Lake
from evals.storage.night_state import list_staged_inputs, read_state, update_state
from evals.storage.verdict_files import list_verdict_files, read_verdicts
from tests.catalog_files import write_catalog

NOW = datetime(2026, 10, 15, 9, tzinfo=UTC)
NIGHT = date(2026, 10, 14)
TRACE = Trace("t1", datetime(2026, 10, 14, 8, tzinfo=UTC), "desk", "It is red.", "Which colour?")
ANN = Label("t1", "right", "pass", "ann", "human")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with one staged trace."""
    made = Lake(tmp_path / "home").open()
    made.write("staged", NIGHT, [TRACE])
    return made


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog whose application calls a pass `correct`, and redacts e-mail addresses."""
    suite = {
        "suite": "desk",
        "dimensions": [
            {
                "dimension": "right",
                "question": "Is it right?",
                "recorded": True,
                "map": {"correct": "pass", "wrong": "fail"},
            }
        ],
    }
    app = {"app": "desk", "suite": "desk", "redact": ["email"]}
    files = {"apps/desk.yaml": app, "suites/desk.yaml": suite}
    return load_catalog(write_catalog(tmp_path / "catalog", files))


def record(lake: Lake, catalog: Catalog, minutes: int = 0, **more: object) -> Label:
    """Records ann's pass of the trace, some minutes later, with what differs."""
    label = dataclasses.replace(ANN, **more)  # type: ignore[arg-type]
    return record_label(lake, catalog, label, NOW + timedelta(minutes=minutes))


def test_a_verdict_is_stored_whole_and_bound_to_the_answer(lake: Lake, catalog: Catalog) -> None:
    """Every field comes back; the verdict is the suite's word, the note and tags are redacted."""
    label = record(
        lake,
        catalog,
        critique="wrote to ann@example.org",
        tags=("leak of bob@example.org",),
        seconds_spent=12.5,
        sampling_probability=0.25,
        rubric_version="r1",
    )
    (stored,) = read_labels(lake)
    assert stored == label
    assert (stored.verdict, stored.answer) == ("correct", digest_answer(TRACE))
    assert stored.time == NOW
    assert "@" not in stored.critique + stored.tags[0]
    assert (stored.seconds_spent, stored.sampling_probability) == (12.5, 0.25)


def test_a_later_verdict_replaces_an_earlier_one_and_both_stay(
    lake: Lake, catalog: Catalog
) -> None:
    """Another annotator's label is untouched, and the history has everything in order."""
    record(lake, catalog)
    record(lake, catalog, 1, annotator="bob")
    last = record(lake, catalog, 2, verdict="fail")
    assert {(one.annotator, one.verdict) for one in read_labels(lake)} == {
        ("ann", "wrong"),
        ("bob", "correct"),
    }
    history = read_history(lake, "t1")
    assert [one.verdict for one in history] == ["correct", "correct", "wrong"]
    assert last.supersedes == history[0].id


def test_undo_brings_back_what_was_replaced(lake: Lake, catalog: Catalog) -> None:
    """A withdrawal is one more row; withdrawing twice is withdrawing once."""
    first = record(lake, catalog)
    second = record(lake, catalog, 1, verdict="fail")
    once = withdraw_label(lake, second.id, "ann", NOW)
    assert withdraw_label(lake, second.id, "ann", NOW + timedelta(hours=1)) == once
    assert read_labels(lake) == [first]
    withdraw_label(lake, first.id, "ann", NOW)
    assert read_labels(lake) == []
    assert len(read_history(lake, "t1")) == 4


def test_a_deferred_answer_has_no_label(lake: Lake, catalog: Catalog) -> None:
    """It also takes the annotator's earlier verdict out of the count; who and why is stored."""
    record(lake, catalog)
    record(lake, catalog, 1, verdict="defer", critique="ask the lawyers")
    assert read_labels(lake) == []
    assert (deferred := read_history(lake, "t1")[-1]).status == "deferred"
    assert (deferred.annotator, deferred.critique) == ("ann", "ask the lawyers")


def test_the_same_submission_twice_is_one_label(lake: Lake, catalog: Catalog) -> None:
    """A page that sends a verdict again after a broken connection names it by the same id."""
    first = record(lake, catalog, id="page-1")
    assert record(lake, catalog, 3, id="page-1", verdict="fail") == first
    assert len(read_verdicts(lake)) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"verdict": "maybe"}, "right maps correct, wrong"),
        ({"dimension": "rihgt"}, "did you mean 'right'"),
        ({"subject_id": "t9"}, "no trace t9"),
        ({"annotator": " "}, "annotator"),
        ({"annotator_kind": "judge"}, "human or adjudicated"),
        ({"critique": "x" * 20_001}, "shorten"),
        ({"sampling_probability": 0.0}, "above 0"),
        ({"seconds_spent": float("nan")}, "0 or more"),
    ],
)
def test_a_verdict_that_nothing_can_use_is_refused(
    lake: Lake, catalog: Catalog, more: dict[str, object], words: str
) -> None:
    """The message names what was expected, and nothing is stored."""
    with pytest.raises(RefusedVerdict, match=words):
        record(lake, catalog, **more)
    assert read_verdicts(lake) == []


def test_nobody_withdraws_the_label_of_another(lake: Lake, catalog: Catalog) -> None:
    """An unknown label cannot be withdrawn either."""
    label = record(lake, catalog)
    for label_id, who in ((label.id, "bob"), ("other", "ann")):
        with pytest.raises(RefusedVerdict):
            withdraw_label(lake, label_id, who, NOW)
    assert read_labels(lake) == [label]


def test_each_verdict_makes_its_night_due_again(lake: Lake, catalog: Catalog) -> None:
    """Also the second on one day, and a withdrawal; other nights are as they were."""
    seen = [digest_inputs(lake, catalog, NIGHT)]
    other = digest_inputs(lake, catalog, NIGHT + timedelta(days=9))
    label = record(lake, catalog)
    seen.append(digest_inputs(lake, catalog, NIGHT))
    record(lake, catalog, 1, annotator="bob")
    seen.append(digest_inputs(lake, catalog, NIGHT))
    withdraw_label(lake, label.id, "ann", NOW)
    seen.append(digest_inputs(lake, catalog, NIGHT))
    assert len(set(seen)) == 4
    assert digest_inputs(lake, catalog, NIGHT + timedelta(days=9)) == other


@pytest.mark.parametrize("way", ["review page", "file", "batch without a record"])
def test_a_label_of_a_session_makes_its_nights_due(
    lake: Lake, catalog: Catalog, tmp_path: Path, way: str
) -> None:
    """As a label of a trace does, however it arrives; it is bound to no answer."""
    night, ts = NIGHT + timedelta(days=3), TRACE.ts + timedelta(days=3)
    turns = [
        dataclasses.replace(TRACE, trace_id=f"s{n}", ts=ts, session_id="s", output=f"It is {n}.")
        for n in (1, 2)
    ]
    lake.write("staged", night, turns)
    before = [digest_inputs(lake, catalog, one) for one in (night, NIGHT)]
    label = dataclasses.replace(ANN, subject="session", subject_id="s")
    if way == "review page":
        record_label(lake, catalog, label, NOW)
    elif way == "file":
        row = {"trace_id": "s", "subject": "session", "dimension": "right", "verdict": "correct"}
        path = tmp_path / "labels.jsonl"
        path.write_text(json.dumps({**row, "annotator": "ann", "annotator_kind": "human"}))
        assert import_labels(lake, catalog, path).waiting == 0
    else:
        write_labels(lake, [label], "sheet")
        restore_batches(lake)
    after = [digest_inputs(lake, catalog, one) for one in (night, NIGHT)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True]
    assert [(one.subject, one.answer) for one in read_labels(lake)] == [("session", "")]


def test_a_label_of_a_session_is_exported_with_its_application(lake: Lake) -> None:
    """The application is that of the session's turns."""
    lake.write("staged", NIGHT, [dataclasses.replace(TRACE, session_id="s")])
    label = dataclasses.replace(ANN, subject="session", subject_id="s", id="l1")
    write_labels(lake, [label], "sheet")
    assert list_exported(lake, TRACE.app, is_whole=False) == [label]
    assert list_exported(lake, "other", is_whole=False) == []


def test_a_verdict_that_scoring_did_not_read_is_in_the_next_report(
    lake: Lake, catalog: Catalog
) -> None:
    """A report never marks it as seen, whichever step of the run it came before."""
    update_state(lake, NIGHT, staged=digest(list_staged_inputs(lake, NIGHT)))

    def report() -> bool:
        mark_reported(lake, catalog, NIGHT, (), {}, {})
        return read_state(lake, NIGHT).seen == digest_inputs(lake, catalog, NIGHT)

    record(lake, catalog)
    record_labels(lake, [NIGHT], "first")
    record(lake, catalog, 1, annotator="bob")
    record_labels(lake, [NIGHT], "first")  # another step of the same run
    assert not report()
    record_labels(lake, [NIGHT], "second")
    assert report()


def test_a_half_line_of_a_killed_writer_is_no_damage(lake: Lake, catalog: Catalog) -> None:
    """The rows before it are read, and the next verdict begins a line of its own."""
    first = record(lake, catalog)
    (path,) = list_verdict_files(lake)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert read_labels(lake) == [first]
    assert not list(inspect_home(lake))
    second = record(lake, catalog, 1, annotator="bob")
    assert read_labels(lake) == [first, second]
    assert path.read_bytes().startswith(whole)


def test_a_damaged_line_costs_no_other_line(lake: Lake, catalog: Catalog) -> None:
    """It is reported with its file; an edit by hand is damage too."""
    record(lake, catalog)
    kept = record(lake, catalog, 1, annotator="bob")
    (path,) = list_verdict_files(lake)
    path.write_bytes(path.read_bytes().replace(b'"correct"', b'"wrong"', 1))
    assert read_labels(lake) == [kept]
    (damage,) = inspect_home(lake)
    assert "reviewed" in damage.sentence
    assert damage.is_lost


def test_an_export_that_comes_back_adds_nobody(
    lake: Lake, catalog: Catalog, tmp_path: Path
) -> None:
    """The same row is the same label; one that was edited outside replaces it."""
    label = record(lake, catalog, critique="wrote to ann@example.org", seconds_spent=2.5)
    row = describe_label(label)
    for name, edit in {"same": {}, "edited": {"verdict": "wrong"}}.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps(row | edit) + "\n")
        import_labels(lake, catalog, path, NOW)
        (current,) = read_labels(lake)
        assert current.verdict == edit.get("verdict", "correct")
    assert current.supersedes == label.id


def test_an_erasure_reaches_verdicts(lake: Lake, catalog: Catalog) -> None:
    """A word is removed from the notes with the checksum renewed, then the trace's rows go."""
    record(lake, catalog, critique="like customer-4711 wrote")
    (path,) = list_verdict_files(lake)
    assert scrub_text(path, build_words(["customer-4711"], mark="(forgotten)"))
    (label,) = read_labels(lake)
    assert label.critique == "like (forgotten) wrote"
    changed = change_label_rows(
        lake, "labels", lambda row: None if row["subject_id"] == "t1" else row
    )
    assert (changed, read_labels(lake)) == (1, [])


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from evals.labels.verdicts import record_label
from evals.records import Label
from evals.specs import load_catalog
from evals.storage.lake import Lake

home, root, who, most = sys.argv[1:]
lake, catalog = Lake(Path(home)), load_catalog(Path(root))
for number in range(int(most)):
    label = Label("t1", "right", "pass", f"{who}-{number}", "human", critique="x" * 3000)
    record_label(lake, catalog, label, datetime(2026, 10, 15, 9, tzinfo=UTC))
    print(number, flush=True)
"""


def start_writer(lake: Lake, catalog: Catalog, who: str, most: int) -> subprocess.Popen[str]:
    """Starts a process that records labels, and prints a line for each that is stored."""
    command = [sys.executable, "-c", WRITER, str(lake.home), str(catalog.root), who, str(most)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_and_a_killed_one_lose_nothing(lake: Lake, catalog: Catalog) -> None:
    """Each label that a process reported as stored is there, once, and every line is whole."""
    with (
        start_writer(lake, catalog, "ann", 25) as ann,
        start_writer(lake, catalog, "bob", 25) as bob,
        start_writer(lake, catalog, "eve", 10_000) as eve,
        ThreadPoolExecutor() as pool,
    ):
        stored = [line for _, line in zip(range(10), eve.stdout or (), strict=False)]
        eve.send_signal(signal.SIGKILL)
        stored += eve.communicate()[0].splitlines(keepends=True)
        list(pool.map(lambda number: record(lake, catalog, annotator=f"zoe-{number}"), range(5)))
        for writer in (ann, bob):
            writer.communicate()
    assert (ann.returncode, bob.returncode) == (0, 0)
    names = [label.annotator for label in read_labels(lake)]
    assert len(names) == len(set(names))
    wanted = {f"{who}-{n}" for who in ("ann", "bob") for n in range(25)}
    wanted |= {f"eve-{int(n)}" for n in stored if n.endswith("\n")} | {f"zoe-{n}" for n in range(5)}
    assert wanted <= set(names)
    assert not list(inspect_home(lake))
