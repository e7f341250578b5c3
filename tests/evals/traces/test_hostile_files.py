"""Promises of importers under hostile files: each row is refused, or read without harm.

The oracle throughout: a file's non-blank lines are its traces plus its refusals, one each.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.records import Refusal, Trace
from evals.traces import reader
from evals.traces.files import streams

ROW = '{"trace_id": "%s", "ts": "2026-10-01T12:00:00Z", "app": "chat", "output": "Hello.", "x": %s}'
MEMORY_MIB = 64
"""MiB of memory that reading a file may add: a line of 16 MiB, twice, and room."""


def build_row(trace_id: str = "t-1", extra: str = "1") -> bytes:
    """Builds a line of JSON."""
    return (ROW % (trace_id, extra)).encode()


def read_all(path: Path) -> list[Any]:
    """Reads everything in a file, with no mapping."""
    return list(reader.read_file(path, mappings={}))


def read_bytes(folder: Path, data: bytes, name: str = "day.jsonl") -> list[Any]:
    """Reads a file of these bytes."""
    (folder / name).write_bytes(data)
    return read_all(folder / name)


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("[" * 201 + "]" * 201, "too-deep"),
        ("[" * 100_000, "too-deep"),
        ('{"a":' * 100_000, "too-deep"),
        ('{"a": 1, "a": 1}', "duplicate-key"),
        ('{"a" : 1, "a":2}', "duplicate-key"),
        ('{"a\\\\":1, "a\\\\":2}', "duplicate-key"),
        ('{"a":1, "\\u0061":2}', "duplicate-key"),
        ('{"a"\t:1, "a":2, "b":"\\":"}', "duplicate-key"),
        ('1, "app": "qa"', "duplicate-key"),
        ('"\\ud800"', "not-utf8"),
        ('"\\udc00\\ud800"', "not-utf8"),
        ('"\x00"', "not-json"),
        ("'x'", "not-json"),
        ("1}{", "not-json"),
        ("", "not-json"),
    ],
)
def test_ambiguous_json_is_refused(tmp_path: Path, extra: str, code: str) -> None:
    """It is refused with its code, and the rows around it are read."""
    items = read_bytes(
        tmp_path, b"\n".join([build_row("a"), build_row("b", extra), build_row("c")])
    )
    assert [type(item) for item in items] == [Trace, Refusal, Trace]
    assert (items[1].code, items[1].source_line) == (code, 2)
    assert items[1].raw == build_row("b", extra)[: streams.MAX_STORED]


@pytest.mark.parametrize(
    "extra",
    [
        '{"a" : 1, "b":2}',
        '{"a\\\\":1, "a\\\\\\\\":2}',
        '"\\":\\": \\":"',
        '{"a": {"a": {"a": "\\u0022:"}}}',
        "[" * 199 + "]" * 199,
        "[18446744073709551615, -9223372036854775808, 1e300, 0.1e-300]",
        '"\\ud83d\\ude00 \\u0000 \x7f"',
    ],
)
def test_rare_but_unambiguous_json_is_read(tmp_path: Path, extra: str) -> None:
    """JSON with one meaning is never refused."""
    (trace,) = read_bytes(tmp_path, build_row("a", extra))
    assert trace.metadata == {"x": json.loads(extra)}


@pytest.mark.parametrize(
    "number",
    ["NaN", "-Infinity", "1e999", "18446744073709551616", "-9223372036854775809", "9" * 100_000],
)
def test_a_number_beyond_json_or_64_bits_is_read_as_text(tmp_path: Path, number: str) -> None:
    """Its text is exactly as written, and the row is accepted."""
    (trace,) = read_bytes(tmp_path, build_row("a", f'{{"y": [{number}]}}'))
    assert trace.metadata == {"x": {"y": [number]}}


@pytest.mark.parametrize("line", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_a_line_that_is_no_object_is_refused(tmp_path: Path, line: bytes) -> None:
    """JSON that is not an object is never a trace."""
    assert [item.code for item in read_bytes(tmp_path, line)] == ["not-an-object"]


def test_a_file_of_rubbish_is_refused_once_or_by_line(tmp_path: Path) -> None:
    """It is refused as a whole, and by line where its name ends in `.jsonl`."""
    rubbish = random.Random(1).randbytes(100_000)
    (whole,) = read_bytes(tmp_path, rubbish, "rubbish.bin")
    assert (whole.code, whole.source_line) == ("unreadable-file", 0)
    assert "jsonl" in whole.reason
    assert whole.raw == rubbish[: streams.MAX_STORED]
    lines = read_bytes(tmp_path, rubbish, "rubbish.jsonl")
    assert len(lines) == sum(bool(line.strip()) for line in rubbish.split(b"\n")) > 100
    assert {item.code for item in lines} <= {"not-utf8", "not-json"}


def test_damage_at_the_head_loses_no_rows_behind_it(tmp_path: Path) -> None:
    """A first line of rubbish does not hide the rows that follow, whatever the file's name."""
    items = read_bytes(
        tmp_path, b"\xff\xfe rubbish\n" + build_row("a") + b"\n" + build_row("b"), "noname"
    )
    assert [type(item) for item in items] == [Refusal, Trace, Trace]


