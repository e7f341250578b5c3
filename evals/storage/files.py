"""Writes files atomically: each under a temporary name, then renamed.

The only module that opens a file to write it, except for what `tests/evals/storage/test_files.py`
lists. Parquet is `parquet_files`'.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

RESTRICTED = ("inbox", "pulls", "quarantine")
"""Folders of a home with raw rows: only their owner may read them."""

TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{16}\.aside(\.wal)?")
"""Names of temporary files, with DuckDB's log of one; they reveal nothing of the content."""


DURABLE = frozenset({
    "answers", "batches", "evaluators", "gold", "inbox", "labels", "pulls", "reports", "staged",
    "topic_models",
})  # fmt: skip
"""Folders of a home whose files no run can make again: the disk has each before its rename.

The others are made again where a power cut left half of one; to wait takes 9 ms a file.
"""

WRITTEN: set[tuple[int, int]] = set()
"""Inodes and times of the files that this process wrote."""


def was_written(inode: int, changed_ns: int) -> bool:
    """Whether this process wrote that version of a file."""
    return (inode, changed_ns) in WRITTEN


def is_durable(path: Path) -> bool:
    """Whether a file has to survive a power cut."""
    is_beside = path.suffix in (".html", ".md") or path.name == "run.json"
    return bool(DURABLE & set(path.parts)) and not is_beside


def is_restricted(path: Path) -> bool:
    """Whether a file is in a folder that only its owner may read."""
    return bool(set(RESTRICTED) & set(path.parts))


def choose_temporary_path(path: Path) -> Path:
    """Returns a new temporary path in a file's folder, which it makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{secrets.token_hex(8)}.aside")


def open_temporary(temporary: Path, *, restricted: bool = False) -> BinaryIO:
    """Opens a temporary file to write it; restricted: only its owner can ever read it.

    Raises:
        ValueError: the path is not a temporary one.
    """
    require_temporary(temporary)
    mode = 0o600 if restricted or is_restricted(temporary) else 0o666
    return os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb")


def replace_end(temporary: Path, start: int, data: bytes) -> None:
    """Replaces what a temporary file has from a position on."""
    with require_temporary(temporary).open("r+b") as file:
        file.seek(start)
        file.write(data)
        file.truncate()


def require_temporary(path: Path) -> Path:
    """Returns the path if it is temporary: nothing is written where a reader looks.

    Raises:
        ValueError: it is not.
    """
    if not TEMPORARY_NAME.fullmatch(path.name):
        raise ValueError(
            f"{path} would be written in place; write `choose_temporary_path` of it and rename"
        )
    return path


@contextlib.contextmanager
def prepare_replacement(path: Path) -> Generator[Path]:
    """Yields a temporary path to write, and renames it at the end; an error changes nothing."""
    temporary = choose_temporary_path(path)
    try:
        yield temporary
        rename_whole(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def open_replacement(path: Path) -> Generator[BinaryIO]:
    """Yields an open temporary file, and renames it at the end; an error changes nothing."""
    with prepare_replacement(path) as temporary, open_temporary(temporary) as file:
        yield file
        file.flush()


def rename_whole(temporary: Path, path: Path) -> None:
    """Renames a written file; one that has to survive a power cut is on the disk before it."""
    durable = is_durable(path)
    if durable:
        sync_file(temporary)
    stat = temporary.stat()
    WRITTEN.add((stat.st_ino, stat.st_mtime_ns))
    temporary.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Waits until a file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def replace(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replaces a file's content atomically, so that a reader never sees half of it.

    Args:
        path: the file.
        data: its new content.
        durable: wait for the disk, for what cannot be made again after a power cut.
    """
    with open_replacement(path) as file:
        file.write(data)
        if durable and not is_durable(path):
            file.flush()
            os.fsync(file.fileno())
    if durable and not is_durable(path):
        sync_folder(path.parent)


def create_if_missing(path: Path, data: bytes) -> None:
    """Creates a file that only its owner can read, unless it exists: two writers agree on one."""
    temporary = choose_temporary_path(path)
    try:
        with open_temporary(temporary, restricted=True) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until a folder's names are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_temporary(source: Path, temporary: Path) -> None:
    """Gives a file a second, temporary name; copies it where the disk has no hard links."""
    try:
        os.link(source, require_temporary(temporary))
    except OSError:
        shutil.copyfile(source, temporary)


def find_temporary_files(folder: Path) -> Iterator[Path]:
    """Yields the temporary files under a folder: of running writers, or of killed ones."""
    for path in folder.rglob(".*.aside*"):
        if TEMPORARY_NAME.fullmatch(path.name) and path.is_file():
            yield path
