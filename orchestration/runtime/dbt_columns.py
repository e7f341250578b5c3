"""The columns of dbt's models and the columns each is made of, as metadata of their assets.

Deriving them parses a model's SQL once for each column, so that it is done once for the same SQL
and the same columns, and stored beside the parsed project. Building is in `dbt_models`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import dagster as dg
from dagster_dbt import DbtCliInvocation
from dagster_dbt.core.dbt_event_iterator import DbtEventIterator

from evals.storage.files import replace

if TYPE_CHECKING:
    from dbt.adapters.base.impl import BaseAdapter

LINEAGE = "dagster/column_lineage"
ADDED = ("dagster/column_schema", LINEAGE)
DERIVED_BY = {name: metadata.version(name) for name in ("dagster-dbt", "sqlglot")}
COLUMNS = """select database_name, schema_name, table_name, column_name, data_type
from duckdb_columns() order by all"""

DbtEvent: TypeAlias = (
    dg.Output[object]
    | dg.AssetMaterialization
    | dg.AssetObservation
    | dg.AssetCheckResult
    | dg.AssetCheckEvaluation
)
Node: TypeAlias = Mapping[str, Any]
Columns: TypeAlias = Mapping[tuple[str, ...], Sequence[tuple[str, str]]]
"""Names and types by database, schema and table."""


def add_columns(build: DbtCliInvocation, folder: Path) -> Iterator[DbtEvent]:
    """Adds the columns of the models to their outputs; a check has none.

    Args:
        build: a build that has ended.
        folder: where derived metadata is stored.
    """
    untyped: Any = build
    columns: Columns = {}
    for event in untyped.stream():
        if isinstance(event, dg.Output):
            output = cast("dg.Output[object]", event)
            columns = columns or read_columns(build.adapter)
            model = find_model(build, output)
            path = folder / f"{digest_model(build, model, columns)}.json"
            yield add_stored(output, path) or derive_columns(build, output, path)
        else:
            yield event


def find_model(build: DbtCliInvocation, event: dg.Output[object]) -> Node:
    """Finds the model of an output in the manifest."""
    return build.manifest["nodes"][event.metadata["unique_id"].value]


def read_columns(adapter: BaseAdapter | None) -> Columns:
    """Reads the columns of all tables and views that a build sees."""
    columns: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    untyped: Any = adapter
    if adapter is not None:
        with adapter.connection_named("columns"):
            _, table = untyped.execute(COLUMNS, fetch=True)
        for *relation, name, kind in table.rows:
            columns[tuple(relation)].append((name, kind))
    return columns


def digest_model(build: DbtCliInvocation, model: Node, columns: Columns) -> str:
    """Digests whatever the lineage of a model depends on."""
    compiled = build.target_path / "compiled" / model["package_name"] / model["original_file_path"]
    manifest = build.manifest
    parents = (
        manifest["nodes"].get(name) or manifest["sources"][name]
        for name in sorted(model["depends_on"]["nodes"])
    )
    relations = [
        (node["unique_id"], node["relation_name"], columns.get(name_relation(node)))
        for node in (model, *parents)
    ]
    parts = [compiled.read_text("utf-8"), relations, DERIVED_BY]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def name_relation(node: Node) -> tuple[str, ...]:
    """Returns the database, schema and table of a model or a source."""
    return node["database"], node["schema"], node.get("identifier") or node["alias"]


def add_stored(event: dg.Output[object], path: Path) -> DbtEvent | None:
    """Adds stored metadata to an output; returns None where there is none that can be read."""
    load: Any = dg.deserialize_value
    try:
        stored = load(path.read_text("utf-8"), dict)
    except Exception:  # of whatever kind: they are derived anew
        return None
    untyped: Any = event
    return untyped.with_metadata({**event.metadata, **stored})


def derive_columns(build: DbtCliInvocation, event: dg.Output[object], path: Path) -> DbtEvent:
    """Derives the columns of a model and their lineage, adds them to its output and stores them."""
    events: Any = DbtEventIterator(iter([event]), build)
    derived = next(events.fetch_column_metadata())
    added: Any = {name: derived.metadata[name] for name in ADDED if name in derived.metadata}
    if LINEAGE in added:
        with contextlib.suppress(OSError):  # an installation may be read-only
            path.parent.mkdir(exist_ok=True)
            replace(path, dg.serialize_value(added).encode())
    return derived
