"""No file of a home is ever half written: each is written aside and renamed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.storage import files

ROOT = Path(__file__).parents[3]
OTHERWISE = {
    "evals/storage/files.py": "the one way to write a file",
    "evals/storage/ledger.py:Journal": "a journal is appended to; its last line may be torn",
    "evals/storage/parquet_files.py:open_parquet_writer": "opens a temporary file only",
    "evals/storage/lake.py:Lake.lock_home": "a lock file, which has no content",
    "evals/storage/locks.py:open_locked": "a lock file, which has no content",
    "evals/storage/scratch.py:open_unnamed_file": "a file without a name ends with its process",
    "evals/storage/scratch.py:open_temporary_folder": "a scratch folder, deleted like others",
    "evals/traces/spans/spans.py:SpanStore": "files without names",
    "evals/ingest/parallel_readers.py:start_second": "a file without a name",
    "evals/calls/shared_state.py:Shared": "SQLite recovers by its own journal",
    "evals/privacy/scrubbing.py:open_database": "SQLite",
    "evals/sources/locations.py:download": "copies into a file that `files` opened",
    "evals/onboarding/first_catalog.py:write_catalog": "new files of a catalog, written once",
    "orchestration/cli/launch.py:run_job": "a log, of use as far as it goes",
    "orchestration/web/serve.py:run_dagster": "a log, of use as far as it goes",
}
"""Where something is written otherwise, and why it may be."""
NAMES = {
    *("write_text", "write_bytes", "touch", "mkstemp", "mkdtemp"),
    *("TemporaryFile", "NamedTemporaryFile", "TemporaryDirectory"),
    *("copy2", "copyfile", "copyfileobj", "copytree", "to_parquet", "to_csv"),
    *("O_CREAT", "O_TRUNC", "O_WRONLY", "O_RDWR", "O_APPEND"),
}
OF_MODULES = {("pq", "write_table"), ("shutil", "copy"), ("shutil", "move"), ("sqlite3", "connect")}


def writes(node: ast.AST) -> bool:
    """Whether a name or a call may write a file in its place."""
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
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    said = [one.value for one in given if isinstance(one, ast.Constant)]
    modes = [one for one in said if isinstance(one, str) and set(one) <= set("rwaxbt+")]
    return name == "open" and any(set(mode) & set("wax+") for mode in modes)


def writing(source: str) -> Iterator[str]:
    """Where a module may write a file in its place: a function, or a class and its method."""
    for outer in ast.parse(source).body:
        inner = outer.body if isinstance(outer, ast.ClassDef) else [outer]
        for one in inner:
            if any(map(writes, ast.walk(one))):
                names = [getattr(outer, "name", "module")]
                names += [getattr(one, "name", "body")] if one is not outer else []
                yield ".".join(names)


def test_no_other_module_writes_a_file_in_its_place() -> None:
    """`storage.files` writes aside; what is written otherwise is listed above, with the reason."""
    found = {
        f"{path.relative_to(ROOT).as_posix()}:{name}"
        for top in ("evals", "orchestration")
        for path in (ROOT / top).rglob("*.py")
        for name in writing(path.read_text())
    }
    listed = {place: [one for one in found if one.startswith(place)] for place in OTHERWISE}
    assert found - {one for places in listed.values() for one in places} == set()
    assert [place for place, places in listed.items() if not places] == [], "listed for nothing"


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
def test_the_search_finds_each_way_to_write(line: str) -> None:
    """Reading is none of them."""
    assert list(writing(f"def f():\n    {line}")) == ["f"]
    assert list(writing("def f():\n    path.open('rb').read()\n    word.replace('a', 'w')")) == []


def test_a_name_that_is_not_aside_is_never_opened(tmp_path: Path) -> None:
    """A file in its place cannot be written even by mistake."""
    path = tmp_path / "data.parquet"
    with pytest.raises(ValueError, match="would be written in place"):
        files.open_temporary(path)
    with pytest.raises(ValueError, match="would be written in place"):
        files.link_temporary(Path(__file__), path)
    assert not path.exists()


@pytest.mark.parametrize("room", [*files.RESTRICTED, "labels"])
def test_a_raw_row_is_its_owners_alone_from_the_first_byte(tmp_path: Path, room: str) -> None:
    """In the restricted rooms; elsewhere the mask of the process decides."""
    path = tmp_path / room / "rows.jsonl"
    with files.open_replacement(path) as file:
        (aside,) = files.find_temporary_files(tmp_path)
        file.write(b"{}\n")
        assert not path.exists()
        assert (aside.stat().st_mode & 0o077 == 0) == (room != "labels")
    assert path.read_bytes() == b"{}\n"
    assert (path.stat().st_mode & 0o077 == 0) == (room != "labels")
    assert not list(files.find_temporary_files(tmp_path))


def test_what_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    """The old file stays, and nothing aside."""
    path = tmp_path / "a.json"
    files.replace(path, b"old", durable=True)

    def half() -> None:
        with files.open_replacement(path) as file:
            file.write(b"ne")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        half()
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_two_who_make_a_file_at_once_agree_on_one(tmp_path: Path) -> None:
    """The second finds the first one's, which only its owner can read."""
    path = tmp_path / "key"
    files.create_if_missing(path, b"first")
    files.create_if_missing(path, b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
