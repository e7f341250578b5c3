"""Stage 8, realign: judges measured against people's labels, and candidates where they stray.

Proposes only; a person's commit to the catalog promotes.
"""

from typing import Any

import dagster as dg

from evals.labels import realign
from orchestration.runtime.deployment import QUALITY, Deployment, tags_of
from orchestration.runtime.metadata import plain, table
from orchestration.runtime.partitions import CODE
from orchestration.runtime.progress import Progress

GROUP = "realign"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of this stage."""
    here = deployment.settings

    @dg.asset(
        group_name=GROUP,
        kinds={"python", "json"},
        code_version=CODE,
        owners=[QUALITY],
        tags=tags_of(GROUP),
        deps=["review_queue", "labels", "fct_agreement"],
    )
    def judge_candidates(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """One row per judge with a graded score: its threshold, and the one its labels ask for."""
        Progress.say("measuring judges against labels")
        rows = realign.candidates(here.lake(), here.catalog())
        shown = [{key: row[key] for key in ("judge", "now", "proposed", "why")} for row in rows]
        return dg.MaterializeResult(metadata={"candidates": table(shown), "in_full": plain(rows)})

    return [judge_candidates]
