"""Promises of damaged homes: what is derived is made again, the rest refused in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from evals import pipeline
from evals.intake import Intake, add_labels, import_exports
from evals.repair.inspection import inspect_home
from evals.reports.archive import read_current_reports
from evals.storage import damage, night_state, parquet_files
from evals.storage.documents import forget_requests, label_batches, tombstones
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.errors import DamagedFileError
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.marts import rebuild_warehouse
from tests.evals.repair.damaged_home import (
    DAMAGES,
    NIGHTS,
    NOW,
    Home,
    build_home,
    damage_file,
)

FIRST = NIGHTS[0].isoformat()
CACHES = (
    "contents.json",
    "redacted_kinds.json",
    "quarantine/inbox_stamps.json",
    "asking.sqlite",
    "ids/*.npy",
)
"""Files a run does without: it changes nothing and makes them again."""
DERIVED = (
    f"nights/{FIRST}.json",
    "inbox_files.json",
    "label_batches.json",
    "label_arrivals.json",
    "evaluators/chat.signed@*.json",
    f"review/{FIRST}.json",
    f"traces/date={FIRST}/*.parquet",
    f"quarantine/date={FIRST}/*.parquet",
    f"marts/rpt_rates/date={FIRST}/*.parquet",
    f"staged/date={FIRST}/*.parquet",
    "quarantine/files/*.parquet",
)
"""Files a run makes again from others."""


class RunStart(NamedTuple):
    """What the start of a run comes to."""

    lost: list[str]
    intact: list[str]
    """The nights that go on."""
    sentences: list[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that nothing damaged."""
    return build_home(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def home(whole: Home, tmp_path: Path) -> Iterator[Home]:
    """The home at its own place, which its record of exports names; put back after the test."""
    shutil.copytree(whole.folder, tmp_path / "saved")
    yield whole
    shutil.rmtree(whole.folder)
    shutil.copytree(tmp_path / "saved", whole.folder)


def start_run(home: Home, caplog: pytest.LogCaptureFixture) -> RunStart:
    """Does what a run does before its first night."""
    damage.report.cache_clear()
    parquet_files.verify_file.cache_clear()
    lake, catalog = home.lake.open(), home.catalog
    lost = pipeline.prepare_home(lake, catalog, NOW)
    intake = Intake(inbox=home.folder / "inbox")
    import_exports(lake, catalog, intake, NOW)
    intact = pipeline.leave_out_damaged(lake, catalog, NIGHTS)
    rebuild_warehouse(lake)
    nights = [night.isoformat() for night in intact.nights]
    return RunStart([*lost, *intact.lost], nights, [r.getMessage() for r in caplog.records])


def find_file(lake: Lake, pattern: str) -> Path:
    """Returns the first file of a pattern."""
    return lake.store.path(lake.store.list_names(pattern)[0])


def describe_home(lake: Lake) -> object:
    """Returns what a run may not lose: the record of files, locks, reports and labels."""
    states = [night_state.read_state(lake, night) for night in NIGHTS]
    files = [
        (file.sha256, file.name, file.nights, file.read, file.refused, file.order)
        for file in read_inbox_files(lake).values()
    ]
    batches = label_batches.read_batch_nights(lake)
    locks = [(state.reports, state.evaluators, state.samples, state.on_time) for state in states]
    return files, batches, locks, read_labels(lake), len(read_current_reports(lake))


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("pattern", CACHES)
def test_a_damaged_cache_changes_nothing(
    home: Home, pattern: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No night is due and nothing is lost; a damaged file is set aside, if not simply replaced."""
    before = describe_home(home.lake)
    damage_file(find_file(home.lake, pattern), kind)
    started = start_run(home, caplog)
    assert (started.lost, started.intact) == ([], [night.isoformat() for night in NIGHTS])
    assert describe_home(home.lake) == before
    assert pipeline.find_due_nights(home.lake, home.catalog, NIGHTS) == []


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("pattern", DERIVED)
def test_a_damaged_derived_file_is_made_again(
    home: Home, pattern: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, nothing is lost, and it is there again or its night is due."""
    before = describe_home(home.lake)
    path = find_file(home.lake, pattern)
    damage_file(path, kind)
    if path.parent.parent.name == "staged" or path.parent.name == "files":
        night_state.update_state(home.lake, NIGHTS[0], seen="")  # others are read when needed
    started = start_run(home, caplog)
    assert (started.lost, started.intact) == ([], [night.isoformat() for night in NIGHTS])
    due = pipeline.find_due_nights(home.lake, home.catalog, NIGHTS)
    assert describe_home(home.lake) == before
    if path.exists():
        assert not [found for found in inspect_home(home.lake) if found.is_lost]
    else:
        assert due
    assert started.sentences


@pytest.mark.parametrize("kind", DAMAGES)
def test_labels_that_are_lost_stop_their_nights_only(
    home: Home, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One sentence names file, loss and remedy; the other night goes on."""
    path = find_file(home.lake, "labels/*.jsonl")
    damage_file(path, kind)
    night_state.update_state(home.lake, NIGHTS[0], seen="")
    started = start_run(home, caplog)
    (lost,) = dict.fromkeys(started.lost)
    assert str(path) in lost
    assert "labels of one file are lost; restore it from a backup" in lost
    assert started.intact == [NIGHTS[1].isoformat()]


def test_labels_that_were_emptied_stop_their_nights_only(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """A file without a checksum may be empty where an erasure emptied it, and nowhere else."""
    path = find_file(home.lake, "labels/*.jsonl")
    path.write_bytes(b"")
    night_state.update_state(home.lake, NIGHTS[0], seen="")
    assert [one.name for one in inspect_home(home.lake) if one.is_lost] == [f"labels/{path.name}"]
    started = start_run(home, caplog)
    assert started.lost
    assert all(str(path) in sentence for sentence in started.lost)
    assert started.intact == [NIGHTS[1].isoformat()]
    tombstones.add_forgotten(home.lake, ["a"], [], NOW)
    assert start_run(home, caplog).lost == []


def test_a_night_that_needs_a_damaged_file_has_a_run_of_its_own(home: Home) -> None:
    """So that the runs Dagster starts evaluate the others, and this one names the file."""
    damage_file(find_file(home.lake, "labels/*.jsonl"), "half")
    night_state.update_state(home.lake, NIGHTS[0], seen="")
    later = [NIGHTS[1], NIGHTS[1] + night_state.DAY]
    nights = [NIGHTS[0], *later]
    groups = [(NIGHTS[0], NIGHTS[0]), (later[0], later[1])]
    assert pipeline.group_runs(home.lake, home.catalog, nights) == groups


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_was_forgotten_stays_so_when_its_list_is_damaged(
    home: Home, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its copy is read in its place, also by an import, and the next run writes it again."""
    lake = home.lake
    tombstones.add_forgotten(lake, ["a"], ["ann"], NOW)
    before = tombstones.read_tombstones(lake)
    path = lake.store.path(tombstones.NAME)
    damage_file(path, kind)
    damage.report.cache_clear()
    assert tombstones.read_tombstones(lake) == before
    assert str(path) in caplog.text
    assert [one.name for one in inspect_home(lake)] == [tombstones.NAME]
    start_run(home, caplog)
    lake.store.delete(tombstones.COPY)
    assert tombstones.read_tombstones(lake) == before


def test_an_older_list_of_what_was_forgotten_gets_its_copy(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """By the next run."""
    tombstones.add_forgotten(home.lake, ["a"], [], NOW)
    home.lake.store.delete(tombstones.COPY)
    start_run(home, caplog)
    home.lake.store.delete(tombstones.NAME)
    assert tombstones.read_tombstones(home.lake).traces == {"a"}


def test_nobody_is_told_to_delete_a_file_that_is_gone(home: Home) -> None:
    """What else the remedy names stays."""
    labels = home.lake.store.path("labels/gone.jsonl")
    answers = home.lake.store.path("answers/date=2026-03-01/gone.parquet")
    sentences = [str(damage.explain_damage(path)) for path in (labels, answers)]
    assert sentences[0].endswith(
        "restore it from a backup, or import the file with `andon labels import`"
    )
    assert sentences[1].endswith("are lost; restore it from a backup")


@pytest.mark.parametrize("kind", ["removed", "flipped"])
def test_labels_whose_file_the_catalog_has_are_read_again(
    home: Home, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch counts as new, and the import that follows adds it."""
    shutil.copy(home.folder / "labels.jsonl", home.folder / "catalog" / "labels.jsonl")
    settings = home.folder / "catalog" / "catalog.yaml"
    settings.write_text("title: Chat\nlabel_files: [labels.jsonl]\n")
    before = describe_home(home.lake)
    damage_file(find_file(home.lake, "labels/*.jsonl"), kind)
    started = start_run(home, caplog)
    assert started.lost == []
    add_labels(home.lake, home.catalog, (), NOW)
    assert describe_home(home.lake) == before


@pytest.mark.parametrize("kind", ["removed", "half", "flipped"])
def test_rows_whose_export_is_gone_stop_their_night_only(
    home: Home, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A night that is due and cannot be read is left out with a sentence."""
    (home.folder / "inbox" / f"{FIRST}.jsonl").unlink()
    path = find_file(home.lake, f"staged/date={FIRST}/*.parquet")
    damage_file(path, kind)
    night_state.update_state(home.lake, NIGHTS[0], seen="")
    started = start_run(home, caplog)
    assert started.intact == [NIGHTS[1].isoformat()]
    assert any(str(path) in lost and "put the export back" in lost for lost in started.lost)


def test_paid_answers_of_a_night_are_never_asked_again_without_a_word(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """A night that is due and whose answers are damaged is left out."""
    path = find_file(home.lake, f"answers/date={FIRST}/*.parquet")
    damage_file(path, "flipped")
    assert start_run(home, caplog).lost == [], "nothing needs them"
    night_state.update_state(home.lake, NIGHTS[0], seen="")
    started = start_run(home, caplog)
    assert started.intact == [NIGHTS[1].isoformat()]
    assert any("paid answers of one judge are lost" in lost for lost in started.lost)


def test_paid_answers_that_are_gone_are_named_once(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """Deleting them is one of the remedies: nothing stops, and the loss is no secret."""
    path = find_file(home.lake, f"answers/date={FIRST}/*.parquet")
    assert start_run(home, caplog).sentences == []
    path.unlink()
    missing = f"{path} is missing; its answers are paid again where needed"
    started = start_run(home, caplog)
    assert (started.lost, started.sentences) == ([], [missing])
    caplog.clear()
    assert start_run(home, caplog).sentences == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("schema.json", "schema_version"), ("user_key.json", "key for user ids")],
)
@pytest.mark.parametrize("kind", ["half", "another type"])
def test_a_file_that_nothing_replaces_ends_the_run_in_a_sentence(
    home: Home, name: str, words: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the file, the loss and the remedy."""
    damage_file(home.lake.store.path(name), kind)
    with pytest.raises(DamagedFileError, match=f"{name} is damaged.*{words}") as error:
        start_run(home, caplog)
    assert "backup" in str(error.value)


def edit_sentence(data: bytes) -> bytes:
    """Changes a report's sentence."""
    return data.replace(b"Held: price 91%", b"Held: price 99%")


@pytest.mark.parametrize("change", [edit_sentence, lambda data: data[:40], lambda data: b"17\n"])
def test_one_damaged_or_edited_report_stops_no_list(
    home: Home, change: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """The others are listed, and a sentence names the file."""
    damage.report.cache_clear()
    path = find_file(home.lake, f"reports/{FIRST}/*/*/report.json")
    path.write_bytes(change(path.read_bytes()))
    assert [report.date for report in read_current_reports(home.lake)] == NIGHTS[1:]
    (sentence,) = [record.getMessage() for record in caplog.records]
    assert str(path) in sentence
    assert [found.name for found in inspect_home(home.lake)] == [
        path.relative_to(home.lake.home).as_posix()
    ]


@pytest.mark.parametrize("kind", ["removed", "half"])
def test_a_lost_report_is_written_again(
    home: Home, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its night is due, and a sentence names the file."""
    path = find_file(home.lake, f"reports/{FIRST}/*/*/report.json")
    damage_file(path, kind)
    started = start_run(home, caplog)
    assert any(str(path) in sentence for sentence in started.sentences)
    assert pipeline.find_due_nights(home.lake, home.catalog, NIGHTS) == NIGHTS[:1]


@pytest.mark.parametrize("folder", ["marts", "marts/rpt_rates", "traces"])
def test_a_table_that_is_gone_is_made_again(
    home: Home, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A deep check finds it; every reported night is due, and a sentence names its part."""
    shutil.rmtree(home.lake.store.path(folder))
    found = list(inspect_home(home.lake))
    assert found
    assert not any(one.is_lost for one in found)
    sentences = start_run(home, caplog).sentences
    assert pipeline.find_due_nights(home.lake, home.catalog, NIGHTS) == NIGHTS
    for night in NIGHTS:
        assert any(f"{folder}/" in line and f"date={night} is missing" in line
                   for line in sentences)  # fmt: skip


def test_a_first_night_without_its_part_of_a_mart_is_due(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """No earlier night is needed to see that it was there."""
    shutil.rmtree(home.lake.store.path(f"marts/rpt_rates/date={FIRST}"))
    start_run(home, caplog)
    assert pipeline.find_due_nights(home.lake, home.catalog, NIGHTS) == NIGHTS[:1]


def test_a_home_without_the_marts_of_later_versions_is_whole(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """Its nights are not evaluated again."""
    shutil.rmtree(home.lake.store.path("marts/rpt_statuses"))
    assert start_run(home, caplog).sentences == []
    assert pipeline.find_due_nights(home.lake, home.catalog, NIGHTS) == []


def test_a_deep_check_reads_every_kind_of_file(home: Home) -> None:
    """A whole home has no findings; a flipped byte in any file of records is found."""
    assert list(inspect_home(home.lake)) == []
    names = [name for name in home.lake.store.walk() if name.endswith((".json", ".jsonl",
                                                                       ".parquet"))]  # fmt: skip
    for name in names:
        path = home.lake.store.path(name)
        data = path.read_bytes()
        damage_file(path, "flipped")
        parquet_files.verify_file.cache_clear()
        found = {one.name for one in inspect_home(home.lake)}
        path.write_bytes(data)
        assert found == {name} or name.endswith("run.json"), name


def test_an_erasure_deletes_what_was_set_aside(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged file may name the person who is to be forgotten."""
    damage_file(find_file(home.lake, f"traces/date={FIRST}/*.parquet"), "half")
    start_run(home, caplog)
    assert damage.find_set_aside(home.lake.home)
    assert forget_requests.delete_temporary_files(home.lake) == 1
    assert damage.find_set_aside(home.lake.home) == []


def test_a_home_that_wrote_no_checksums_is_whole(home: Home) -> None:
    """Documents, labels and tables of older versions have none; they are read as they are."""
    lake = home.lake
    for name in lake.store.walk():
        path = lake.store.path(name)
        if path.suffix == ".json" and "reports/" not in name:
            value = json.loads(path.read_bytes())
            kept = value[:-1] if isinstance(value, list) else value
            if isinstance(kept, dict):
                kept.pop("checksum", None)
            path.write_text(json.dumps(kept))
        if path.suffix == ".jsonl":
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(line for line in lines if "checksum" not in line))
    assert list(inspect_home(lake)) == []
    assert pipeline.prepare_home(lake, home.catalog, NOW) == []
    assert pipeline.find_due_nights(lake, home.catalog, NIGHTS) == []
