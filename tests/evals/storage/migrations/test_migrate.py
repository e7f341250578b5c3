"""Promises of a migration: listed before it is made, resumed after a kill, reports untouched."""

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
from tests.evals.storage.migrations.old_home import contents, unpack

KILLED = """
import os, signal, sys
from pathlib import Path
from evals.storage.migrations import migrate

home, number, after = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "after"

def dying(step):
    def find(home):
        global number
        for change in step.find(home):
            number -= 1
            if number < 0:
                if after:
                    change.make()
                os.kill(os.getpid(), signal.SIGKILL)
            yield change
    return step._replace(find=find)

migrate.migrate(home, steps=[dying(step) for step in migrate.STEPS])
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home of the first schema version."""
    return unpack(1, tmp_path)


def test_an_older_home_is_refused_with_the_command_that_moves_it(old: Path) -> None:
    """In one sentence."""
    with pytest.raises(LakeError, match=f"version 1.* run `andon migrate --home {old}`"):
        Lake(old).open()
    migrate(old)
    assert Lake(old).open().list_nights("staged")


def test_a_dry_run_lists_what_is_then_done_and_changes_nothing(old: Path) -> None:
    """The same sentences in the same order; the home's bytes are as they were."""
    before = contents(old)
    planned = migrate(old, dry_run=True)
    assert contents(old) == before
    said: list[str] = []
    done = migrate(old, say=said.append)
    assert (done.before, planned.after, done.after) == (1, 1, SCHEMA_VERSION)
    assert planned.changes == done.changes == said
    assert any("dagster.yaml" in what for what in said)
    assert migrate(old).changes == []


def test_reports_and_paid_answers_stay_as_they_are(old: Path) -> None:
    """To the byte, the versions that are no longer current among them."""
    kept = ("reports/", "answers/", "traces/", "staged/")
    before = {k: v for k, v in contents(old).items() if k.startswith(kept)}
    migrate(old)
    assert {k: v for k, v in contents(old).items() if k.startswith(kept)} == before
    assert sum(name.endswith("report.json") for name in before) > 5


def test_labels_and_gold_become_records_of_their_own(old: Path) -> None:
    """Each label once, with its note, bound to its answer; gold is no annotator any more."""
    (file,) = (old / "labels").glob("*.jsonl")
    before = [json.loads(line) for line in file.read_text().splitlines()]
    migrate(old)
    lake = Lake(old).open()
    labels, gold = read_labels(lake), read_gold_values(lake)
    assert sorted((one.subject_id, one.annotator, one.verdict, one.critique) for one in labels) == [
        *sorted(
            (row["trace_id"], row["annotator"], row["verdict"], row["note"])
            for row in before
            if row["annotator"] != "gold"
        )
    ]
    assert sorted((one.subject_id, one.value) for one in gold) == sorted(
        (row["trace_id"], row["verdict"]) for row in before if row["annotator"] == "gold"
    )
    assert len(gold) == 8
    assert all(one.answer and one.id for one in labels)


def test_every_step_leaves_nothing_for_itself(old: Path) -> None:
    """What was changed is not found again."""
    migrate(old)
    assert [change.what for step in STEPS for change in step.find(old)] == []


def test_killed_before_or_after_any_change_it_goes_on(tmp_path: Path, old: Path) -> None:
    """Run again it ends as one that nobody killed."""
    count = len(migrate(old, dry_run=True).changes) - 1
    migrate(old)
    whole = contents(old)
    for number in range(count):
        for when in ("before", "after"):
            home = unpack(1, tmp_path / f"{number}-{when}")
            command = [sys.executable, "-c", KILLED, str(home), str(number), when]
            assert subprocess.run(command).returncode == -9
            assert read_schema_version(home) == 1
            migrate(home)
            assert contents(home) == whole


def test_a_home_in_use_waits_for_its_run_to_end(old: Path) -> None:
    """It is changed by one who has it alone."""
    with Lake(old).lock_home(), pytest.raises(HomeInUse):
        migrate(old)
    assert read_schema_version(old) == 1


def test_what_is_no_older_home_is_refused(tmp_path: Path) -> None:
    """A newer one, and a folder that is none."""
    with pytest.raises(LakeError, match="cannot be read"):
        migrate(tmp_path)
    replace(tmp_path / "schema.json", encode_canonical({"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(LakeError, match="use a newer Andon"):
        migrate(tmp_path)
    with pytest.raises(LakeError, match="use a newer Andon"):
        Lake(tmp_path).open()
