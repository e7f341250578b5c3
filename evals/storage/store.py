"""The files of a home by name: listed, read, replaced and locked.

Names are relative, with slashes. The other modules define what is in a file.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from evals.storage import files
from evals.storage.locks import hold_lock


class Entry(NamedTuple):
    """A file's name, size and time."""

    name: str
    size: int
    changed_ns: int
    """When it was last written, in nanoseconds since 1970."""


class FileState(NamedTuple):
    """A version of a local file: another writer changes the inode, the time, or both."""

    path: str
    inode: int
    changed_ns: int


def read_file_states(paths: Iterable[Path]) -> tuple[FileState, ...]:
    """Returns the current version of each file; leaves out those that do not exist."""
    states: list[FileState] = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            states.append(FileState(str(path), stat.st_ino, stat.st_mtime_ns))
    return tuple(states)


class LocalStore:
    """The files of a folder; a reader sees the old content or the new one, never half of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Returns the path of a name."""
        return self.folder / name

    def list_names(self, pattern: str) -> list[str]:
        """Lists the names that match a pattern of `*` and `**`, sorted."""
        paths = (path for path in self.folder.glob(pattern) if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in paths)

    def list_stems(self, folder: str, suffix: str) -> list[str]:
        """Lists the names of a folder's files of one kind, without folder and suffix, sorted."""
        names = self.list_names(f"{folder}/*{suffix}")
        return [name.removeprefix(f"{folder}/").removesuffix(suffix) for name in names]

    def walk(self) -> list[str]:
        """Lists the names of all files, folder by folder, without symbolic links."""
        paths = sorted(self.folder.rglob("*"))
        real = (path for path in paths if path.is_file() and not path.is_symlink())
        return [path.relative_to(self.folder).as_posix() for path in real]

    def find_entry(self, name: str) -> Entry | None:
        """Returns a file's size and time; None if it does not exist."""
        try:
            stat = self.path(name).stat()
        except FileNotFoundError:
            return None
        return Entry(name, stat.st_size, stat.st_mtime_ns)

    def read(self, name: str) -> bytes | None:
        """Reads a file's content; None if it does not exist."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Replaces a file's content atomically; durable: it survives a power cut."""
        files.replace(self.path(name), data, durable=durable)

    def delete(self, name: str) -> None:
        """Deletes a file, if it exists."""
        self.path(name).unlink(missing_ok=True)

    def delete_folder(self, name: str) -> None:
        """Deletes a folder with its content, if it exists."""
        shutil.rmtree(self.path(name), ignore_errors=True)

    def lock(
        self, name: str, *, wait: bool | float = True
    ) -> contextlib.AbstractContextManager[None]:
        """Returns a lock that ends with its process.

        Raises:
            LockHeldError: on entering, if another process holds it and `wait` is false, or so
                many seconds have passed.
        """
        return hold_lock(self.path(f"locks/{name}.lock"), wait=wait)
