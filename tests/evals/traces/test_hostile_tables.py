"""Hostile cells and columns in CSV and Parquet: a trace or a refusal, the row beside is read."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from evals.privacy.scrubbing import list_strings
from evals.records import Trace
from evals.traces import reader
from evals.traces.files import streams
from evals.traces.files.tables import make_distinct, measure_cells
from tests.evals.traces.hostile import TEXTS
from tests.evals.traces.test_hostile_files import MEMORY_MIB, read_in_process

GOOD = {
    "trace_id": "good",
    "ts": "2026-10-01T12:00:00Z",
    "app": "chat",
    "input": "Where?",
    "output": "In Bonn.",
    "messages": '[{"role": "user", "content": "Where?"}]',
    "metadata": '{"team": "care"}',
    "tokens_in": "7",
    "latency_ms": "1.5",
}
CELLS = TEXTS | {
    "half a pair": '["\\ud800"]',
    "null byte": "a\x00b",
    "a path": "../../etc/passwd",
    "a formula": '=HYPERLINK("http://evil")',
}


def write_csv(rows: list[dict[str, Any]]) -> bytes:
    """Writes rows as a spreadsheet does."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Writes rows as columns of text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def read_bytes(folder: Path, data: bytes, name: str) -> list[Any]:
    """Reads a file of these bytes."""
    (folder / name).write_bytes(data)
    return list(reader.read_file(folder / name, mappings={}))


@pytest.mark.parametrize(
    ("write", "name"), [(write_csv, "day.csv"), (write_parquet, "day.parquet")]
)
@pytest.mark.parametrize("value", CELLS)
@pytest.mark.parametrize("column", ["trace_id", "output", "messages", "metadata", "tokens_in"])
def test_a_hostile_cell_harms_nothing_but_its_own_row(
    tmp_path: Path, write: Any, name: str, value: str, column: str
) -> None:
    """Its row is read as data or refused with a sentence, and the other row is unharmed."""
    bad = {**GOOD, "trace_id": "bad", column: CELLS[value]}
    items = read_bytes(tmp_path, write([GOOD, bad]), name)
    assert [item.source_line for item in items] == [1, 2]
    assert all(isinstance(item, Trace) or item.reason.endswith(".") for item in items)
    good = items[0]
    assert (good.trace_id, good.output, good.tokens_in) == ("good", "In Bonn.", 7)
    assert good.messages == ({"role": "user", "content": "Where?"},)
    assert good.metadata == {"team": "care"}


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_columns_of_equal_names_are_both_read(tmp_path: Path, write: Any) -> None:
    """The second is read under its name with a number."""
    data = write([{**GOOD, "n_": "one", "x_": "two"}])
    if write is write_csv:
        data = data.replace(b",x_", b",n_")
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        names = [*table.schema.names[:-1], "n_"]
        file = io.BytesIO()
        pq.write_table(table.rename_columns(names), file)
        data = file.getvalue()
    (trace,) = read_bytes(tmp_path, data, f"day.{'csv' if write is write_csv else 'parquet'}")
    assert trace.metadata == {"team": "care", "n_": "one", "n_.2": "two"}


def test_column_names_are_made_distinct() -> None:
    """A hundred thousand equal names become a hundred thousand distinct ones."""
    assert make_distinct(["a", " a", "a.2", "a", ""]) == ["a", "a.2", "a.2.2", "a.3", ""]
    assert len(set(make_distinct(["k"] * 10**5))) == 10**5


@pytest.mark.parametrize(
    ("write", "name"), [(write_csv, "day.csv"), (write_parquet, "day.parquet")]
)
def test_a_row_of_many_columns_is_read(tmp_path: Path, write: Any, name: str) -> None:
    """Ten thousand columns are all in the metadata."""
    wide = {**GOOD, **{f"k{n}": "x" for n in range(10**4)}}
    (trace,) = read_bytes(tmp_path, write([wide]), name)
    assert len(trace.metadata) == 10**4 + 1


