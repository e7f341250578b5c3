"""Stage 8, realign: judges measured against people's labels, and candidates where they stray.

Proposes only; a person's commit to the catalog promotes.
"""

from typing import Any

import dagster as dg

from evals.labels import realign
from orchestration.runtime.metadata import plain, table
from orchestration.runtime.partitions import CODE
from orchestration.runtime.progress import Progress
from orchestration.settings import settings


@dg.asset(
    group_name="realign",
    kinds={"python", "json"},
    code_version=CODE,
    owners=["team:quality"],
    deps=["review_queue", "labels", "fct_agreement"],
)
def judge_candidates(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """One row per judge with a graded score: its threshold, and the one its labels ask for."""
    Progress.say("measuring judges against labels")
    rows = realign.candidates(settings().lake(), settings().catalog())
    shown = [{key: row[key] for key in ("judge", "now", "proposed", "why")} for row in rows]
    return dg.MaterializeResult(metadata={"candidates": table(shown), "in_full": plain(rows)})
