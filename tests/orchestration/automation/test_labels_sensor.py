"""Promises of the sensor of labels: one import for each change of the files, of whole ones."""

from __future__ import annotations

from orchestration.automation.labels_sensor import request_import

STAMP = {"labels.csv": (10, 1_000_000_000_000)}


def test_changed_files_are_imported_once() -> None:
    """The next look finds nothing new; another size is another run."""
    first = request_import(None, STAMP, 2000)
    assert first.run_requests
    again = request_import(first.cursor, STAMP, 2060)
    assert not again.run_requests
    assert again.cursor == first.cursor
    longer = {"labels.csv": (11, 1_000_000_000_000)}
    assert request_import(first.cursor, longer, 2060).run_requests


def test_a_file_that_is_still_written_waits() -> None:
    """It changed less than ten seconds ago; without files there is nothing to do."""
    assert not request_import(None, STAMP, 1005).run_requests
    assert not request_import(None, {}, 2000).run_requests
