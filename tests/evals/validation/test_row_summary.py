"""Rows that were not taken in as they were are summed up, and every command shows them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from evals.ingest import inbox
from evals.specs import App, Catalog, Mapping
from evals.storage.lake import Lake
from evals.storage.queries import query_tables
from evals.validation import admission
from evals.validation.row_summary import (
    RefusedRows,
    UndeclaredApp,
    UnreadRows,
    list_refused,
    summarize_files,
)
from orchestration.cli import board, main, row_notes

NOW = datetime(2026, 10, 2, 12, tzinfo=UTC)
NIGHT = date(2026, 10, 1)


def row(number: int, **more: Any) -> dict[str, Any]:
    """One ordinary request."""
    return {
        "trace_id": f"t{number}",
        "ts": f"2026-10-01T12:{number:02d}:00Z",
        "app": "support",
        "input": "Where?",
        "output": "Here.",
        **more,
    }


class Home(NamedTuple):
    """A home, the catalog beside it, and its inbox."""

    lake: Lake
    root: Path
    folder: Path

    @property
    def catalog(self) -> Catalog:
        """A catalog of one application, and a mapping that leaves out tests."""
        where = {"env": {"not": "test"}}
        return Catalog(
            root=self.root,
            apps={"support": App(app="support")},
            mappings={"it": Mapping.model_validate({"where": where})},
        )

    def write(self, name: str, *rows: dict[str, Any]) -> None:
        """Puts a file into the inbox."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_text("\n".join(map(json.dumps, rows)))

    def read(self) -> inbox.ImportResult:
        """Imports what is new."""
        return inbox.import_inbox(self.lake, self.catalog, self.folder, now=NOW)

    def run(self, *words: str) -> Any:
        """Runs a command in this home."""
        catalog = self.root / "catalog"
        (catalog / "apps").mkdir(parents=True, exist_ok=True)
        (catalog / "apps" / "support.yaml").write_text("app: support\n")
        options = ["--home", str(self.lake.home), "--catalog", str(catalog)]
        return CliRunner().invoke(main.main, [*words, *options])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, and no setting of this machine."""
    for name in ("ANDON_HOME", "ANDON_CATALOG", "ANDON_INBOX", "ANDON_LABELS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return Home(Lake(tmp_path / "home").open(), tmp_path, tmp_path / "in")


def test_refused_rows_are_grouped_by_file_and_reason(home: Home) -> None:
    """The most frequent first, each with its first row; what is read later is told apart."""
    home.write("bad.jsonl", row(1), row(2, ts=None), row(3, app="a/b"), row(4, ts=""))
    first = home.read().files
    home.write("worse.jsonl", row(5, trace_id=None))
    second = home.read().files
    summary = summarize_files(home.lake, home.catalog, first)
    assert [(r.rows, r.code, r.file, r.line) for r in summary.refused] == [
        (2, "no-timestamp", "bad.jsonl", 2),
        (1, "bad-app", "bad.jsonl", 3),
    ]
    assert "--assume-date" in summary.refused[0].reason
    assert summary.earlier == 1
    assert summarize_files(home.lake, home.catalog, second).earlier == 3


def test_rows_that_a_check_refused_belong_to_their_night(home: Home) -> None:
    """They are found by the night that was validated, whichever run read their file."""
    home.write("long.jsonl", *(row(n) for n in range(9)), row(9, input="x" * 200_001))
    home.read()
    admission.admit_nights(home.lake, home.catalog, [NIGHT])
    summary = summarize_files(home.lake, home.catalog, [], [NIGHT])
    assert [(r.rows, r.code, r.line) for r in summary.refused] == [(1, "input-too-long", 10)]
    assert list_refused(home.lake, app="support", night=NIGHT) == summary.refused
    assert list_refused(home.lake, app="other", night=NIGHT) == []


def test_what_was_read_in_part_is_summed_up(home: Home) -> None:
    """Fields that are null, rows left out, applications that nobody declares."""
    home.write(
        "day.jsonl",
        row(1, latency_ms="n/a"),
        row(2, latency_ms="fast"),
        row(3, app="suport"),
        row(4, env="test"),
    )
    files = home.read().files
    assert (files[0].read, files[0].left_out, files[0].mappings) == (3, 1, [])
    summary = summarize_files(home.lake, home.catalog, files)
    assert summary.unread == [UnreadRows(2, "latency_ms", "day.jsonl", 1, "n/a")]
    assert (summary.left_out, summary.refused) == (1, [])
    assert summary.undeclared == [UndeclaredApp("suport", 1, "support")]
    assert summarize_files(home.lake, Catalog(root=home.root), files).undeclared == []


def test_no_text_of_a_person_is_an_example(home: Home) -> None:
    """It is redacted like every text."""
    home.write("day.jsonl", row(1, latency_ms="ann@example.com 5"))
    (file,) = home.read().files
    assert "ann" not in file.unread["latency_ms"]["example"]


def test_a_file_without_a_mapped_column_is_not_read_and_stops_no_other(home: Home) -> None:
    """Nothing of it is stored; once the name is corrected it is read."""
    wrong, right = (
        home.catalog.model_copy(update={"mappings": {"it": Mapping(columns={"input": name})}})
        for name in ("Fragen", "Frage")
    )
    german = {key: value for key, value in row(1).items() if key != "input"}
    home.write("a.jsonl", {**german, "Frage": "Wo?", "Fragen zu": ""})
    mixed = wrong.mappings["it"].model_copy(update={"columns": {"input": "Fragen", "app": "App"}})
    home.write("a.jsonl", {**german, "App": "support", "Frage": "Wo?"})
    home.write("b.jsonl", row(2))
    catalog = wrong.model_copy(update={"mappings": {"it": mixed}})
    result = inbox.import_inbox(home.lake, catalog, home.folder, now=NOW)
    assert [file.name for file in result.files] == ["b.jsonl"]
    (failure,) = result.failures
    assert failure.startswith("a.jsonl: no row has the column 'Fragen'")
    assert "did you mean 'Frage'?" in failure
    assert query_tables(home.lake, "select count(*) n from staged", {"staged": None}) == [{"n": 1}]
    again = inbox.import_inbox(home.lake, right, home.folder, now=NOW)
    assert [file.name for file in again.files] == ["a.jsonl"]
    assert inbox.import_inbox(home.lake, right, home.folder, now=NOW) == ([], [])


COMMANDS = (
    ("report", "list"),
    ("report", "show", "--app", "support"),
    ("gate", "--app", "support"),
    ("doctor",),
)


@pytest.mark.parametrize(
    ("column", "columns", "expected"),
    [
        (
            {"reply": "Here it is."},
            {},
            "0 of 2 rows have an output, which is read from `output` or `answer`; did you mean "
            "`reply`?",
        ),
        (
            {"bot": {"raw": "", "text": "Here it is."}},
            {"output": "bot.raw"},
            "0 of 2 rows have an output, which is read from `bot.raw`; did you mean `bot.text`?",
        ),
        (
            {"error": "HTTP 500: the provider is down"},
            {},
            "0 of 2 rows have an output, which is read from `output` or `answer`; if they were "
            "answered, map the column of the answers to `output` in catalog.yaml",
        ),
    ],
)
def test_a_file_without_any_output_is_named_with_the_column_that_may_have_it(
    home: Home, column: dict[str, Any], columns: dict[str, str], expected: str
) -> None:
    """Also nested, and without a mapping; an error is no answer."""
    home.write("day.jsonl", *(row(n, **{"output": "", **column}) for n in (1, 2)))
    mappings = {"it": Mapping(columns=columns)} if columns else {}
    catalog = Catalog(root=home.root, apps={"support": App(app="support")}, mappings=mappings)
    files = inbox.import_inbox(home.lake, catalog, home.folder, now=NOW).files
    summary = summarize_files(home.lake, catalog, files)
    assert list(row_notes.describe_summary(summary)) == [f"day.jsonl: {expected}"]
    home.write("good.jsonl", row(3), row(4, output=""))
    files = inbox.import_inbox(home.lake, catalog, home.folder, now=NOW).files
    assert summarize_files(home.lake, catalog, files).no_outputs == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_inbox_of_refused_rows_is_no_missing_inbox(home: Home, command: Any) -> None:
    """Every command prints how many rows were refused, why, and where the first one is."""
    home.write("bad.jsonl", *(row(n, ts="yesterday") for n in range(1, 4)))
    home.read()
    shown = home.run(*command).output
    assert "3" in shown
    assert "bad-timestamp, first bad.jsonl:1: The timestamp is not ISO 8601" in shown
    assert "andon quarantine list" in shown


def test_import_shows_refused_rows(home: Home) -> None:
    """Beside each file's counts, and again where a file was imported before."""
    home.write("bad.jsonl", row(1, ts="yesterday"), row(2, latency_ms="soon", app="suport"))
    for _ in range(2):
        shown = home.run("import", str(home.folder)).output
        assert "1 row refused, now in quarantine (`andon quarantine list`):" in shown
        assert "  1 bad-timestamp, first bad.jsonl:1: The timestamp" in shown
        assert "`latency_ms` could not be read in 1 row and is null or replaced there" in shown
        assert "1 row of the application 'suport', which no file in apps/ declares" in shown


def test_the_board_shows_refused_rows_without_any_report(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """And asks for an inbox only where none was ever read."""
    board.draw_board(home.lake, board.Outcome([], 0))
    assert "name it with --inbox" in capsys.readouterr().out
    home.write("bad.jsonl", row(1, ts="yesterday"))
    files = home.read().files
    rows = summarize_files(home.lake, home.catalog, files)
    outcome = board.Outcome([], 0, rows=rows)
    board.draw_board(home.lake, outcome)
    shown = capsys.readouterr().out
    assert "--inbox" not in shown
    assert "1 bad-timestamp, first bad.jsonl:1" in shown
    assert board.describe_outcome(home.lake, outcome)["refused_rows"] == [
        RefusedRows(1, "bad-timestamp", "bad.jsonl", 1, rows.refused[0].reason)._asdict()
    ]
