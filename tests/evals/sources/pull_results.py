"""A catalog that pulls from one of the three systems, and checks on what landed."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.sources import pulls
from evals.specs import Catalog, Source
from evals.storage.lake import Lake
from tests.evals.sources.api_server import KEYS, World, add_runs, add_spans, add_trace

NOW = datetime(2026, 10, 2, 6, tzinfo=UTC)
NIGHT = datetime(2026, 10, 1, 9, tzinfo=UTC)
ADD = {"langfuse": add_trace, "langsmith": add_runs, "phoenix": add_spans}
KINDS = pytest.mark.parametrize("kind", ADD)


def make_catalog(folder: Path, world: World, kind: str = "langfuse", **more: Any) -> Catalog:
    """Makes a catalog that pulls from one system."""
    named = {"langsmith": {"desk": "desk"}, "phoenix": {"help desk": "desk"}}
    about = {"name": "ours", "kind": kind, "base_url": world.url, "page_size": 4}
    where = {"projects": named.get(kind, {}), "app": None if kind in named else "desk"}
    source = Source(**{**about, **where, **more})
    return Catalog(root=folder, sources={"ours": source})


def read_landed(home: Path) -> list[dict[str, Any]]:
    """Reads every row in the inbox."""
    paths = sorted((home / "inbox").rglob("*.gz"))
    lines = [line for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [json.loads(line) for line in lines]


def fill_world(world: World, kind: str, traces: int = 9) -> World:
    """Adds traces of one system to a world, a minute apart."""
    for number in range(traces):
        ADD[kind](world, number, NIGHT + timedelta(minutes=number))
    return world


def make_keyed_catalog(folder: Path, world: World, kind: str, **more: Any) -> Catalog:
    """Makes a catalog that pulls from one system, with Phoenix's key declared too."""
    keys = {"key_env": "PHOENIX_KEY"} if kind == "phoenix" else {}
    return make_catalog(folder, world, kind, **keys, **more)


def list_ids(home: Path) -> list[str]:
    """Lists the ids of the rows that landed, each as often as it did."""
    return sorted(row["id"] for row in read_landed(home))


def pull_without_faults(folder: Path, world: World, kind: str) -> list[str]:
    """Lists the ids that a pull without faults lands."""
    lake = Lake(folder / "unbroken").open()
    _, failures = pulls.pull_sources(lake, make_keyed_catalog(folder, world, kind), NOW)
    assert failures == []
    return list_ids(lake.home)


def check_no_keys(home: Path, *words: str) -> None:
    """Checks that no key is in some messages or in any file of the home."""
    everything = [word.encode() for word in words]
    for path in home.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            everything.append(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    for value in KEYS.values():
        assert not any(value.encode() in text for text in everything)
