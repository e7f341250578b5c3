"""Stage 5, guard: guardrail scores become verdicts and actions by policy.

Makes no calls; the policy is the catalog's, the checks are `evals.evaluators.guardrails`'.
"""

from collections import Counter
from typing import Any

import dagster as dg

from evals.runs import runner
from orchestration.runtime.metadata import nights_of, table
from orchestration.runtime.partitions import CODE, NIGHTS, RANGE
from orchestration.runtime.progress import each
from orchestration.settings import settings
from orchestration.stages.evaluate import asset_key

GUARDED = [asset_key(name) for name in sorted(settings().catalog().guardrails)]


@dg.asset(
    group_name="guard",
    kinds={"python", "parquet"},
    code_version=CODE,
    owners=["team:quality"],
    partitions_def=NIGHTS,
    backfill_policy=RANGE,
    deps=GUARDED,
)
def verdicts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per trace × guardrail: whether it tripped, and the action its policy asks for."""
    lake = settings().lake()
    rows = [
        row for n in each("guarding", nights_of(context)) for row in runner.guard_night(lake, n)
    ]
    tripped = Counter((row.app, row.guardrail, row.action) for row in rows if row.tripped)
    shown = [
        {"app": app, "guardrail": guardrail, "action": action, "traces": count}
        for (app, guardrail, action), count in sorted(tripped.items())
    ]
    return dg.MaterializeResult(metadata={"verdicts": len(rows), "tripped": table(shown)})
