"""Which nights lack scores: one that an older version did not compute is made up for once."""

from __future__ import annotations

import re
from pathlib import Path

from evals.evaluators import resolution
from evals.runs.night_locks import digest_inputs
from evals.runs.score_files import UNASKED
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.documents.evaluator_specs import write_evaluator
from evals.storage.lake import Lake
from evals.worklist.worklist import name_score_file
from tests.evals.calls.catalog import NIGHT


def test_a_night_without_the_scores_of_a_locked_evaluator_is_due_once(tmp_path: Path) -> None:
    """Of an undeclared application too; if a run cannot make them up the night is not due again."""
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    (answered,) = resolution.resolve_app(catalog, "ghost")
    write_evaluator(lake, answered)
    night_state.update_state(
        lake, NIGHT, evaluators={"ghost": {answered.name: answered.version}}, samples={}
    )
    unscored = digest_inputs(lake, catalog, NIGHT)
    with lake.open_writer("scores", NIGHT, name_score_file(answered)):
        pass
    assert digest_inputs(lake, catalog, NIGHT) != unscored
    next(iter(lake.list_files("scores", [NIGHT]))).unlink()
    assert digest_inputs(lake, catalog, NIGHT) == unscored


def test_python_and_dbt_agree_on_what_was_not_asked() -> None:
    """The macro lists the reasons that the runner gives."""
    macro = Path(__file__).parents[3] / "dbt_project" / "macros" / "is_unasked.sql"
    listed = macro.read_text().partition(" in (")[2].partition(")")[0]
    assert set(re.findall(r"'([\w-]+)'", listed)) == UNASKED
