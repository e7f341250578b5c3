"""Stage 8, realign: measures judges against people's labels, and trains classifiers from them.

Changes no judge and no classifier: a person promotes a proposal by a commit to the catalog.
"""

from datetime import UTC, datetime

import dagster as dg

from evals.labels import realign
from evals.reports.alignment import describe_as_json, store_alignment
from evals.training import proposals
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Materialized, show_table, to_json
from orchestration.runtime.progress import Progress

GROUP = "realign"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "json"},
        owner=QUALITY,
        deps=["review_queue", "labels", "fct_agreement", "reports"],
    )
    def alignment(context: dg.AssetExecutionContext) -> Materialized:
        """One row per judge × application: how far it agrees with people, and what it still needs.

        Stores each look at the test labels with the day it was first seen.
        """
        Progress.report("measuring judges against labels")
        rows = [
            describe_as_json(one)
            for one in store_alignment(settings.open_lake(), datetime.now(UTC).date())
        ]
        columns = ("judge", "app", "sentence", "tpr", "tnr", "labels", "disagreements")
        return dg.MaterializeResult(
            metadata={
                "aligned": sum(row["state"] == "aligned" for row in rows),
                "watch_only": sum(row["state"] == "watch only" for row in rows),
                "judges": show_table([{key: row[key] for key in columns} for row in rows]),
                "in_full": to_json(rows),
            }
        )

    @declare_asset(
        GROUP,
        {"python", "json"},
        owner=QUALITY,
        deps=["alignment"],
    )
    def judge_candidates(context: dg.AssetExecutionContext) -> Materialized:
        """One row per judge with a graded score: its threshold, and the one its labels suggest."""
        Progress.report("measuring judges against labels")
        rows = realign.propose_candidates(settings.open_lake(), settings.load_catalog())
        shown = [{key: row[key] for key in ("judge", "now", "proposed", "why")} for row in rows]
        return dg.MaterializeResult(
            metadata={"candidates": show_table(shown), "in_full": to_json(rows)}
        )

    @declare_asset(GROUP, {"python", "json"}, owner=QUALITY, deps=["labels", "reports"])
    def classifier_candidates(context: dg.AssetExecutionContext) -> Materialized:
        """One row per classifier: its promoted model, and the last trained one beside it.

        Trains one again when `retrain_after` labels came since; promotes none.
        """
        Progress.report("training classifiers that have new labels")
        now = datetime.now(UTC)
        rows = proposals.propose_all(settings.open_lake(), settings.load_catalog(), now)
        shown = [
            {"classifier": row.classifier, "now": row.now, "candidate": row.candidate}
            | {"trained": row.trained, "why": row.why}
            for row in rows
        ]
        return dg.MaterializeResult(metadata={"candidates": show_table(shown)})

    return [alignment, judge_candidates, classifier_candidates]
