"""Exports in patterns, standard input and object stores; each content is read once."""

from __future__ import annotations

import functools
import http.server
import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from evals.ingest.inbox import import_inbox, list_inbox
from evals.sources import locations
from evals.sources.api import SourceError
from evals.specs import Catalog
from evals.storage.lake import Lake


def make_row(name: str) -> bytes:
    """Makes an export of one trace."""
    about = {"trace_id": name, "ts": "2026-10-01T09:00:00Z", "app": "chat"}
    return json.dumps({**about, "input": "Hi?", "output": "Hello."}).encode() + b"\n"


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """Makes an object store in memory with two exports and a hidden object."""
    fs = fsspec.filesystem("memory")
    for name in ("a.jsonl", "deep/b.jsonl", ".part"):
        fs.pipe(f"/exports/{name}", make_row(name))
    yield fs
    fs.rm("/exports", recursive=True)


def test_a_store_is_read_once_and_again_where_it_changed(
    tmp_path: Path, store: fsspec.AbstractFileSystem
) -> None:
    """Only new and changed objects are fetched, into the home's inbox, and imported from there."""
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    assert len(import_inbox(lake, catalog, "memory://exports").files) == 2
    assert import_inbox(lake, catalog, "memory://exports/**/*.jsonl").files == []
    assert locations.fetch_objects(lake, "memory://exports") == []
    store.pipe("/exports/a.jsonl", make_row("a2"))
    (path,) = locations.fetch_objects(lake, "memory://exports")
    assert path.read_bytes() == make_row("a2")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.is_relative_to(lake.home / "inbox" / "remote")
    assert len(import_inbox(lake, catalog, "memory://exports/a.jsonl").files) == 1


def test_a_file_on_a_web_server_is_fetched_once(tmp_path: Path) -> None:
    """A file on a web server is fetched once while it is unchanged."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "day.jsonl").write_bytes(make_row("web"))
    simple = http.server.SimpleHTTPRequestHandler
    handler = functools.partial(simple, directory=str(tmp_path / "www"))
    lake = Lake(tmp_path / "home").open()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        where = f"http://127.0.0.1:{server.server_port}/day.jsonl"
        (path,) = locations.fetch_objects(lake, where)
        again = locations.fetch_objects(lake, where)
        server.shutdown()
    assert path.read_bytes() == make_row("web")
    assert again == []


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("s3://bucket/key", "andon\\[s3\\]"),
        ("nowhere://x", "nowhere"),
        ("memory://empty-folder", "no file"),
        ("file:///does/not/exist/at/all", "no file|cannot be read"),
    ],
)
def test_an_unreadable_address_is_an_error_that_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, message: str
) -> None:
    """The error names the package to install or what to check."""
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as where the extra is not installed
    monkeypatch.setattr(sys.modules["fsspec.registry"], "_registry", {})  # of what was imported
    with pytest.raises(SourceError, match=message):
        locations.fetch_objects(Lake(tmp_path).open(), where)


class Closed(fsspec.AbstractFileSystem):
    """A store whose library raises its own error for missing keys."""

    protocol = "closed"

    def isfile(self, path: str) -> bool:
        """Raises the error."""
        raise NoKeyError(path)


class NoKeyError(Exception):
    """Like botocore's: no subclass of a built-in error."""


def test_an_error_of_a_store_s_library_becomes_a_source_error(tmp_path: Path) -> None:
    """The message names the address, the error and what to check."""
    fsspec.register_implementation("closed", Closed, clobber=True)
    with pytest.raises(SourceError, match=r"closed://shelf/x .*NoKeyError.*credentials"):
        locations.fetch_objects(Lake(tmp_path).open(), "closed://shelf/x")


def test_messages_show_no_credentials_of_an_address() -> None:
    """They omit the user's part and a signature in the query."""
    assert (
        locations.hide_credentials("https://a:b@host/x.jsonl?sig=secret") == "https://host/x.jsonl"
    )


def test_patterns_and_standard_input_are_imported(tmp_path: Path) -> None:
    """A pattern matches files; piped input is saved once, named by its hash."""
    for name in ("a.jsonl", "b.jsonl", "c.txt", ".d.jsonl"):
        (tmp_path / name).write_bytes(make_row(name))
    pattern = str(tmp_path / "*.jsonl")
    assert [path.name for path in list_inbox(pattern)] == ["a.jsonl", "b.jsonl"]
    assert locations.is_pattern(pattern)
    assert not locations.is_pattern(str(tmp_path))
    lake = Lake(tmp_path / "home").open()
    assert len(import_inbox(lake, Catalog(root=tmp_path), pattern).files) == 2
    first, second = (locations.save_stdin(lake, io.BytesIO(make_row("piped"))) for _ in range(2))
    assert first == second
    assert first.stat().st_mode & 0o777 == 0o600
    assert [seen.read for seen in import_inbox(lake, Catalog(root=tmp_path), None).files] == [1]
