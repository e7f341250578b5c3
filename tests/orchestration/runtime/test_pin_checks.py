"""What the checks of pins say after a night: of ends near and far, of another model, of weights."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, fresh


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One night of five judges, each with a pin of its own."""
    folder = tmp_path_factory.mktemp("pins")
    environment = {**fresh(folder / "home"), "ANDON_CATALOG": str(folder / "catalog")}
    program = ["-m", "tests.orchestration.stages.judge_night"]
    command = [sys.executable, "-W", "error", "-W", FOREIGN, *program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_end_is_a_warning_under_90_days_and_an_error_under_30(said: dict[str, Any]) -> None:
    """The check fails either way and says the day; far off it passes."""
    checks = said["checks"]
    assert (checks["soon"]["passed"], checks["soon"]["severity"]) == (False, "ERROR")
    assert (checks["later"]["passed"], checks["later"]["severity"]) == (False, "WARN")
    assert checks["far"]["passed"] is True
    assert "ends in 20 days" in checks["soon"]["about_to_end"]
    assert "ends in 60 days" in checks["later"]["about_to_end"]
    assert checks["far"]["about_to_end"] == "not within 90 days"
    assert {said["codes"][name] for name in ("soon", "later", "far")} == {"pass"}


def test_another_model_s_answers_are_an_error(said: dict[str, Any]) -> None:
    """They are counted, and none is a score."""
    found = said["checks"]["other"]
    assert (found["passed"], found["severity"]) == (False, "ERROR")
    assert found["answers_from_another_model"] == 2
    assert said["codes"]["other"] == "other-model"


def test_weights_that_are_not_the_pinned_ones_are_an_error_and_not_asked(
    said: dict[str, Any],
) -> None:
    """An embedded model is its file: another file judges nothing."""
    found = said["checks"]["weights"]
    assert (found["passed"], found["severity"]) == (False, "ERROR")
    assert said["codes"]["weights"] == "other-weights"
    assert said["asked"] == 8
