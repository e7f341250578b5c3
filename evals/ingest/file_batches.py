"""Records files after their rows are staged, several at a time.

Their labels are stored and their nights noted before the files count as read: after an
interruption a file is read again. `staging` processes a file's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Self

from evals.ingest.sessions import record_carried
from evals.labels.label_files import Batch, add_batches
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Label
from evals.storage.documents.inbox_files import InboxFile, add_inbox_files, read_inbox_files
from evals.storage.documents.label_batches import name_export_batch
from evals.storage.lake import Lake

BATCH_ROWS = 100_000
"""Rows and labels after which a batch is committed."""


class FileBatch:
    """The files of one import whose rows are staged; leaving it commits them, even on errors."""

    def __init__(self, lake: Lake, privacy: PrivacyFilter) -> None:
        self.lake, self.privacy = lake, privacy
        self.files: list[InboxFile] = []
        self.labels: dict[str, Sequence[Label]] = {}
        self.size = 0
        self.order = len(read_inbox_files(lake))
        """The position of the next file among all that were read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.commit()

    def add(self, seen: InboxFile, labels: Sequence[Label]) -> None:
        """Adds a file whose rows are staged."""
        self.files.append(seen)
        if labels:
            self.labels[name_export_batch(seen.sha256)] = labels
        self.order += 1
        self.size += seen.read + len(labels)
        if self.size > BATCH_ROWS:
            self.commit()

    def commit(self) -> None:
        """Stores the files' labels and nights, and marks the files as read."""
        files, self.files, labels, self.labels = self.files, [], self.labels, {}
        self.size = 0
        if files:
            batches = {name: Batch(file_labels) for name, file_labels in labels.items()}
            add_batches(self.lake, self.privacy, batches)
            add_inbox_files(self.lake, files)
            nights = {date.fromisoformat(night) for seen in files for night in seen.nights}
            record_carried(self.lake, nights)
