"""Promises about what commands print of rows that are no traces."""

from __future__ import annotations

from evals.ingest.inbox import PassedOver
from evals.validation.row_summary import RowSummary
from orchestration.cli.row_notes import convert_summary, describe_summary


def test_entries_that_are_no_answers_are_named_by_kind() -> None:
    """The most frequent first; they are no refused rows."""
    summary = RowSummary([], [], 0, [], [], skipped={"image": 3, "embedding": 1200})
    assert list(describe_summary(summary)) == [
        "skipped, as they are no answers to judge: embedding (1,200), image (3)"
    ]
    assert convert_summary(summary)["skipped"] == {"image": 3, "embedding": 1200}


def test_entries_of_an_inbox_that_were_not_read_come_first_and_many_are_counted() -> None:
    """A line for each of the first ones; JSON has all of them."""
    entries = [PassedOver(f"{n}.jsonl", "a socket") for n in range(10)]
    summary = RowSummary([], [], 0, [], [], skipped={"image": 3}, passed_over=entries)
    assert list(describe_summary(summary)) == [
        *(f"{n}.jsonl: not read: a socket" for n in range(8)),
        "  and 2 more entries; `andon doctor` lists them",
        "skipped, as they are no answers to judge: image (3)",
    ]
    assert convert_summary(summary)["passed_over"] == [entry._asdict() for entry in entries]
