"""Promises of the asset `releases`: it stops what waits for it where the catalog wants that."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from evals.storage import night_state
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from orchestration.runtime.deployment import load_deployment
from orchestration.runtime.run_tags import build_range_tags
from orchestration.settings import Settings
from tests.catalog_files import write_catalog
from tests.evals.reports.report_bodies import night, sealed

NIGHTS = [date(2026, 10, day) for day in (7, 8)]
REGRESSED = {"outcome": "regressed", "reasons": ["price slipped"]}
PASSED = {"outcome": "pass", "reasons": []}

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own


@pytest.mark.parametrize(
    ("blocking", "gates", "deployed", "statuses"),
    [
        (True, (PASSED, REGRESSED), False, ["SUCCEEDED", "FAILED"]),
        (True, (REGRESSED, PASSED), True, ["FAILED", "SUCCEEDED"]),
        (False, (PASSED, REGRESSED), True, ["SUCCEEDED", "FAILED"]),
    ],
)
def test_a_regressed_last_night_blocks_what_is_downstream(
    tmp_path: Path,
    blocking: bool,
    gates: tuple[dict[str, object], ...],
    deployed: bool,
    statuses: list[str],
) -> None:
    """Each night of a range has its own status; an earlier one stops nothing."""
    from orchestration.stages.report import RELEASES, build_releases

    files = {
        "catalog.yaml": {"since": NIGHTS[0]},
        "apps/shop.yaml": {"app": "shop", "gate": {"blocking": blocking}},
    }
    settings = Settings(tmp_path / "home", write_catalog(tmp_path / "catalog", files), None, ())
    lake = Lake(settings.home).open()
    for day, gate in zip(NIGHTS, gates, strict=True):
        body = sealed(night(day.isoformat(), gate=gate))
        write_report(lake, day, body, "<p>", {})
        night_state.update_state(lake, day, reports={"shop": body["version"]})
    deployment, ran = load_deployment(settings), list[str]()

    @dg.asset(
        deps=[RELEASES],
        partitions_def=deployment.nights,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def deploy() -> None:
        ran.append("deploy")

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build_releases(deployment), deploy],
            instance=instance,
            tags=build_range_tags(*NIGHTS),
            raise_on_error=False,
        )
        key, days = dg.AssetCheckKey(RELEASES, "may_release"), [day.isoformat() for day in NIGHTS]
        shown = instance.event_log_storage.get_asset_check_partition_info([key], None, days)
    by_night = {one.partition_key: one.latest_execution_status.value for one in shown}
    assert (result.success, ran) == (deployed, ["deploy"] * deployed)
    assert [by_night[day] for day in days] == statuses
