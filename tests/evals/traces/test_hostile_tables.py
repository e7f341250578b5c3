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
from tests.evals.traces.test_hostile_files import HELD, probed

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


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a spreadsheet writes them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Rows as columns of text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def read(folder: Path, data: bytes, name: str) -> list[Any]:
    """What a file of these bytes yields."""
    (folder / name).write_bytes(data)
    return list(reader.read_file(folder / name, mappings={}))


@pytest.mark.parametrize(("write", "name"), [(as_csv, "day.csv"), (as_parquet, "day.parquet")])
@pytest.mark.parametrize("value", CELLS)
@pytest.mark.parametrize("column", ["trace_id", "output", "messages", "metadata", "tokens_in"])
def test_a_hostile_cell_harms_nothing_but_its_own_row(
    tmp_path: Path, write: Any, name: str, value: str, column: str
) -> None:
    """Its row is read as data or refused with a sentence; the good one is whole."""
    bad = {**GOOD, "trace_id": "bad", column: CELLS[value]}
    found = read(tmp_path, write([GOOD, bad]), name)
    assert [item.source_line for item in found] == [1, 2]
    assert all(isinstance(item, Trace) or item.reason.endswith(".") for item in found)
    good = found[0]
    assert (good.trace_id, good.output, good.tokens_in) == ("good", "In Bonn.", 7)
    assert good.messages == ({"role": "user", "content": "Where?"},)
    assert good.metadata == {"team": "care"}


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_equal_names_of_columns_lose_neither(tmp_path: Path, write: Any) -> None:
    """The second is kept under its name with a number."""
    data = write([{**GOOD, "n_": "one", "x_": "two"}])
    if write is as_csv:
        data = data.replace(b",x_", b",n_")
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        names = [*table.schema.names[:-1], "n_"]
        file = io.BytesIO()
        pq.write_table(table.rename_columns(names), file)
        data = file.getvalue()
    (trace,) = read(tmp_path, data, f"day.{'csv' if write is as_csv else 'parquet'}")
    assert trace.metadata == {"team": "care", "n_": "one", "n_.2": "two"}


def test_names_of_columns_are_told_apart() -> None:
    """Whatever they are, and however many."""
    assert make_distinct(["a", " a", "a.2", "a", ""]) == ["a", "a.2", "a.2.2", "a.3", ""]
    assert len(set(make_distinct(["k"] * 10**5))) == 10**5


@pytest.mark.parametrize(("write", "name"), [(as_csv, "day.csv"), (as_parquet, "day.parquet")])
def test_a_row_of_many_columns_is_a_row(tmp_path: Path, write: Any, name: str) -> None:
    """Ten thousand of them, all kept."""
    wide = {**GOOD, **{f"k{n}": "x" for n in range(10**4)}}
    (trace,) = read(tmp_path, write([wide]), name)
    assert len(trace.metadata) == 10**4 + 1


def test_numbers_of_columns_that_json_lacks_are_refused_or_null(tmp_path: Path) -> None:
    """A float that is none, an integer of 64 bits, bytes, and a moment out of every calendar."""
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
    found = read(tmp_path, file.getvalue(), "day.parquet")
    assert [item.source_line for item in found] == [1, 2, 3, 4]
    assert [getattr(item, "code", "kept") for item in found[1:]] == [
        "not-utf8",
        "bad-timestamp",
        "no-timestamp",
    ]


def bomb(path: Path) -> None:
    """One answer of 20 MiB, a hundred times over."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 100
    answers = pa.DictionaryArray.from_arrays(pa.array([0] * rows), ["x" * 20 * 2**20])
    columns = {name: pa.array([text] * rows) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(rows)])}
    columns["output"] = answers
    pq.write_table(pa.table(columns), path, compression="zstd")


def test_a_parquet_bomb_stays_in_bounds(tmp_path: Path) -> None:
    """Two gigabytes in a file of some kilobytes are read a row at a time."""
    path = tmp_path / "day.parquet"
    bomb(path)
    assert path.stat().st_size < 2**20
    found, grown = probed(path)
    assert [code for _, code, *_ in found] == ["line-too-long"] * 100
    assert grown < 5 * HELD


def test_a_bomb_of_equal_beginnings_stays_in_bounds(tmp_path: Path) -> None:
    """A gigabyte of texts of which only the differences are kept is read a few rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 1000
    columns = {name: pa.array([text] * rows) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(rows)])}
    columns["output"] = pa.array(["x" * 2**20] * rows)
    path = tmp_path / "day.parquet"
    plain = dict.fromkeys(columns, "PLAIN") | {"output": "DELTA_BYTE_ARRAY"}
    options: Any = {"use_dictionary": False, "column_encoding": plain}
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    assert path.stat().st_size < 2**20
    found, grown = probed(path)
    assert [kind for kind, *_ in found] == ["Trace"] * rows
    assert grown < 5 * HELD


