"""`andon classifier`: from labels to a promoted model, and what is printed before there is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evals.specs import load_catalog
from evals.storage.lake import Lake
from orchestration.cli.classifiers import classifier
from tests.evals.training.team import build_catalog, write_night


class Commands:
    """The commands over one home and catalog."""

    def __init__(self, root: Path) -> None:
        self.catalog = build_catalog(root / "catalog").root
        self.home = root / "home"
        self.lake = Lake(self.home).open()

    def run(self, *words: str, code: int = 0) -> str:
        """Runs a command; returns what it prints."""
        load_catalog.cache_clear()
        where = ("--home", str(self.home), "--catalog", str(self.catalog))
        result = CliRunner().invoke(classifier, [*words, *where])
        assert result.exit_code == code, result.output
        return result.output

    def read(self, *words: str) -> Any:
        """Runs a command with `--json`."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def team(tmp_path: Path) -> Commands:
    """A team without labels."""
    return Commands(tmp_path)


def test_a_model_is_trained_shown_compared_and_promoted(team: Commands) -> None:
    """Each step names the next; only the last one writes the catalog, once."""
    write_night(team.lake, 180)
    assert "no model is promoted" in team.run("list")
    trained = team.run("train", "complies")
    assert "`andon classifier promote complies` writes it to the catalog" in trained
    assert "length only" in trained
    (listed,) = team.read("list")
    model = listed["models"][0]["model"]
    assert (listed["promoted"], listed["models"][0]["promoted"]) == (None, False)
    assert model in team.run("show", "complies", model)
    assert team.read("compare", "complies")["result"] == "first"
    assert "the first: no other model is promoted" in team.run("compare", "complies")
    promoted = team.run("promote", "complies")
    assert promoted.count(str(team.catalog)) == 3
    assert team.read("show", "complies")["promoted"] is True
    assert f"{model}, promoted" in team.run("list")
    assert "promote it" not in team.run("train", "complies")
    again = team.read("compare", "complies")
    assert (again["incumbent"], again["result"]) == (model, "undecided")
    alone = team.run("compare", "complies")
    assert alone.count(model) == 1
    assert "it is the promoted model itself" in alone


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("train", "complys"), "no classifier 'complys'"),
        (("train", "complies"), "cannot be trained"),
        (("show", "complies"), "no model of complies yet"),
        (("promote", "complies", "0123456789abcdef"), "no model 0123456789abcdef of complies"),
        (("compare", "complies"), "`andon classifier train complies` trains one"),
    ],
)
def test_what_is_missing_is_named(team: Commands, words: tuple[str, ...], problem: str) -> None:
    """With the exit code of a wrong use, and nothing written."""
    assert problem in team.run(*words, code=2)
