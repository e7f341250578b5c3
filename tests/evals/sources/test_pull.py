"""Pulling from other systems: every row lands once, whatever fails in between."""

from __future__ import annotations

import email.utils
import time
from datetime import timedelta
from pathlib import Path

import pytest

from evals.privacy import id_hashes, row_filter
from evals.sources import api as http
from evals.sources import pulls
from evals.sources.api import Api, SourceError
from evals.sources.pages import TimeRange
from evals.specs import Source
from evals.storage.documents.pull_cursors import Cursor
from evals.storage.documents.tombstones import add_forgotten
from evals.storage.lake import Lake
from tests.evals.sources.api_server import (
    SECRET,
    Fault,
    World,
    add_runs,
    add_score,
    add_spans,
    add_trace,
    serve,
)
from tests.evals.sources.pull_results import NIGHT, NOW, make_catalog, read_landed


def test_every_trace_lands_once_with_observations_and_scores(tmp_path: Path, world: World) -> None:
    """Traces over several pages land with all observations, late ones included."""
    for number in range(11):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    world.observations[-1]["startTime"] = "2026-10-01T10:00:00.000Z"
    add_score(world, "lf-0003", NIGHT + timedelta(hours=2))
    lake = Lake(tmp_path / "home").open()
    (done,), failures = pulls.pull_sources(lake, make_catalog(tmp_path, world), NOW)
    assert failures == []
    rows = read_landed(lake.home)
    traces = {row["id"]: row for row in rows if "observations" in row}
    assert sorted(traces) == [f"lf-{n:04}" for n in range(11)]
    assert all(len(row["observations"]) == 2 for row in traces.values())
    assert [row["traceId"] for row in rows if "observations" not in row] == ["lf-0003"]
    assert (done.landed, done.files) == (12, 1)
    details = [path for path in world.requests if path.startswith("/api/public/traces/")]
    assert details == ["/api/public/traces/lf-0010"]
    (file,) = (lake.home / "inbox" / "pulled" / "ours" / "desk").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert pulls.find_app(lake, file) == "desk"
    assert not [path for path in (lake.home / "pulls").iterdir() if path.suffix == ".work"]


def test_only_late_and_changed_traces_land_again(tmp_path: Path, world: World) -> None:
    """The next window reads a day again; equal traces do not land twice, a corrected one does."""
    for number in range(5):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    lake, declared = Lake(tmp_path / "home").open(), make_catalog(tmp_path, world)
    pulls.pull_sources(lake, declared, NOW)
    (again,), _ = pulls.pull_sources(lake, declared, NOW + timedelta(minutes=5))
    assert (again.landed, again.files) == (0, 0)
    add_trace(world, 90, NIGHT + timedelta(hours=1))
    world.traces[2]["output"] = "Corrected."
    (late,), _ = pulls.pull_sources(lake, declared, NOW + timedelta(minutes=10))
    assert late.landed == 2
    counts = [row["id"] for row in read_landed(lake.home)]
    assert counts.count("lf-0090") == 1
    assert counts.count("lf-0002") == 2
    assert len(counts) == 7


@pytest.mark.parametrize("kind", ["langsmith", "phoenix"])
def test_a_trace_of_many_rows_lands_complete(tmp_path: Path, world: World, kind: str) -> None:
    """Its rows are in one file; one that begins at the window's end waits for the next."""
    add = add_runs if kind == "langsmith" else add_spans
    for number in range(7):
        add(world, number, NIGHT + timedelta(minutes=number))
    add(world, 8, NOW - timedelta(minutes=3))
    if kind == "phoenix":
        note = {"span_id": world.spans[0]["context"]["span_id"], "name": "tone"}
        world.annotations.append({**note, "annotator_kind": "HUMAN", "result": {"label": "good"}})
    else:
        about = {"run_id": world.runs[0]["id"], "trace_id": world.runs[0]["id"], "key": "tone"}
        created = (NIGHT + timedelta(hours=3)).isoformat()
        world.feedback.append({"id": "f-1", **about, "score": 1, "created_at": created})
    lake, declared = Lake(tmp_path / "home").open(), make_catalog(tmp_path, world, kind)
    (done,), failures = pulls.pull_sources(lake, declared, NOW)
    assert failures == []
    feedback = kind == "langsmith"
    assert (done.landed, len(read_landed(lake.home))) == (7 + feedback, 14 + feedback)
    notes = [row for row in read_landed(lake.home) if row.get("annotations")]
    assert len(notes) == (kind == "phoenix")
    (later,), _ = pulls.pull_sources(lake, declared, NOW + timedelta(hours=1))
    assert later.landed == 1
    assert len(read_landed(lake.home)) == 16 + feedback


