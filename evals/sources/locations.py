"""Files anywhere: a glob, standard input, an object store; copied into the home's inbox.

Unchanged objects are not fetched again. A folder of this machine is read where it is.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast
from urllib.parse import urlsplit, urlunsplit

from evals.records import digest
from evals.sources.api import SourceError
from evals.storage.documents.fetched_objects import read_fetched, write_fetched
from evals.storage.files import choose_temporary_path, open_replacement, open_temporary
from evals.storage.lake import Lake

STAMP_KEYS = (
    "etag",
    "ETag",
    "md5Hash",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
"""What stores call the stamp of an object's content, the most reliable first."""
CHUNK = 2**20


class ObjectStore(Protocol):
    """The part of an fsspec file system that is used here."""

    def isfile(self, path: str) -> bool:
        """Returns whether there is an object at a path."""
        ...

    def info(self, path: str) -> Mapping[str, object]:
        """Returns what the store records of an object."""
        ...

    def glob(self, path: str, *, detail: bool) -> Mapping[str, Mapping[str, object]]:
        """Returns the records of the objects that match a pattern, by path."""
        ...

    def find(self, path: str, *, detail: bool) -> Mapping[str, Mapping[str, object]]:
        """Returns the records of the objects in a folder and below, by path."""
        ...

    def open(self, path: str, mode: str) -> BinaryIO:
        """Opens an object."""
        ...


class StoredObject(NamedTuple):
    """An object at an address."""

    store: ObjectStore
    path: str
    name: str
    """The address without credentials, and the path."""
    stamp: str
    """Identifies its content."""


def is_remote(where: str) -> bool:
    """Returns whether a place is an address and no path."""
    return "://" in where


def is_pattern(where: str) -> bool:
    """Returns whether a place is a pattern of files."""
    return not is_remote(where) and glob.has_magic(where) and not Path(where).exists()


def list_matching(pattern: str) -> list[Path]:
    """Lists what matches a pattern: files, and other entries."""
    return list(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207  an absolute pattern


def find_fixed_folder(pattern: str) -> Path:
    """Returns the folder above the first part of a pattern that varies."""
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
    return Path(*parts)


def save_stdin(lake: Lake, stream: BinaryIO) -> Path:
    """Saves standard input as a file of the home's inbox, named by its content's hash."""
    folder = lake.make_inbox_folder("stdin")
    aside, hashed = choose_temporary_path(folder / "stdin"), hashlib.sha256()
    try:
        with open_temporary(aside) as file:
            while chunk := stream.read(CHUNK):
                hashed.update(chunk)
                file.write(chunk)
        path = folder / f"stdin-{hashed.hexdigest()[:16]}"
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def fetch_objects(lake: Lake, where: str) -> list[Path]:
    """Copies the new and changed objects at an address into the home's inbox.

    Raises:
        SourceError: the address cannot be read; the message names what to install or check.
    """
    stamps = read_fetched(lake)
    paths: list[Path] = []
    with lake.lock("fetch"):
        for stored in list_objects(where):
            key = digest(stored.name)
            if stamps.get(key) == stored.stamp:
                continue
            paths.append(download(lake, stored.store, stored.path))
            stamps[key] = stored.stamp
            write_fetched(lake, stamps)
    return paths


def list_changed(lake: Lake, where: str) -> list[tuple[str, str]]:
    """Lists name and stamp of the objects at an address that are new or changed since fetched."""
    stamps = read_fetched(lake)
    return [
        (stored.name, stored.stamp)
        for stored in list_objects(where)
        if stamps.get(digest(stored.name)) != stored.stamp
    ]


def list_objects(where: str) -> Iterator[StoredObject]:
    """Yields every object at an address: one, those of a pattern, or those of a folder."""
    shown = hide_credentials(where)
    try:
        store, root = open_store(where)
        if glob.has_magic(root):
            records = store.glob(root, detail=True)
        elif store.isfile(root):
            records = {root: store.info(root)}
        else:
            records = store.find(root, detail=True)
    except ImportError as error:
        kind = urlsplit(where).scheme
        what = f"{kind}:// needs another package ({error})"
        raise SourceError(f"{what}; `pip install 'andon[{kind}]'` has s3 and gcs") from None
    except Exception as error:  # a store's library raises errors of its own
        what = f"{shown} cannot be read ({type(error).__name__})"
        raise SourceError(f"{what}; check the address and the credentials") from None
    if not records:
        raise SourceError(f"{shown} has no file; check the address")
    for path in sorted(records):
        if not Path(path).name.startswith("."):
            yield StoredObject(store, path, f"{shown} {path}", make_stamp(records[path]))


def open_store(where: str) -> tuple[ObjectStore, str]:
    """Returns the store of an address, and the path in it."""
    import fsspec  # pyright: ignore[reportMissingTypeStubs] # it has none

    connect = cast(
        "Callable[[str], tuple[ObjectStore, str]]",
        fsspec.core.url_to_fs,  # pyright: ignore[reportUnknownMemberType] # untyped
    )
    return connect(where)


def make_stamp(record: Mapping[str, object]) -> str:
    """Identifies an object's content by its size and the store's own stamp."""
    mark = next((record[name] for name in STAMP_KEYS if record.get(name)), None)
    return digest([cast("int | None", record.get("size")), str(mark)])


def download(lake: Lake, store: ObjectStore, path: str) -> Path:
    """Copies an object into a folder of the home's inbox, under its own name."""
    folder = lake.make_inbox_folder("remote", digest(path))
    name = Path(urlsplit(path).path).name or "object"
    target = folder / name
    try:
        with open_replacement(target) as file, store.open(path, "rb") as source:
            shutil.copyfileobj(source, file, CHUNK)
    except Exception as error:  # a store's library raises errors of its own
        what = f"an object broke off ({type(error).__name__}: {name})"
        raise SourceError(f"{what}; what was fetched is kept, run it again") from None
    return target


def hide_credentials(where: str) -> str:
    """Returns an address without credentials and query, fit for a message."""
    parts = urlsplit(where)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
