"""The named steps of a night, called by the command line, the assets and the sensors alike.

Each step is one function; what it does in detail is the rooms' below.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from evals.labels.label_files import mapped_labels
from evals.specs import Catalog
from evals.storage import marts
from evals.storage.lake import Lake
from evals.storage.tables import SliceRow


def fill_warehouse(lake: Lake, catalog: Catalog, run_id: str, nights: Sequence[date]) -> Path:
    """Puts what dbt reads of some nights into the run's scratch DuckDB file."""
    labels = lake.labels()
    labelled = "trace_id", {label.subject_id for label in labels}
    mapped = [
        row
        for night in nights
        for row in mapped_labels(catalog, labels, night, lake.picked("traces", night, labelled))
    ]
    return marts.fill(lake, run_id, nights, mapped, slice_rows(catalog))


def slice_rows(catalog: Catalog) -> list[SliceRow]:
    """The catalog's slices as dbt reads them."""
    rows = []
    for spec in catalog.slices:
        kind = "by" if spec.by else "where" if spec.where else "keyword"
        expression = spec.by or spec.where or spec.keyword or ""
        rows += [SliceRow(app, spec.slice, kind, expression) for app in spec.apps or ("*",)]
    return rows
