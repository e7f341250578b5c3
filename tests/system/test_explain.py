"""What `andon import --explain` promises: told as it would be done, and nothing done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from evals.ingest.explain import explain_file
from evals.specs import Catalog, Mapping
from evals.specs.apps import App
from orchestration.cli.import_pull import import_

GOLDEN = Path(__file__).parents[1] / "evals" / "traces" / "golden"
ROW = {"id": "t-1", "ts": "2026-10-01T12:00:00Z", "ask": "Hi? ada@example.com", "answer": "Hello."}


def catalog(root: Path, **more: object) -> Catalog:
    """A catalog of one application."""
    return Catalog(root=root, apps={"shop": App(app="shop", redact=("email",))}, **more)


def test_a_product_is_recognised_and_its_rows_counted(tmp_path: Path) -> None:
    """Format, container, what is kept, and what is refused with the row and what to do."""
    found = explain_file(catalog(tmp_path), GOLDEN / "langfuse_api.json")
    assert (found.format, found.packed_as, found.whole) == ("langfuse", "document", True)
    assert (found.traces, found.labels, found.apps) == (2, 3, {"shop": 2})
    assert found.nights == ["2026-10-01"]
    (reason,) = found.refused
    assert (reason.code, reason.rows, reason.line) == ("not-langfuse", 1, 1)
    assert found.first
    assert found.first["prompt_name"] == "care"
    assert found.first["user_id"] != "u-1"


def test_the_mapping_is_named_and_the_first_trace_is_redacted(tmp_path: Path) -> None:
    """Shown is what would rest; the only application takes rows that name none."""
    path = tmp_path / "day.jsonl"
    path.write_text(json.dumps(ROW))
    mappings = {
        "ours": Mapping(columns={"input": "ask"}),
        "theirs": Mapping(columns={"input": "x"}),
    }
    found = explain_file(catalog(tmp_path, mappings=mappings), path)
    assert (found.format, found.mappings, found.apps) == ("jsonl", ["ours"], {"shop": 1})
    assert found.first
    assert "ada@example.com" not in json.dumps(found.first)
    assert found.first["metadata"]["app_source"] == "assumed"


def test_of_a_long_file_only_the_beginning_is_looked_at(tmp_path: Path) -> None:
    """And that is said."""
    path = tmp_path / "day.jsonl"
    path.write_text("\n".join(json.dumps({**ROW, "id": f"t-{n}"}) for n in range(20)))
    found = explain_file(catalog(tmp_path), path, most=5)
    assert (found.traces, found.whole) == (5, False)


def test_what_two_formats_know_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is used, the others are named."""
    from evals.traces import reader
    from evals.traces.formats import langfuse, langsmith

    monkeypatch.setattr(langsmith, "sniff", lambda head, filename: True)
    monkeypatch.setattr(reader, "FORMATS", (langfuse, langsmith))
    found = explain_file(catalog(tmp_path), GOLDEN / "langfuse_api.json")
    assert (found.format, found.also) == ("langfuse", ["langsmith"])


@pytest.mark.parametrize("name", ["note.txt", "gone.jsonl"])
def test_what_nobody_knows_is_explained_too(tmp_path: Path, name: str) -> None:
    """With the formats there are."""
    if name == "note.txt":
        (tmp_path / name).write_text("Dear all,\nI am off today.\n")
    found = explain_file(catalog(tmp_path), tmp_path / name)
    assert (found.format, found.traces) == (None, 0)
    assert [reason.code for reason in found.refused] == ["unreadable-file"]


def test_the_command_tells_and_writes_nothing(tmp_path: Path) -> None:
    """For people and for programs; no home comes into being."""
    home = tmp_path / "home"
    file = str(GOLDEN / "openai_batch_output.jsonl")
    options = ["--home", str(home), "--explain", "--assume-app", "shop", file]
    told = CliRunner().invoke(import_, options, catch_exceptions=False)
    assert told.exit_code == 0
    assert "openai_batch_output.jsonl: openai (one JSON object a line)" in told.output
    assert "would keep 2 traces and 0 labels, refuse 1 rows" in told.output
    assert "1 no-timestamp, first at row 3" in told.output
    assert "first trace, as it would be stored:" in told.output
    (one,) = json.loads(CliRunner().invoke(import_, [*options, "--json"]).output)
    assert (one["format"], one["traces"], one["refused"][0]["line"]) == ("openai", 2, 3)
    assert one["first"]["app"] == "shop"
    assert not home.exists()
