"""Pulling listings that shift, end oddly, or never: every row lands, and lands once."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.sources import pulls
from evals.specs import Catalog
from evals.storage.lake import Lake
from tests.evals.sources.systems import (
    Fault,
    World,
    add_score,
    add_trace,
)
from tests.evals.sources.team import (
    ADD,
    KINDS,
    NIGHT,
    NOW,
    filled,
    landed,
    names_of,
    source,
    unbroken,
)


def endless(kind: str) -> Any:
    """A twist: every page says that another follows."""

    def twisted(path: str, answer: Any) -> Any:
        if kind == "langfuse" and "totalPages" in str(answer):
            return {**answer, "meta": {"totalPages": 10**9}}
        if kind == "langsmith" and "runs" in answer:
            return {**answer, "cursors": {"next": "0"}}
        if kind == "phoenix":
            return {**answer, "next_cursor": "0"}
        return answer

    return twisted


@KINDS
def test_a_listing_that_never_ends_is_noticed(tmp_path: Path, world: World, kind: str) -> None:
    """A cursor given twice, or pages without rows and without end: said, and nothing lands."""
    filled(world, kind)
    world.twist = endless(kind)
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull(lake, source(tmp_path, world, kind), NOW)
    assert len(failures) == 1
    assert "goes round in circles" in failures[0]
    assert len(world.asked) < 500
    assert landed(lake.home) == []


@pytest.mark.parametrize("kind", ["langsmith", "phoenix"])
def test_an_empty_page_in_the_middle_is_no_end(tmp_path: Path, world: World, kind: str) -> None:
    """What follows it lands too."""
    expected = unbroken(tmp_path, filled(world, kind), kind)
    rows = "runs" if kind == "langsmith" else "data"
    empty: list[str] = []

    def twisted(path: str, answer: Any) -> Any:
        listing = "query" in path or "/spans?" in path
        if not listing or empty or "cursor=4" in path:
            return answer
        empty.append(path)
        following = {"cursors": {"next": "0"}} if kind == "langsmith" else {"next_cursor": "0"}
        return {rows: [], **following}

    world.twist = twisted
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull(lake, source(tmp_path, world, kind), NOW)
    assert failures == []
    assert empty
    assert names_of(lake.home) == expected


@KINDS
def test_a_row_on_two_pages_lands_once_as_it_was_last(
    tmp_path: Path, world: World, kind: str
) -> None:
    """Pages shift under whoever reads them, and rows change: the last word of each row stands."""
    filled(world, kind)
    rows = {"langfuse": world.traces, "langsmith": world.runs, "phoenix": world.spans}[kind]
    first = rows[-1] if kind == "phoenix" else rows[0]
    key = {"langfuse": "data", "langsmith": "runs", "phoenix": "data"}[kind]
    expected = unbroken(tmp_path, world, kind)
    seen: list[str] = []

    def twisted(path: str, answer: Any) -> Any:
        if not any(word in path for word in ("/traces?", "query", "/spans?")):
            return answer
        seen.append(path)
        if len(seen) != 2:
            return answer
        return {**answer, key: [{**first, "name": "renamed"}, *answer[key]]}

    world.twist = twisted
    lake = Lake(tmp_path / "home").open()
    pulls.pull(lake, source(tmp_path, world, kind), NOW)
    assert names_of(lake.home) == expected
    (row,) = (row for row in landed(lake.home) if row["id"] == first["id"])
    assert row["name"] == "renamed"
    world.twist = lambda path, answer: answer
    first["name"] = "renamed"
    (again,), _ = pulls.pull(lake, source(tmp_path, world, kind), NOW + timedelta(hours=1))
    assert again.landed == 0


@pytest.mark.parametrize("kind", ["langsmith", "phoenix"])
def test_a_cursor_that_died_begins_the_window_anew(tmp_path: Path, world: World, kind: str) -> None:
    """Interrupted for longer than the provider remembers it, the window is read from its start."""
    expected = unbroken(tmp_path, filled(world, kind), kind)
    lake, declared = Lake(tmp_path / "home").open(), source(tmp_path, world, kind)
    calls = 3 if kind == "langsmith" else 4
    world.faults += [None] * calls + [Fault(500)] * 8
    _, failures = pulls.pull(lake, declared, NOW)
    assert len(failures) == 1
    world.faults += [None] * (kind == "langsmith") + [Fault(400)]
    (done,), failures = pulls.pull(lake, declared, NOW + timedelta(days=2))
    assert failures == []
    assert done.landed == 9
    assert names_of(lake.home) == expected


@KINDS
def test_an_odd_moment_or_text_costs_no_other_row(tmp_path: Path, world: World, kind: str) -> None:
    """A row whose moment nobody can read, half a surrogate pair, NaN: all of them land, once."""
    filled(world, kind)
    rows = {"langfuse": world.traces, "langsmith": world.runs, "phoenix": world.spans}[kind]
    moment = {"langfuse": "timestamp", "langsmith": "start_time", "phoenix": "start_time"}[kind]

    def twisted(path: str, answer: Any) -> Any:
        def odd(item: Any) -> Any:
            if isinstance(item, list):
                return [odd(one) for one in item]
            if isinstance(item, dict) and item.get("id") == rows[4]["id"]:
                return {**item, "half": "\ud800", "n": float("nan"), moment: "yesterday"}
            return {k: odd(v) for k, v in item.items()} if isinstance(item, dict) else item

        return odd(answer)

    expected = unbroken(tmp_path, world, kind)
    world.twist = twisted
    lake, declared = Lake(tmp_path / "home").open(), source(tmp_path, world, kind)
    _, failures = pulls.pull(lake, declared, NOW)
    assert failures == []
    assert names_of(lake.home) == expected
    (again,), failures = pulls.pull(lake, declared, NOW + timedelta(hours=1))
    assert (failures, again.landed) == ([], 0)


def test_a_smaller_page_or_a_larger_one_goes_on_without_a_gap(tmp_path: Path, world: World) -> None:
    """`page_size` changed within a window, as an error advises, skips nothing."""
    filled(world, "langfuse", 40)
    lake = Lake(tmp_path / "home").open()
    world.faults += [None] * 6 + [Fault(500)] * 8
    _, failures = pulls.pull(lake, source(tmp_path, world, "langfuse", page_size=4), NOW)
    assert len(failures) == 1
    _, failures = pulls.pull(lake, source(tmp_path, world, "langfuse", page_size=30), NOW)
    assert failures == []
    assert names_of(lake.home) == [f"lf-{n:04}" for n in range(40)]


def test_a_trace_gone_or_oddly_named_stops_no_other(tmp_path: Path, world: World) -> None:
    """Deleted after it was listed it lands as it was; an id with a path in it is asked for."""
    filled(world, "langfuse", 3)
    add_trace(world, 8, NIGHT)
    odd = "../public/projects?x=1#é"
    world.traces[-1]["id"] = odd
    for observation in world.observations[-2:]:
        observation.update(traceId=odd, startTime="2026-10-01T20:00:00Z")
    world.observations[0]["startTime"] = "2026-10-01T20:00:00Z"
    gone = world.traces[0]["id"]
    lake = Lake(tmp_path / "home").open()
    world.missing = {gone}
    _, failures = pulls.pull(lake, source(tmp_path, world, "langfuse"), NOW)
    assert failures == []
    rows = {row["id"]: row for row in landed(lake.home)}
    assert sorted(rows) == sorted([gone, "lf-0001", "lf-0002", odd])
    assert len(rows[odd]["observations"]) == 2
    assert len(rows[gone]["observations"]) == 1


def test_pages_that_are_damaged_are_asked_for_again(tmp_path: Path, world: World) -> None:
    """A page that a power cut emptied is no reason to lose the window."""
    expected = unbroken(tmp_path, filled(world, "langfuse"), "langfuse")
    lake, declared = Lake(tmp_path / "home").open(), source(tmp_path, world, "langfuse")
    world.faults += [None] * 4 + [Fault(500)] * 8
    pulls.pull(lake, declared, NOW)
    (page, *_) = sorted((lake.home / "pulls").glob("*.work/*.gz"))
    page.write_bytes(b"")
    _, failures = pulls.pull(lake, declared, NOW)
    assert "read anew" in failures[0]
    _, failures = pulls.pull(lake, declared, NOW)
    assert failures == []
    assert names_of(lake.home) == expected


def test_a_project_that_is_not_there_stops_no_other(tmp_path: Path, world: World) -> None:
    """What another project of the source came to is told, and its rows land."""
    filled(world, "langsmith", 2)
    declared = source(
        tmp_path, world, "langsmith", projects={"gone": "gone", "desk": "desk", "lost": "lost"}
    )
    lake = Lake(tmp_path / "home").open()
    found, failures = pulls.pull(lake, declared, NOW)
    assert [one.project for one in found] == ["desk"]
    assert len(failures) == 2
    assert len(landed(lake.home)) == 4


@KINDS
def test_a_clock_that_was_ahead_is_said(tmp_path: Path, world: World, kind: str) -> None:
    """A pull at a false future moment leaves a cursor that is never passed by in silence."""
    filled(world, kind)
    lake, declared = Lake(tmp_path / "home").open(), source(tmp_path, world, kind)
    pulls.pull(lake, declared, NOW + timedelta(days=900))
    _, failures = pulls.pull(lake, declared, NOW)
    assert len(failures) == 1
    assert "clock" in failures[0]


@KINDS
def test_clocks_that_differ_lose_nothing(tmp_path: Path, world: World, kind: str) -> None:
    """Rows stamped hours ahead or behind land once all the same, when their moment has come."""
    for number in range(6):
        ADD[kind](world, number, NOW + timedelta(hours=number - 3))
    lake, declared = Lake(tmp_path / "home").open(), source(tmp_path, world, kind)
    for hours in range(0, 10, 2):
        _, failures = pulls.pull(lake, declared, NOW + timedelta(hours=hours))
        assert failures == []
        ADD[kind](world, 10 + hours, NOW + timedelta(hours=hours - 9))
    pulls.pull(lake, declared, NOW + timedelta(hours=12))
    ids = names_of(lake.home)
    assert len(ids) == len(set(ids)) == 11 * (1 if kind == "langfuse" else 2)


def pull_beside(home: Path, declared: Catalog) -> None:
    """One of two pulls, in a process of its own."""
    _, failures = pulls.pull(Lake(home).open(), declared, NOW)
    assert failures == []


def test_two_pulls_at_once_land_each_row_once(tmp_path: Path, world: World) -> None:
    """The second waits for the first and finds nothing new."""
    filled(world, "langfuse", 30)
    add_score(world, "lf-0003", NIGHT)
    world.slow_s = 0.01
    beside = multiprocessing.get_context("fork")
    home, declared = tmp_path / "home", source(tmp_path, world, "langfuse")
    both = [beside.Process(target=pull_beside, args=(home, declared)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    ids = names_of(home)
    assert len(ids) == len(set(ids)) == 31
