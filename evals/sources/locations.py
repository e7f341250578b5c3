"""Files wherever they are: a glob, standard input, an object store; brought into the raw room.

What is unchanged is not fetched again. A folder of this machine needs nothing of this.
"""

from __future__ import annotations

import glob
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

from evals.records import digest
from evals.sources.api import SourceError
from evals.storage.documents.fetched_objects import read_fetched, write_fetched
from evals.storage.files import aside_of, open_aside, rewriting
from evals.storage.lake import Lake

CHANGED = (
    "etag",
    "ETag",
    "md5Hash",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
)
"""What stores call the stamp of an object's content, the surest first."""
CHUNK = 2**20


def is_remote(where: str) -> bool:
    """Whether a place is an address and no path."""
    return "://" in where


def is_pattern(where: str) -> bool:
    """Whether a place names files by a pattern."""
    return not is_remote(where) and glob.has_magic(where) and not Path(where).exists()


def list_matching(pattern: str) -> list[Path]:
    """The files a pattern names; hidden ones are not meant."""
    found = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207  an absolute pattern
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def save_stdin(lake: Lake, stream: BinaryIO) -> Path:
    """Standard input as a file of the raw room, under its content's name."""
    folder = lake.raw_folder("stdin")
    aside, hashed = aside_of(folder / "stdin"), hashlib.sha256()
    try:
        with open_aside(aside) as file:
            while chunk := stream.read(CHUNK):
                hashed.update(chunk)
                file.write(chunk)
        path = folder / f"stdin-{hashed.hexdigest()[:16]}"
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def fetch_objects(lake: Lake, where: str) -> list[Path]:
    """Brings the new and changed objects of an address into the raw room.

    Raises:
        SourceError: the address cannot be read; it says what to install or check.
    """
    known = read_fetched(lake)
    found = []
    with lake.lock("fetch"):
        for path, info, fs in list_objects(where):
            name = f"{hide_credentials(where)} {path}"
            stamp = find_stamp(info)
            if known.get(digest(name)) == stamp:
                continue
            found.append(download(lake, fs, path))
            known[digest(name)] = stamp
            write_fetched(lake, known)
    return found


def list_changed(lake: Lake, where: str) -> list[tuple[str, str]]:
    """Path and stamp of the objects of an address that were not fetched as they are now."""
    known = read_fetched(lake)
    found = (
        (f"{hide_credentials(where)} {path}", find_stamp(info))
        for path, info, _ in list_objects(where)
    )
    return [(name, stamp) for name, stamp in found if known.get(digest(name)) != stamp]


def list_objects(where: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Path, facts and store of every object at an address: one, a pattern's, or a folder's."""
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(where)
        if glob.has_magic(root):
            infos = fs.glob(root, detail=True)
        elif fs.isfile(root):
            infos = {root: fs.info(root)}
        else:
            infos = fs.find(root, detail=True)
    except ImportError as error:
        kind = urlsplit(where).scheme
        what = f"{kind}:// needs another package ({error})"
        raise SourceError(f"{what}; `pip install 'andon[{kind}]'` has s3 and gcs") from None
    except Exception as error:  # a store's library raises errors of its own
        what = f"{hide_credentials(where)} cannot be read ({type(error).__name__})"
        raise SourceError(f"{what}; check the address and the credentials") from None
    if not infos:
        raise SourceError(f"{hide_credentials(where)} has no file; check the address")
    for path, info in sorted(infos.items()):
        if not Path(path).name.startswith("."):
            yield path, info, fs


def find_stamp(info: dict[str, Any]) -> str:
    """Identifies an object's content by its size and the store's own stamp."""
    mark = next((info[name] for name in CHANGED if info.get(name)), None)
    return digest([info.get("size"), str(mark)])


def download(lake: Lake, fs: Any, path: str) -> Path:
    """An object in the raw room, under its own name in a folder of its address."""
    folder = lake.raw_folder("remote", digest(path))
    name = Path(urlsplit(path).path).name or "object"
    target = folder / name
    try:
        with rewriting(target) as file, fs.open(path, "rb") as source:
            shutil.copyfileobj(source, file, CHUNK)
    except Exception as error:  # a store's library raises errors of its own
        what = f"an object broke off ({type(error).__name__}: {name})"
        raise SourceError(f"{what}; what was fetched is kept, run it again") from None
    return target


def hide_credentials(where: str) -> str:
    """An address as a message may show it: without credentials and query."""
    parts = urlsplit(where)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
