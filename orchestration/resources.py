"""What the assets share: progress, tables for the Dagster UI, and dbt.

Where things are is `settings`; nothing here knows a stage.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource

from orchestration.settings import ROOT

DBT = ROOT / "dbt_project"
BOARD_URL = os.environ.get("ANDON_BOARD_URL", "http://127.0.0.1:3001")


def nights_of(context: Any) -> list[date]:
    """The nights a run is about, oldest first."""
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]


class Progress:
    """Where long work says how far it is; silent unless a terminal listens."""

    listener: Callable[[str], None] | None = None
    calls: int = 0

    @classmethod
    def say(cls, words: str) -> None:
        """Tells the listener, if there is one."""
        if cls.listener:
            cls.listener(words)


def each(words: str, nights: list[date]) -> Iterator[date]:
    """The nights one by one, telling how far it is."""
    for number, night in enumerate(nights, 1):
        Progress.say(f"{words} {night} ({number} of {len(nights)})")
        yield night


def plain(value: Any) -> Any:
    """A value as Dagster metadata takes it: JSON, and no numpy."""
    return json.loads(json.dumps(value, default=str))


def table(rows: list[dict[str, Any]]) -> Any:
    """Rows as a Dagster table; a sentence where there are none."""
    if not rows:
        return dg.MetadataValue.md("nothing")
    records = [dg.TableRecord({key: cell(value) for key, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records)


def cell(value: Any) -> Any:
    """A value a Dagster table shows."""
    return value if isinstance(value, str | int | float | bool) else str(value or "")


BARS = "▁▂▃▄▅▆▇█"


def spark(values: list[float | None]) -> str:
    """Shares between 0 and 1 as a line of small bars; a gap where there is none."""
    return "".join(" " if v is None else BARS[min(7, int(v * 8))] for v in values)


def dbt_environment() -> dict[str, str]:
    """The environment dbt runs in: no telemetry, and its programs on the path."""
    programs = str(Path(sys.executable).parent)
    return {
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")]),
    }


def manifest() -> Path:
    """The parsed dbt project, parsed again only when one of its files is newer."""
    target = DBT / "target" / "manifest.json"
    sources = [path for path in DBT.rglob("*") if path.suffix in (".sql", ".yml")]
    newest = max(path.stat().st_mtime for path in sources if "target" not in path.parts)
    if not target.exists() or target.stat().st_mtime < newest:
        Progress.say("parsing the dbt project (once)")
        command = [str(Path(sys.executable).with_name("dbt")), "--quiet", "parse"]
        places = ["--project-dir", str(DBT), "--profiles-dir", str(DBT)]
        environment = {**os.environ, **dbt_environment()}
        subprocess.run([*command, *places], check=True, env=environment, stdout=sys.stderr)
    return target


class Translator(DagsterDbtTranslator):
    """dbt models as assets: staged scores come from every evaluator's asset, not from one."""

    def __init__(self, evaluators: list[dg.AssetKey]) -> None:
        super().__init__()
        self.evaluators = evaluators

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> Any:
        """The model's spec, its kinds and its dependencies made ours."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        deps = [dep for dep in spec.deps if dep.asset_key != dg.AssetKey("scores")]
        if len(deps) < len(list(spec.deps)):
            deps += [dg.AssetDep(key) for key in self.evaluators]
        return spec.replace_attributes(deps=deps, kinds={"dbt", "duckdb"})


def dbt_cli() -> DbtCliResource:
    """Dbt as the assets run it."""
    os.environ.update(dbt_environment())
    return DbtCliResource(project_dir=str(DBT), profiles_dir=str(DBT))


def dbt_build(context: Any, dbt: DbtCliResource, scratch: Path) -> Iterator[Any]:
    """Builds and tests the selected models in the run's scratch file, with column lineage."""
    os.environ["ANDON_SCRATCH"] = str(scratch)
    target = scratch.parent / "dbt"
    arguments = ["build", "--exclude-resource-type", "unit_test"]  # those are the test suite's
    command = dbt.cli(arguments, context=context, target_path=target)
    yield from command.stream().fetch_column_metadata()
    if command.adapter:  # it read column metadata, and would keep the file locked
        command.adapter.cleanup_connections()
        manager: Any = type(command.adapter.connections)
        manager.close_all_connections()
