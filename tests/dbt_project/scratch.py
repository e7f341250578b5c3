"""A scratch database in which the dbt project builds from a small lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pytest
import yaml

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


PROJECT = Path(__file__).parents[2] / "dbt_project"
SOURCES = PROJECT / "models" / "staging" / "_sources.yml"
Row = dict[str, Any]


def run_dbt(*args: str, manifest: Manifest | None = None) -> Any:
    """Runs a dbt command in this process, with warnings as errors."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    quiet = ("--quiet", "--warn-error", "--no-use-colors", "--log-level-file", "none")
    where = ("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT))
    result = dbtRunner(manifest=manifest).invoke([*quiet, *args, *where])
    DuckDBConnectionManager.close_all_connections()
    return result


class Scratch(NamedTuple):
    """A run's scratch database, and the parsed project that builds in it."""

    path: Path
    manifest: Manifest

    def fill(self, table: str, *rows: Row) -> None:
        """Adds rows to a lake table; missing columns are null."""
        with duckdb.connect(str(self.path)) as database:
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                database.execute(
                    f"insert into lake.{table} ({names}) values ({marks})",  # noqa: S608 ours
                    list(row.values()),
                )

    def build(self, selector: str, *options: str) -> dict[str, str]:
        """Builds and tests one pass: status by node name."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANDON_SCRATCH", str(self.path))
            command = ("build", "--selector", selector, *options)
            outcome = run_dbt(*command, manifest=self.manifest)
        assert outcome.result is not None, outcome.exception
        return {result.node.name: str(result.status) for result in outcome.result}

    def build_without_errors(self, *selectors: str) -> None:
        """Builds passes without unit tests; asserts that every node succeeds."""
        for selector in selectors:
            statuses = self.build(selector, "--exclude-resource-type", "unit_test")
            assert statuses
            assert set(statuses.values()) <= {"success", "pass", "no-op"}, statuses

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with duckdb.connect(str(self.path)) as database:
            return database.execute(sql).fetchall()


def make_scratch(folder: Path, manifest: Manifest) -> Scratch:
    """An empty lake with the columns and types the sources declare."""
    path = folder / "andon.duckdb"
    declared = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))["sources"][0]["tables"]
    with duckdb.connect(str(path)) as database:
        database.execute("create schema lake")
        for table in declared:
            columns = ", ".join(f"{c['name']} {c['data_type']}" for c in table["columns"])
            database.execute(f"create table lake.{table['name']} ({columns})")
    return Scratch(path, manifest)
