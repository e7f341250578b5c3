"""The steps of a night keep apart what does not belong together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.intake import Intake, import_exports, keep_demo_out
from evals.pipeline import claim_home
from evals.specs import Catalog
from evals.storage.documents.home_contents import OtherContents, read_contents
from evals.storage.documents.inbox_files import InboxFile, add_inbox_files, read_inbox_files
from evals.storage.lake import Lake
from tests.evals.reports import report_bodies as bodies

DEMO, TEAM = Catalog(root=Path(), demo=True), Catalog(root=Path())


def test_a_home_belongs_to_whom_entered_it_first(tmp_path: Path) -> None:
    """The same catalog's kind enters again."""
    lake = Lake(tmp_path / "home").open()
    claim_home(lake, TEAM)
    claim_home(lake, TEAM)
    assert read_contents(lake) == "team"


@pytest.mark.parametrize(
    ("first", "second", "remedy"), [(TEAM, DEMO, "--catalog"), (DEMO, TEAM, "--home")]
)
def test_the_demo_and_a_team_do_not_share_a_home(
    tmp_path: Path, first: Catalog, second: Catalog, remedy: str
) -> None:
    """The message names the home and what to do."""
    lake = Lake(tmp_path / "home").open()
    claim_home(lake, first)
    with pytest.raises(OtherContents, match=remedy) as refused:
        claim_home(lake, second)
    assert str(lake.home) in str(refused.value)


@pytest.mark.parametrize(("demo", "refused"), [(False, DEMO), (True, TEAM)])
def test_an_older_home_is_known_by_its_reports(
    tmp_path: Path, demo: bool, refused: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home of an earlier release does not name whose it is."""
    lake = Lake(tmp_path / "home").open()
    reports = [bodies.typed(bodies.night(demo=demo))]
    monkeypatch.setattr("evals.reports.archive.read_current_reports", lambda lake: reports)
    with pytest.raises(OtherContents):
        claim_home(lake, refused)


def test_the_demo_enters_no_home_whose_files_are_a_team_s(tmp_path: Path) -> None:
    """An import without a catalog claims nothing, and all its rows may be refused."""
    lake = Lake(tmp_path / "home").open()
    inbox = tmp_path / "demo"
    inbox.mkdir()
    (inbox / "traces.jsonl").write_text("{}")
    demo = DEMO.model_copy(update={"inbox": inbox})
    add_inbox_files(lake, [InboxFile("a" * 64, "export.csv", "csv", 9, 2, 2, [])])
    with pytest.raises(OtherContents, match="--catalog"):
        import_exports(lake, demo, Intake(), datetime(2026, 10, 1, tzinfo=UTC))
    assert [file.name for file in read_inbox_files(lake).values()] == ["export.csv"]


def test_a_demo_s_home_takes_its_own_files_again(tmp_path: Path) -> None:
    """A file imported beside the demo's does not end the demo."""
    lake = Lake(tmp_path / "home").open()
    inbox = tmp_path / "demo"
    inbox.mkdir()
    (inbox / "traces.jsonl").write_text("{}")
    names = ("traces.jsonl", "mine.csv")
    files = [InboxFile(name[0] * 64, name, "csv", 9, 2, 2, []) for name in names]
    add_inbox_files(lake, files)
    keep_demo_out(lake, DEMO.model_copy(update={"inbox": inbox}))
