"""A team that pulls from one of the three systems: its catalog, and what landed."""

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
from tests.evals.sources.systems import KEYS, World, add_runs, add_spans, add_trace

NOW = datetime(2026, 10, 2, 6, tzinfo=UTC)
NIGHT = datetime(2026, 10, 1, 9, tzinfo=UTC)
ADD = {"langfuse": add_trace, "langsmith": add_runs, "phoenix": add_spans}
KINDS = pytest.mark.parametrize("kind", ADD)


def catalog(folder: Path, world: World, kind: str = "langfuse", **more: Any) -> Catalog:
    """A catalog that pulls from one of them."""
    named = {"langsmith": {"desk": "desk"}, "phoenix": {"help desk": "desk"}}
    about = {"name": "ours", "kind": kind, "base_url": world.url, "page_size": 4}
    where = {"projects": named.get(kind, {}), "app": None if kind in named else "desk"}
    source = Source(**{**about, **where, **more})
    return Catalog(root=folder, sources={"ours": source})


def landed(home: Path) -> list[dict[str, Any]]:
    """Every row in the inbox."""
    paths = sorted((home / "inbox").rglob("*.gz"))
    lines = [line for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [json.loads(line) for line in lines]


def filled(world: World, kind: str, traces: int = 9) -> World:
    """A world with traces of one kind, minutes apart."""
    for number in range(traces):
        ADD[kind](world, number, NIGHT + timedelta(minutes=number))
    return world


def source(folder: Path, world: World, kind: str, **more: Any) -> Catalog:
    """A catalog with one source, its key where it has one."""
    keys = {"key_env": "PHOENIX_KEY"} if kind == "phoenix" else {}
    return catalog(folder, world, kind, **keys, **more)


def names_of(home: Path) -> list[str]:
    """The ids of what landed, each as often as it did."""
    return sorted(row["id"] for row in landed(home))


def unbroken(folder: Path, world: World, kind: str) -> list[str]:
    """What a pull that meets no fault lands."""
    lake = Lake(folder / "unbroken").open()
    _, failures = pulls.pull(lake, source(folder, world, kind), NOW)
    assert failures == []
    return names_of(lake.home)


def keyless(home: Path, *words: str) -> None:
    """No key is in anything that was said or that rests in the home."""
    everything = [word.encode() for word in words]
    for path in home.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            everything.append(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    for value in KEYS.values():
        assert not any(value.encode() in text for text in everything)
