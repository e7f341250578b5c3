"""Promises of files: each is written under a temporary name, so none is ever half written."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.storage import files

ROOT = Path(__file__).parents[3]
EXCEPTIONS = {
    "evals/storage/files.py": "the only way to write a file",
    "evals/storage/ledger.py:Journal": "a journal is appended to; its last line may be torn",
    "evals/storage/appending.py:AppendedFile": "one line at a time, each in one write",
    "evals/storage/appending.py:append_durably": "each line is synced; a half one is removed",
    "evals/storage/parquet_files.py:TableWriter": "opens a temporary file only",
    "evals/storage/lake.py:Lake.lock_home": "a lock file, which has no content",
    "evals/storage/locks.py:open_locked": "a lock file, which has no content",
    "evals/storage/scratch.py:open_unnamed_file": "a file without a name ends with its process",
    "evals/storage/scratch.py:open_temporary_folder": "a scratch folder, deleted like others",
    "evals/storage/overlay.py": "a temporary home, deleted at the end",
    "evals/traces/spans/spans.py:SpanStore": "files without names",
    "evals/ingest/parallel_readers.py:start_second": "a file without a name",
    "evals/calls/shared_state.py:Shared": "SQLite recovers by its own journal",
    "evals/privacy/scrubbing.py:open_database": "SQLite",
    "evals/storage/sqlite_files.py:is_intact": "SQLite, opened to read",
    "evals/sources/locations.py:download": "copies into a file that `files` opened",
    "evals/onboarding/first_catalog.py:write_catalog": "new files of a catalog, written once",
    "evals/digests/targets.py:append_line": "a team's own file, one line added at a time",
    "orchestration/cli/gate.py:Output.write_files": "a CI job's files, which may be devices",
    "orchestration/cli/launch.py:run_job": "a log, of use as far as it goes",
    "orchestration/web/serve.py:run_dagster": "a log, of use as far as it goes",
}
"""Functions that write a file in another way, and the reason."""
NAMES = {
    *("write_text", "write_bytes", "touch", "mkstemp", "mkdtemp"),
    *("TemporaryFile", "NamedTemporaryFile", "TemporaryDirectory"),
    *("copy2", "copyfile", "copyfileobj", "copytree", "to_parquet", "to_csv"),
    *("O_CREAT", "O_TRUNC", "O_WRONLY", "O_RDWR", "O_APPEND"),
}
OF_MODULES = {("pq", "write_table"), ("shutil", "copy"), ("shutil", "move"), ("sqlite3", "connect")}


def may_write(node: ast.AST) -> bool:
    """Whether a name or a call may write a file in place."""
    if isinstance(node, ast.Attribute):
        on = node.value.id if isinstance(node.value, ast.Name) else ""
        return node.attr in NAMES or (on, node.attr) in OF_MODULES
    if isinstance(node, ast.Name):
        return node.id in NAMES
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name == "ParquetWriter":
        return True
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    constants = [node.value for node in arguments if isinstance(node, ast.Constant)]
    modes = [mode for mode in constants if isinstance(mode, str) and set(mode) <= set("rwaxbt+")]
    return name == "open" and any(set(mode) & set("wax+") for mode in modes)


def find_writers(source: str) -> Iterator[str]:
    """Yields the functions and methods of a module that may write a file in place."""
    for outer in ast.parse(source).body:
        inner = outer.body if isinstance(outer, ast.ClassDef) else [outer]
        for node in inner:
            if any(map(may_write, ast.walk(node))):
                names = [getattr(outer, "name", "module")]
                names += [getattr(node, "name", "body")] if node is not outer else []
                yield ".".join(names)


def test_no_other_module_writes_a_file_in_place() -> None:
    """Only `storage.files` writes files; the exceptions are listed above with their reasons."""
    places = {
        f"{path.relative_to(ROOT).as_posix()}:{name}"
        for top in ("evals", "orchestration")
        for path in (ROOT / top).rglob("*.py")
        for name in find_writers(path.read_text())
    }
    allowed = {prefix: {p for p in places if p.startswith(prefix)} for prefix in EXCEPTIONS}
    assert places - set().union(*allowed.values()) == set()
    assert [prefix for prefix, own in allowed.items() if not own] == [], "listed without need"


@pytest.mark.parametrize(
    "line",
    [
        "path.write_text(text)",
        "path.open('wb')",
        "open(path, mode='a')",
        "gzip.open(path, 'wb', 3)",
        "os.open(path, os.O_WRONLY | os.O_TRUNC)",
        "shutil.copy(source, path)",
        "pq.write_table(rows, path)",
        "sqlite3.connect(path)",
    ],
)
def test_the_search_detects_each_way_to_write(line: str) -> None:
    """It ignores calls that read."""
    assert list(find_writers(f"def f():\n    {line}")) == ["f"]
    assert (
        list(find_writers("def f():\n    path.open('rb').read()\n    word.replace('a', 'w')")) == []
    )


def test_only_a_temporary_path_can_be_opened_for_writing(tmp_path: Path) -> None:
    """Any other path raises an error and creates no file."""
    path = tmp_path / "data.parquet"
    with pytest.raises(ValueError, match="would be written in place"):
        files.open_temporary(path)
    with pytest.raises(ValueError, match="would be written in place"):
        files.link_temporary(Path(__file__), path)
    assert not path.exists()


@pytest.mark.parametrize("folder", [*files.RESTRICTED, "labels"])
def test_only_the_owner_can_ever_read_raw_rows(tmp_path: Path, folder: str) -> None:
    """In the restricted folders; elsewhere the umask of the process decides."""
    path = tmp_path / folder / "rows.jsonl"
    with files.open_replacement(path) as file:
        (temporary,) = files.find_temporary_files(tmp_path)
        file.write(b"{}\n")
        assert not path.exists()
        assert (temporary.stat().st_mode & 0o077 == 0) == (folder != "labels")
    assert path.read_bytes() == b"{}\n"
    assert (path.stat().st_mode & 0o077 == 0) == (folder != "labels")
    assert not list(files.find_temporary_files(tmp_path))


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The old file stays, and no temporary file."""
    path = tmp_path / "a.json"
    files.replace(path, b"old", durable=True)

    def write_half() -> None:
        with files.open_replacement(path) as file:
            file.write(b"ne")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        write_half()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_creating_an_existing_file_keeps_its_content(tmp_path: Path) -> None:
    """The first content stays, and only its owner can read it."""
    path = tmp_path / "key"
    files.create_if_missing(path, b"first")
    files.create_if_missing(path, b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("answers/date=2026-03-01/a.parquet", True),
        ("labels/a.jsonl", True),
        ("reports/2026-03-01/chat/1/report.json", True),
        ("reports/2026-03-01/chat/1/index.html", False),
        ("reports/2026-03-01/chat/1/report.md", False),
        ("marts/rpt_rates/data.parquet", False),
    ],
)
def test_what_cannot_be_made_again_is_on_the_disk_before_its_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_kept: bool
) -> None:
    """The file is synced under its temporary name, and its folder after the rename."""
    synced: list[bool] = []
    path = tmp_path / name
    sync = os.fsync

    def record_sync(descriptor: int) -> None:
        synced.append(path.exists())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record_sync)
    files.replace(path, b"{}\n")
    assert synced == ([False, True] if is_kept else [])
