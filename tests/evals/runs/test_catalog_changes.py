"""Promises about a catalog that changed after nights were reported: nobody has to guess."""

from __future__ import annotations

from pathlib import Path

from evals.runs.catalog_changes import find_catalog_changes
from evals.runs.night_locks import lock_evaluators, move_lock
from evals.specs import Catalog, load_catalog
from tests.evals.error_analysis.homes import FILES, NIGHT, make_catalog, make_home, make_trace

SECOND = (
    "  - dimension: short\n    question: Is it short?\n"
    "    check: {assertion: length, params: {max: 9}}\n"
)


def add_dimension(catalog: Catalog, text: str) -> Catalog:
    """Adds a dimension to the suite, and loads the catalog again."""
    suite = catalog.root / "suites" / "shop.yaml"
    suite.write_text(FILES["suites/shop.yaml"].replace("# the end\n", text))
    load_catalog.cache_clear()
    return load_catalog(catalog.root)


def test_evaluators_that_no_night_has_are_named_until_a_backfill(tmp_path: Path) -> None:
    """The sentence names them, the last night and the two commands; a moved night has them."""
    lake, catalog = make_home(tmp_path, [make_trace("t-1")]), make_catalog(tmp_path)
    assert find_catalog_changes(lake, catalog) == []
    lock_evaluators(lake, catalog, NIGHT, "shop")
    assert find_catalog_changes(lake, catalog) == []
    changed = add_dimension(catalog, SECOND)
    (change,) = find_catalog_changes(lake, changed)
    assert change.evaluators == ("shop.short",)
    assert "`andon plan`" in change.describe()
    assert f"`andon backfill --from {NIGHT}`" in change.describe()
    move_lock(lake, changed, NIGHT, "shop")
    assert find_catalog_changes(lake, changed) == []
