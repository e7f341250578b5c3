"""Pulling listings that shift, end early or never end: every row lands once."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.sources import pulls
from evals.specs import Catalog
from evals.storage.lake import Lake
from tests.evals.sources.api_server import (
    Fault,
    World,
    add_score,
    add_trace,
)
from tests.evals.sources.pull_results import (
    ADD,
    KINDS,
    NIGHT,
    NOW,
    fill_world,
    list_ids,
    make_keyed_catalog,
    pull_without_faults,
    read_landed,
)


def make_endless(kind: str) -> Any:
    """Returns a transform after which every page has a next one."""

    def transform(path: str, answer: Any) -> Any:
        if kind == "langfuse" and "totalPages" in str(answer):
            return {**answer, "meta": {"totalPages": 10**9}}
        if kind == "langsmith" and "runs" in answer:
            return {**answer, "cursors": {"next": "0"}}
        if kind == "phoenix":
            return {**answer, "next_cursor": "0"}
        return answer

    return transform


@KINDS
def test_an_endless_listing_is_detected(tmp_path: Path, world: World, kind: str) -> None:
    """A repeated cursor or endless empty pages give an error, and nothing lands."""
    fill_world(world, kind)
    world.transform = make_endless(kind)
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull_sources(lake, make_keyed_catalog(tmp_path, world, kind), NOW)
    assert len(failures) == 1
    assert "pagination loop detected" in failures[0]
    assert len(world.requests) < 500
    assert read_landed(lake.home) == []


@pytest.mark.parametrize("kind", ["langsmith", "phoenix"])
def test_an_empty_page_does_not_end_a_listing(tmp_path: Path, world: World, kind: str) -> None:
    """The rows of the pages after it land too."""
    expected = pull_without_faults(tmp_path, fill_world(world, kind), kind)
    rows = "runs" if kind == "langsmith" else "data"
    empty: list[str] = []

    def transform(path: str, answer: Any) -> Any:
        listing = "query" in path or "/spans?" in path
        if not listing or empty or "cursor=4" in path:
            return answer
        empty.append(path)
        following = {"cursors": {"next": "0"}} if kind == "langsmith" else {"next_cursor": "0"}
        return {rows: [], **following}

    world.transform = transform
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull_sources(lake, make_keyed_catalog(tmp_path, world, kind), NOW)
    assert failures == []
    assert empty
    assert list_ids(lake.home) == expected


@KINDS
def test_a_row_on_two_pages_lands_once_in_its_later_form(
    tmp_path: Path, world: World, kind: str
) -> None:
    """When pages shift while they are read, the later version of a row lands."""
    fill_world(world, kind)
    rows = {"langfuse": world.traces, "langsmith": world.runs, "phoenix": world.spans}[kind]
    first = rows[-1] if kind == "phoenix" else rows[0]
    key = {"langfuse": "data", "langsmith": "runs", "phoenix": "data"}[kind]
    expected = pull_without_faults(tmp_path, world, kind)
    seen: list[str] = []

    def transform(path: str, answer: Any) -> Any:
        if not any(word in path for word in ("/traces?", "query", "/spans?")):
            return answer
        seen.append(path)
        if len(seen) != 2:
            return answer
        return {**answer, key: [{**first, "name": "renamed"}, *answer[key]]}

    world.transform = transform
    lake = Lake(tmp_path / "home").open()
    pulls.pull_sources(lake, make_keyed_catalog(tmp_path, world, kind), NOW)
    assert list_ids(lake.home) == expected
    (row,) = (row for row in read_landed(lake.home) if row["id"] == first["id"])
    assert row["name"] == "renamed"
    world.transform = lambda path, answer: answer
    first["name"] = "renamed"
    (again,), _ = pulls.pull_sources(
        lake, make_keyed_catalog(tmp_path, world, kind), NOW + timedelta(hours=1)
    )
    assert again.landed == 0


@pytest.mark.parametrize("kind", ["langsmith", "phoenix"])
def test_an_expired_cursor_restarts_the_window(tmp_path: Path, world: World, kind: str) -> None:
    """When the API no longer accepts a cursor, the window is read from its start."""
    expected = pull_without_faults(tmp_path, fill_world(world, kind), kind)
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, kind)
    calls = 4
    world.faults += [None] * calls + [Fault(500)] * 8
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert len(failures) == 1
    world.faults += [None] * (2 * (kind == "langsmith")) + [Fault(400)]
    (done,), failures = pulls.pull_sources(lake, declared, NOW + timedelta(days=2))
    assert failures == []
    assert done.landed == 9
    assert list_ids(lake.home) == expected


@KINDS
def test_unreadable_timestamps_and_texts_lose_no_row(
    tmp_path: Path, world: World, kind: str
) -> None:
    """Rows with an unreadable timestamp, half a surrogate pair or NaN land once."""
    fill_world(world, kind)
    rows = {"langfuse": world.traces, "langsmith": world.runs, "phoenix": world.spans}[kind]
    moment = {"langfuse": "timestamp", "langsmith": "start_time", "phoenix": "start_time"}[kind]

    def transform(path: str, answer: Any) -> Any:
        def damage(item: Any) -> Any:
            if isinstance(item, list):
                return [damage(one) for one in item]
            if isinstance(item, dict) and item.get("id") == rows[4]["id"]:
                return {**item, "half": "\ud800", "n": float("nan"), moment: "yesterday"}
            return {k: damage(v) for k, v in item.items()} if isinstance(item, dict) else item

        return damage(answer)

    expected = pull_without_faults(tmp_path, world, kind)
    world.transform = transform
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, kind)
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert failures == []
    assert list_ids(lake.home) == expected
    (again,), failures = pulls.pull_sources(lake, declared, NOW + timedelta(hours=1))
    assert (failures, again.landed) == ([], 0)


def test_another_page_size_within_a_window_skips_no_row(tmp_path: Path, world: World) -> None:
    """A window continues without a gap after `page_size` was changed."""
    fill_world(world, "langfuse", 40)
    lake = Lake(tmp_path / "home").open()
    world.faults += [None] * 6 + [Fault(500)] * 8
    _, failures = pulls.pull_sources(
        lake, make_keyed_catalog(tmp_path, world, "langfuse", page_size=4), NOW
    )
    assert len(failures) == 1
    _, failures = pulls.pull_sources(
        lake, make_keyed_catalog(tmp_path, world, "langfuse", page_size=30), NOW
    )
    assert failures == []
    assert list_ids(lake.home) == [f"lf-{n:04}" for n in range(40)]


def test_a_deleted_or_oddly_named_trace_stops_no_other(tmp_path: Path, world: World) -> None:
    """A deleted trace lands as listed; an id that contains a path is quoted."""
    fill_world(world, "langfuse", 3)
    add_trace(world, 8, NIGHT)
    odd = "../public/projects?x=1#é"
    world.traces[-1]["id"] = odd
    for observation in world.observations[-2:]:
        observation.update(traceId=odd, startTime="2026-10-01T20:00:00Z")
    world.observations[0]["startTime"] = "2026-10-01T20:00:00Z"
    gone = world.traces[0]["id"]
    lake = Lake(tmp_path / "home").open()
    world.missing = {gone}
    _, failures = pulls.pull_sources(lake, make_keyed_catalog(tmp_path, world, "langfuse"), NOW)
    assert failures == []
    rows = {row["id"]: row for row in read_landed(lake.home)}
    assert sorted(rows) == sorted([gone, "lf-0001", "lf-0002", odd])
    assert len(rows[odd]["observations"]) == 2
    assert len(rows[gone]["observations"]) == 1


def test_damaged_pages_are_requested_again(tmp_path: Path, world: World) -> None:
    """After a saved page was emptied, the window is read again and every row lands."""
    expected = pull_without_faults(tmp_path, fill_world(world, "langfuse"), "langfuse")
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, "langfuse")
    world.faults += [None] * 4 + [Fault(500)] * 8
    pulls.pull_sources(lake, declared, NOW)
    (page, *_) = sorted((lake.home / "pulls").glob("*.work/*.gz"))
    page.write_bytes(b"")
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert "read anew" in failures[0]
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert failures == []
    assert list_ids(lake.home) == expected


def test_a_missing_project_stops_no_other(tmp_path: Path, world: World) -> None:
    """The rows of the source's other project land, and its result is returned."""
    fill_world(world, "langsmith", 2)
    declared = make_keyed_catalog(
        tmp_path, world, "langsmith", projects={"gone": "gone", "desk": "desk", "lost": "lost"}
    )
    lake = Lake(tmp_path / "home").open()
    found, failures = pulls.pull_sources(lake, declared, NOW)
    assert [one.project for one in found] == ["desk"]
    assert len(failures) == 2
    assert len(read_landed(lake.home)) == 4


