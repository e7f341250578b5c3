"""What `andon import --explain` promises: exactly what a run would do, without doing it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evals.ingest import inbox
from evals.runs.night_locks import list_begun_nights
from evals.specs import App, Catalog, Mapping
from evals.storage.lake import Lake
from evals.storage.overlay import open_overlay
from evals.validation import admission
from evals.validation.explain import FileExplanation, explain_files
from orchestration.cli.explanation import describe_file
from orchestration.cli.import_pull import import_

GOLDEN = Path(__file__).parents[1] / "evals" / "traces" / "golden"
ROW = {"id": "t-1", "ts": "2026-10-01T12:00:00Z", "ask": "Hi? ada@example.com", "answer": "Hello."}
NOW = datetime(2026, 10, 3, 12, tzinfo=UTC)


def build_catalog(root: Path, **more: object) -> Catalog:
    """Builds a catalog of one application."""
    return Catalog(root=root, apps={"shop": App(app="shop", redact=("email",))}, **more)


def read_bytes_under(folder: Path) -> dict[str, bytes]:
    """Reads every file of a folder, by path."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def explain_paths(
    declared: Catalog, *paths: Path, lake: Lake | None = None, **options: Any
) -> list[FileExplanation]:
    """Explains what a run would do with the rows of some files."""
    with open_overlay(lake or Lake(declared.root / "no home")) as overlay:
        return explain_files(overlay, declared, paths, NOW, **options)


def write_rows(path: Path, *rows: object) -> Path:
    """Writes rows to a file."""
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_product_is_recognised_and_its_rows_counted(tmp_path: Path) -> None:
    """Its format, its container, the rows to store and the rows to refuse are named."""
    (preview,) = explain_paths(build_catalog(tmp_path), GOLDEN / "langfuse_api.json")
    assert (preview.format, preview.packed_as, preview.whole) == ("langfuse", "document", True)
    assert (preview.traces, preview.labels, preview.apps) == (2, 3, {"shop": 2})
    assert preview.nights == ["2026-10-01"]
    (reason,) = preview.refused
    assert (reason.code, reason.rows, reason.line) == ("not-langfuse", 1, 1)
    assert preview.first
    assert preview.first["prompt_name"] == "care"
    assert preview.first["user_id"] != "u-1"


def test_the_mapping_is_named_and_the_first_trace_is_redacted(tmp_path: Path) -> None:
    """The trace is shown as it would be stored; rows without an application get the only one."""
    path = write_rows(tmp_path / "day.jsonl", ROW)
    mappings = {
        "ours": Mapping(columns={"input": "ask"}),
        "theirs": Mapping(columns={"input": "x"}),
    }
    (preview,) = explain_paths(build_catalog(tmp_path, mappings=mappings), path)
    assert (preview.format, preview.mappings, preview.apps) == ("jsonl", ["ours"], {"shop": 1})
    assert preview.first
    assert "ada@example.com" not in json.dumps(preview.first)
    assert preview.first["metadata"]["app_source"] == "assumed"


def test_a_mapping_that_only_gives_constants_is_named_so(tmp_path: Path) -> None:
    """A product's rows have none of its columns; plain rows have one."""
    ours = Mapping(columns={"provider": "ask"}, constants={"git_commit": "abc"})
    declared = build_catalog(tmp_path, mappings={"ours": ours})
    plain = write_rows(tmp_path / "day.jsonl", {**ROW, "input": "Hi?"})
    lines = [
        next(line for line in describe_file(file) if "mapping" in line)
        for file in explain_paths(declared, GOLDEN / "langfuse_api.json", plain)
    ]
    assert lines == ["  mapping: ours (constants only)", "  mapping: ours"]


def mixed_rows() -> list[object]:
    """Builds rows with every possible outcome."""
    plain = {"ts": ROW["ts"], "input": "Hi?", "output": "Hello."}
    return [
        {**plain, "id": "a"},
        {**plain, "id": "a"},
        {**plain, "id": "a", "output": "Other."},
        {**plain, "id": "b", "latency_ms": "soon"},
        {**plain, "id": "c", "input": "x" * 200_001},
        {**plain, "id": "d", "ts": "yesterday"},
        {**plain, "id": "e", "ts": "1999-01-01T00:00:00Z"},
        {**plain, "id": "f", "ts": "2026-10-04T01:00:00Z"},
        {**plain, "id": "g", "app": "shp"},
        {**plain, "id": "h", "env": "test"},
        "{",
        *({**plain, "id": f"n{n}"} for n in range(20)),
    ]


def test_an_explanation_is_what_the_run_then_does(tmp_path: Path) -> None:
    """Rows are stored, duplicate, refused by an importer, a limit or a check, waiting or left out.

    Also against rows that the home has already, which stay as they are.
    """
    declared = build_catalog(
        tmp_path, mappings={"it": Mapping.model_validate({"where": {"env": {"not": "test"}}})}
    )
    lake, folder = Lake(tmp_path / "home").open(), tmp_path / "in"
    folder.mkdir()
    write_rows(folder / "1.jsonl", {**ROW, "id": "n1"}, {**ROW, "id": "n2", "input": "Hi?"})
    inbox.import_inbox(lake, declared, folder, now=NOW)
    admission.admit_nights(lake, declared, list_begun_nights(lake, declared, NOW))
    path = write_rows(folder / "2.jsonl", *mixed_rows())
    before = read_bytes_under(lake.home)
    (explained,) = explain_paths(declared, path, lake=lake)
    assert read_bytes_under(lake.home) == before

    assert (explained.read, explained.left_out, explained.waiting, explained.duplicates) == (
        30,
        1,
        1,
        1,
    )
    assert {(r.code, r.rows, r.line) for r in explained.refused} == {
        ("conflicting-trace-id", 1, 3),
        ("input-too-long", 1, 5),
        ("bad-timestamp", 1, 6),
        ("ancient-timestamp", 1, 7),
        ("not-json", 1, 11),
    }
    assert explained.traces == 23
    assert [(u.field, u.rows, u.line) for u in explained.unread] == [("latency_ms", 1, 4)]
    assert [(a.app, a.nearest) for a in explained.undeclared] == [("shp", "shop")]

    (seen,) = inbox.import_inbox(lake, declared, folder, now=NOW).files
    nights = admission.admit_nights(lake, declared, list_begun_nights(lake, declared, NOW))
    own = [
        account["files"][seen.sha256[:16]]
        for apps in nights.values()
        for account in apps.values()
        if seen.sha256[:16] in account["files"]
    ]
    assert sum(account["accepted"] for account in own) == explained.traces
    assert sum(account["duplicate"] for account in own) == explained.duplicates
    (again,) = explain_paths(declared, path, lake=lake)
    assert (again.known, again.keeps_any, again.read) == (True, True, 30)


