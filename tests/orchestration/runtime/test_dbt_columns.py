"""Promises of stored columns: they are what was derived, and an unreadable file is derived anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's and dbt's own, while imported
DERIVED: dict[str, Any] = {
    "dagster/column_schema": dg.TableSchema([dg.TableColumn("app", "VARCHAR")]),
    "dagster/column_lineage": dg.TableColumnLineage(
        {"app": [dg.TableColumnDep(dg.AssetKey(["stg", "traces"]), "app")]}
    ),
}


def test_stored_columns_are_what_was_derived(tmp_path: Path) -> None:
    """They are added to what the output has, as the same values."""
    from orchestration.runtime.dbt_columns import ADDED, add_stored

    path = tmp_path / "one.json"
    derived = dg.Output(None, metadata=DERIVED).metadata
    path.write_text(dg.serialize_value({name: derived[name] for name in ADDED}))
    stored = add_stored(dg.Output(None, metadata={"unique_id": "model.andon.x"}), path)
    assert stored is not None
    assert stored.metadata == {**derived, "unique_id": dg.TextMetadataValue("model.andon.x")}


@pytest.mark.parametrize("text", [None, "", "{", "[]", '"a"', '{"__class__": "Nobody"}'])
def test_columns_that_cannot_be_read_are_none(tmp_path: Path, text: str | None) -> None:
    """A file that is absent, cut off or of another kind stops no build."""
    from orchestration.runtime.dbt_columns import add_stored

    path = tmp_path / "one.json"
    if text is not None:
        path.write_text(text)
    assert add_stored(dg.Output(None), path) is None
