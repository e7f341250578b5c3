"""`andon baseline`: what may be blessed, and that it counts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evals.runs import night_locks
from evals.specs.load import load_catalog
from evals.storage import night_state
from evals.storage.documents.blessed_baselines import find_baseline, read_baselines
from evals.storage.lake import Lake
from evals.storage.report_files import ReportVersion, locate_report_file, write_report
from orchestration.cli.baselines import baseline
from orchestration.cli.main import main
from tests.catalog_files import write_catalog
from tests.evals.reports.chat_nights import BASE, TONIGHT
from tests.evals.reports.night_rows import report_of
from tests.system.greetings import build_catalog

REPORT = report_of(BASE)
NEXT = TONIGHT + timedelta(days=1)
WHO = ("--by", "Ann", "--reason", "release 4.2")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one report."""
    lake = Lake(tmp_path / "home")
    write_report(lake, TONIGHT, REPORT.to_json(), "<html></html>", {})
    night_state.update_state(lake, TONIGHT, reports={"chat": REPORT.version})
    return lake.home


def call(home: Path, *words: str) -> Result:
    """Runs a command of the group."""
    return CliRunner().invoke(baseline, [*words, "--home", str(home)])


@pytest.mark.parametrize("words", [(f"{TONIGHT}", "--app", "chat"), (REPORT.version,)])
def test_a_person_blesses_a_report_and_drops_it(home: Path, words: tuple[str, ...]) -> None:
    """By night or by version; later nights are then due, and are again when it is dropped."""
    catalog = load_catalog(write_catalog(home.parent / "catalog", build_catalog()))
    lake = Lake(home)
    night_state.update_state(lake, NEXT, apps={"chat": {}})
    due = [night_locks.digest_inputs(lake, catalog, night) for night in (TONIGHT, NEXT)]
    assert call(home, "bless", *words, *WHO).exit_code == 0
    found = find_baseline(lake, "chat", NEXT)
    assert found is not None
    assert (found.version, found.by, found.reason, found.first) == (
        REPORT.version, "Ann", "release 4.2", NEXT,
    )  # fmt: skip
    assert find_baseline(lake, "chat", TONIGHT) is None
    blessed = [night_locks.digest_inputs(lake, catalog, night) for night in (TONIGHT, NEXT)]
    assert (blessed[0] == due[0], blessed[1] == due[1]) == (True, False)
    assert (
        "over-refusal (chat.over-refusal): 75% of 200" in call(home, "show", "--app", "chat").output
    )
    assert call(home, "drop", "--app", "chat", *WHO).exit_code == 0
    assert find_baseline(lake, "chat", NEXT) is None
    assert night_locks.digest_inputs(lake, catalog, NEXT) == due[1]
    rows = json.loads(call(home, "list", "--json").output)
    assert [row["action"] for row in rows] == ["bless", "drop"]


def test_a_blessed_report_that_is_gone_is_named(home: Path) -> None:
    """The gate passes or fails as before, and states what it was not compared with."""
    lake, catalog = Lake(home), write_catalog(home.parent / "catalog", build_catalog())
    assert call(home, "bless", REPORT.version, *WHO).exit_code == 0
    later = report_of(replace(BASE, is_third=False, date=NEXT))
    write_report(lake, NEXT, later.to_json(), "<html></html>", {})
    night_state.update_state(lake, NEXT, reports={"chat": later.version})
    words = ["gate", "--app", "chat", "--date", f"{NEXT}", "--home", str(home)]
    words += ["--catalog", str(catalog)]
    before = CliRunner().invoke(main, words)
    assert "the blessed report" not in before.output
    shutil.rmtree(locate_report_file(lake, ReportVersion(TONIGHT, "chat", REPORT.version)).parent)
    after = CliRunner().invoke(main, words)
    assert after.exit_code == before.exit_code
    assert f"the blessed report {REPORT.version} of {TONIGHT} is gone" in after.output
    assert "`andon baseline bless NIGHT --app chat` names another" in after.output
    lost = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)["lost"]
    assert "is gone" in lost[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bless", "2026-10-01", "--app", "chat", *WHO), "no report of chat for 2026-10-01"),
        (("bless", "0123456789abcdef", *WHO), "0 reports have the version"),
        (("bless", f"{TONIGHT}", "--app", "chad", *WHO), "did you mean chat"),
        (("bless", f"{TONIGHT}", "--by", " ", "--reason", "x"), "expected a name and a reason"),
        (("bless", f"{TONIGHT}", *WHO, "--from", f"{TONIGHT}"), "expected a night after"),
        (("drop", "--app", "chat", *WHO), "no blessed baseline of chat"),
        (("show", "--app", "chat"), "no blessed baseline of chat"),
    ],
)
def test_what_cannot_be_blessed_is_refused(
    home: Path, words: tuple[str, ...], message: str
) -> None:
    """With exit code 2 and what to do instead; nothing is stored."""
    result = call(home, *words)
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert read_baselines(Lake(home)) == []
