"""Files that are appended to, line by line.

Each line is one write to the end of the file, so that lines of threads never mix.
"""

from __future__ import annotations

import errno
import os
import weakref
from pathlib import Path

from evals.storage.files import sync_folder


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
        append_whole(self.path, self.descriptor, line)


def append_whole(path: Path, descriptor: int, line: bytes) -> None:
    """Appends a line to an open file; a half one would be joined with the next.

    Raises:
        OSError: the line was not written whole, as on a full disk; the file is as it was.
    """
    written = os.write(descriptor, line)
    if written < len(line):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise OSError(errno.ENOSPC, f"{path}: the disk is full")


def append_durably(path: Path, line: bytes) -> None:
    """Appends a line and waits until the disk has it; the caller holds a lock.

    Removes a half line at the end first: its writer was killed before it was acknowledged.

    Raises:
        OSError: the line was not written whole, as on a full disk; the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            size = path.read_bytes().rfind(b"\n") + 1
            os.ftruncate(descriptor, size)
        append_whole(path, descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not size:
        sync_folder(path.parent)
