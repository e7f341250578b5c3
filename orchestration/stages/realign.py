"""Stage 8, realign: measures judges against people's labels, and trains classifiers from them.

Changes no judge and no classifier: a person promotes a proposal by a commit to the catalog.
"""

from datetime import UTC, datetime

import dagster as dg

from evals.realign import proposals
from evals.records import Json
from evals.reports import board_pages
from evals.reports.alignment import Alignment, describe_as_json, store_alignment
from evals.runs.live_run import open_live_run
from evals.storage.documents.judge_candidates import StoredCandidate
from evals.training import proposals as training
from orchestration.runtime import interrupts
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Materialized, show_table, to_json
from orchestration.runtime.progress import Progress

GROUP = "realign"


def describe_candidate(stored: StoredCandidate) -> dict[str, Json]:
    """Describes a candidate without its file, whose examples and critiques are people's words."""
    return {key: value for key, value in stored._asdict().items() if key != "file"}


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
        found = store_alignment(settings.open_lake(), datetime.now(UTC).date())
        rows = list(map(describe_as_json, found))
        return dg.MaterializeResult(
            metadata={
                "aligned": sum(row["state"] == "aligned" for row in rows),
                "watch_only": sum(row["state"] == "watch only" for row in rows),
                "judges": show_table(list(map(show_alignment, found))),
                "in_full": to_json(rows),
            }
        )

    @declare_asset(
        GROUP,
        {"python", "json"},
        owner=QUALITY,
        pii=True,
        paid=True,
        deps=["alignment"],
    )
    def judge_candidates(context: dg.AssetExecutionContext) -> Materialized:
        """One row per judge × candidate from people's labels, with what was measured of it.

        Makes calls only within `realign.max_calls`; promotes none.
        """
        Progress.report("measuring candidates for judges")
        lake, catalog, now = settings.open_lake(), settings.load_catalog(), datetime.now(UTC)
        references, run = settings.load_references(lake, catalog), context.run.run_id
        with (
            interrupts.handle_signals() as stop,
            open_live_run(
                lake, catalog, references, f"realign-{run}", now.date(), stop=stop
            ) as asking,
        ):
            found = proposals.propose_all(lake, catalog, references, now, asking)
        board_pages.rewrite_evaluators(lake)
        rows = [
            {"judge": one.judge, "candidate": one.candidate, **show_evidence(one)}
            for proposal in found
            for one in proposal.candidates
        ]
        judges = [{"judge": one.judge, "so": one.why} for one in found]
        return dg.MaterializeResult(
            metadata={
                "judges": show_table(judges),
                "candidates": show_table(rows),
                "better": sum(row["result"] == "better" for row in rows),
                "in_full": to_json([describe_candidate(x) for p in found for x in p.candidates]),
            }
        )

    @declare_asset(GROUP, {"python", "json"}, owner=QUALITY, deps=["labels", "reports"])
    def classifier_candidates(context: dg.AssetExecutionContext) -> Materialized:
        """One row per classifier: its promoted model, and the last trained one beside it.

        Trains one again when `retrain_after` labels came since; promotes none.
        """
        Progress.report("training classifiers that have new labels")
        now = datetime.now(UTC)
        rows = training.propose_all(settings.open_lake(), settings.load_catalog(), now)
        shown = [
            {"classifier": row.classifier, "now": row.now, "candidate": row.candidate}
            | {"trained": row.trained, "why": row.why}
            for row in rows
        ]
        return dg.MaterializeResult(metadata={"candidates": show_table(shown)})

    return [alignment, judge_candidates, classifier_candidates]


def show_alignment(one: Alignment) -> dict[str, object]:
    """Returns the columns of a table that show how far a judge agrees with people."""
    row: dict[str, object] = {"judge": one.evaluator, "app": one.app, "sentence": one.sentence}
    agreed = one.agreed
    if agreed is None:
        return {**row, "tpr": "", "tnr": "", "labels": 0, "disagreements": 0}
    return {
        **row,
        "tpr": format_rate(agreed.tpr, agreed.tpr_low, agreed.tpr_high),
        "tnr": format_rate(agreed.tnr, agreed.tnr_low, agreed.tnr_high),
        "labels": agreed.n,
        "disagreements": agreed.fn + agreed.fp,
    }


def format_rate(rate: float | None, low: float, high: float) -> str:
    """Formats a rate with its interval; empty without one."""
    return "" if rate is None else f"{rate:.0%} ({low:.0%} to {high:.0%})"


def show_evidence(one: StoredCandidate) -> dict[str, object]:
    """Returns the columns of a table that show what was measured of a candidate."""
    keys = ("result", "why", "note", "usd_per_1000", "calls_needed", "usd_needed")
    return {key: one.evidence.get(key) for key in keys}
