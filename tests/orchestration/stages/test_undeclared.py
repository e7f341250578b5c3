"""Promises about applications that the catalog does not declare, in Dagster's assets."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.evaluators.resolution import resolve_app
from orchestration.runtime.deployment import load_deployment
from orchestration.settings import Settings
from orchestration.stages.evaluate import find_shared_name
from tests.catalog_files import write_catalog


@pytest.mark.parametrize("app", ["chat", "chta", "chat.x"])
def test_each_evaluator_of_an_application_belongs_to_an_asset(tmp_path: Path, app: str) -> None:
    """Also those of an undeclared one, which a run would else never score."""
    guardrail = {"guardrail": "pii", "question": "Is it free of personal data?", "check": "pii"}
    files = {"apps/chat.yaml": {"app": "chat"}, "guardrails/pii.yaml": guardrail}
    root = write_catalog(tmp_path / "catalog", {"catalog.yaml": {}, **files})
    deployment = load_deployment(Settings(tmp_path / "home", root, None, ()))
    catalog = deployment.catalog
    names = {find_shared_name(catalog, app, each.name) for each in resolve_app(catalog, app)}
    assert len(names) == 2
    assert names <= deployment.evaluators.keys()
