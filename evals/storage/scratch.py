"""Scratch files of runs, and the removal of what killed runs left behind."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from evals.storage.files import find_temporary_files
from evals.storage.lake import HomeInUse, Lake, require_safe_name
from evals.storage.locks import remove_free_locks

FOLDER = "runs"
MAX_AGE_S = 86_400
"""How long a file that nobody writes any more is left alone, in seconds."""


def make_run_folder(lake: Lake, run_id: str) -> Path:
    """Makes the folder of one run's scratch files, and returns it."""
    return lake.make_folder(FOLDER, require_safe_name(run_id))


def delete_run_folder(lake: Lake, run_id: str) -> None:
    """Deletes a run's scratch files."""
    lake.store.delete_folder(f"{FOLDER}/{require_safe_name(run_id)}")


@contextlib.contextmanager
def open_temporary_folder(lake: Lake) -> Generator[Path]:
    """Makes a folder that is deleted when the block ends; `delete_leftovers` deletes a dead one."""
    with lake.lock_home(), tempfile.TemporaryDirectory(dir=lake.make_folder(FOLDER)) as folder:
        yield Path(folder)


def open_unnamed_file(lake: Lake) -> int:
    """Returns a descriptor of a new file without a name, which ends with the process.

    Of a home that can only be read, the file is in the machine's folder for temporary files.
    """
    folder = lake.make_folder(FOLDER) if lake.is_writable() else None
    descriptor, path = tempfile.mkstemp(dir=folder)
    os.unlink(path)  # noqa: PTH108  the name only: the file lives while it is open
    return descriptor


def delete_leftovers(lake: Lake, now: float) -> None:
    """Deletes what killed runs left: free locks, scratch folders and old temporary files.

    Whoever has a scratch folder uses the home. While nobody does, all of them are left over;
    otherwise those are that are old.
    """
    remove_free_locks(lake.home / "locks")
    for path in find_temporary_files(lake.home):
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime > MAX_AGE_S:
                path.unlink()
    try:
        with lake.lock_home(exclusive=True):
            delete_run_folders(lake, until=math.inf)
    except HomeInUse:
        delete_run_folders(lake, until=now - MAX_AGE_S)


def delete_run_folders(lake: Lake, until: float) -> None:
    """Deletes the scratch folders that were last changed before a time."""
    for folder in (lake.home / FOLDER).glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if folder.stat().st_mtime < until:
                delete_run_folder(lake, folder.name)
