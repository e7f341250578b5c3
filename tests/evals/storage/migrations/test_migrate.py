"""Promises of a migration: a dry run lists it, a killed one resumes, reports stay the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evals.records import encode_canonical
from evals.storage.files import replace
from evals.storage.label_records import read_gold_values, read_labels
from evals.storage.lake import SCHEMA_VERSION, HomeInUse, Lake, LakeError, read_schema_version
from evals.storage.migrations.migrate import STEPS, migrate
from tests.evals.storage.migrations.old_home import read_contents, unpack_home

KILLED = """
import os, signal, sys
from pathlib import Path
from evals.storage.migrations import migrate

home, number, after = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after"

def kill_at_number(step):
    def find_changes(home):
        global number
        for change in step.find_changes(home):
            number -= 1
            if number < 0:
                if after:
                    change.apply()
                os.kill(os.getpid(), signal.SIGKILL)
            yield change
    return step._replace(find_changes=find_changes)

migrate.migrate(home, steps=[kill_at_number(step) for step in migrate.STEPS])
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Returns a home of the first schema version."""
    return unpack_home(1, tmp_path)


def test_an_older_home_is_refused_with_the_command_that_moves_it(old: Path) -> None:
    """The error names the version and `andon migrate`; afterwards the home opens."""
    with pytest.raises(LakeError, match=f"version 1.* run `andon migrate --home {old}`"):
        Lake(old).open()
    migrate(old)
    assert Lake(old).open().list_nights("staged")


def test_a_dry_run_lists_the_changes_and_makes_none(old: Path) -> None:
    """It lists the same descriptions in the same order; no byte of the home changes."""
    before = read_contents(old)
    planned = migrate(old, dry_run=True)
    assert read_contents(old) == before
    reported: list[str] = []
    done = migrate(old, report=reported.append)
    assert (done.before, planned.after, done.after) == (1, 1, SCHEMA_VERSION)
    assert planned.changes == done.changes == reported
    assert any("dagster.yaml" in description for description in reported)
    assert migrate(old).changes == []


def test_reports_and_paid_answers_stay_the_same(old: Path) -> None:
    """No byte changes, not even of versions that are no longer current."""
    unchanged = ("reports/", "answers/", "traces/", "staged/")
    before = {k: v for k, v in read_contents(old).items() if k.startswith(unchanged)}
    migrate(old)
    assert {k: v for k, v in read_contents(old).items() if k.startswith(unchanged)} == before
    assert sum(name.endswith("report.json") for name in before) > 5


def test_labels_and_gold_become_separate_records(old: Path) -> None:
    """Each label appears once, with its note and its answer; gold values are not labels."""
    (file,) = (old / "labels").glob("*.jsonl")
    before = [json.loads(line) for line in file.read_text().splitlines()]
    migrate(old)
    lake = Lake(old).open()
    labels, gold = read_labels(lake), read_gold_values(lake)
    assert sorted(
        (label.subject_id, label.annotator, label.verdict, label.critique) for label in labels
    ) == [
        *sorted(
            (row["trace_id"], row["annotator"], row["verdict"], row["note"])
            for row in before
            if row["annotator"] != "gold"
        )
    ]
    assert sorted((value.subject_id, value.value) for value in gold) == sorted(
        (row["trace_id"], row["verdict"]) for row in before if row["annotator"] == "gold"
    )
    assert len(gold) == 8
    assert all(label.answer and label.id for label in labels)


def test_a_step_needs_no_change_after_a_migration(old: Path) -> None:
    """Every step yields its changes once."""
    migrate(old)
    assert [change for step in STEPS for change in step.find_changes(old)] == []


def test_a_migration_killed_at_any_change_can_be_resumed(tmp_path: Path, old: Path) -> None:
    """The second run ends with the same bytes as one that was not killed."""
    count = len(migrate(old, dry_run=True).changes) - 1
    migrate(old)
    expected = read_contents(old)
    for number in range(count):
        for when in ("before", "after"):
            home = unpack_home(1, tmp_path / f"{number}-{when}")
            command = [sys.executable, "-c", KILLED, str(home), str(number), when]
            assert subprocess.run(command).returncode == -9
            assert read_schema_version(home) == 1
            migrate(home)
            assert read_contents(home) == expected


def test_a_home_in_use_is_not_migrated(old: Path) -> None:
    """A migration needs the home exclusively."""
    with Lake(old).lock_home(), pytest.raises(HomeInUse):
        migrate(old)
    assert read_schema_version(old) == 1


def test_a_newer_home_and_another_folder_are_refused(tmp_path: Path) -> None:
    """The error names what the folder is."""
    with pytest.raises(LakeError, match="cannot be read"):
        migrate(tmp_path)
    replace(tmp_path / "schema.json", encode_canonical({"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(LakeError, match="use a newer Andon"):
        migrate(tmp_path)
    with pytest.raises(LakeError, match="use a newer Andon"):
        Lake(tmp_path).open()
