"""Promises of documents that several processes change at once: no change is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from evals.storage.documents import failed_sources, label_batches, redacted_kinds, tombstones
from evals.storage.documents.inbox_files import InboxFile, add_inbox_files, read_inbox_files
from evals.storage.documents.review_queues import (
    ReviewQuestion,
    change_review_queue,
    read_review_queue,
)
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 8)
NOW = datetime(2026, 10, 9, tzinfo=UTC)
WRITERS = 8


def add_question(lake: Lake, n: int) -> None:
    """Adds a question to a night's queue."""
    one = ReviewQuestion(f"t-{n}", "desk", "right", "right", "Is it right?", "random sample", 1.0)
    change_review_queue(lake, NIGHT, lambda before: [*before, one])


def add_tombstone(lake: Lake, n: int) -> None:
    """Forgets a trace, or closes a night."""
    if n % 2:
        tombstones.add_forgotten(lake, [f"t-{n}"], [], NOW)
    else:
        tombstones.add_closed_nights(lake, [NIGHT + timedelta(days=n)])


def count_tombstones(lake: Lake) -> int:
    """Counts the traces that are forgotten and the nights that are closed."""
    stored = tombstones.read_tombstones(lake)
    return len(stored.traces) + len(stored.nights)


CHANGES: dict[str, tuple[Callable[[Lake, int], object], Callable[[Lake], int]]] = {
    "arrivals": (
        lambda lake, n: label_batches.record_arrivals(lake, [f"b{n}"], NOW),
        lambda lake: len({one.order for one in label_batches.read_arrivals(lake).values()}),
    ),
    "batches": (
        lambda lake, n: label_batches.add_label_batches(lake, {f"b{n}": [NIGHT]}),
        lambda lake: len(label_batches.read_batch_nights(lake)),
    ),
    "inbox": (
        lambda lake, n: add_inbox_files(lake, [InboxFile(f"{n}", "a.csv", "csv", 1, 1, 0, [])]),
        lambda lake: len(read_inbox_files(lake)),
    ),
    "sources": (
        lambda lake, n: failed_sources.record_pull(lake, f"s{n}", ["refused"], NOW),
        lambda lake: len(failed_sources.read_failed_sources(lake)),
    ),
    "kinds": (
        lambda lake, n: redacted_kinds.add_kinds(lake, {f"app-{n}": ("email",)}),
        lambda lake: len(redacted_kinds.read_kinds(lake)),
    ),
    "tombstones": (add_tombstone, count_tombstones),
    "queue": (add_question, lambda lake: len(read_review_queue(lake, NIGHT))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_at_once_are_all_stored(tmp_path: Path, name: str) -> None:
    """Each writer reads what those before it have written."""
    lake = Lake(tmp_path).open()
    add, count = CHANGES[name]
    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(add, lake, n) for n in range(WRITERS)]:
            done.result()
    assert count(lake) == WRITERS
