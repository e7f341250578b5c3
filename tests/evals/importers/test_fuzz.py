"""Every importer over damaged copies of every golden file: nothing raises, nothing is lost.

The suite takes 10,000 files; `ANDON_FUZZ=100000` asks for more. The whole door: `tests/door`.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals import importers
from evals.importers.streams import KEPT
from evals.importers.strict_json import Refused, parse
from evals.records import Label, Refusal, Trace

GOLDEN = sorted(
    path for path in (Path(__file__).parent / "golden").glob("*") if ".expected" not in path.name
)
TRIES = max(int(os.environ.get("ANDON_FUZZ", "0")), 10_000) // len(GOLDEN)
HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 2**63, -(2**70), 1e308, 5e-324, 0.1, "", " ", "x" * 3000),
    *("\ud800", "\x00", "../../etc/passwd", "9999-99-99", "2026-10-01", "1e999", "{", "[1", "null"),
    *([], {}, [None], [[]], [{}], {"": None}, {"a": {"a": {"a": []}}}, ["x", 1, None, {"role": 1}]),
    *([{"role": "user"}], {"parts": 1}, {"messages": {}}, {"choices": [None]}, '{"a": [1, {}]}'),
]
PIECES = (b"\n", b'"', b"{", b"]", b"\\", b"\x00", b"\xff", b",", b"NaN", b"1e999")
LINES = {
    "langfuse_observations.jsonl": ("trace_id",),
    "langfuse_scores.jsonl": ("trace_id",),
    "langsmith_feedback.jsonl": ("trace_id", "run_id"),
    "openai_batch_output.jsonl": (),
    "openai_chat.jsonl": (),
    "openai_responses.jsonl": (),
}
"""Files of which every line stands for itself: where its trace's id is, if it says one."""


def damaged_value(value: Any, rng: random.Random) -> Any:
    """A value with something in it replaced, left out or put in twice."""
    if rng.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return copy.deepcopy(rng.choice(HOSTILE))
    if isinstance(value, list):
        at = rng.randrange(len(value))
        what = rng.random()
        if what < 0.15:
            return value[:at] + value[at + 1 :]
        if what < 0.3:
            return [*value, value[at]]
        return [*value[:at], damaged_value(value[at], rng), *value[at + 1 :]]
    key = rng.choice(list(value))
    what = rng.random()
    if what < 0.15:
        return {name: item for name, item in value.items() if name != key}
    if what < 0.2:
        return {**value, rng.choice(["", "id", "data", "trace", "\x00", "a.b"]): value[key]}
    return {**value, key: damaged_value(value[key], rng)}


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few changed, lost, put in or repeated."""
    for _ in range(rng.randrange(1, 5)):
        at, size = rng.randrange(len(data) + 1), rng.randrange(1, 20)
        piece = rng.choice(
            [b"\n", b'"', b"{", b"]", b"\\", b"\x00", b"\xff", b",", b"NaN", b"1e999"]
        )
        data = rng.choice(
            [
                data[:at] + piece + data[at:],
                data[:at] + data[at + size :],
                data[:at] + data[at : at + 50 * size] + data[at:],
                data[:at] + bytes(byte ^ 0x11 for byte in data[at : at + 2]) + data[at + 2 :],
                data[:at],
            ]
        )
    return data


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A damaged copy of a file."""
    if rng.random() < 0.4:
        return damaged_bytes(data, rng)
    try:
        whole = json.loads(data)
    except ValueError:
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        try:
            lines[at] = json.dumps(damaged_value(json.loads(lines[at]), rng)).encode()
        except ValueError:
            return damaged_bytes(data, rng)
        return b"\n".join(lines)
    return json.dumps(damaged_value(whole, rng), indent=rng.choice([None, 1])).encode()


def check(found: list[Any]) -> None:
    """What holds of every file: a trace is told once, and a refusal says what to do."""
    for item in found:
        assert isinstance(item, Trace | Refusal | Label)
        if isinstance(item, Refusal):
            assert item.code
            assert item.reason.endswith(".")
            assert len(item.raw) <= KEPT
        elif isinstance(item, Trace):
            assert item.trace_id
            assert item.app
            assert item.ts.tzinfo is not None


def lost(data: bytes, found: list[Any], keys: tuple[str, ...]) -> list[int]:
    """The lines that are neither refused nor the ground of something found."""
    refused = {item.source_line for item in found if isinstance(item, Refusal)}
    told = {item.source_line for item in found if isinstance(item, Trace)}
    ids = {item.trace_id for item in found if item.trace_id}
    missing = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip() or number in refused or number in told:
            continue
        try:
            row = parse(line.removeprefix(b"\xef\xbb\xbf")).row
        except Refused:
            missing.append(number)
            continue
        if not any(str(row.get(key)) in ids for key in keys):
            missing.append(number)
    return missing


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_damage_is_accounted_for(tmp_path: Path, path: Path) -> None:
    """Each row becomes part of a trace, a label or a refusal, whatever is done to the file."""
    data = path.read_bytes()
    copied = tmp_path / path.name
    for seed in range(TRIES):
        rng = random.Random(f"{path.name}:{seed}")
        changed = damaged(data, rng)
        copied.write_bytes(changed)
        found = list(importers.read(copied, mappings={}, app="fuzz"))
        check(found)
        form = next((item.source_format for item in found if isinstance(item, Trace)), "")
        if path.name in LINES and form in ("langfuse", "langsmith", "openai"):
            assert not lost(changed, found, LINES[path.name]), seed
        if form in ("langfuse", "langsmith") and path.name != "langfuse_api.json":
            times = Counter(item.trace_id for item in found if isinstance(item, Trace))
            assert not times or max(times.values()) == 1, seed
