"""What the door promises of scores and feedback found inside an export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from evals.ingest import staging
from evals.labels.stored_checks import check_subjects
from evals.records import Label
from evals.specs import Catalog, Dimension, Suite
from evals.specs.apps import App
from evals.storage.documents.label_batches import read_batch_nights
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.traces import reader
from evals.traces.files.streams import Line
from evals.traces.formats import json_lines
from evals.traces.reader import ImporterOutput, Reading
from evals.validation.row_summary import summarize_files
from orchestration.cli import row_notes

KEY = "sk-ant-" + "a1B2" * 8
ROW = '{{"trace_id": "{}", "ts": "2026-10-01T12:00:00Z", "app": "{}", "output": "Hi."}}\n'


class WithLabels:
    """JSONL in which each trace is followed by a person's label."""

    NAME = "with-labels"

    def sniff(self, head: bytes, filename: str) -> bool:
        """Always."""
        return True

    def read(self, rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
        """Yields each row, then its label."""
        for row in json_lines.read(rows, reading):
            yield row
            note = f"write to ada@example.com, key {KEY}"
            yield Label(row.trace_id or "", "tone", "good", "ada@example.com", "human", note)


@pytest.mark.parametrize(("app", "mail"), [("shop", False), ("open", True)])
def test_labels_are_kept_apart_and_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str, mail: bool
) -> None:
    """Labels are stored apart from rows, without secrets and what their application redacts."""
    monkeypatch.setattr(reader, "FORMATS", (WithLabels(),))
    shop, free = App(app="shop", redact=("email",)), App(app="open", redact=())
    catalog = Catalog(root=tmp_path, apps={"shop": shop, "open": free})
    path = tmp_path / "day.jsonl"
    path.write_text(ROW.format("t-1", app) + "rubbish\n")
    lake = Lake(tmp_path / "home").open()
    seen = staging.import_file(lake, catalog, path)
    assert (seen.read, seen.refused, seen.labels) == (2, 1, 2)
    kept = next(label for label in read_labels(lake) if label.subject_id == "t-1")
    assert KEY not in kept.critique
    assert ("ada@example.com" in kept.critique) is mail
    assert kept.annotator.startswith("id-")
    batches = read_batch_nights(lake)
    assert list(batches.values()) == [(date(2026, 10, 1),)]
    assert [night.isoformat() for night in lake.list_nights("staged")] == [str(date(2026, 10, 1))]
    staging.import_file(lake, catalog, path)
    assert len(read_labels(lake)) == 2


def test_labels_of_an_export_that_no_suite_can_use_are_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their file and count, as rows of a labels file are; those that count are not named."""
    monkeypatch.setattr(reader, "FORMATS", (WithLabels(),))
    path = tmp_path / "day.jsonl"
    path.write_text(ROW.format("t-1", "shop") + ROW.format("t-2", "shop"))
    lake = Lake(tmp_path / "home").open()
    found: list[str] = []
    for words in ({"good": "pass"}, {"yes": "pass", "no": "fail"}):
        tone = Dimension(dimension="tone", question="?", recorded=True, map=words)
        catalog = Catalog(
            root=tmp_path,
            apps={"shop": App(app="shop", suite="s")},
            suites={"s": Suite(suite="s", dimensions=(tone,))},
        )
        file = staging.import_file(lake, catalog, path)
        summary = summarize_files(lake, catalog, [file])
        found += row_notes.describe_summary(summary)
    assert found == [
        "day.jsonl: 2 labels not used: `verdict` is 'good'; tone maps yes, no; a `map` such as "
        "`{'good': pass}` in the suite would read it"
    ]


@pytest.mark.parametrize("subject", ["trace", "session"])
def test_labels_of_what_no_dimension_evaluates_are_counted(
    tmp_path: Path, subject: Literal["trace", "session"]
) -> None:
    """Labels of sessions are votes where a dimension evaluates sessions; else they are counted."""
    tone = Dimension(dimension="tone", question="?", subject=subject)
    catalog = Catalog(root=tmp_path, suites={"s": Suite(suite="s", dimensions=(tone,))})
    labels = [
        Label(f"s-{n}", "tone", "good", "ann", "human", subject=subject)
        for n, subject in enumerate(("session", "session", "pair", "trace"))
    ]
    findings = [(one.about, one.words) for one in check_subjects(catalog, labels)]
    rest = "stored, not counted: no dimension evaluates"
    pairs = ("labels of pairs of answers", f"1 label {rest} pairs of answers")
    sessions = ("labels of sessions", f"2 labels {rest} sessions")
    assert findings == ([sessions, pairs] if subject == "trace" else [pairs])
