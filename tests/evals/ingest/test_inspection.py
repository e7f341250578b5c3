"""A file is inspected once, and what was found is passed on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from evals.ingest import parallel_readers, staging
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.traces import reader
from evals.traces.files import containers, memory_limit, tables
from tests.bench import otlp

NOW = datetime(2026, 10, 2, tzinfo=UTC)
ROW = {"trace_id": "t1", "app": "a", "ts": "2026-10-01T12:00:00Z", "output": "yes"}


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often a file was inspected, a Parquet footer read and a memory probe started."""
    calls: dict[str, int] = {}

    def count(name: str, places: list[Any], called: Callable[..., Any]) -> None:
        calls[name] = 0

        def counted(*args: Any) -> Any:
            calls[name] += 1
            return called(*args)

        for place in places:
            monkeypatch.setattr(place, name, counted)

    count("inspect_file", [containers, reader, staging], containers.inspect_file)
    count("inspect_parquet", [tables], tables.inspect_parquet)
    count("fits_in_memory", [memory_limit], memory_limit.fits_in_memory)
    return calls


def import_traces(home: Path, path: Path) -> int:
    """How many rows an import of a file takes in."""
    lake = Lake(home / "home").open()
    return staging.import_file(lake, Catalog(root=home), path, app="a", now=NOW).read


def test_a_parquet_file_is_inspected_and_probed_once(
    tmp_path: Path, counts: dict[str, int]
) -> None:
    """Also where its texts need a memory probe and a refused row is read again from the export."""
    steps = [[{"kind": "tool", "output": f"step {n} {m} " * 200} for m in range(5)] for n in (0, 1)]
    steps *= 250
    rows = {key: pa.array([value] * 500) for key, value in ROW.items()}
    rows["trace_id"] = pa.array([f"t{n}" for n in range(500)])
    rows["ts"] = pa.array([ROW["ts"]] * 499 + ["2127-10-01T12:00:00Z"])
    where = {"steps.list.element.output": "DELTA_BYTE_ARRAY"}
    options: Any = {"use_dictionary": False, "column_encoding": where}
    path = tmp_path / "day.parquet"
    parquet.write_table(pa.table({**rows, "steps": pa.array(steps)}), path, **options)
    assert import_traces(tmp_path, path) == 500
    assert counts == {"inspect_file": 1, "inspect_parquet": 1, "fits_in_memory": 1}


def test_a_file_that_two_processes_read_is_inspected_once(
    tmp_path: Path, counts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reader is given what the first inspection found."""
    monkeypatch.setattr(parallel_readers, "LARGE", 1)
    resource = {"attributes": otlp.list_attributes({"service.name": "bench"})}
    path = tmp_path / "spans.jsonl"
    groups = [
        {"resource": resource, "scopeSpans": [{"spans": otlp.build_spans(number)}]}
        for number in range(9)
    ]
    path.write_text("\n".join(json.dumps({"resourceSpans": [group]}) for group in groups))
    assert import_traces(tmp_path, path) == 9
    assert counts == {"inspect_file": 1, "inspect_parquet": 0, "fits_in_memory": 0}
