"""What Dagster and the pages say of pins: a check a judge, and the models about to go.

What a pin promises and when it ends is told in `evals.models`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from evals import models
from evals.storage.lake import connection, parquet
from evals.storage.marts import locked_files
from orchestration.runtime.metadata import nights_of
from orchestration.settings import settings

CHECK = "pin"
OTHERS = (
    "select evaluator, count(*) filter (code = 'other-model') as answers,"
    " count(*) filter (code = 'other-weights') as refused from s group by 1"
)


def checks(specs: Sequence[dg.AssetSpec]) -> list[dg.AssetCheckSpec]:
    """One check for each asset whose evaluator asks a model."""
    promise = "Its model answered under its pinned name, and is served for 90 days more."
    asking = [spec.key for spec in specs if "pin" in spec.metadata]
    return [dg.AssetCheckSpec(CHECK, asset=key, description=promise) for key in asking]


def results(
    context: dg.AssetExecutionContext, specs: Sequence[dg.AssetSpec]
) -> Iterator[dg.AssetCheckResult]:
    """Whether each judge's model kept to its pin on a run's nights, and how long it still may."""
    chosen = {key.asset_key for key in context.selected_asset_check_keys}
    asking = [spec for spec in specs if spec.key in chosen and "pin" in spec.metadata]
    if not asking:
        return
    files = locked_files(settings().lake(), "scores", nights_of(context))
    with connection() as db:
        rows = parquet(db, files).query("s", OTHERS).fetchall() if files else ()
    others = {name: (answers, refused) for name, answers, refused in rows}
    ends = {end.name: end for end in expiring()}
    for spec in asking:
        answers, refused = others.get(spec.metadata["evaluator"], (0, 0))
        end = ends.get(spec.metadata["pin"])
        alarm = answers + refused > 0 or (end is not None and end.state == "fail")
        yield dg.AssetCheckResult(
            asset_key=spec.key,
            check_name=CHECK,
            passed=not answers + refused and end is None,
            severity=dg.AssetCheckSeverity.ERROR if alarm else dg.AssetCheckSeverity.WARN,
            metadata={
                "answers_from_another_model": answers,
                "not_asked_for_other_weights": refused,
                "about_to_end": end.describe() if end else "not within 90 days",
            },
        )


def expiring() -> list[models.Expiry]:
    """The catalog's pins that end within 90 days, as seen today."""
    lake, known = settings().lake(), settings().catalog().models.values()
    return models.list_expiring(known, lake, datetime.now(UTC).date())


def ending() -> dict[str, Any]:
    """The same as pages and `run.json` take them."""
    return {
        "pins": [
            {"name": end.name, "model": end.model, "on": end.on.isoformat(), "state": end.state}
            | {"words": end.describe()}
            for end in expiring()
        ]
    }