@KINDS
def test_a_cursor_in_the_future_is_an_error(tmp_path: Path, world: World, kind: str) -> None:
    """After a pull under a clock that was ahead, the next pull reports the clock."""
    fill_world(world, kind)
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, kind)
    pulls.pull_sources(lake, declared, NOW + timedelta(days=900))
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert len(failures) == 1
    assert "clock" in failures[0]


@KINDS
def test_differing_clocks_lose_no_row(tmp_path: Path, world: World, kind: str) -> None:
    """Rows stamped hours ahead or behind land once, when their time has come."""
    for number in range(6):
        ADD[kind](world, number, NOW + timedelta(hours=number - 3))
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, kind)
    for hours in range(0, 10, 2):
        _, failures = pulls.pull_sources(lake, declared, NOW + timedelta(hours=hours))
        assert failures == []
        ADD[kind](world, 10 + hours, NOW + timedelta(hours=hours - 9))
    pulls.pull_sources(lake, declared, NOW + timedelta(hours=12))
    ids = list_ids(lake.home)
    assert len(ids) == len(set(ids)) == 11 * (1 if kind == "langfuse" else 2)


def pull_in_process(home: Path, declared: Catalog) -> None:
    """Pulls in a process of its own."""
    _, failures = pulls.pull_sources(Lake(home).open(), declared, NOW)
    assert failures == []


def test_two_pulls_at_once_land_each_row_once(tmp_path: Path, world: World) -> None:
    """The second process waits for the first and finds nothing new."""
    fill_world(world, "langfuse", 30)
    add_score(world, "lf-0003", NIGHT)
    world.slow_s = 0.01
    beside = multiprocessing.get_context("fork")
    home, declared = tmp_path / "home", make_keyed_catalog(tmp_path, world, "langfuse")
    both = [beside.Process(target=pull_in_process, args=(home, declared)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    ids = list_ids(home)
    assert len(ids) == len(set(ids)) == 31
