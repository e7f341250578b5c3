"""What is personal comes no further than the raw room, and what is forgotten is nowhere."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evals import retention, scrubbing
from evals.door.quarantine import refusals
from evals.lake import Lake
from evals.specs import load_catalog
from tests.evals.models.model_server import Said, completion, serving
from tests.system.line import NIGHTS, Judge, Line, desk, kill, team

CANARY = "canary-9f27c1ab"
USER = f"{CANARY}-user-0042"
SECRET = "sk-ant-" + "api03-Zk4mQ8vTn2RbWx7LpYc5"
NIGHT = NIGHTS[0]
STORED = {"staged", "traces"}
RAW = "inbox/pulled/desk/page.jsonl.gz"


class Planted(NamedTuple):
    """A team whose home has seen one person's canaries and one secret."""

    line: Line
    said: dict[str, Any]


def echo(body: dict[str, Any], _: int) -> Said:
    """A judge that fails everything and repeats what it was shown."""
    if body.get("logprobs"):
        return Said(400, b'{"error": {"message": "no probabilities here"}}')
    shown = body["messages"][-1]["content"]
    text = json.dumps({"critique": f"It says: {shown}", "verdict": "fail"})
    return Said(200, completion(body, text))


def person() -> list[dict[str, Any]]:
    """Two turns of one person, the second quarantined, with a canary in every place."""
    about = {
        "user_id": USER,
        "messages": [
            {"role": "user", "content": f"{CANARY} speaking, said {USER}"},
            {"role": "tool", "content": f"found {CANARY} in the crm"},
        ],
        "steps": [{"tool": "crm", "arguments": {"who": USER}, "result": f"{CANARY} lives here"}],
        "metadata": {"note": f"{CANARY} in a note", "who": USER},
        "tags": [f"{CANARY}-tag"],
    }
    first = desk(NIGHT, 1, f"I am {CANARY}, where is my parcel of herbs?", **about)
    second = desk(NIGHT, 2, f"{CANARY} again, still nothing", **about, latency_ms=-5)
    return [first, {**second, "output": f"Dear {CANARY}, sorry."}]


