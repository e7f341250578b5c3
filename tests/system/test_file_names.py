"""Any name a file may have: it is read like any other, and rests under one that can be read."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from evals.erasure import forget
from evals.ingest.inbox import find_unread, import_inbox
from evals.specs import load_catalog
from evals.storage.lake import Lake
from evals.storage.overlay import open_overlay
from evals.validation.explain import explain_files
from evals.validation.quarantine import read_refusals
from tests.system import greetings
from tests.system.teams import ROOT, Team, run_command

NAMES = {
    b"caf\xe9.jsonl": r"caf\xe9.jsonl",
    rb"caf\xe9.jsonl": r"caf\\xe9.jsonl",
    b"a\nb\x1b]0;x\x07[red].jsonl": r"a\nb\x1b]0;x\x07[red].jsonl",
}
"""Names as their bytes, and how they are shown: no UTF-8, one that looks like it, a hostile one."""
NIGHTS = (greetings.BASE, greetings.GOOD, greetings.WORSE)


def rows(night: str, count: int = greetings.TRACES) -> list[dict[str, Any]]:
    """A night's requests, of a prompt and a model that a terminal must not obey."""
    worse = {"prompt_version": "v2[/x]"} if night == greetings.WORSE else {}
    made = [greetings.build_trace(night, number, **worse) for number in range(count)]
    return [{**row, "model": "m\x1b[31m\u202e"} for row in made]


def jsonl(of: list[dict[str, Any]]) -> bytes:
    """Rows as an export has them, and after them one that is none."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in of) + b"[1]\n"


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """A team whose inbox has files of the odd names in a folder of an odd name."""
    team = Team(tmp_path)
    team.declare(greetings.build_catalog())
    folder = team.inbox / os.fsdecode(b"b\xfcro [1]")
    folder.mkdir(parents=True)
    for name, night in zip(NAMES, NIGHTS, strict=True):
        (folder / os.fsdecode(name)).write_bytes(jsonl(rows(night)))
    return team


def test_every_file_is_imported_under_a_readable_name(team: Team) -> None:
    """No name stops another file; accounts and refused rows say which file, each its own."""
    lake, catalog = Lake(team.home).open(), load_catalog(team.catalog)
    seen = import_inbox(lake, catalog, team.inbox).files
    assert {one.name: one.read for one in seen} == dict.fromkeys(NAMES.values(), 61)
    assert {one.place for one in seen} == {rf"b\xfcro [1]/{name}" for name in NAMES.values()}
    assert {row.source_file for row in read_refusals(lake)} == set(NAMES.values())
    assert find_unread(lake, team.inbox) == []


def test_packed_and_tabular_files_are_read_whatever_their_name(team: Team) -> None:
    """Parquet, zstd and an unknown file of such a name are opened as any are."""
    lake, catalog = Lake(team.home).open(), load_catalog(team.catalog)
    inbox = team.folder / os.fsdecode(b"packed\xe9")
    inbox.mkdir()
    pd.DataFrame(rows(greetings.TORN, 3)).to_parquet(made := team.folder / "made.parquet")
    made.rename(inbox / os.fsdecode(b"p\xe9.parquet"))
    with pa.output_stream(str(made), compression="zstd") as packed:
        packed.write(jsonl(rows(greetings.BASE, 4)))
    made.rename(inbox / os.fsdecode(b"z\xe9.jsonl.zst"))
    (inbox / os.fsdecode(b"u\xe9.bin")).write_bytes(bytes(range(256)))
    seen = {one.name: (one.read, one.refused) for one in import_inbox(lake, catalog, inbox).files}
    assert seen == {r"p\xe9.parquet": (3, 0), r"z\xe9.jsonl.zst": (5, 1), r"u\xe9.bin": (1, 1)}


def test_such_a_file_is_explained_under_its_readable_name(team: Team) -> None:
    """`--explain` names the file so, and its first trace too."""
    (path,) = team.inbox.glob("*/*\udce9.jsonl")
    with open_overlay(Lake(team.home)) as overlay:
        now = datetime(2026, 12, 1, tzinfo=UTC)
        (explanation,) = explain_files(overlay, load_catalog(team.catalog), [path], now)
    assert explanation.first
    assert explanation.file == explanation.first["source_file"] == r"caf\xe9.jsonl"


def test_forgetting_names_such_a_file(team: Team) -> None:
    """The export that still has a forgotten trace is found by its readable name."""
    lake, catalog = Lake(team.home).open(), load_catalog(team.catalog)
    import_inbox(lake, catalog, team.inbox)
    (path,) = team.inbox.glob("*/*\udce9.jsonl")
    person = forget.find_person(lake, catalog, [], [f"{NIGHTS[0]}-1"])
    assert forget.find_outside(lake, set(person.files)) == [str(path)]


def test_the_sensor_names_such_a_file_readably(team: Team) -> None:
    """What Dagster shows of a file that is still being written is text it can keep."""
    (path,) = team.inbox.glob("*/*\udce9.jsonl")
    done = run_command(sys.executable, "-W", "ignore", "-c", SENSE, path, cwd=ROOT)
    assert done.code == 0, done.errors
    assert done.out == rf"{team.inbox}/b\xfcro [1]/caf\xe9.jsonl is still being written"


SENSE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from orchestration.automation import inbox_sensor
found = inbox_sensor.inspect_file(Path(sys.argv[1]), {}, {}, 0)
print(inbox_sensor.request_runs(None, [found], [], "10").skip_reason.skip_message, end="")
"""


@pytest.mark.slow
def test_odd_names_and_markup_in_a_trace_break_no_night(
    team: Team,
) -> None:
    """The board, a report, the quarantine and an import say them as they are, and obey nothing."""
    board = team.run("nightly", "--inbox", team.inbox)
    report = ("report", "show", "--app", "hello", "--date", greetings.WORSE)
    shown = team.run(*report, "--slices")
    listed = team.run("quarantine", "list")
    (path,) = team.inbox.glob("*/*\udce9.jsonl")
    again = team.run("import", path)
    assert "prompt=v2[/x]" in shown.out
    assert "prompt v2[/x]" in shown.out
    (line, *_) = again.out.splitlines()
    assert line == "caf\\xe9.jsonl: 61 rows, 1 in quarantine (imported before)"
    for name in NAMES.values():
        assert f"{name}:61: not-an-object" in listed.out
        assert team.run("quarantine", "show", f"{name}:61").out.endswith("\n[1]\n")
    for result in (board, shown, listed):
        assert result.out.replace("\n", "").isprintable()
        assert result.errors.replace("\n", "").isprintable()
    names = {file["file"] for night in NIGHTS for file in files_of(team, night)}
    assert names == {rf"b\xfcro [1]/{name}" for name in NAMES.values()}


def files_of(team: Team, night: str) -> list[dict[str, Any]]:
    """The files that a report names as the source of its rows."""
    return team.report(night, "hello")["accounting"]["files"]
