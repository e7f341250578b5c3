"""Where the files of a home are: named contents that are listed, read, replaced and locked.

Names are relative, with slashes. Local files today; an object store is another class of this shape.
What is in a file is the other modules'.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from evals.storage import files
from evals.storage.locks import hold_lock


class Entry(NamedTuple):
    """One file as a listing shows it."""

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
    """Returns the present version of each file; those that do not exist are left out."""
    states: list[FileState] = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            states.append(FileState(str(path), stat.st_ino, stat.st_mtime_ns))
    return tuple(states)


class Store(Protocol):
    """Named contents; a reader sees the old one or the new one, never half of it."""

    def list_names(self, pattern: str) -> list[str]:
        """The names that match a pattern of `*` and `**`, sorted."""
        ...

    def walk(self) -> list[str]:
        """The names of all files, folder by folder; symbolic links are left out."""
        ...

    def find_entry(self, name: str) -> Entry | None:
        """A file's size and time; None where there is none."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        ...

    def replace(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Writes a file in the place of the one before; durable: no power cut takes it back."""
        ...

    def delete(self, name: str) -> None:
        """Removes a file, if it is there."""
        ...

    def delete_folder(self, name: str) -> None:
        """Removes a folder with all that is in it, if it is there."""
        ...

    def lock(self, name: str, *, wait: bool = True) -> contextlib.AbstractContextManager[None]:
        """A lock that dies with its process.

        Raises:
            LockHeldError: on entering, where somebody holds it and `wait` is false.
        """
        ...

    def locate(self, name: str) -> str:
        """What DuckDB and pyarrow open a file by: a path, or an address."""
        ...


class LocalStore:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """The path of a name."""
        return self.folder / name

    def list_names(self, pattern: str) -> list[str]:
        """The names that match a pattern, sorted."""
        found = (path for path in self.folder.glob(pattern) if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    def walk(self) -> list[str]:
        """The names of all files, folder by folder; symbolic links are left out."""
        paths = sorted(self.folder.rglob("*"))
        real = (path for path in paths if path.is_file() and not path.is_symlink())
        return [path.relative_to(self.folder).as_posix() for path in real]

    def find_entry(self, name: str) -> Entry | None:
        """A file's size and time; None where there is none."""
        try:
            stat = self.path(name).stat()
        except FileNotFoundError:
            return None
        return Entry(name, stat.st_size, stat.st_mtime_ns)

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, name: str, data: bytes, *, durable: bool = False) -> None:
        """Writes a file aside and renames it."""
        files.replace(self.path(name), data, durable=durable)

    def delete(self, name: str) -> None:
        """Removes a file, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def delete_folder(self, name: str) -> None:
        """Removes a folder with all that is in it, if it is there."""
        shutil.rmtree(self.path(name), ignore_errors=True)

    def lock(self, name: str, *, wait: bool = True) -> contextlib.AbstractContextManager[None]:
        """A lock that dies with its process."""
        return hold_lock(self.path(f"locks/{name}.lock"), wait=wait)

    def locate(self, name: str) -> str:
        """A file's path."""
        return str(self.path(name))
