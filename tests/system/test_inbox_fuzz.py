"""The accounting of rows over damaged copies of golden and real files, in one inbox, in one run.

docs/exporters.md defines a row; `tests/evals/traces` tests that none is lost in parsing.
`ANDON_FUZZ=10000` asks for that many files; the suite takes some.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from evals.ingest import inbox
from evals.specs import App, Catalog
from evals.storage.lake import Lake
from evals.storage.refused_rows import count_unplaced
from evals.traces.files.streams import file_sha
from evals.validation import admission
from tests.evals.traces import oracle
from tests.evals.traces.damage import damaged
from tests.evals.traces.test_fuzz import REAL, SEEDS

NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
FILES = max(int(os.environ.get("ANDON_FUZZ", "0")), 500)


def filled(folder: Path) -> dict[str, int]:
    """Damaged files, each in a folder of its own; the rows of each by the beginning of its hash."""
    rows: dict[str, int] = {}
    seeds = [*SEEDS, *REAL]
    for number in range(FILES):
        seed = seeds[number % len(seeds)]
        path = folder / f"{number}" / seed.name
        path.parent.mkdir(parents=True)
        path.write_bytes(damaged(seed, random.Random(f"door:{seed.name}:{number}")))
        rows[file_sha(path)[:16]] = len(oracle.import_file(path).rows)
    return rows


def test_rows_read_are_accepted_duplicate_or_quarantined_in_every_file(tmp_path: Path) -> None:
    """Of each file and each night, whatever was done to it; a second look changes nothing."""
    lake, catalog = (
        Lake(tmp_path / "home").open(),
        Catalog(root=tmp_path, apps={"fuzz": App(app="fuzz")}),
    )
    rows = filled(tmp_path / "inbox")
    files = inbox.import_inbox(lake, catalog, tmp_path / "inbox", now=NOW).files
    assert {file.sha256[:16]: file.read for file in files} == rows
    accounts = admission.admit_nights(lake, catalog, lake.list_nights("staged"))
    placed: Counter[str] = Counter()
    traces = 0
    for apps in accounts.values():
        for account in apps.values():
            parts = [*account["files"].values(), account]
            for one in parts:
                assert one["read"] == one["accepted"] + one["duplicate"] + one["quarantined"]
            assert account["read"] == sum(one["read"] for one in parts[:-1])
            assert account["quarantined"] == sum(account["reasons"].values())
            traces += 0 if account["refused"] else account["accepted"]
            placed.update({sha: one["read"] for sha, one in account["files"].items()})
    for file in files:
        sha = file.sha256[:16]
        assert file.read == placed[sha] + count_unplaced(lake, sha)
        assert file.read >= file.refused
    assert traces == len(lake.read("traces", lake.list_nights("traces")))
    assert inbox.import_inbox(lake, catalog, tmp_path / "inbox", now=NOW).files == []
    assert admission.admit_nights(lake, catalog, lake.list_nights("staged")) == accounts
