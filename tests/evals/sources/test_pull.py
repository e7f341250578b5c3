"""Pulling from other systems: all of it, once, whatever fails between."""

from __future__ import annotations

import email.utils
import time
from datetime import timedelta
from pathlib import Path

import pytest

from evals.privacy import redaction
from evals.sources import api as http
from evals.sources import pulls
from evals.sources.api import Api, SourceError
from evals.specs import Source
from evals.storage.documents.pull_cursors import Cursor
from evals.storage.documents.tombstones import add_forgotten
from evals.storage.lake import Lake
from tests.evals.sources.systems import (
    SECRET,
    Fault,
    World,
    add_runs,
    add_score,
    add_spans,
    add_trace,
    serving,
)
from tests.evals.sources.team import NIGHT, NOW, catalog, landed


def test_every_trace_lands_once_in_full_and_scores_beside_it(tmp_path: Path, world: World) -> None:
    """Over several pages, with the observations of each trace, also those that came late in it."""
    for number in range(11):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    world.observations[-1]["startTime"] = "2026-10-01T10:00:00.000Z"
    add_score(world, "lf-0003", NIGHT + timedelta(hours=2))
    lake = Lake(tmp_path / "home").open()
    (done,), failures = pulls.pull(lake, catalog(tmp_path, world), NOW)
    assert failures == []
    rows = landed(lake.home)
    traces = {row["id"]: row for row in rows if "observations" in row}
    assert sorted(traces) == [f"lf-{n:04}" for n in range(11)]
    assert all(len(row["observations"]) == 2 for row in traces.values())
    assert [row["traceId"] for row in rows if "observations" not in row] == ["lf-0003"]
    assert (done.landed, done.files) == (12, 1)
    details = [path for path in world.asked if path.startswith("/api/public/traces/")]
    assert details == ["/api/public/traces/lf-0010"]
    (file,) = (lake.home / "inbox" / "pulled" / "ours" / "desk").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert pulls.find_app(lake, file) == "desk"
    assert not [path for path in (lake.home / "pulls").iterdir() if path.suffix == ".work"]


def test_what_came_late_or_changed_lands_and_the_rest_does_not(
    tmp_path: Path, world: World
) -> None:
    """The next window reads a day again; equal traces do not land twice, a corrected one does."""
    for number in range(5):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    lake, declared = Lake(tmp_path / "home").open(), catalog(tmp_path, world)
    pulls.pull(lake, declared, NOW)
    (again,), _ = pulls.pull(lake, declared, NOW + timedelta(minutes=5))
    assert (again.landed, again.files) == (0, 0)
    add_trace(world, 90, NIGHT + timedelta(hours=1))
    world.traces[2]["output"] = "Corrected."
    (late,), _ = pulls.pull(lake, declared, NOW + timedelta(minutes=10))
    assert late.landed == 2
    counts = [row["id"] for row in landed(lake.home)]
    assert counts.count("lf-0090") == 1
    assert counts.count("lf-0002") == 2
    assert len(counts) == 7


@pytest.mark.parametrize("kind", ["langsmith", "phoenix"])
def test_a_trace_of_many_rows_lands_whole_or_not_yet(
    tmp_path: Path, world: World, kind: str
) -> None:
    """Its rows are in one file; one that begins at the window's end waits for the next."""
    add = add_runs if kind == "langsmith" else add_spans
    for number in range(7):
        add(world, number, NIGHT + timedelta(minutes=number))
    add(world, 8, NOW - timedelta(minutes=3))
    if kind == "phoenix":
        note = {"span_id": world.spans[0]["context"]["span_id"], "name": "tone"}
        world.notes.append({**note, "annotator_kind": "HUMAN", "result": {"label": "good"}})
    else:
        said = {"run_id": world.runs[0]["id"], "trace_id": world.runs[0]["id"], "key": "tone"}
        created = (NIGHT + timedelta(hours=3)).isoformat()
        world.feedback.append({"id": "f-1", **said, "score": 1, "created_at": created})
    lake, declared = Lake(tmp_path / "home").open(), catalog(tmp_path, world, kind)
    (done,), failures = pulls.pull(lake, declared, NOW)
    assert failures == []
    feedback = kind == "langsmith"
    assert (done.landed, len(landed(lake.home))) == (7 + feedback, 14 + feedback)
    notes = [row for row in landed(lake.home) if row.get("annotations")]
    assert len(notes) == (kind == "phoenix")
    (later,), _ = pulls.pull(lake, declared, NOW + timedelta(hours=1))
    assert later.landed == 1
    assert len(landed(lake.home)) == 16 + feedback


