"""A file that is appended to, line by line, by one process.

Each line is one write to the end of the file, so that lines of threads never mix.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path


class AppendedFile:
    """A new file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self.path, self.descriptor = path, os.open(path, flags, 0o600)
        self.close = weakref.finalize(self, os.close, self.descriptor)

    def append(self, line: bytes) -> None:
        """Appends a line.

        Raises:
            OSError: the line was not written whole, as on a full disk.
        """
        written = os.write(self.descriptor, line)
        if written < len(line):
            os.ftruncate(self.descriptor, os.fstat(self.descriptor).st_size - written)
            raise OSError(f"{self.path}: the disk is full")
