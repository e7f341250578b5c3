"""Promises of marts and queries: files without the later columns are read like current ones."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals.records import GuardVerdict, Score
from evals.storage import marts, night_state
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.storage.queries import open_duckdb, query_tables
from evals.storage.record_tables import to_table

NIGHT = date(2026, 10, 1)
NEW = ["subject", "subject_id", "origin"]


def build_score(trace_id: str, **changes: Any) -> Score:
    """Returns a score."""
    about = (trace_id, NIGHT, "chat", "polite", "tone", "v1", "judge", "scored", "pass")
    return Score(*about, value=None, explanation="", code=None, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("ages", [("older",), ("older", "present")])
def test_a_file_without_subject_and_origin_is_about_production_traces(
    tmp_path: Path, ages: tuple[str, ...]
) -> None:
    """Scores and verdicts written before there were subjects are read with the others."""
    lake = Lake(tmp_path).open()
    night_state.update_state(lake, NIGHT, evaluators={"chat": dict.fromkeys(ages, "v1")})
    verdict = GuardVerdict("a", NIGHT, "chat", "pii", "v1", False, "none", "low", "")
    for age in ages:
        rows = {"scores": (Score, build_score(age)), "verdicts": (GuardVerdict, verdict)}
        for table, (record, row) in rows.items():
            columns = to_table(record, [row])
            columns = columns.drop_columns(NEW) if age == "older" else columns
            write_parquet(lake.locate_partition(table, NIGHT) / f"{age}@chat@v1.parquet", columns)
    path = marts.fill_scratch_file(lake, "r1", [NIGHT], [], [])
    select = "select coalesce(subject, 'trace'), subject_id, coalesce(origin, 'production') from "
    with open_duckdb(path) as db:
        for table in ("scores", "verdicts"):
            rows = db.sql(f"{select} lake.{table}").fetchall()
            assert rows == [("trace", None, "production")] * len(ages)
    assert len(query_tables(lake, "select origin from scores", {"scores": None})) == len(ages)
    with open_duckdb(marts.rebuild_warehouse(lake)) as db:
        assert len(db.sql("select origin from scores").fetchall()) == len(ages)
    assert {row.origin for row in lake.read("scores")} == {"production"}
