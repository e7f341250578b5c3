"""A home with a night of traces, and a catalog that declares its application."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from evals.records import Trace
from evals.specs import Catalog, load_catalog
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 1)
NOW = datetime(2026, 10, 2, 8, tzinfo=UTC)
FILES = {
    "catalog.yaml": "title: test\n",
    "apps/shop.yaml": "app: shop\nsuite: shop\n",
    "suites/shop.yaml": (
        "suite: shop  # ours\ndimensions:\n"
        "  - dimension: polite\n    question: Is it polite?\n"
        "    check: {assertion: not_contains, params: {values: [idiot]}}\n# the end\n"
    ),
}


def make_trace(trace_id: str, output: str = "It arrives on Friday.", **fields: object) -> Trace:
    """Returns a trace of the night."""
    values: dict[str, object] = {"input": f"Where is parcel {trace_id}?", **fields}
    return Trace(trace_id, datetime(2026, 10, 1, 9, tzinfo=UTC), "shop", output, **values)  # type: ignore[arg-type]


def make_home(folder: Path, traces: Sequence[Trace]) -> Lake:
    """Makes a home with a night of these traces."""
    lake = Lake(folder / "home").open()
    lake.write("staged", NIGHT, traces)
    lake.write("traces", NIGHT, traces)
    return lake


def make_catalog(folder: Path) -> Catalog:
    """Writes a catalog, and loads it."""
    for name, text in FILES.items():
        path = folder / "catalog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    load_catalog.cache_clear()
    return load_catalog(folder / "catalog")
