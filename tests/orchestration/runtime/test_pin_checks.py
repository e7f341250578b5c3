"""Promises of the pin checks: models that expire soon, other models, other weights."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.orchestration.test_definitions import FOREIGN, ROOT, clean_environment


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of one night of six judges, each with its own pin."""
    folder = tmp_path_factory.mktemp("pins")
    environment = {**clean_environment(folder / "home"), "ANDON_CATALOG": str(folder / "catalog")}
    program = ["-m", "tests.orchestration.stages.judge_night"]
    command = [sys.executable, "-W", "error", "-W", FOREIGN, *program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_expiry_is_a_warning_under_90_days_and_an_error_under_30(results: dict[str, Any]) -> None:
    """The check fails either way and names the day; it passes when the day is far."""
    checks = results["checks"]
    assert (checks["soon"]["passed"], checks["soon"]["severity"]) == (False, "ERROR")
    assert (checks["later"]["passed"], checks["later"]["severity"]) == (False, "WARN")
    assert checks["far"]["passed"] is True
    assert "ends in 20 days" in checks["soon"]["about_to_end"]
    assert "ends in 60 days" in checks["later"]["about_to_end"]
    assert checks["far"]["about_to_end"] == "not within 90 days"
    assert {results["codes"][name] for name in ("soon", "later", "far")} == {"pass"}


def test_another_model_s_answers_are_an_error(results: dict[str, Any]) -> None:
    """Answers of another model are counted, and none becomes a score."""
    check = results["checks"]["other"]
    assert (check["passed"], check["severity"]) == (False, "ERROR")
    assert check["answers_from_another_model"] == 2
    assert results["codes"]["other"] == "other-model"


def test_other_weights_are_an_error_and_get_no_calls(
    results: dict[str, Any],
) -> None:
    """An embedded model whose file is not the pinned one is never called."""
    check = results["checks"]["weights"]
    assert (check["passed"], check["severity"]) == (False, "ERROR")
    assert results["codes"]["weights"] == "other-weights"
    assert results["asked"] == 8


def test_a_provider_that_does_not_answer_fails_a_check(results: dict[str, Any]) -> None:
    """The check names why; it passes for judges that were answered."""
    answered = results["answered"]
    assert answered["far"] == [True, "none"]
    assert answered["dead"][0] is False
    assert "could not be reached" in answered["dead"][1]


def test_scoring_records_which_labels_it_began_with(results: dict[str, Any]) -> None:
    """Under the run's id, so that a verdict given meanwhile is not marked as reported."""
    assert results["begun"] is True
