"""A broken catalog is refused with file, line and key before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.greetings import BASE, build_catalog, build_trace
from tests.system.teams import Team

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("apps/hello.yaml", "app: hello\nsuite: hello\nbudgt: 3\n", ":3: budgt: "),
        ("apps/hello.yaml", "app: hello\nsuite: helo\n", ":2: suite: "),
        ("apps/hello.yaml", "app: hello\nsuite: [hello\n", ":3: "),
        ("suites/hello.yaml", "suite: hello\ndimensions: many\n", ":2: dimensions: "),
        ("slices.yaml", "- {slice: a, by: model, where: 'true'}\n", ":1: 0: "),
        ("catalog.yaml", "title: Hi\nday_begins: 30\n", ":2: day_begins: "),
        (
            "suites/hello.yaml",
            "suite: hello\ndimensions:\n- dimension: a\n  question: b\n"
            "  check: {reference: equals, gold: lost}\n",
            ":5: dimensions.0.check.gold: ",
        ),
    ],
)
def test_a_broken_catalog_is_named_by_file_line_and_key(
    tmp_path: Path, name: str, text: str, where: str
) -> None:
    """Usage, exit 2: one sentence on stderr that names where the catalog is wrong."""
    team = Team(tmp_path)
    team.declare(build_catalog())
    (team.catalog / name).write_text(text)
    result = team.run("plan", code=2)
    assert result.errors.startswith(f"andon: {team.catalog / name}{where}")
    assert len(result.errors.splitlines()) == 1
    assert result.out == ""


@pytest.mark.parametrize(
    ("text", "where"),
    [("mini: gpt-4.1\n", ":1: mini: "), ("- mini\n", ":1: the file: ")],
)
def test_a_broken_unused_pin_stops_no_application(tmp_path: Path, text: str, where: str) -> None:
    """Named by file, line and key, with exit 4; the applications are planned."""
    team = Team(tmp_path)
    team.declare(build_catalog())
    (team.catalog / "models.yaml").write_text(text)
    team.home.mkdir()
    result = team.run("plan", "--json", code=4)
    assert result.errors.startswith(f"andon: {team.catalog / 'models.yaml'}{where}")
    assert result.errors.endswith("nothing uses it yet\n")
    assert result.json["plan"] == []


def test_invalid_sql_is_refused_before_a_night_runs(tmp_path: Path) -> None:
    """A slice DuckDB cannot read ends `nightly` with 2, and `doctor` finds it too."""
    team = Team(tmp_path)
    team.declare(
        {**build_catalog(), "slices.yaml": [{"slice": "long", "where": "lenght(input) > 9"}]}
    )
    team.export("one.jsonl", [build_trace(BASE, 0)])
    result = team.run("nightly", "--inbox", team.inbox, code=2)
    assert f"{team.catalog / 'slices.yaml'}:" in result.errors
    assert "lenght" in result.errors
    assert not (team.home / "reports").exists()
    (problem,) = [f for f in team.run("doctor", "--json", code=2).json if f["state"] == "fail"]
    assert "lenght" in problem["words"]