def test_values_that_json_lacks_are_refused_or_null(tmp_path: Path) -> None:
    """NaN, infinity, 64-bit integers, bytes and times beyond the calendar harm no other row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{**GOOD, "trace_id": f"t{n}"} for n in range(4)]
    table = pa.Table.from_pylist([{k: v for k, v in row.items() if k != "ts"} for row in rows])
    far = pa.array([0, 2**62, -(2**62), None], pa.timestamp("us", tz="UTC"))
    odd = {
        "ts": far,
        "f": pa.array([float("nan"), float("inf"), 1e308, None]),
        "b": pa.array([b"\xff", b"\xed\xa0\x80", b"", None]),
        "u": pa.array([2**64 - 1, 0, 1, None], pa.uint64()),
    }
    for name, column in odd.items():
        table = table.append_column(name, column)
    file = io.BytesIO()
    pq.write_table(table, file)
    items = read_bytes(tmp_path, file.getvalue(), "day.parquet")
    assert [item.source_line for item in items] == [1, 2, 3, 4]
    assert [getattr(item, "code", "read") for item in items[1:]] == [
        "not-utf8",
        "bad-timestamp",
        "no-timestamp",
    ]


def write_bomb(path: Path) -> None:
    """Writes one answer of 20 MiB, fifty times over."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 50
    answers = pa.DictionaryArray.from_arrays(pa.array([0] * rows), ["x" * 20 * 2**20])
    columns = {name: pa.array([text] * rows) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(rows)])}
    columns["output"] = answers
    pq.write_table(pa.table(columns), path, compression="zstd")


def test_a_parquet_bomb_stays_in_memory_bounds(tmp_path: Path) -> None:
    """A gigabyte in a file of some kilobytes is read a row at a time."""
    path = tmp_path / "day.parquet"
    write_bomb(path)
    assert path.stat().st_size < 2**20
    items, growth = read_in_process(path)
    assert [code for _, code, *_ in items] == ["line-too-long"] * 50
    assert growth < 5 * MEMORY_MIB


def test_a_bomb_of_equal_prefixes_stays_in_memory_bounds(tmp_path: Path) -> None:
    """Half a gigabyte of delta-encoded texts is read a few rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 500
    columns = {name: pa.array([text] * rows) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(rows)])}
    columns["output"] = pa.array(["x" * 2**20] * rows)
    path = tmp_path / "day.parquet"
    plain = dict.fromkeys(columns, "PLAIN") | {"output": "DELTA_BYTE_ARRAY"}
    options: Any = {"use_dictionary": False, "column_encoding": plain}
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    assert path.stat().st_size < 2**20
    items, growth = read_in_process(path)
    assert [kind for kind, *_ in items] == ["Trace"] * rows
    assert growth < 5 * MEMORY_MIB


def write_nested_bomb(path: Path, store_schema: bool) -> None:
    """Writes a text of 8 MiB once in the first rows' steps, and 1000 times in the last's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ends = pa.array([0, 1, 2, 1002], pa.int32())
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1002), ["x" * 8 * 2**20])
    kinds = pa.array(["tool"] * 1002)
    columns = {name: pa.array([text] * 3) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(3)])}
    step = pa.StructArray.from_arrays([kinds, texts], ["kind", "output"])
    columns["steps"] = pa.ListArray.from_arrays(ends, step)
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=store_schema)


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_bomb_within_lists_stays_in_memory_bounds(tmp_path: Path, store_schema: bool) -> None:
    """Its row alone is refused, also in a file that does not store its Arrow schema."""
    path = tmp_path / "day.parquet"
    write_nested_bomb(path, store_schema)
    assert path.stat().st_size < 2**20
    items, growth = read_in_process(path)
    assert [(kind, code) for kind, code, *_ in items] == [
        ("Trace", ""),
        ("Trace", ""),
        ("Refusal", "line-too-long"),
    ]
    assert growth < 5 * MEMORY_MIB


