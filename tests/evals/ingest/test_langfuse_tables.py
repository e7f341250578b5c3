"""Langfuse's older blob export, in which a trace, its observations and scores are three files."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.ingest import inbox
from evals.specs import App, Catalog
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.validation import admission

NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
ID = "6f1d0c3e-5a52-4a0e-9d0c-3f1f8f6b2a11"
AT = "2026-10-01 12:00:0{}.000000"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it?"}]
TABLES: dict[str, dict[str, Any]] = {
    "traces": {
        "id": ID, "timestamp": AT.format(0), "name": "support", "environment": "default",
        "project_id": "p", "metadata": {"team": "care"}, "user_id": "u-1", "session_id": "s-1",
        "release": "v7", "version": "2", "public": False, "bookmarked": False, "tags": ["beta"],
        "input": "Where is it?", "output": "In Bonn.", "created_at": AT.format(5),
        "updated_at": AT.format(5),
    },
    "observations": {
        "id": "o-1", "trace_id": ID, "project_id": "p", "environment": "default",
        "type": "GENERATION", "parent_observation_id": "", "start_time": AT.format(1),
        "end_time": AT.format(2), "name": "call", "metadata": {}, "level": "DEFAULT",
        "status_message": "", "version": "", "input": json.dumps(MESSAGES),
        "output": json.dumps({"role": "assistant", "content": "In Bonn."}),
        "provided_model_name": "gpt-a", "model_parameters": "{}",
        "usage_details": {"input": 5, "output": 2}, "cost_details": {"total": 0.001},
        "prompt_name": "care", "prompt_version": 3, "total_cost": 0.001,
    },
    "scores": {
        "id": "s1", "timestamp": AT.format(9), "project_id": "p", "environment": "default",
        "trace_id": ID, "observation_id": "", "session_id": "", "name": "polite", "value": 1.0,
        "source": "ANNOTATION", "comment": "", "data_type": "NUMERIC", "string_value": "",
    },
}  # fmt: skip


def written(folder: Path, table: str, kind: str) -> Path:
    """One of the tables as a file."""
    import pandas

    path = folder / table / f"20261001.{kind}"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = TABLES[table]
    if kind == "jsonl":
        path.write_text(json.dumps(row) + "\n")
    else:
        texts = {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
        frame = pandas.DataFrame([texts])
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("order", list(itertools.permutations(TABLES)), ids="-".join)
def test_the_three_tables_are_one_trace(tmp_path: Path, order: tuple[str, ...], kind: str) -> None:
    """In whatever order they are read: the trace's own fields, its call's, and a person's label."""
    lake = Lake(tmp_path / "home").open()
    catalog = Catalog(root=tmp_path, apps={"chat": App(app="chat")})
    for table in order:
        inbox.import_inbox(lake, catalog, written(tmp_path / "inbox", table, kind), now=NOW)
    (apps,) = admission.admit_nights(lake, catalog, lake.list_nights("staged")).values()
    assert (apps["chat"]["read"], apps["chat"]["accepted"], apps["chat"]["duplicate"]) == (2, 1, 1)
    (trace,) = lake.read("traces")
    assert (trace.trace_id, trace.session_id, trace.tags) == (ID, "s-1", ("beta",))
    assert (trace.input, trace.output) == ("Where is it?", "In Bonn.")
    assert [message["role"] for message in trace.messages] == ["system", "user"]
    assert (trace.model, trace.tokens_in, trace.tokens_out, trace.cost_usd) == (
        "gpt-a",
        5,
        2,
        0.001,
    )
    assert (trace.prompt_name, trace.prompt_version) == ("care", "3")
    assert trace.versions["release"] == "v7"
    assert trace.metadata["team"] == "care"
    assert trace.user_id.startswith("user-")
    (label,) = read_labels(lake)
    assert (label.subject_id, label.dimension, label.verdict) == (ID, "polite", 1)