def test_a_missing_file_or_a_folder_is_refused_without_its_path(tmp_path: Path) -> None:
    """It is one refusal that names no folder of the machine."""
    for path in (tmp_path / "gone.jsonl", tmp_path):
        (refusal,) = read_all(path)
        assert (refusal.code, refusal.source_line) == ("unreadable-file", 0)
        assert str(tmp_path) not in refusal.reason + refusal.source_file


def build_many_rows() -> bytes:
    """Builds two thousand rows that hardly compress."""
    rng = random.Random(2)
    return b"\n".join(build_row(f"t-{n}", json.dumps(rng.randbytes(40).hex())) for n in range(2000))


def test_the_rows_before_the_cut_of_a_gzip_are_read(tmp_path: Path) -> None:
    """The rest is one refusal, with the line where the file ends."""
    packed = gzip.compress(build_many_rows())
    items = read_bytes(tmp_path, packed[: len(packed) // 2], "day.jsonl.gz")
    *traces, last = items
    assert [trace.trace_id for trace in traces] == [f"t-{n}" for n in range(len(traces))]
    assert 900 < len(traces) < 1100
    assert (last.code, last.source_line) == ("truncated-gzip", len(traces) + 1)
    assert "too early" in last.reason
    assert build_many_rows().split(b"\n")[len(traces)].startswith(last.raw)


@pytest.mark.parametrize("name", ["day.jsonl.gz", "day"])
def test_a_damaged_archive_is_refused_under_any_name(tmp_path: Path, name: str) -> None:
    """It is cut in the header, changed in the middle, or has a wrong checksum or trailing bytes."""
    import pyarrow

    packed = gzip.compress(build_many_rows())
    zstd = pyarrow.compress(build_many_rows(), codec="zstd", asbytes=True)
    middle = len(packed) // 2
    damaged = {
        "header": packed[:5],
        "middle": packed[:middle] + b"\x00" * 64 + packed[middle + 64 :],
        "checksum": packed[:-8] + b"\x00" * 8,
        "garbage": packed + b"garbage",
        "zstd cut": zstd[: len(zstd) // 2],
        "zstd head": zstd[:6],
    }
    for what, data in damaged.items():
        items = read_bytes(tmp_path, data, name)
        broken = [item for item in items if isinstance(item, Refusal)]
        assert broken, what
        assert broken[-1] is items[-1], what
        assert broken[-1].code in ("truncated-gzip", "unreadable-file"), what
    assert read_bytes(tmp_path, packed, name)[-1].trace_id == "t-1999"


PROBE = """
import pathlib, resource, sys
from evals.traces import reader
unit = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
before = peak()
items = [
    (type(r).__name__, getattr(r, "code", ""), len(getattr(r, "raw", b"")), r.source_line)
    for r in reader.read_file(pathlib.Path(sys.argv[1]), mappings={})
]
print([items, peak() - before])
"""


def read_in_process(path: Path) -> tuple[list[Any], float]:
    """Reads a file in a fresh process; returns its items and peak memory growth in MiB."""
    root = Path(reader.__file__).parents[2]
    completed = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
        text=True,
    )
    items, growth = json.loads(
        completed.stdout.replace("(", "[").replace(")", "]").replace("'", '"')
    )
    return items, growth


def test_a_line_of_200_mb_stays_out_of_memory(tmp_path: Path) -> None:
    """The first 64 KiB of it are stored, and the row after it is read."""
    path = tmp_path / "day.jsonl"
    with path.open("wb") as file:
        file.write(build_row("a") + b'\n{"trace_id": "')
        file.seek(200 * 2**20, os.SEEK_CUR)
        file.write(b'"}\n' + build_row("b"))
    items, growth = read_in_process(path)
    assert items == [
        ["Trace", "", 0, 1],
        ["Refusal", "line-too-long", streams.MAX_STORED, 2],
        ["Trace", "", 0, 3],
    ]
    assert growth < MEMORY_MIB


def test_a_gzip_bomb_stays_in_memory_bounds(tmp_path: Path) -> None:
    """An archive that grows a thousandfold costs time and no memory."""
    path = tmp_path / "day.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for filler in (b"x", b"\n"):
            for _ in range(200):
                file.write(filler * 2**20)
        file.write(build_row("b"))
    assert path.stat().st_size < 2**21
    items, growth = read_in_process(path)
    assert [kind for kind, *_ in items] == ["Refusal", "Trace"]
    assert items[0][1:] == ["line-too-long", streams.MAX_STORED, 1]
    assert items[1][3] == 200 * 2**20 + 1
    assert growth < MEMORY_MIB


def test_the_longest_line_allowed_is_read(tmp_path: Path) -> None:
    """A line at the limit is read, and one byte more is refused."""
    room = streams.MAX_LINE - len(build_row("a", '""'))
    fits, over = (build_row("a", f'"{"x" * (room + more)}"') for more in (0, 1))
    items = read_bytes(tmp_path, b"\n".join([fits, over, build_row("b"), over]))
    assert [getattr(item, "code", "read") for item in items] == [
        "read",
        "line-too-long",
        "read",
        "line-too-long",
    ]


def test_a_row_of_a_million_attributes_is_read(tmp_path: Path) -> None:
    """All of its keys are in the metadata."""
    keys = ",".join(f'"k{n}":0' for n in range(1_000_000))
    (trace,) = read_bytes(tmp_path, build_row("a", "{" + keys + "}"))
    assert len(trace.metadata["x"]) == 1_000_000


@pytest.mark.parametrize(
    "trace_id",
    [
        "../../etc/passwd",
        "C:\\x",
        "<script>alert(1)</script>",
        "'; drop table traces; --",
        "\u202e",
    ],
)
def test_strange_ids_are_data_and_no_paths(tmp_path: Path, trace_id: str) -> None:
    """They are read unchanged, and no file is written."""
    before = sorted(tmp_path.parent.rglob("*"))
    line = json.dumps({**json.loads(build_row()), "trace_id": trace_id}).encode()
    (trace,) = read_bytes(tmp_path, line)
    assert trace.trace_id == trace_id
    assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, tmp_path / "day.jsonl"])


