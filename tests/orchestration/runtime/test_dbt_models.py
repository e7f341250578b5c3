"""dbt runs in this process: what it finds wrong is the step's error, and nothing stays held."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.filterwarnings("ignore")  # Dagster's and dbt's own, while they are imported
def test_a_build_that_fails_names_the_model_and_lets_go_of_everything(tmp_path: Path) -> None:
    """With nothing to read, the error says which table is missing; file and folder are free."""
    import dagster as dg
    import duckdb
    from dagster_dbt import dbt_assets

    from orchestration.cli.launch import root_of
    from orchestration.runtime.dbt_models import Translator, dbt_build, manifest

    here, scratch = Path.cwd(), tmp_path / "andon.duckdb"

    @dbt_assets(
        manifest=manifest(),
        selector="slices",
        name="empty",
        dagster_dbt_translator=Translator("slices"),
    )
    def models(context):
        yield from dbt_build(context, scratch)

    done = dg.materialize([models], raise_on_error=False)
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    said = root_of(failed.step_failure_data.error)
    assert 'Table with name "lake.traces" does not exist' in said
    assert "stg_traces" in said
    assert Path.cwd() == here
    duckdb.connect(str(scratch)).close()
