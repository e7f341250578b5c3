"""Promises about what commands print of rows that are no traces."""

from __future__ import annotations

from evals.validation.row_summary import RowSummary
from orchestration.cli.row_notes import convert_summary, describe_summary


def test_entries_that_are_no_answers_are_named_by_kind() -> None:
    """The most frequent first; they are no refused rows."""
    summary = RowSummary([], [], 0, [], [], skipped={"image": 3, "embedding": 1200})
    assert list(describe_summary(summary)) == [
        "skipped, as they are no answers to judge: embedding (1,200), image (3)"
    ]
    assert convert_summary(summary)["skipped"] == {"image": 3, "embedding": 1200}
