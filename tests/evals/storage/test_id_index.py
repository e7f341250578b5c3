"""Promises of the id index: it returns the nights of an id without reading the others."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from evals.labels import label_files
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Label, Trace
from evals.specs import Catalog
from evals.storage import id_index
from evals.storage.documents.label_batches import read_batch_nights
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake

FIRST = date(2026, 10, 1)
GOOD = Trace(
    trace_id="", ts=datetime(2026, 10, 1, 12, tzinfo=UTC), app="chat", input="Hi?", output="Hello."
)


def fill_lake(root: Path, nights: int) -> Lake:
    """Returns a lake with one trace per night: `t0`, `t1` and so on."""
    lake = Lake(root).open()
    for n in range(nights):
        trace = dataclasses.replace(GOOD, trace_id=f"t{n}", ts=GOOD.ts + timedelta(days=n))
        lake.write("staged", FIRST + timedelta(days=n), [trace], f"file{n}")
    return lake


def test_only_the_nights_that_have_an_id_are_returned(tmp_path: Path) -> None:
    """Also for ids that no column can store."""
    lake = fill_lake(tmp_path, 5)
    assert id_index.find_nights(lake, ["t1", "t4", "no such", "\ud800"]) == [
        FIRST + timedelta(days=1),
        FIRST + timedelta(days=4),
    ]
    assert id_index.find_nights(lake, []) == []


def test_the_index_of_a_changed_night_is_rebuilt(tmp_path: Path) -> None:
    """A file is added or replaced; no old index remains."""
    lake = fill_lake(tmp_path, 2)
    assert id_index.find_nights(lake, ["t7"]) == []
    trace = dataclasses.replace(GOOD, trace_id="t7")
    lake.write("staged", FIRST, [trace], "another")
    assert id_index.find_nights(lake, ["t7"]) == [FIRST]
    lake.write("staged", FIRST, [trace], "file0")
    assert id_index.find_nights(lake, ["t0"]) == []
    assert len(list((tmp_path / "ids").iterdir())) == 2


def test_adding_labels_reads_only_the_nights_of_their_traces(tmp_path: Path) -> None:
    """The file of another night is damaged, so that reading it would fail."""
    lake, other = fill_lake(tmp_path, 3), FIRST + timedelta(days=2)
    id_index.find_nights(lake, ["t0"])
    (path,) = lake.list_files("staged", [other])
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    label = Label("t1", "polite", "pass", "ann", "human")
    batches = {"some": label_files.Batch([label])}
    assert (
        label_files.add_batches(lake, PrivacyFilter.load(lake, Catalog(root=tmp_path)), batches)
        == 1
    )
    (stored,) = read_labels(lake)
    assert stored.answer
    assert read_batch_nights(lake) == {"some": (date(2026, 10, 1), date(2026, 10, 2))}
