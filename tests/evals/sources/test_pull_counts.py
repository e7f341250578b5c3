"""Pulls compare the rows they received with the count that an API gives."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.sources import pulls
from evals.storage.documents.failed_sources import read_failed_sources
from evals.storage.lake import Lake
from tests.evals.sources.api_server import Fault, World
from tests.evals.sources.pull_results import (
    NOW,
    fill_world,
    list_ids,
    make_keyed_catalog,
    pull_without_faults,
)

COUNTED = pytest.mark.parametrize("kind", ["langfuse", "langsmith"])
LISTED = {"langfuse": ("/traces?", "data", "traces"), "langsmith": ("/query", "runs", "runs")}


@COUNTED
def test_fewer_rows_than_the_api_counts_fail_the_source_and_are_asked_for_again(
    tmp_path: Path, world: World, kind: str
) -> None:
    """Both counts are named, what came is imported, and the next pull reads the same window."""
    fill_world(world, kind)
    expected = pull_without_faults(tmp_path, world, kind)
    path, key, name = LISTED[kind]
    lost: list[Any] = []

    def transform(asked: str, answer: Any) -> Any:
        if path not in asked or lost:
            return answer
        lost.append(answer[key][-1])
        return {**answer, key: answer[key][:-1]}

    world.transform = transform
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, kind)
    results, (failure,) = pulls.pull_sources(lake, declared, NOW)
    total = len(world.traces if kind == "langfuse" else world.runs)
    assert results == []
    assert f"received {total - 1} of {total} {name} between 2026-10-01T00:00:00" in failure
    (failed,) = read_failed_sources(lake)
    assert failed.describe() == f"{failure} (failing since {NOW:%Y-%m-%d %H:%M} UTC)"
    assert list_ids(lake.home) == [row for row in expected if row != lost[0]["id"]]
    (again,), failures = pulls.pull_sources(lake, declared, NOW + timedelta(hours=1))
    assert failures == []
    assert read_failed_sources(lake) == []
    assert again.landed == 1
    assert sorted(set(list_ids(lake.home))) == expected


@COUNTED
def test_rows_that_come_while_a_listing_is_read_are_no_gap(
    tmp_path: Path, world: World, kind: str
) -> None:
    """The smallest count decides; the overlap reads what is late."""
    fill_world(world, kind)
    path, *_ = LISTED[kind]

    def transform(asked: str, answer: Any) -> Any:
        if path in asked and "meta" in answer and answer["meta"]["page"] > 1:
            answer["meta"]["totalItems"] += 5
        return answer

    world.transform = transform
    lake, declared = Lake(tmp_path / "home").open(), make_keyed_catalog(tmp_path, world, kind)
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert failures == []


def test_a_server_that_counts_no_runs_is_pulled_as_before(tmp_path: Path, world: World) -> None:
    """An older LangSmith may not have the path."""
    fill_world(world, "langsmith")
    expected = pull_without_faults(tmp_path, world, "langsmith")
    world.faults = [None, Fault(404)]
    lake = Lake(tmp_path / "home").open()
    declared = make_keyed_catalog(tmp_path, world, "langsmith")
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert failures == []
    assert list_ids(lake.home) == expected


def test_a_listing_that_is_counted_only_at_first_is_no_gap(tmp_path: Path, world: World) -> None:
    """The count fails after an interruption, and every page of the listing counts."""
    fill_world(world, "langsmith")
    expected = pull_without_faults(tmp_path, world, "langsmith")
    lake = Lake(tmp_path / "home").open()
    declared = make_keyed_catalog(tmp_path, world, "langsmith")
    world.faults = [None] * 4 + [Fault(500)] * 8
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert len(failures) == 1
    world.faults = [None, Fault(404)]
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert failures == []
    assert list_ids(lake.home) == expected


def make_inflated(kind: str, more: int) -> Any:
    """Returns a transform after which the API counts more rows than it has."""

    def transform(path: str, answer: Any) -> Any:
        if kind == "langfuse" and "/traces?" in path:
            answer["meta"]["totalItems"] += more
        if kind == "langsmith" and "stats" in path:
            answer["run_count"] += more
        return answer

    return transform


@COUNTED
@pytest.mark.parametrize(("more", "failing"), [(1, 0), (3, 1)])
def test_a_count_of_a_few_versions_more_is_checked_by_listing_again(
    tmp_path: Path, world: World, kind: str, more: int, failing: int
) -> None:
    """Langfuse counts each version of a row; a listing that gives the same rows is whole."""
    fill_world(world, kind, 120 if kind == "langfuse" else 60)
    world.transform = make_inflated(kind, more)
    lake = Lake(tmp_path / "home").open()
    declared = make_keyed_catalog(tmp_path, world, kind, page_size=50)
    _, failures = pulls.pull_sources(lake, declared, NOW)
    assert len(failures) == failing


@COUNTED
def test_few_missing_rows_that_a_second_listing_has_are_a_gap(
    tmp_path: Path, world: World, kind: str
) -> None:
    """A share below that of further versions hides no row."""
    fill_world(world, kind, 120 if kind == "langfuse" else 60)
    path, key, _ = LISTED[kind]
    lost: list[str] = []

    def transform(asked: str, answer: Any) -> Any:
        if path in asked and not lost:
            lost.append(answer[key].pop()["id"])
        return answer

    world.transform = transform
    lake = Lake(tmp_path / "home").open()
    declared = make_keyed_catalog(tmp_path, world, kind, page_size=50)
    _, (failure,) = pulls.pull_sources(lake, declared, NOW)
    total = len(world.traces if kind == "langfuse" else world.runs)
    assert f"{total - 1} of {total}" in failure
