"""Every importer over damaged copies of golden and real files: nothing raises, nothing is lost.

The suite takes 10,000 files; `ANDON_FUZZ=100000` asks for more. Whole nights: `tests/system`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.evals.traces import oracle
from tests.evals.traces.damage import Seed, damaged

HERE = Path(__file__).parent / "golden"
GOLDEN = [Seed.of(path) for path in sorted(HERE.glob("*")) if ".expected" not in path.name]
SHARED = Path(__file__).parents[4] / "shared" / "data" / "trace_fixtures"
LARGEST = 16 * 2**10
"""Bytes of a real file that is damaged: larger ones cost more than they find."""
REAL = [
    Seed(f"{path.parent.name}-{path.name}", path.read_bytes())
    for path in sorted(SHARED.rglob("*.json*"))
    if path.stat().st_size <= LARGEST and ".chatml." not in path.name
]
INPUTS = max(int(os.environ.get("ANDON_FUZZ", "0")), 10_000)


def as_parquet(seed: Seed) -> Seed:
    """The same rows as a Parquet file, nested values in columns of their own types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = seed.data.decode()
    lines = csv.DictReader(io.StringIO(text)) if seed.name.endswith("csv") else text.splitlines()
    rows: list[Any] = [json.loads(line) if isinstance(line, str) else line for line in lines]
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: [row.get(key) for row in rows] for key in keys}
    written = io.BytesIO()
    pq.write_table(pa.table({key: column(cells) for key, cells in columns.items()}), written)
    return Seed(f"{seed.name}.parquet", written.getvalue())


def column(cells: list[Any]) -> Any:
    """Cells as an Arrow array; of mixed ones, and of empty objects, their JSON."""
    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) > 1 or any(cell == {} for cell in cells):
        return pa.array([json.dumps(cell) for cell in cells])
    return pa.array(cells)


PLAIN = Seed(
    "plain.csv",
    b"trace_id,ts,app,input,output,messages,tokens_in,latency_ms\n"
    b'a-1,2026-10-01T12:00:00Z,chat,"Where, please?",In Bonn.,"[{""role"": ""user""}]",7,1.5\n'
    b'a-2,2026-10-01 12:00:01,chat,Why?,"Because\nso.",,,2\n'
    b"a-3,2026-10-01T12:00:02+02:00,qa,,No.,[],8,\n",
)
TABLES = [
    PLAIN,
    *(
        as_parquet(seed)
        for seed in (*GOLDEN, PLAIN)
        if seed.name
        in ("langfuse_observations.jsonl", "langfuse_scores.jsonl", "phoenix.csv", "plain.csv")
    ),
]
SEEDS = [*GOLDEN, *TABLES]
EACH = INPUTS * (4 if REAL else 5) // 5 // len(SEEDS) + 1


def fuzzed(folder: Path, seed: Seed, tries: int) -> None:
    """Reads damaged copies of a file."""
    path = folder / seed.name
    for number in range(tries):
        data = damaged(seed, random.Random(f"{seed.name}:{number}"))
        path.write_bytes(data)
        account = oracle.import_file(path)
        try:
            oracle.check_rows(account)
            oracle.check_completeness(data, path, account)
            whole = b'"observations"' in data  # traces of an API stand in one row, and may twice
            assert (
                oracle.has_unique_traces(account)
                or whole
                or account.form not in oracle.TRACE_FORMATS
            )
        except AssertionError as problem:
            raise AssertionError(f"copy {number} of {seed.name}") from problem


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_damage_is_accounted_for(tmp_path: Path, seed: Seed) -> None:
    """Each row becomes part of a trace, a label or a refusal, whatever is done to the file."""
    fuzzed(tmp_path, seed, EACH)


@pytest.mark.skipif(not REAL, reason="../shared/data is absent")
def test_damage_to_real_exports_is_accounted_for(tmp_path: Path) -> None:
    """The same of files that other systems wrote."""
    for seed in REAL:
        fuzzed(tmp_path, seed, INPUTS // 5 // len(REAL) + 1)