def test_files_are_explained_in_the_order_in_which_a_run_reads_them(tmp_path: Path) -> None:
    """A row that repeats one of an earlier file is a duplicate."""
    rows = [{**ROW, "id": f"t{n}"} for n in range(3)]
    first, second = (write_rows(tmp_path / f"{n}.jsonl", *rows[n : n + 2]) for n in (0, 1))
    explained = explain_paths(build_catalog(tmp_path), first, second)
    assert [(file.traces, file.duplicates) for file in explained] == [(2, 0), (1, 1)]


def test_a_night_that_would_be_refused_stores_nothing(tmp_path: Path) -> None:
    """The share of refused rows is named."""
    path = write_rows(
        tmp_path / "day.jsonl", ROW, *({**ROW, "id": f"x{n}", "ts": "?"} for n in "ab")
    )
    (explained,) = explain_paths(build_catalog(tmp_path), path)
    assert (explained.traces, explained.refused[0].rows) == (1, 2)
    path = write_rows(
        tmp_path / "day.jsonl", ROW, {**ROW, "id": "l", "ask": 1, "input": "x" * 200_001}
    )
    (explained,) = explain_paths(build_catalog(tmp_path), path)
    assert (explained.traces, explained.keeps_any) == (0, False)
    assert "1 of 2 rows (50%)" in explained.refused_nights["2026-10-01 shop"]


def test_a_file_that_two_formats_match_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is used, the others are named."""
    from evals.traces import reader
    from evals.traces.formats import langfuse, langsmith

    monkeypatch.setattr(langsmith, "sniff", lambda head, filename: True)
    monkeypatch.setattr(reader, "FORMATS", (langfuse, langsmith))
    (preview,) = explain_paths(build_catalog(tmp_path), GOLDEN / "langfuse_api.json")
    assert (preview.format, preview.also) == ("langfuse", ["langsmith"])


@pytest.mark.parametrize("name", ["note.txt", "gone.jsonl"])
def test_an_unknown_format_is_explained_too(tmp_path: Path, name: str) -> None:
    """It is refused as unreadable, or with the error of the missing file."""
    if name == "note.txt":
        (tmp_path / name).write_text("Dear all,\nI am off today.\n")
    (preview,) = explain_paths(build_catalog(tmp_path), tmp_path / name)
    assert (preview.format, preview.traces, preview.keeps_any) == (None, 0, False)
    codes = [reason.code for reason in preview.refused]
    assert codes == (["unreadable-file"] if name == "note.txt" else [])
    assert bool(preview.error) == (name == "gone.jsonl")


def invoke(*arguments: str) -> Any:
    """Runs the command."""
    return CliRunner().invoke(import_, ["--explain", *arguments], catch_exceptions=False)


def test_the_command_explains_and_writes_nothing(tmp_path: Path) -> None:
    """It prints text or JSON, and creates no home."""
    home = tmp_path / "home"
    file = str(GOLDEN / "openai_batch_output.jsonl")
    options = ["--home", str(home), "--assume-app", "shop", file]
    result = invoke(*options)
    assert result.exit_code == 0
    assert "openai_batch_output.jsonl: openai (one JSON object a line)" in result.output
    assert "would keep 2 traces and 0 labels, refuse 1 row" in result.output
    assert "1 no-timestamp, first at row 3" in result.output
    assert "first trace, as it would be stored:" in result.output
    (explained,) = json.loads(invoke(*options, "--json").output)
    assert (explained["format"], explained["traces"], explained["refused"][0]["line"]) == (
        "openai",
        2,
        3,
    )
    assert explained["first"]["app"] == "shop"
    assert not home.exists()


def test_the_command_fails_where_nothing_would_be_stored(tmp_path: Path) -> None:
    """It exits 1 where all rows are refused or a column is misspelt."""
    home = ["--home", str(tmp_path / "home"), "--catalog", str(tmp_path / "catalog")]
    (tmp_path / "catalog").mkdir()
    mapping = "mappings: {it: {columns: {input: Fragen, output: answer}, constants: {app: a}}}\n"
    (tmp_path / "catalog" / "catalog.yaml").write_text(mapping)
    bad = invoke(*home, str(write_rows(tmp_path / "bad.jsonl", {**ROW, "ts": "?", "Fragen": ""})))
    assert (bad.exit_code, "refuse 1 row" in bad.output) == (1, True)
    misspelt = invoke(*home, str(write_rows(tmp_path / "day.jsonl", {**ROW, "Frage": "Wo?"})))
    assert misspelt.exit_code == 1
    assert "would not be read: day.jsonl: no row has the column 'Fragen'" in misspelt.output
    assert "did you mean 'Frage'?" in misspelt.output
