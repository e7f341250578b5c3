"""The check of each judge's pin, and the pins that expire soon, for Dagster and the pages.

`evals.models` classifies pins and finds when a model is retired.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg

from evals import models
from evals.models import Expiry
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.storage.queries import open_duckdb, read_parquet_files
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import CheckEvent, CheckOutcome, check_nights, list_run_nights
from orchestration.settings import Settings

CHECK = "pin"
OTHER_MODELS = (
    "select evaluator, count(*) filter (code = 'other-model') as answers,"
    " count(*) filter (code = 'other-weights') as refused from s group by 1"
)
Counts = dict[str, tuple[int, int]]
"""By evaluator: answers from another model, and calls not made because of other weights."""


def build_checks(deployment: Deployment, specs: Sequence[dg.AssetSpec]) -> list[dg.AssetCheckSpec]:
    """Builds one check for each asset whose evaluator calls a model."""
    promise = "Its model answered under its pinned name, and is served for 90 days more."
    return [
        dg.AssetCheckSpec(
            CHECK, asset=spec.key, description=promise, partitions_def=deployment.nights
        )
        for spec in specs
        if "pin" in spec.metadata
    ]


def check_pins(
    context: dg.AssetExecutionContext, settings: Settings, specs: Sequence[dg.AssetSpec]
) -> Iterator[CheckEvent]:
    """Whether each judge was answered by its pinned model, and how long that is still served."""
    chosen = {key.asset_key for key in context.selected_asset_check_keys}
    judges = [spec for spec in specs if spec.key in chosen and "pin" in spec.metadata]
    if not judges:
        return
    lake = settings.open_lake()
    others = {night: count_others(lake, night) for night in list_run_nights(context)}
    expiries = {expiry.name: expiry for expiry in list_expiring(settings)}
    for spec in judges:
        name, expiry = spec.metadata["evaluator"], expiries.get(spec.metadata["pin"])
        outcomes = {n: check_pin(*row.get(name, (0, 0)), expiry) for n, row in others.items()}
        yield from check_nights(context, spec.key, CHECK, outcomes)


def count_others(lake: Lake, night: date) -> Counts:
    """Counts a night's answers from another model and calls refused for other weights."""
    files = list_locked_files(lake, "scores", [night])
    if not files:
        return {}
    with open_duckdb() as db:
        read_parquet_files(db, files).create_view("s")
        rows = db.sql(OTHER_MODELS).fetchall()
    return {name: (answers, refused) for name, answers, refused in rows}


def check_pin(answers: int, refused: int, expiry: Expiry | None) -> CheckOutcome:
    """Whether a night's answers came from the pinned model, and it does not expire soon."""
    alarm = answers + refused > 0 or (expiry is not None and expiry.state == "fail")
    return CheckOutcome(
        passed=not answers + refused and expiry is None,
        severity=dg.AssetCheckSeverity.ERROR if alarm else dg.AssetCheckSeverity.WARN,
        metadata={
            "answers_from_another_model": answers,
            "not_asked_for_other_weights": refused,
            "about_to_end": expiry.describe() if expiry else "not within 90 days",
        },
    )


def list_expiring(settings: Settings) -> list[Expiry]:
    """Lists the catalog's pins that expire within 90 days from today."""
    return models.list_expiring(
        settings.load_catalog().models.values(), settings.open_lake(), datetime.now(UTC).date()
    )


def describe_expiring(settings: Settings) -> dict[str, list[dict[str, str]]]:
    """Describes the pins that expire within 90 days, as pages and `run.json` show them."""
    return {
        "pins": [
            {"name": expiry.name, "model": expiry.model, "on": expiry.on.isoformat()}
            | {"state": expiry.state, "words": expiry.describe()}
            for expiry in list_expiring(settings)
        ]
    }
