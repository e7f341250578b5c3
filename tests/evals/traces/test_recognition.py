"""Promises of how a file's format is recognised: by the keys of its own rows and nothing deeper."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from evals.records import Trace
from evals.traces import reader
from evals.traces.files import containers, documents
from evals.traces.formats import json_lines
from tests.evals.traces.test_golden import FILES

PLAIN: dict[str, Any] = {"trace_id": "t-1", "ts": "2026-10-01T12:00:00Z", "app": "shop"}
CELLS = ("metadata", "input", "output", "params", "context")


def list_product_rows() -> list[Any]:
    """Lists the first rows of each product's golden file, as objects."""
    rows: list[Any] = []
    for path in FILES:
        raws = containers.read_rows(path, containers.inspect_file(path))
        rows += [*filter(None, (json_lines.parse_object(line.raw) for line in raws))][:3]
    return rows


ROWS = list_product_rows()


def embed(cell: str) -> list[dict[str, Any]]:
    """Makes a plain row of each product's row, which is its cell."""
    whole = {**PLAIN, "input": "Where?", "output": "There."}
    return [{**whole, "trace_id": f"t-{n}", cell: row} for n, row in enumerate(ROWS)]


def read_plain(path: Path, name: str) -> list[str]:
    """Reads the ids of a file's traces, all of them plain."""
    items = [*reader.read_file(path, mappings={})]
    assert {type(item) for item in items} == {Trace}
    assert {item.source_format for item in items if isinstance(item, Trace)} == {name}
    return [item.trace_id for item in items if isinstance(item, Trace)]


@pytest.mark.parametrize("cell", CELLS)
def test_a_plain_row_stays_plain_whatever_its_cells_hold(tmp_path: Path, cell: str) -> None:
    """A product's row within a cell never makes the file one of the product."""
    for row in embed(cell):
        lines = tmp_path / "rows.jsonl"
        lines.write_text(json.dumps(row) + "\n", "utf-8")
        assert read_plain(lines, "jsonl") == [row["trace_id"]]
        document = tmp_path / "rows.json"
        document.write_text(json.dumps([row], indent=1), "utf-8")
        assert read_plain(document, "json") == [row["trace_id"]]


def test_a_plain_table_stays_plain_whatever_its_cells_hold(tmp_path: Path) -> None:
    """A product's row as the text of a cell never makes a table one of the product."""
    for cell in CELLS:
        for row in embed(cell):
            text = io.StringIO()
            writer = csv.DictWriter(text, [*row])
            writer.writeheader()
            writer.writerow({**row, cell: json.dumps(row[cell])})
            path = tmp_path / "rows.csv"
            path.write_text(text.getvalue(), "utf-8")
            assert read_plain(path, "csv") == [row["trace_id"]]


def test_a_key_of_another_format_deep_in_a_row_decides_nothing(tmp_path: Path) -> None:
    """Keys such as `span_data` belong to a format only where its own rows have them."""
    path = tmp_path / "rows.jsonl"
    for key in ("span_data", "spanContext", "resourceSpans", "schemaType", "workflow_name"):
        inner: Any = {key: [{"object": "trace", "schemaType": "ModelInvocationLog"}]}
        row = {**PLAIN, "input": "Where?", "output": "", "metadata": inner}
        path.write_text(json.dumps(row) + "\n", "utf-8")
        assert read_plain(path, "jsonl") == ["t-1"]


def test_a_damaged_first_row_hides_no_key_of_the_next() -> None:
    """A row that is cut off within a string leaves the keys of the rows after it readable."""
    text = b'alue":"cut off}]}\n{"resourceSpans": [{"resource": "}"}]}\n{"a": "\n{"b": {"c": 1}}'
    paths = documents.list_key_paths(text)
    assert {"resourceSpans", "resourceSpans.resource", "a", "b", "b.c"} == paths
