"""What Dagster and the pages show of pins: a check a judge, and the models about to end.

What a pin promises and when it ends is in `evals.models`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from evals import models
from evals.models import Expiry
from evals.storage.lake import Lake, connection, parquet
from evals.storage.marts import locked_files
from orchestration.runtime.deployment import Deployment
from orchestration.runtime.metadata import Checked, check_nights, nights_of
from orchestration.settings import Settings

CHECK = "pin"
OTHERS = (
    "select evaluator, count(*) filter (code = 'other-model') as answers,"
    " count(*) filter (code = 'other-weights') as refused from s group by 1"
)
Counts = dict[str, tuple[int, int]]
"""By evaluator: answers from another model, and questions not asked for other weights."""


def build_checks(deployment: Deployment, specs: Sequence[dg.AssetSpec]) -> list[dg.AssetCheckSpec]:
    """One check for each asset whose evaluator asks a model."""
    promise = "Its model answered under its pinned name, and is served for 90 days more."
    return [
        dg.AssetCheckSpec(
            CHECK, asset=spec.key, description=promise, partitions_def=deployment.nights
        )
        for spec in specs
        if "pin" in spec.metadata
    ]


def check_pins(
    context: dg.AssetExecutionContext, here: Settings, specs: Sequence[dg.AssetSpec]
) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
    """Whether each judge's model kept to its pin on a run's nights, and how long it still may."""
    chosen = {key.asset_key for key in context.selected_asset_check_keys}
    asking = [spec for spec in specs if spec.key in chosen and "pin" in spec.metadata]
    if not asking:
        return
    lake = here.lake()
    others = {night: count_others(lake, night) for night in nights_of(context)}
    ends = {end.name: end for end in expiring(here)}
    for spec in asking:
        name, end = spec.metadata["evaluator"], ends.get(spec.metadata["pin"])
        found = {n: check_pin(*counts.get(name, (0, 0)), end) for n, counts in others.items()}
        yield from check_nights(context, spec.key, CHECK, found)


def count_others(lake: Lake, night: date) -> Counts:
    """Which evaluators were answered by another model in a night, or found other weights."""
    files = locked_files(lake, "scores", [night])
    with connection() as db:
        rows = parquet(db, files).query("s", OTHERS).fetchall() if files else ()
    return {name: (answers, refused) for name, answers, refused in rows}


def check_pin(answers: int, refused: int, end: Expiry | None) -> Checked:
    """Whether a night's answers came from the pinned model, which is not about to end."""
    alarm = answers + refused > 0 or (end is not None and end.state == "fail")
    return Checked(
        passed=not answers + refused and end is None,
        severity=dg.AssetCheckSeverity.ERROR if alarm else dg.AssetCheckSeverity.WARN,
        metadata={
            "answers_from_another_model": answers,
            "not_asked_for_other_weights": refused,
            "about_to_end": end.describe() if end else "not within 90 days",
        },
    )


def expiring(here: Settings) -> list[Expiry]:
    """The catalog's pins that end within 90 days, as seen today."""
    return models.list_expiring(
        here.catalog().models.values(), here.lake(), datetime.now(UTC).date()
    )


def ending(here: Settings) -> dict[str, Any]:
    """The same as pages and `run.json` take them."""
    return {
        "pins": [
            {"name": end.name, "model": end.model, "on": end.on.isoformat(), "state": end.state}
            | {"words": end.describe()}
            for end in expiring(here)
        ]
    }
