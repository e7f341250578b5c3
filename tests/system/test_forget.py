"""Personal data comes no further than the raw folder, and forgotten data is in no file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals.erasure import retention
from evals.specs import load_catalog
from evals.storage.lake import Lake
from evals.storage.queries import query_tables
from evals.validation.quarantine import read_refusals
from tests.evals.reports.page_text import follow_links
from tests.system.helpdesk import build_question, create_team
from tests.system.judges import Judge
from tests.system.planting import (
    CANARY,
    NIGHT,
    RAW,
    SECRET,
    USER,
    Planted,
    build_other_rows,
    build_person_rows,
    list_files_with,
    plant_person,
)

STORED = {"staged", "traces"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A home with the person in it, made once."""
    with plant_person(tmp_path_factory.mktemp("planted")) as made:
        yield made


@pytest.mark.slow
def test_secrets_and_user_ids_stay_in_the_raw_folder(planted: Planted) -> None:
    """Before anything is forgotten they are in the received file and nowhere else."""
    home = planted.team.home
    (failure,) = planted.summary["failures"]
    assert "the provider refused the question" in failure
    assert list_files_with(home, SECRET) == [RAW]
    shown = [
        name for name in list_files_with(home, USER) if not name.startswith("quarantine/files/")
    ]
    assert shown == [RAW]
    places = {name.split("/")[0] for name in list_files_with(home, CANARY)}
    assert places == {"answers", "inbox", "marts", "quarantine", "reports", "scores"} | STORED


@pytest.mark.slow
def test_file_names_with_secrets_stay_in_the_raw_folder(tmp_path: Path, judge: Judge) -> None:
    """An address or a key in its name or its folder's is in no table, page, log or digest."""
    team = create_team(tmp_path, judge)
    folder, name = "zoe.canary@example.com", f"zed.canary@example.org {SECRET}.jsonl"
    rows = [
        *map(
            json.dumps, [build_question(NIGHT, 1), {**build_question(NIGHT, 2), "latency_ms": -5}]
        ),
        "{broken",
    ]
    (team.inbox / folder).mkdir(parents=True)
    (team.inbox / folder / name).write_text("\n".join(rows))
    (team.inbox / folder / f"torn {name}.gz").write_bytes(b"\x1f\x8b torn")
    documents = [team.run_nightly(), team.run_json("quarantine"), team.report(NIGHT, "helpdesk")]
    assert len(documents[1]) == 3
    for word in ("zoe.canary", "zed.canary", SECRET):
        assert word not in json.dumps(documents)
        assert list_files_with(team.home, word) == ["quarantine/inbox_stamps.json"]
        assert not [path for path in team.home.rglob("*") if word in path.name]
    assert (team.home / "quarantine").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_forgotten_data_is_nowhere_and_is_refused_later(planted: Planted, tmp_path: Path) -> None:
    """Figures stay, the text is gone from every file of the home, a new import is refused."""
    team = planted.team.copy_to(tmp_path / "copy")
    before = team.report(NIGHT, "helpdesk")
    plan = team.run_json("forget", "--user", USER)
    assert (plan["done"], sum(plan["traces"].values())) == (False, 2)
    assert list_files_with(team.home, CANARY)
    summary = team.run_json("forget", "--user", USER, "--yes")
    assert summary["touched"]["left"] == 0
    assert list_files_with(team.home, CANARY) == []
    assert list_files_with(team.home, "desk-0301-001") == []
    after = team.report(NIGHT, "helpdesk")
    assert after["results"] == before["results"]
    assert after["version"] == before["version"]
    marked = [one for one in after["examples"] if one["trace_id"] == "[forgotten]"]
    assert len(marked) == 1
    page = team.home / "reports" / str(NIGHT) / "helpdesk" / after["version"] / "index.html"
    assert "[forgotten]" in page.read_text()
    crawl = follow_links(team.home / "reports" / "index.html")
    assert crawl.broken == set()
    assert len([path for path in crawl.reached if path.parent.name == "traces"]) == 4

    team.export("again.jsonl", build_person_rows())
    again = team.run_json("import", str(team.inbox / "again.jsonl"))
    assert (again[0]["read"], again[0]["refused"]) == (2, 2)
    assert {row["code"] for row in team.run_json("quarantine")} >= {"forgotten"}
    assert team.run_nightly()["nights"] == []
    assert list_files_with(team.home, CANARY) == []


@pytest.mark.slow
def test_old_nights_lose_their_texts_and_keep_their_figures(
    planted: Planted, tmp_path: Path
) -> None:
    """Raw rows go after a week, texts after half a year; the report's figures and costs stay."""
    team = planted.team.copy_to(tmp_path / "copy")
    lake, catalog = Lake(team.home).open(), load_catalog(team.catalog)
    before, now = team.report(NIGHT, "helpdesk"), datetime.now(UTC)
    paid = query_tables(lake, "select sum(cost_usd) as usd from answers", {"answers": None})
    assert not retention.find_expired(lake, catalog, now)
    week = retention.find_expired(lake, catalog, now + timedelta(days=8))
    assert (len(week.raw), len(week.nights)) == (1, 0)
    retention.delete_expired(lake, week)
    assert not (team.home / RAW).exists()
    assert all(row.raw == b"" for row in read_refusals(lake))
    assert {row.code for row in read_refusals(lake)} == {"not-json", "negative-latency"}
    assert not retention.find_expired(lake, catalog, now + timedelta(days=8))
    half = retention.find_expired(lake, catalog, now + timedelta(days=181))
    assert half.nights == (NIGHT,)
    retention.delete_expired(lake, half)
    assert list_files_with(team.home, CANARY) == []
    after = team.report(NIGHT, "helpdesk")
    assert after["results"] == before["results"]
    assert {one["output"] for one in after["examples"]} == {"[expired]"}
    pages = team.home / "reports" / str(NIGHT) / "helpdesk"
    assert not (pages / "traces").exists()
    assert "their texts were deleted" in (pages / "failing" / "index.html").read_text()
    assert follow_links(team.home / "reports" / "index.html").broken == set()
    assert query_tables(lake, "select sum(cost_usd) as usd from answers", {"answers": None}) == paid
    assert team.run_nightly()["nights"] == []
    team.export("late.jsonl", build_other_rows())
    team.run_json("import", str(team.inbox / "late.jsonl"))
    assert {row["code"] for row in team.run_json("quarantine")} == {"not-json", "expired"}
    assert team.run_json("tidy", "--dry-run")["done"] == {}