def nested_bomb(path: Path, kept: bool) -> None:
    """One text of 8 MiB, once in a step of the first rows and a thousand times in the last's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ends = pa.array([0, 1, 2, 1002], pa.int32())
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1002), ["x" * 8 * 2**20])
    kinds = pa.array(["tool"] * 1002)
    columns = {name: pa.array([text] * 3) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(3)])}
    step = pa.StructArray.from_arrays([kinds, texts], ["kind", "output"])
    columns["steps"] = pa.ListArray.from_arrays(ends, step)
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=kept)


@pytest.mark.parametrize("kept", [True, False])
def test_a_bomb_within_lists_stays_in_bounds(tmp_path: Path, kept: bool) -> None:
    """Its row alone is refused, also where the file does not say how its columns were kept."""
    path = tmp_path / "day.parquet"
    nested_bomb(path, kept)
    assert path.stat().st_size < 2**20
    found, grown = probed(path)
    assert [(kind, code) for kind, code, *_ in found] == [
        ("Trace", ""),
        ("Trace", ""),
        ("Refusal", "line-too-long"),
    ]
    assert grown < 5 * HELD


def of_differences(path: Path, texts: list[list[str]]) -> None:
    """Steps whose texts rest as what differs from the text before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([text] * len(texts)) for name, text in GOOD.items()}
    columns |= {"trace_id": pa.array([f"t{n}" for n in range(len(texts))])}
    steps = [[{"kind": "tool", "output": text} for text in row] for row in texts]
    columns["steps"] = pa.array(steps)
    where = {"steps.list.element.output": "DELTA_BYTE_ARRAY"}
    options: Any = {"use_dictionary": False, "column_encoding": where}
    pq.write_table(pa.table(columns), path, compression="zstd", **options)


def test_a_bomb_of_equal_beginnings_within_lists_stays_in_bounds(tmp_path: Path) -> None:
    """Of texts that no page tells the size of another process finds it is too much."""
    path = tmp_path / "day.parquet"
    of_differences(path, [["x" * 8 * 2**20] * 200])
    assert path.stat().st_size < 2**20
    found, grown = probed(path)
    assert [(kind, code) for kind, code, *_ in found] == [("Refusal", "unreadable-file")]
    assert grown < HELD


def test_texts_within_lists_may_rest_as_differences(tmp_path: Path) -> None:
    """A file of some size that an exporter wrote so is read whole."""
    path = tmp_path / "day.parquet"
    of_differences(path, [[f"said {n} {turn} " * 200 for turn in range(5)] for n in range(500)])
    found = read(tmp_path, path.read_bytes(), "day.parquet")
    assert [trace.steps[4]["output"] for trace in found] == [
        f"said {n} 4 " * 200 for n in range(500)
    ]


def test_of_every_nested_type_it_is_told_what_a_cell_takes() -> None:
    """Slices, nulls and what is empty included: never less than the texts in it."""
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
            told = measure_cells(part)
            assert len(told) == len(part)
            for size, cell in zip(told.tolist(), part.to_pylist(), strict=True):
                assert size >= sum(len(text) for text in list_strings(cell))
    assert measure_cells(columns[5]).tolist() == [2, 4, 0, 0]


def test_a_cell_of_many_megabytes_is_refused_alone(tmp_path: Path) -> None:
    """It is larger than a row may be; the rows around it are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{**GOOD, "trace_id": f"t{n}"} for n in range(3)]
    rows[1]["output"] = "x" * (40 * 2**20)
    path = tmp_path / "day.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    found, _ = probed(path)
    assert [(kind, code) for kind, code, *_ in found] == [
        ("Trace", ""),
        ("Refusal", "line-too-long"),
        ("Trace", ""),
    ]


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_a_csv_bomb_stays_in_bounds(tmp_path: Path, packed: str) -> None:
    """A cell whose quote never closes, two hundred megabytes long, costs time and no memory."""
    import pyarrow as pa

    path = tmp_path / "day.csv.packed"
    with pa.CompressedOutputStream(str(path), packed) as file:
        file.write(as_csv([GOOD]) + b'"')
        for _ in range(200):
            file.write(b"x" * 2**20)
    found, grown = probed(path)
    assert found[0][0] == "Trace"
    assert {code for _, code, *_ in found[1:]} <= {"bad-csv", "ragged-row", "line-too-long"}
    assert all(size <= streams.KEPT for *_, size, _ in found)
    assert len(found) > 1
    assert grown < 4 * HELD
