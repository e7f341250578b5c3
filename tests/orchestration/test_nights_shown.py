"""Promises of a run over nights: each night's partition has its own figures and checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.catalog_files import write_catalog

NIGHTS = [date(2026, 10, day) for day in (1, 2, 3)]
BAD = NIGHTS[1]
POLITE = {"assertion": "regex", "params": {"pattern": "^Hello"}}

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Dagster's, dbt's own


def make_rows(night: date) -> Iterator[dict[str, Any]]:
    """Six answers, one of them rude; on the bad night half have an impossible latency."""
    for number in range(6):
        broken = night == BAD and number % 2
        yield {
            "trace_id": f"{night:%m%d}-{number}",
            "ts": f"{night.isoformat()}T09:0{number}:00Z",
            "app": "chat",
            "input": f"Question {number}?",
            "output": "Go away." if number == night.day else "Hello.",
            "latency_ms": -5 if broken else 5,
        }
    for number in range(2):
        about = {"trace_id": f"card-{night:%m%d}-{number}", "ts": f"{night.isoformat()}T10:00:00Z"}
        yield {**about, "app": "cards", "input": "A wish", "output": "Hello." if number else "Hm."}


@pytest.fixture(scope="module")
def instance_after_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The instance after one run of the nightly job over three nights."""
    import dagster as dg

    from orchestration.definitions import build_definitions
    from orchestration.runtime.run_tags import build_range_tags
    from orchestration.settings import Settings

    folder = tmp_path_factory.mktemp("nights")
    dimension = {"dimension": "polite", "question": "Is it polite?", "check": POLITE}
    files: dict[str, Any] = {
        "catalog.yaml": {"since": NIGHTS[0]},
        **{
            f"apps/{app}.yaml": {"app": app, "suite": app, "owner": f"team:{app}"}
            for app in ("chat", "cards")
        },
        **{
            f"suites/{app}.yaml": {"suite": app, "dimensions": [dimension]}
            for app in ("chat", "cards")
        },
    }
    write_catalog(folder / "catalog", files)
    (folder / "inbox").mkdir()
    lines = [json.dumps(row) + "\n" for night in NIGHTS for row in make_rows(night)]
    (folder / "inbox" / "nights.jsonl").write_text("".join(lines))
    settings = Settings(folder / "home", folder / "catalog", folder / "inbox", ())
    job = build_definitions(settings).resolve_job_def("nightly")
    with dg.DagsterInstance.ephemeral() as instance:
        tags = build_range_tags(NIGHTS[0], NIGHTS[-1])
        assert job.execute_in_process(instance=instance, tags=tags).success
        yield instance


def read_metadata(instance: Any, *key: str) -> dict[str, dict[str, Any]]:
    """The metadata of an asset's last materialization, by partition."""
    import dagster as dg

    by_night = {}
    for night in NIGHTS:
        wanted = dg.AssetRecordsFilter(dg.AssetKey([*key]), asset_partitions=[night.isoformat()])
        records = instance.fetch_materializations(wanted, limit=10).records
        assert len(records) == 1, f"{len(records)} materializations of {key} on {night}"
        metadata = records[0].asset_materialization.metadata
        by_night[night.isoformat()] = {name: value.value for name, value in metadata.items()}
    return by_night


def read_statuses(instance: Any, asset: str, check: str) -> dict[str, str]:
    """A check's status by partition."""
    import dagster as dg

    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    nights = [night.isoformat() for night in NIGHTS]
    by_night = instance.event_log_storage.get_asset_check_partition_info([key], None, nights)
    return {one.partition_key: one.latest_execution_status.value for one in by_night}


def test_a_check_has_its_own_status_each_night(instance_after_run: Any) -> None:
    """The bad night's checks failed in its partition alone; no green night hides it."""
    bad, others = BAD.isoformat(), [n.isoformat() for n in NIGHTS if n != BAD]
    admitted = read_statuses(instance_after_run, "traces", "night_admitted")
    assert admitted == {bad: "FAILED", **dict.fromkeys(others, "SUCCEEDED")}
    assert read_statuses(instance_after_run, "traces", "latency_ms_not_negative") == admitted
    assert set(read_statuses(instance_after_run, "reports", "release_gate")) == {*others, bad}


def test_an_asset_shows_each_night_its_own_figures(instance_after_run: Any) -> None:
    """Counts and pass rates are the night's, as numbers, and the page's link is the night's."""
    traces = read_metadata(instance_after_run, "traces")
    assert [traces[n.isoformat()]["read"] for n in NIGHTS] == [8, 8, 8]
    assert [traces[n.isoformat()]["quarantined"] for n in NIGHTS] == [0, 3, 0]
    rates = read_metadata(instance_after_run, "scores", "chat__polite")
    assert rates["2026-10-01"]["pass_rate"] == rates["2026-10-03"]["pass_rate"] == 0.8333
    assert "pass_rate" not in rates["2026-10-02"]
    assert rates["2026-10-01"]["scores"] == 6
    reports = read_metadata(instance_after_run, "reports")
    for night in NIGHTS:
        assert f"/{night}/cards/" in reports[night.isoformat()]["page/cards"]
        assert Path(reports[night.isoformat()]["file/cards"]).exists()