def test_a_busy_or_failing_server_is_called_again(tmp_path: Path, world: World) -> None:
    """After 429 with Retry-After, 500 and 503 every trace lands once."""
    for number in range(6):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    world.faults += [Fault(429, {"retry-after": "7"}), Fault(500)]
    world.faults += [Fault(503, {"retry-after": "soon"})]
    lake = Lake(tmp_path / "home").open()
    (done,), failures = pulls.pull_sources(lake, make_catalog(tmp_path, world), NOW)
    assert failures == []
    assert done.landed == 6


def test_a_refused_call_names_what_to_check_and_no_key(tmp_path: Path, world: World) -> None:
    """A wrong key, a missing key and a wrong address each give one message without a key."""
    lake = Lake(tmp_path / "home").open()
    world.faults += [Fault(403)]
    _, failures = pulls.pull_sources(lake, make_catalog(tmp_path, world), NOW)
    assert "check LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY" in failures[0]
    _, failures = pulls.pull_sources(lake, make_catalog(tmp_path, world, key_env="NOT_SET_1"), NOW)
    assert "set NOT_SET_1" in failures[0]
    world.faults += [Fault(404)]
    _, failures = pulls.pull_sources(lake, make_catalog(tmp_path, world), NOW)
    assert "base_url" in failures[0]
    rest = "".join(path.read_text() for path in (lake.home / "pulls").glob("*.json"))
    assert SECRET not in rest + "".join(failures)
    with pytest.raises(ValueError, match="credentials"):
        Source(name="x", kind="langfuse", base_url="https://user:pass@host")


def test_an_interrupted_window_continues_at_its_page(tmp_path: Path, world: World) -> None:
    """Saved pages are not requested again, and every trace lands."""
    for number in range(12):
        add_trace(world, number, NIGHT + timedelta(minutes=number))
    lake, declared = Lake(tmp_path / "home").open(), make_catalog(tmp_path, world)
    source, door = declared.sources["ours"], row_filter.PrivacyFilter.load(lake, declared)
    one = pulls.ProjectPull(lake, door, source, "ours", "desk", lambda words: None)
    window = one.choose_window(Cursor(), NOW)
    api = pulls.langfuse.open_api(source)
    pages = pulls.langfuse.read_pages(
        api, source, "ours", TimeRange(window.begin, window.read_to), None
    )
    first = next(pages)
    one.pages.mkdir()
    one.write_page(first, window)
    one.save_cursor(Cursor(), window._replace(pages=1, position=first.next))
    api.close()
    world.requests.clear()
    (done,), _ = pulls.pull_sources(lake, declared, NOW + timedelta(hours=5))
    listed = [path for path in world.requests if path.startswith("/api/public/traces?")]
    assert [path.split("page=")[1].split("&")[0] for path in listed] == ["2", "3"]
    assert done.landed == 12
    assert done.upto == window.end


def test_erased_traces_do_not_land_again(tmp_path: Path, world: World) -> None:
    """A trace with a tombstone does not land, nor do its scores."""
    add_trace(world, 1, NIGHT)
    add_trace(world, 2, NIGHT)
    add_score(world, "lf-0001", NIGHT)
    lake, declared = Lake(tmp_path / "home").open(), make_catalog(tmp_path, world)
    dead = [id_hashes.hash_tombstone(id_hashes.load_user_key(lake), "lf-0001")]
    add_forgotten(lake, dead, [], NOW)
    pulls.pull_sources(lake, declared, NOW)
    assert [row["id"] for row in read_landed(lake.home)] == ["lf-0002"]


def test_waits_follow_retry_after_and_calls_follow_the_declared_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Retry-After may be seconds or a date; `per_minute` spaces the calls."""
    waited: list[float] = []
    monkeypatch.setattr(http, "sleep", waited.append)
    until = {"retry-after": email.utils.formatdate(time.time() + 30)}
    with serve(World()) as world:
        api = Api("x", world.url, per_minute=60)
        world.faults += [
            Fault(503, {"retry-after": "3"}),
            Fault(503, until),
            Fault(429),
            Fault(401),
        ]
        with pytest.raises(SourceError):
            api.get("/api/public/traces", page=1, limit=1)
        api.close()
    paces, waits = waited[::2], waited[1::2]
    assert paces[0] == 0
    assert all(0.5 < pace <= 1 for pace in paces[1:])
    assert 3 <= waits[0] < 4
    assert 25 < waits[1] < 32
    assert http.DEFAULT_WAIT_S <= waits[2] < 12
