"""The account of the door over damaged copies of every golden file, whatever it is packed in.

A row read is what its format counts: a line or element that cannot be read, else a trace, however
many lines its spans are on. `ANDON_FUZZ=10000` asks for that many files; the suite takes some.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.door import admission, quarantine, staging
from evals.importers.streams import file_sha
from evals.lake import Lake
from evals.specs import Catalog
from evals.tables import InboxFile
from tests.evals.importers.test_fuzz import GOLDEN, damaged

NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
TRIES = max(int(os.environ.get("ANDON_FUZZ", "0")) // len(GOLDEN), 6)


def staged(lake: Lake, catalog: Catalog, folder: Path, golden: Path) -> list[InboxFile]:
    """Damaged copies of one file, each read once."""
    found, data = [], golden.read_bytes()
    for seed in range(TRIES):
        path = folder / f"{seed}-{golden.name}"
        path.write_bytes(damaged(data, random.Random(f"door:{golden.name}:{seed}")))
        if file_sha(path) not in lake.inbox_files():
            found.append(staging.import_file(lake, catalog, path, app="fuzz", now=NOW))
        path.unlink()
    return found


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_rows_read_are_accepted_duplicate_or_quarantined_in_every_file(
    tmp_path: Path, golden: Path
) -> None:
    """Of each file and each night, whatever was done to it; a second look changes nothing."""
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    files = staged(lake, catalog, tmp_path, golden)
    accounts = admission.admit(lake, catalog, lake.nights("staged"))
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
        assert file.read == placed[sha] + quarantine.unplaced(lake, sha)
        assert file.read >= file.refused
    assert traces == len(lake.read("traces", lake.nights("traces")))
    assert admission.admit(lake, catalog, lake.nights("staged")) == accounts
