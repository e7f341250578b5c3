"""Stage 5, guard: turns guardrail scores into verdicts and actions by the catalog's policy.

Makes no calls; how a guardrail scores is in `evals.evaluators`.
"""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from evals.records import GuardVerdict
from evals.runs.guard_verdicts import guard_night
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Metadata, list_run_nights, show_nights, show_table
from orchestration.runtime.progress import iterate_nights
from orchestration.stages.evaluate import build_asset_key

GROUP = "guard"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "parquet"},
        owner=QUALITY,
        nights=deployment.nights,
        deps=list_guardrail_keys(deployment),
    )
    def verdicts(context: dg.AssetExecutionContext) -> None:
        """One row per trace × guardrail: whether it tripped, and its policy's action."""
        lake = settings.open_lake()
        shown = {
            night: count_verdicts(guard_night(lake, night))
            for night in iterate_nights("guarding", list_run_nights(context))
        }
        show_nights(context, shown)

    return [verdicts]


def list_guardrail_keys(deployment: Deployment) -> list[dg.AssetKey]:
    """Returns the assets of the evaluators that are guardrails."""
    return [
        build_asset_key(name)
        for name, uses in deployment.evaluators.items()
        if uses[0].guardrail is not None
    ]


def count_verdicts(rows: Sequence[GuardVerdict]) -> Metadata:
    """Counts a night's verdicts, and those that tripped by guardrail and action."""
    tripped = Counter((row.app, row.guardrail, row.action) for row in rows if row.tripped)
    shown = [
        {"app": app, "guardrail": guardrail, "action": action, "traces": count}
        for (app, guardrail, action), count in sorted(tripped.items())
    ]
    return {"verdicts": len(rows), "tripped": tripped.total(), "by_guardrail": show_table(shown)}
