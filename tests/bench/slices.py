"""How long the search of slices takes over a large night, and how much of it is loading."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from evals.slices.search import propose_slices, read_table
from evals.storage.queries import open_duckdb

TRACES, ATTRIBUTES, VALUES = 100_000, 20, 8


class SearchTime(NamedTuple):
    """Seconds of the clock."""

    search: float
    """Coding, counting, proposing and testing every slice."""
    counting: float
    """The peer: DuckDB's grouping sets over the same texts, which count and test nothing else."""
    cpu: float
    """CPU seconds of the search, all threads."""
    slices: int


def draw_table() -> pa.Table:
    """Draws traces of which a pair of attributes fails more."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, VALUES, (ATTRIBUTES, TRACES))
    rate = np.where((values[0] == 0) & (values[1] == 0), 0.25, 0.1)
    names = np.array([f"value {i}" for i in range(VALUES)])
    return pa.table({
        "number": np.arange(TRACES),
        "session": np.arange(TRACES) // 2,
        "is_held_out": (np.arange(TRACES) // 2) % 2 == 1,
        "f0": (rng.random(TRACES) < rate).astype(np.int8),
        "w0": np.ones(TRACES),
        **{f"a{i}": pa.array(names[own]) for i, own in enumerate(values)},
    })  # fmt: skip


def time_search() -> SearchTime:
    """Times a search with the product's own functions; it finds the pair."""
    drawn = draw_table()
    columns = [f"a{i}" for i in range(ATTRIBUTES)]
    sets = [f"({a}, {b})" for i, a in enumerate(columns) for b in columns[:i]]
    sets += [f"({a})" for a in columns]
    with tempfile.TemporaryDirectory() as folder, open_duckdb(Path(folder) / "bench.db") as db:
        db.register("drawn", drawn)
        db.execute("create temp table attributed as from drawn")
        began, before = time.perf_counter(), time.process_time()
        table = read_table(db, ATTRIBUTES, 1)
        proposals = propose_slices(table.rows[0], table.groups[0])
        spent, cpu = time.perf_counter() - began, time.process_time() - before
        began = time.perf_counter()
        db.execute(
            f"select {', '.join(columns)}, count(*), sum(f0) from attributed "  # noqa: S608  our names
            f"group by grouping sets ({', '.join(sets)})"
        ).fetchall()
        counting = time.perf_counter() - began
    assert [len(one.group) for one in proposals if one.p < 1e-6] == [2]
    return SearchTime(spent, counting, cpu, len(table.groups[0].n))
