"""Stage 7, review: chooses the answers of each night that a person should read.

`evals.labels.review_queue` chooses them; `andon labels` exports the queue and imports the labels.
"""

from collections import Counter
from datetime import date

import dagster as dg

from evals.labels import night_queue
from evals.reports import archive
from evals.reports.sections import incidents
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.lake import Lake
from orchestration.runtime.assets import declare_asset
from orchestration.runtime.deployment import QUALITY, Deployment
from orchestration.runtime.metadata import Metadata, list_run_nights, show_nights, show_table
from orchestration.runtime.progress import iterate_nights

GROUP = "review"


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage."""
    settings = deployment.settings

    @declare_asset(
        GROUP,
        {"python", "json"},
        owner=QUALITY,
        pii=True,
        nights=deployment.nights,
        deps=["reports"],
    )
    def review_queue(context: dg.AssetExecutionContext) -> None:
        """One row per trace × dimension that a person is asked to judge."""
        lake, catalog = settings.open_lake(), settings.load_catalog()
        shown: dict[date, Metadata] = {}
        for night in iterate_nights("choosing answers to review", list_run_nights(context)):
            falls = find_open_incidents(lake, catalog, night)
            questions = night_queue.build_night_queue(lake, catalog, night, falls)
            anchors = night_queue.queue_anchors(lake, catalog, night)
            counts = Counter((row.app, row.stratum) for row in questions)
            rows = [
                {"app": app, "reason": stratum, "questions": n}
                for (app, stratum), n in sorted(counts.items())
            ]
            shown[night] = {
                "questions": len(questions),
                "answers": len({(row.app, row.trace_id) for row in questions}),
                "anchors_due": anchors,
                "by_reason": show_table(rows),
            }
        show_nights(context, shown)

    return [review_queue]


def find_open_incidents(lake: Lake, catalog: Catalog, night: date) -> dict[str, set[str]]:
    """Finds the dimensions with an open incident in a night's reports, by application."""
    found: dict[str, set[str]] = {}
    for app, version in night_state.read_state(lake, night).reports.items():
        report = archive.read_report(lake, night, app, version) if app in catalog.apps else None
        rows = report[incidents.SECTION].rows if report else ()
        found[app] = {rate.dimension for row in rows if row.is_open for rate in row.rates}
    return found