def test_a_busy_or_broken_server_is_asked_again_as_it_says(tmp_path: Path, world: World) -> None:
    """429 with Retry-After, 500 and 503 pass; nothing is lost and nothing twice."""
    for number in range(6):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    world.faults += [Fault(429, {"retry-after": "7"}), Fault(500)]
    world.faults += [Fault(503, {"retry-after": "soon"})]
    lake = Lake(tmp_path / "home").open()
    (done,), failures = pulls.pull(lake, catalog(tmp_path, world), NOW)
    assert failures == []
    assert done.landed == 6


def test_a_refusal_names_what_to_check_and_never_a_key(tmp_path: Path, world: World) -> None:
    """A wrong key, a missing one, another address: one sentence each, the other sources go on."""
    lake = Lake(tmp_path / "home").open()
    world.faults += [Fault(403)]
    _, failures = pulls.pull(lake, catalog(tmp_path, world), NOW)
    assert "check LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY" in failures[0]
    _, failures = pulls.pull(lake, catalog(tmp_path, world, key_env="NOT_SET_1"), NOW)
    assert "set NOT_SET_1" in failures[0]
    world.faults += [Fault(404)]
    _, failures = pulls.pull(lake, catalog(tmp_path, world), NOW)
    assert "base_url" in failures[0]
    rest = "".join(path.read_text() for path in (lake.home / "pulls").glob("*.json"))
    assert SECRET not in rest + "".join(failures)
    with pytest.raises(ValueError, match="credentials"):
        Source(name="x", kind="langfuse", base_url="https://user:pass@host")


def test_a_window_goes_on_at_the_page_it_was_at(tmp_path: Path, world: World) -> None:
    """Pages on disk are not asked for again, and what lands is what an unbroken pull lands."""
    for number in range(12):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    lake, declared = Lake(tmp_path / "home").open(), catalog(tmp_path, world)
    source, door = declared.sources["ours"], redaction.PrivacyFilter.load(lake, declared)
    one = pulls.Pull(lake, door, source, "ours", "desk", lambda words: None)
    window = one.window(Cursor(), NOW)
    api = pulls.langfuse.open_api(source)
    pages = pulls.langfuse.read_pages(api, source, "ours", (window.begin, window.read_to), None)
    first = next(pages)
    one.work.mkdir()
    one.keep(first, window)
    one.save(Cursor(), window._replace(pages=1, position=first.next))
    api.close()
    world.asked.clear()
    (done,), _ = pulls.pull(lake, declared, NOW + timedelta(hours=5))
    listed = [path for path in world.asked if path.startswith("/api/public/traces?")]
    assert [path.split("page=")[1].split("&")[0] for path in listed] == ["2", "3"]
    assert done.landed == 12
    assert done.upto == window.end


def test_the_forgotten_do_not_land_again(tmp_path: Path, world: World) -> None:
    """A trace with a tombstone stays out, its scores too."""
    add_trace(world, 1, NIGHT)
    add_trace(world, 2, NIGHT)
    add_score(world, "lf-0001", NIGHT)
    lake, declared = Lake(tmp_path / "home").open(), catalog(tmp_path, world)
    dead = [redaction.hash_tombstone(redaction.load_user_key(lake), "lf-0001")]
    add_forgotten(lake, dead, [], NOW)
    pulls.pull(lake, declared, NOW)
    assert [row["id"] for row in landed(lake.home)] == ["lf-0002"]


def test_what_is_asked_to_wait_is_waited_and_a_pace_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Retry-After in seconds, or a moment of the server's own clock; calls a minute as declared."""
    waited: list[float] = []
    monkeypatch.setattr(http, "sleep", waited.append)
    said = {"retry-after": email.utils.formatdate(time.time() + 30)}
    with serving(World()) as world:
        api = Api("x", world.url, per_minute=60)
        world.faults += [Fault(503, {"retry-after": "3"}), Fault(503, said), Fault(429), Fault(401)]
        with pytest.raises(SourceError):
            api.get("/api/public/traces", page=1, limit=1)
        api.close()
    paces, waits = waited[::2], waited[1::2]
    assert paces[0] == 0
    assert all(0.5 < pace <= 1 for pace in paces[1:])
    assert 3 <= waits[0] < 4
    assert 25 < waits[1] < 32
    assert http.UNSAID_WAIT_S <= waits[2] < 12
