"""The check of each judge's pin, and the pins that expire soon, for Dagster and the pages.

`evals.models` classifies pins and finds when a model is retired.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg

from evals import models
from evals.models import Expiry
from evals.reports.decide.outages import Outage, Unscored, find_outage
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.storage.queries import open_duckdb, read_parquet_files
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import CheckEvent, CheckOutcome, check_nights, list_run_nights
from orchestration.settings import Settings

CHECK, ANSWERED = "pin", "answered"
OTHER_MODELS = (
    "select evaluator, count(*) filter (code = 'other-model') as answers,"
    " count(*) filter (code = 'other-weights') as refused from s group by 1"
)
UNSCORED = "select evaluator, status, coalesce(code, '') as code, count(*) as n from s group by all"
Counts = dict[str, tuple[int, int]]
"""By evaluator: answers from another model, and calls not made because of other weights."""


def build_checks(deployment: Deployment, specs: Sequence[dg.AssetSpec]) -> list[dg.AssetCheckSpec]:
    """Builds the checks of each asset whose evaluator calls a model."""
    promises = {
        CHECK: "Its model answered under its pinned name, and is served for 90 days more.",
        ANSWERED: "Its provider answered, and did not end the calls of the night.",
    }
    return [
        dg.AssetCheckSpec(
            check, asset=spec.key, description=promise, partitions_def=deployment.nights
        )
        for spec in specs
        if "pin" in spec.metadata
        for check, promise in promises.items()
    ]


def check_pins(
    context: dg.AssetExecutionContext, settings: Settings, specs: Sequence[dg.AssetSpec]
) -> Iterator[CheckEvent]:
    """Whether each judge was answered by its pinned model, and how long that is still served."""
    chosen = {key.asset_key for key in context.selected_asset_check_keys if key.name == CHECK}
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


def check_answers(
    context: dg.AssetExecutionContext, settings: Settings, specs: Sequence[dg.AssetSpec]
) -> Iterator[CheckEvent]:
    """Whether each judge's provider answered."""
    chosen = {key.asset_key for key in context.selected_asset_check_keys if key.name == ANSWERED}
    lake, nights = settings.open_lake(), list_run_nights(context)
    for spec in specs:
        if spec.key in chosen:
            name = spec.metadata["evaluator"]
            outcomes = {n: check_answered(find_night_outage(lake, n, name)) for n in nights}
            yield from check_nights(context, spec.key, ANSWERED, outcomes)


def find_night_outage(lake: Lake, night: date, evaluator: str) -> Outage | None:
    """Finds whether a judge's provider failed in a night."""
    files = list_locked_files(lake, "scores", [night])
    if not files:
        return None
    with open_duckdb() as db:
        read_parquet_files(db, files).create_view("s")
        rows = [row[1:] for row in db.sql(UNSCORED).fetchall() if row[0] == evaluator]
    unscored = [Unscored(*row) for row in rows if row[0] != "scored"]
    return find_outage(unscored, sum(n for status, _, n in rows if status == "scored"))


def check_answered(outage: Outage | None) -> CheckOutcome:
    """Whether a judge's provider answered in a night."""
    return CheckOutcome(
        passed=outage is None,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "without_a_score": outage.n if outage else 0,
            "reason": models.FAULTS.get(outage.code, outage.code) if outage else "none",
        },
    )


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
