"""Promises of the gate: its document without a report, and the files of a CI job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evals.storage import night_state
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from orchestration.cli.main import main
from tests.catalog_files import write_catalog
from tests.evals.reports.chat_nights import BASE, TONIGHT
from tests.evals.reports.night_rows import report_of
from tests.system.greetings import build_catalog


@pytest.mark.parametrize(
    ("changes", "words", "code", "reason"),
    [
        ({}, ("--app", "hello"), 4, "no report of hello yet"),
        ({}, ("--app", "hello", "--date", "2026-05-03"), 4, "no report of hello"),
        ({}, ("--app", "unknown"), 2, "unknown"),
        ({"suites/hello.yaml": {"suite": "hello"}}, ("--app", "hello"), 2, "this key is needed"),
    ],
)
def test_a_night_without_a_report_is_one_json_document(
    tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...], code: int, reason: str
) -> None:
    """The exit code and the sentence on stderr stay; the document has the keys of any outcome."""
    (tmp_path / "home").mkdir()
    catalog = write_catalog(tmp_path / "catalog", {**build_catalog(), **changes})
    place = ("--home", str(tmp_path / "home"), "--catalog", str(catalog))
    result = CliRunner().invoke(main, ["gate", *words, *place, "--json"])
    body = json.loads(result.stdout)
    assert result.exit_code == code
    assert (body["app"], body["version"], body["gate"]["outcome"]) == (words[1], None, "no report")
    assert body["date"] == (words[3] if len(words) > 2 else None)
    assert reason in body["sentence"]
    assert result.stderr == f"andon: {body['sentence']}\n"


def test_a_ci_job_gets_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JUnit replaces its file, and the summary of the job is added to; the exit code stays."""
    lake, summary = Lake(tmp_path / "home"), tmp_path / "summary.md"
    report = report_of(BASE)
    write_report(lake, TONIGHT, report.to_json(), "<p>", {})
    night_state.update_state(lake, TONIGHT, reports={"chat": report.version})
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("ANDON_BOARD_URL", "https://board.example/")
    catalog = write_catalog(tmp_path / "catalog", build_catalog())
    place = ("--home", str(lake.home), "--catalog", str(catalog), "--app", "chat")
    files = ("--junit", str(tmp_path / "gate.xml"), "--markdown", str(summary))
    for night, code in (("2026-10-08", 1), ("2026-10-07", 4)):
        result = CliRunner().invoke(main, ["gate", *place, "--date", night, *files])
        assert result.exit_code == code, result.output
    address = f"https://board.example/2026-10-08/chat/{report.version}/index.html"
    text = summary.read_text()
    assert f"[report](<{address}>)" in text
    assert text.count("### ") == 2
    assert b'errors="1"' in (tmp_path / "gate.xml").read_bytes()
    printed = CliRunner().invoke(main, ["gate", *place, "--date", "2026-10-08", "--markdown"])
    assert text.startswith(printed.output)
    both = CliRunner().invoke(main, ["gate", *place, "--markdown", "--json"])
    assert (both.exit_code, "give --markdown a FILE" in both.output) == (2, True)
