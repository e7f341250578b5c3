"""What `andon import --explain` promises: what an import would do, without doing it."""

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
    preview = explain_file(catalog(tmp_path), GOLDEN / "langfuse_api.json")
    assert (preview.format, preview.packed_as, preview.whole) == ("langfuse", "document", True)
    assert (preview.traces, preview.labels, preview.apps) == (2, 3, {"shop": 2})
    assert preview.nights == ["2026-10-01"]
    (reason,) = preview.refused
    assert (reason.code, reason.rows, reason.line) == ("not-langfuse", 1, 1)
    assert preview.first
    assert preview.first["prompt_name"] == "care"
    assert preview.first["user_id"] != "u-1"


def test_the_mapping_is_named_and_the_first_trace_is_redacted(tmp_path: Path) -> None:
    """Shown is what would rest; the only application takes rows that name none."""
    path = tmp_path / "day.jsonl"
    path.write_text(json.dumps(ROW))
    mappings = {
        "ours": Mapping(columns={"input": "ask"}),
        "theirs": Mapping(columns={"input": "x"}),
    }
    preview = explain_file(catalog(tmp_path, mappings=mappings), path)
    assert (preview.format, preview.mappings, preview.apps) == ("jsonl", ["ours"], {"shop": 1})
    assert preview.first
    assert "ada@example.com" not in json.dumps(preview.first)
    assert preview.first["metadata"]["app_source"] == "assumed"


def test_of_a_long_file_only_the_beginning_is_looked_at(tmp_path: Path) -> None:
    """And the explanation shows that it was cut short."""
    path = tmp_path / "day.jsonl"
    path.write_text("\n".join(json.dumps({**ROW, "id": f"t-{n}"}) for n in range(20)))
    preview = explain_file(catalog(tmp_path), path, most=5)
    assert (preview.traces, preview.whole) == (5, False)


def test_a_file_that_two_formats_match_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is used, the others are named."""
    from evals.traces import reader
    from evals.traces.formats import langfuse, langsmith

    monkeypatch.setattr(langsmith, "sniff", lambda head, filename: True)
    monkeypatch.setattr(reader, "FORMATS", (langfuse, langsmith))
    preview = explain_file(catalog(tmp_path), GOLDEN / "langfuse_api.json")
    assert (preview.format, preview.also) == ("langfuse", ["langsmith"])


@pytest.mark.parametrize("name", ["note.txt", "gone.jsonl"])
def test_an_unknown_format_is_explained_too(tmp_path: Path, name: str) -> None:
    """With the formats there are."""
    if name == "note.txt":
        (tmp_path / name).write_text("Dear all,\nI am off today.\n")
    preview = explain_file(catalog(tmp_path), tmp_path / name)
    assert (preview.format, preview.traces) == (None, 0)
    assert [reason.code for reason in preview.refused] == ["unreadable-file"]


def test_the_command_explains_and_writes_nothing(tmp_path: Path) -> None:
    """For people and for programs; no home comes into being."""
    home = tmp_path / "home"
    file = str(GOLDEN / "openai_batch_output.jsonl")
    options = ["--home", str(home), "--explain", "--assume-app", "shop", file]
    result = CliRunner().invoke(import_, options, catch_exceptions=False)
    assert result.exit_code == 0
    assert "openai_batch_output.jsonl: openai (one JSON object a line)" in result.output
    assert "would keep 2 traces and 0 labels, refuse 1 rows" in result.output
    assert "1 no-timestamp, first at row 3" in result.output
    assert "first trace, as it would be stored:" in result.output
    (one,) = json.loads(CliRunner().invoke(import_, [*options, "--json"]).output)
    assert (one["format"], one["traces"], one["refused"][0]["line"]) == ("openai", 2, 3)
    assert one["first"]["app"] == "shop"
    assert not home.exists()
