"""What a run that Dagster began promises whoever wants the home alone."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from evals.erasure import requests
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.lake import Lake, LakeError
from orchestration.runtime.executor import in_use_executor
from orchestration.settings import settings


@dg.op
def looks() -> None:
    """Asks for the home alone, from within a run."""
    with (
        pytest.raises(LakeError, match="in use by a run; try again"),
        settings().lake().used(alone=True),
    ):
        pass


@dg.job(executor_def=in_use_executor)
def looking() -> None:
    """One step, run as every run of the line is."""
    looks()


def test_a_run_has_the_home_in_use_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that no command of ours began; afterwards the home is free."""
    monkeypatch.setenv("ANDON_HOME", str(tmp_path / "home"))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = dg.execute_job(dg.reconstructable(looking), instance)
    assert result.success
    with Lake(tmp_path / "home").used(alone=True):
        pass


def test_a_run_first_does_a_wish_that_was_left_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Dagster alone runs the nights, a killed `andon forget` is completed as well."""
    monkeypatch.setenv("ANDON_HOME", str(tmp_path / "home"))
    lake = settings().lake()
    requests.write_request(
        lake, requests.ErasureRequest("2026-10-02T06:00:00+00:00", ("somebody-4711",))
    )
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        assert dg.execute_job(dg.reconstructable(looking), instance).success
    assert requests.list_unfinished(lake) == []
    assert read_tombstones(lake).users
