"""Promises of dbt builds in this process: errors reach the step, and nothing stays open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.mark.filterwarnings("ignore")  # Dagster's and dbt's own, while they are imported
def test_a_failed_build_names_the_model_and_closes_everything(tmp_path: Path) -> None:
    """The error names the missing table; the file and the working directory are free."""
    import dagster as dg
    import duckdb
    from dagster_dbt import dbt_assets

    from orchestration.cli.launch import describe_cause
    from orchestration.runtime.dbt_models import Translator, build_models, load_manifest

    before, scratch = Path.cwd(), tmp_path / "andon.duckdb"

    @dbt_assets(
        manifest=load_manifest(),
        selector="slices",
        name="empty",
        dagster_dbt_translator=Translator("slices"),
    )
    def models(context):
        yield from build_models(context, scratch)

    done = dg.materialize([models], raise_on_error=False)
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    message = describe_cause(failed.step_failure_data.error)
    assert 'Table with name "lake.traces" does not exist' in message
    assert "stg_traces" in message
    assert Path.cwd() == before
    duckdb.connect(str(scratch)).close()


def test_a_persons_own_dbt_settings_do_not_reach_our_builds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`DBT_EMPTY=1` would build every model without a row, and a night would end well."""
    from orchestration.runtime.dbt_models import build_dbt_environment, use_dbt_environment

    for name in ("DBT_EMPTY", "DBT_TARGET", "DBT_PROFILE", "DBT_LOG_PATH", "dbt_vars"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("ANDON_HOME", "kept")
    with use_dbt_environment():
        inside = dict(os.environ)
    assert inside == build_dbt_environment()
    assert inside["ANDON_HOME"] == "kept"
    assert [name for name in inside if name.upper().startswith("DBT_")] == [
        "DBT_SEND_ANONYMOUS_USAGE_STATS"
    ]
    assert os.environ["DBT_EMPTY"] == "1"
