"""A home with stored reports, as the digest finds it; nothing is evaluated."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from evals.specs import Catalog, load_catalog
from evals.storage import night_state, report_files
from evals.storage.lake import Lake
from tests.catalog_files import write_catalog
from tests.evals.reports.report_bodies import Body

NOW = datetime(2026, 10, 9, 7, 30, tzinfo=UTC)
"""The morning after the night of 8 October, which is final."""


def make_catalog(
    root: Path, targets: dict[str, str], *, apps: dict[str, Any] | None = None, **digest: Any
) -> Catalog:
    """Writes and loads a catalog with targets; by default of one application, `shop`."""
    declared = apps or {"shop": {}}
    files = {f"apps/{name}.yaml": {"app": name, **spec} for name, spec in declared.items()}
    files["catalog.yaml"] = {"digest": {"targets": targets, **digest}}
    return load_catalog(write_catalog(root, files))


def add_report(lake: Lake, body: Body, *, until: str = "") -> None:
    """Stores a report as the current one of its night; `until`: it is provisional."""
    night, app = date.fromisoformat(body["date"]), body["app"]
    report_files.write_report(lake, night, body, "<p>page</p>", {})
    state = night_state.read_state(lake, night)
    night_state.update_state(
        lake,
        night,
        reports={**state.reports, app: body["version"]},
        provisional={**state.provisional, **({app: until} if until else {})},
    )
