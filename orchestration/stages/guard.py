"""Stage 5, guard: guardrail scores become verdicts and actions by policy.

Makes no calls; the policy is the catalog's, the checks are in `evals.evaluators`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg

from evals.records import GuardVerdict
from evals.runs import runner
from orchestration.runtime.deployment import QUALITY, Deployment, tags_of
from orchestration.runtime.metadata import nights_of, show_nights, table
from orchestration.runtime.partitions import CODE, RANGE
from orchestration.runtime.progress import each
from orchestration.stages.evaluate import asset_key

GROUP = "guard"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python", "parquet"},
        code_version=CODE,
        owners=[QUALITY],
        tags=tags_of(GROUP),
        partitions_def=deployment.nights,
        backfill_policy=RANGE,
        deps=guard_keys(deployment),
    )
    def verdicts(context: dg.AssetExecutionContext) -> None:
        """One row per trace × guardrail: whether it tripped, and the action its policy asks for."""
        lake = here.lake()
        shown = {
            night: count_verdicts(runner.guard_night(lake, night))
            for night in each("guarding", nights_of(context))
        }
        show_nights(context, shown)

    return [verdicts]


def guard_keys(deployment: Deployment) -> list[dg.AssetKey]:
    """The assets of the evaluators that are guardrails."""
    found = deployment.evaluators.items()
    return [asset_key(name) for name, uses in found if uses[0].guardrail is not None]


def count_verdicts(rows: Sequence[GuardVerdict]) -> dict[str, Any]:
    """A night's verdicts, and how often each guardrail asked for its action."""
    tripped = Counter((row.app, row.guardrail, row.action) for row in rows if row.tripped)
    shown = [
        {"app": app, "guardrail": guardrail, "action": action, "traces": count}
        for (app, guardrail, action), count in sorted(tripped.items())
    ]
    return {"verdicts": len(rows), "tripped": tripped.total(), "by_guardrail": table(shown)}
