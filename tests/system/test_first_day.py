"""The first day: an export nobody described becomes a board with verdicts by two commands."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest

from tests.system.teams import run_andon

pytestmark = pytest.mark.slow


def write_export(path: Path) -> Path:
    """A support bot's spreadsheet of three days; every fifth answer refuses."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(("Nr", "Datum", "Frage", "Antwort"))
        for number in range(60):
            answer = "Es tut mir leid, aber ich kann dabei nicht helfen."
            if number % 5:
                answer = f"Sie können die Bestellung {number} in Ihrem Konto stornieren."
            when = f"{13 + number % 3}.11.2026 {number % 24:02d}:15"
            table.writerow((number, when, f"Wie storniere ich Bestellung {number}?", answer))
    return path


def test_two_commands_lead_from_a_spreadsheet_to_verdicts(tmp_path: Path) -> None:
    """The command that init prints is the second one, and its board has the shown pass rate."""
    export = write_export(tmp_path / "support.csv")
    begun = run_andon("init", export, "--catalog", tmp_path / "catalog")
    assert begun.code == 0, begun.errors
    assert "48 of 60 pass" in begun.out
    command = shlex.split(begun.out.splitlines()[-1])
    assert command[:2] == ["andon", "nightly"]
    done = run_andon(*command[1:], "--home", tmp_path / "home", "--json")
    assert done.code == 0, done.errors
    reports = done.json["reports"]
    assert [one["date"] for one in reports] == ["2026-11-13", "2026-11-14", "2026-11-15"]
    folder = tmp_path / "home" / "reports"
    counts = [
        (row["passed"], row["failed"])
        for path in folder.glob("*/support/*/report.json")
        for row in json.loads(path.read_text())["results"]
        if row["dimension"] == "no-refusal" and row["slice"] == "all"
    ]
    assert [sum(column) for column in zip(*counts, strict=True)] == [48, 12]


def test_init_changes_no_catalog_that_exists(tmp_path: Path) -> None:
    """The second call names the file that is there and exits as a wrong usage."""
    export = write_export(tmp_path / "support.csv")
    first = run_andon("init", export, "--catalog", tmp_path / "catalog")
    before = (tmp_path / "catalog" / "catalog.yaml").read_bytes()
    again = run_andon("init", export, "--catalog", tmp_path / "catalog")
    assert (first.code, again.code) == (0, 2)
    assert "catalog.yaml exists" in again.errors
    assert (tmp_path / "catalog" / "catalog.yaml").read_bytes() == before
