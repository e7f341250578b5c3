"""Promises of the executor: a run marks the home as in use, and completes erasures first."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from evals.storage.documents import forget_requests
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.lake import Lake, LakeError
from orchestration.runtime.executor import in_use_executor
from orchestration.settings import read_settings


@dg.op
def open_alone() -> None:
    """Fails to lock the home for itself, from within a run."""
    with (
        pytest.raises(LakeError, match="in use by a run; try again"),
        read_settings().open_lake().lock_home(exclusive=True),
    ):
        pass


@dg.job(executor_def=in_use_executor)
def open_alone_job() -> None:
    """One step, run with the executor of every run."""
    open_alone()


def test_a_run_has_the_home_in_use_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that Dagster started marks the home as in use; afterwards it is free."""
    monkeypatch.setenv("ANDON_HOME", str(tmp_path / "home"))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = dg.execute_job(dg.reconstructable(open_alone_job), instance)
    assert result.success
    with Lake(tmp_path / "home").lock_home(exclusive=True):
        pass


def test_a_run_first_completes_an_unfinished_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Dagster alone runs the nights, a killed `andon forget` is completed as well."""
    monkeypatch.setenv("ANDON_HOME", str(tmp_path / "home"))
    lake = read_settings().open_lake()
    forget_requests.write_request(
        lake, forget_requests.ErasureRequest("2026-10-02T06:00:00+00:00", ("somebody-4711",))
    )
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        assert dg.execute_job(dg.reconstructable(open_alone_job), instance).success
    assert forget_requests.list_unfinished(lake) == []
    assert read_tombstones(lake).users