def others() -> list[dict[str, Any]]:
    """Turns of other people, one with a key in it."""
    told = {"user_id": "somebody-else-77", "metadata": {"api_key": SECRET}}
    rows = [desk(NIGHT, number) for number in range(3, 6)]
    return [*rows, desk(NIGHT, 12, f"My key is {SECRET}, does it work?", **told)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """One night run to its report, with everything planted in the raw room of the home."""
    with serving(echo) as server:
        line = team(tmp_path_factory.mktemp("planted"), Judge(server.url))
        line.inbox.mkdir()
        path = line.home / RAW
        path.parent.mkdir(parents=True)
        broken = f'{{"trace_id": "desk-broken", "user_id": "{USER}", "input": "{CANARY} torn'
        rows = [*map(json.dumps, [*person(), *others()]), broken]
        path.write_bytes(gzip.compress("\n".join(rows).encode()))
        yield Planted(line, line.run("nightly"))


def cells(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is packed in them."""
    yield path.read_bytes()
    head = path.read_bytes()[:16]
    if head == scrubbing.SQLITE:
        with sqlite3.connect(path) as db:
            yield "\n".join(db.iterdump()).encode("utf-8", "replace")
    elif head.startswith(scrubbing.PARQUET):
        import pyarrow.parquet as pq

        for row in pq.read_table(path).to_pylist():
            yield repr(row).encode()
    else:
        yield scrubbing.unpacked(path)


def holding(home: Path, word: str) -> list[str]:
    """The files of a home in which a word stands, byte for byte or packed."""
    found = (path for path in sorted(home.rglob("*")) if path.is_file())
    return [
        str(path.relative_to(home))
        for path in found
        if any(word.encode() in cell for cell in cells(path))
    ]


@pytest.mark.slow
def test_a_secret_and_a_user_id_come_no_further_than_the_raw_room(planted: Planted) -> None:
    """Before anything is forgotten: they stand in the file as it came and nowhere else."""
    home = planted.line.home
    assert planted.said["failures"] == []
    assert holding(home, SECRET) == [RAW]
    shown = [name for name in holding(home, USER) if not name.startswith("quarantine/files/")]
    assert shown == [RAW]
    places = {name.split("/")[0] for name in holding(home, CANARY)}
    assert places == {"answers", "inbox", "marts", "quarantine", "reports", "scores"} | STORED


@pytest.mark.slow
def test_what_a_file_is_called_comes_no_further_than_the_raw_room(
    tmp_path: Path, judge: Judge
) -> None:
    """An address or a key in its name or its folder's is in no table, page, log or digest."""
    line = team(tmp_path, judge)
    folder, name = "zoe.canary@example.com", f"zed.canary@example.org {SECRET}.jsonl"
    rows = [*map(json.dumps, [desk(NIGHT, 1), {**desk(NIGHT, 2), "latency_ms": -5}]), "{broken"]
    (line.inbox / folder).mkdir(parents=True)
    (line.inbox / folder / name).write_text("\n".join(rows))
    (line.inbox / folder / f"torn {name}.gz").write_bytes(b"\x1f\x8b torn")
    said = [line.run("nightly"), line.run("quarantine"), line.report(NIGHT)]
    assert len(said[1]) == 3
    for word in ("zoe.canary", "zed.canary", SECRET):
        assert word not in json.dumps(said)
        assert holding(line.home, word) == ["quarantine/inbox_stamps.json"]
        assert not [path for path in line.home.rglob("*") if word in path.name]
    assert (line.home / "quarantine").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_what_is_forgotten_is_nowhere_and_stays_out(planted: Planted, tmp_path: Path) -> None:
    """Figures stay, the text is gone from every file of the home, a new import is refused."""
    line = planted.line.copy(tmp_path / "copy")
    before = line.report(NIGHT)
    asked = line.run("forget", "--user", USER)
    assert (asked["done"], sum(asked["traces"].values())) == (False, 2)
    assert holding(line.home, CANARY)
    said = line.run("forget", "--user", USER, "--yes")
    assert said["touched"]["left"] == 0
    assert holding(line.home, CANARY) == []
    assert holding(line.home, "desk-0301-001") == []
    after = line.report(NIGHT)
    assert after["results"] == before["results"]
    assert after["version"] == before["version"]
    marked = [one for one in after["examples"] if one["trace_id"] == "[forgotten]"]
    assert len(marked) == 1
    page = line.home / "reports" / str(NIGHT) / "helpdesk" / after["version"] / "index.html"
    assert "[forgotten]" in page.read_text()

    line.export("again.jsonl", person())
    again = line.run("import", str(line.inbox / "again.jsonl"))
    assert (again[0]["read"], again[0]["refused"]) == (2, 2)
    assert {row["code"] for row in line.run("quarantine")} >= {"forgotten"}
    assert line.run("nightly")["nights"] == []
    assert holding(line.home, CANARY) == []


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 0.15])
def test_killed_in_the_middle_the_next_night_completes_it(
    planted: Planted, tmp_path: Path, after_s: float
) -> None:
    """`kill -9` once it has begun: what is left is done by the next `andon nightly`."""
    line = planted.line.copy(tmp_path / "copy")
    process = line.start("forget", "--user", USER, "--yes")
    begun = line.home / "quarantine" / "forgetting.json"
    while process.poll() is None and not begun.exists():
        time.sleep(0.002)
    time.sleep(after_s)
    assert kill(process), "killed while it was at work"
    assert begun.exists()
    assert begun.stat().st_mode & 0o777 == 0o600
    assert line.run("nightly")["nights"] == []
    assert not begun.exists()
    assert holding(line.home, CANARY) == []


@pytest.mark.slow
def test_what_is_old_loses_its_words_and_keeps_its_figures(
    planted: Planted, tmp_path: Path
) -> None:
    """Raw rows go after a week, texts after half a year; the report's figures and costs stay."""
    line = planted.line.copy(tmp_path / "copy")
    lake, catalog = Lake(line.home).open(), load_catalog(line.catalog)
    before, now = line.report(NIGHT), datetime.now(UTC)
    paid = lake.rows("select sum(cost_usd) as usd from answers", {"answers": None})
    assert not retention.old(lake, catalog, now)
    week = retention.old(lake, catalog, now + timedelta(days=8))
    assert (len(week.raw), len(week.nights)) == (1, 0)
    retention.tidy(lake, week)
    assert not (line.home / RAW).exists()
    assert all(row.raw == b"" for row in refusals(lake))
    assert {row.code for row in refusals(lake)} == {"not-json", "negative-latency"}
    assert not retention.old(lake, catalog, now + timedelta(days=8))
    half = retention.old(lake, catalog, now + timedelta(days=181))
    assert half.nights == (NIGHT,)
    retention.tidy(lake, half)
    assert holding(line.home, CANARY) == []
    after = line.report(NIGHT)
    assert after["results"] == before["results"]
    assert {one["output"] for one in after["examples"]} == {"[expired]"}
    assert lake.rows("select sum(cost_usd) as usd from answers", {"answers": None}) == paid
    assert line.run("nightly")["nights"] == []
    line.export("late.jsonl", others())
    line.run("import", str(line.inbox / "late.jsonl"))
    assert {row["code"] for row in line.run("quarantine")} == {"not-json", "expired"}
    assert line.run("tidy", "--dry-run")["done"] == {}