def test_a_script_tag_is_read_as_text(tmp_path: Path) -> None:
    """The reader changes no character of it."""
    tag = "<script>fetch('//evil')</script>"
    line = build_row().replace(b"Hello.", tag.encode())
    assert read_bytes(tmp_path, line)[0].output == tag


BASE = b"\n".join(
    [*(build_row(f"t-{n}", f'"é {n}: \\u00e9"') for n in range(4)), b"", build_row("t", "NaN")]
)
edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "drop", "insert", "repeat"]),
        st.integers(0, len(BASE) - 1),
        st.binary(max_size=6) | st.sampled_from([b"\n", b"\\", b'"', b"{", b"\r\n", b"\x00"]),
    ),
    max_size=8,
)


def edit_bytes(data: bytes, kind: str, at: int, piece: bytes) -> bytes:
    """Makes one change to the data."""
    at = min(at, max(len(data) - 1, 0))
    size = max(len(piece), 1)
    middle = {
        "flip": bytes(byte ^ 0x15 for byte in data[at : at + size]),
        "drop": b"",
        "insert": piece + data[at : at + size],
        "repeat": data[at : at + 8 * size] * 2 + data[at : at + size],
    }[kind]
    return data[:at] + middle + data[at + size :]


@settings(max_examples=300)
@given(changes=edits, packed=st.booleans(), cut=st.integers(0, 200))
def test_every_row_is_accounted_for(
    changes: list[tuple[str, int, bytes]], packed: bool, cut: int
) -> None:
    """Whatever changes in a file, each non-blank line is one trace or one refusal, in order."""
    data = BASE
    for change in changes:
        data = edit_bytes(data, *change)
    expected = [n for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    archive = gzip.compress(data) if packed else data
    whole = not (packed and cut)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.jsonl"
        path.write_bytes(archive if whole else archive[: max(len(archive) - cut, 2)])
        items = read_all(path)
    numbers = [item.source_line for item in items]
    if whole:
        assert numbers == expected
    else:
        assert items[-1].code == "truncated-gzip"
        assert numbers[:-1] == expected[: len(numbers) - 1]
    assert all(isinstance(item, Trace) or (item.code and item.reason) for item in items)