def write_differences(path: Path, texts: list[list[str]]) -> None:
    """Writes steps whose texts are delta-encoded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([text] * len(texts)) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(len(texts))])}
    steps = [[{"kind": "tool", "output": text} for text in row] for row in texts]
    columns["steps"] = pa.array(steps)
    where = {"steps.list.element.output": "DELTA_BYTE_ARRAY"}
    options: Any = {"use_dictionary": False, "column_encoding": where}
    pq.write_table(pa.table(columns), path, compression="zstd", **options)


def test_a_bomb_of_equal_prefixes_within_lists_stays_in_memory_bounds(tmp_path: Path) -> None:
    """Where no page has the texts' size, another process measures it, and the file is refused."""
    path = tmp_path / "day.parquet"
    write_differences(path, [["x" * 8 * 2**20] * 160])
    assert path.stat().st_size < 2**20
    items, growth = read_in_process(path)
    assert [(kind, code) for kind, code, *_ in items] == [("Refusal", "unreadable-file")]
    assert growth < MEMORY_MIB


def test_delta_encoded_texts_within_lists_are_read(tmp_path: Path) -> None:
    """A file of usual size that is encoded so is read whole."""
    path = tmp_path / "day.parquet"
    write_differences(path, [[f"turn {n} {turn} " * 200 for turn in range(5)] for n in range(500)])
    items = read_bytes(tmp_path, path.read_bytes(), "day.parquet")
    assert [trace.steps[4]["output"] for trace in items] == [
        f"turn {n} 4 " * 200 for n in range(500)
    ]


def test_cells_of_every_nested_type_are_measured() -> None:
    """A cell's size is never less than its texts', in slices, nulls and empty values too."""
    import pyarrow as pa

    texts = pa.array(["aa", None, "bbbb"]).dictionary_encode()
    step = pa.struct({"text": pa.string(), "n": pa.int64()})
    columns = [
        pa.array([["a"], [], None, ["bbb", "c"]]),
        pa.array([{"text": "a", "n": 1}, None, {"text": None, "n": 2}, {"text": "bbbb"}], step),
        pa.array([[("k", "vv")], None, [], [("k", "v" * 9)]], pa.map_(pa.string(), pa.string())),
        pa.array([["a", "b"], None, ["", ""], ["cc", "dd"]], pa.list_(pa.string(), 2)),
        pa.array([b"a", None, b"", b"bbbb"]),
        pa.ListArray.from_arrays(pa.array([0, 1, 3, 3, 3], pa.int32()), texts),
    ]
    for column in columns:
        for part in (column, column.slice(1), column.slice(3)):
            sizes = measure_cells(part)
            assert len(sizes) == len(part)
            for size, cell in zip(sizes.tolist(), part.to_pylist(), strict=True):
                assert size >= sum(len(text) for text in list_strings(cell))
    assert measure_cells(columns[5]).tolist() == [2, 4, 0, 0]


def test_a_cell_of_many_megabytes_is_refused_alone(tmp_path: Path) -> None:
    """It is over a row's limit, and the rows around it are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{**GOOD, "trace_id": f"t{n}"} for n in range(3)]
    rows[1]["output"] = "x" * (40 * 2**20)
    path = tmp_path / "day.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    items, _ = read_in_process(path)
    assert [(kind, code) for kind, code, *_ in items] == [
        ("Trace", ""),
        ("Refusal", "line-too-long"),
        ("Trace", ""),
    ]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_csv_bomb_stays_in_memory_bounds(tmp_path: Path, codec: str) -> None:
    """A cell of 200 MB whose quote never closes costs time and no memory."""
    import pyarrow as pa

    path = tmp_path / "day.csv.packed"
    with pa.CompressedOutputStream(str(path), codec) as file:
        file.write(write_csv([GOOD]) + b'"')
        for _ in range(200):
            file.write(b"x" * 2**20)
    items, growth = read_in_process(path)
    assert items[0][0] == "Trace"
    assert {code for _, code, *_ in items[1:]} <= {"bad-csv", "ragged-row", "line-too-long"}
    assert all(size <= streams.MAX_STORED for *_, size, _ in items)
    assert len(items) > 1
    assert growth < 4 * MEMORY_MIB
