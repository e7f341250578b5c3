"""Promises of dbt builds in this process: errors reach the step, and nothing stays open."""

from __future__ import annotations

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
