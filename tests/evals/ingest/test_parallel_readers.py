"""A large file of spans is read by two processes, and nobody can tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from evals.ingest import parallel_readers
from evals.ingest.staging import import_file
from evals.specs import Catalog
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake, LakeError
from evals.traces import reader
from evals.traces.files.containers import inspect_file
from evals.validation.admission import admit_nights
from tests.bench import langfuse, otlp

GOLDEN = Path(__file__).parents[1] / "traces" / "golden"
SPANS = [
    path for path in sorted(GOLDEN.glob("*")) if reader.is_shareable(inspect_file(path), path.name)
]


def taken(home: Path, path: Path) -> dict[str, Any]:
    """What a lake has after a file: its account, rows, refusals and labels."""
    lake, catalog = Lake(home / "home").open(), Catalog(root=home)
    seen = import_file(lake, catalog, path, app="bench")
    accounts = admit_nights(lake, catalog, lake.list_nights("staged"))
    refused = [
        row
        for part in sorted((home / "home" / "quarantine" / "files").rglob("*.parquet"))
        for row in parquet.read_table(part).to_pylist()
    ]
    return {
        "seen": seen,
        "accounts": json.loads(json.dumps({str(k): v for k, v in accounts.items()}, default=str)),
        "traces": sorted(lake.read("traces"), key=lambda row: (row.ts, row.trace_id)),
        "labels": read_labels(lake),
        "refused": refused,
    }


@pytest.fixture
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same key in every home, so that hashes are alike."""
    monkeypatch.setenv("ANDON_USER_KEY", "0" * 64)


def made(folder: Path, form: Any, broken: str) -> Path:
    """A file of a product's traces, with rows that are none."""
    path = folder / "export.jsonl"
    if form is otlp:
        spans = [span for number in range(40) for span in otlp.build_spans(number)]
        resource = {"attributes": otlp.list_attributes({"service.name": "bench"})}
        groups = [
            {"resource": resource, "scopeSpans": [{"spans": spans[at : at + 7]}]}
            for at in range(0, len(spans), 7)
        ]
        rows = [json.dumps({"resourceSpans": [group]}) for group in groups]
    else:
        rows = [
            json.dumps(row) for number in range(40) for row in langfuse.build_observations(number)
        ]
        told = {"id": "s", "trace_id": "t3", "name": "kind", "value": 1, "data_type": "NUMERIC"}
        rows += [json.dumps({**told, "source": "API"}), json.dumps({**told, "trace_id": None})]
    path.write_text("\n".join([rows[0], broken, "[]", *rows[1:], broken]))
    return path


@pytest.mark.usefixtures("one_key")
@pytest.mark.parametrize("form", [otlp, langfuse])
def test_two_readers_find_what_one_finds(
    form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traces, their hashes, refusals with their lines, labels and the account are the same."""
    path = made(tmp_path, form, '{"resourceSpans": 1')
    alone = taken(tmp_path / "one", path)
    monkeypatch.setattr(parallel_readers, "LARGE", 1)
    together = taken(tmp_path / "two", path)
    assert len(list((tmp_path / "two").rglob("staged/*/*.s1.parquet"))) >= 1
    assert together == alone
    assert alone["seen"].read == 43 + (form is langfuse)
    assert alone["seen"].refused == 3 + (form is langfuse)


@pytest.mark.usefixtures("one_key")
@pytest.mark.parametrize("path", SPANS, ids=lambda path: path.name)
def test_of_every_kind_of_file(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also pages of an API, tables, log records and scores alone."""
    alone = taken(tmp_path / "one", path)
    monkeypatch.setattr(parallel_readers, "LARGE", 1)
    assert taken(tmp_path / "two", path) == alone


def test_a_reader_that_is_killed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not taken in, the message has what to do, and the next run takes it whole."""
    path = made(tmp_path, langfuse, "{")
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    monkeypatch.setattr(parallel_readers, "LARGE", 1)
    real = subprocess.Popen

    def killed(command: list[str], **more: Any) -> Any:
        return real([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], **more)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", killed)
        with pytest.raises(LakeError, match=r"stopped with code -9.*run again"):
            import_file(lake, catalog, path)
    assert not [found for found in lake.home.rglob("staged/**/*") if found.is_file()]
    assert read_inbox_files(lake) == {}
    assert import_file(lake, catalog, path).read == 44


def test_small_files_are_read_by_one(tmp_path: Path) -> None:
    """A second process would take longer to start than they take to read."""
    path = made(tmp_path, otlp, "{")
    assert not parallel_readers.needs_two_readers(path, inspect_file(path))
