"""What the assets share: nights, tables for the Dagster UI, and dbt.

Where things are is `settings`; nothing here knows a stage.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource
from filelock import FileLock
from packaging.version import Version

from evals.files import replace
from orchestration.progress import Progress
from orchestration.settings import ROOT

DBT = ROOT / "dbt_project"
PARSED = DBT / "target"
DBT_PROGRAM = str(Path(sys.executable).with_name("dbt"))
PROJECT_PARTS = ("models", "macros", "tests", "dbt_project.yml", "profiles.yml", "selectors.yml")
BOARD_URL = os.environ.get("ANDON_BOARD_URL", "http://127.0.0.1:3001")


def nights_of(context: Any) -> list[date]:
    """The nights a run is about, oldest first."""
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]


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
    """The environment dbt runs in: no telemetry."""
    return {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def manifest() -> Path:
    """The parsed dbt project, parsed again only when one of its files is newer.

    One process parses at a time, and aside: who waits finds it done, who reads finds it whole.
    """
    PARSED.mkdir(parents=True, exist_ok=True)
    found = PARSED / "manifest.json"
    with FileLock(PARSED / "parse.lock"):
        if not found.exists() or found.stat().st_mtime < newest_model():
            Progress.say("parsing the dbt project (once)")
            parse()
    return found


def parse() -> None:
    """Parses the dbt project and puts what dbt made where runs read it."""
    aside = PARSED / "aside"
    places = ["--project-dir", str(DBT), "--profiles-dir", str(DBT), "--target-path", str(aside)]
    environment = {**os.environ, **dbt_environment()}
    environment.pop("ANDON_SCRATCH", None)  # a run's scratch file has the default's name
    command = [DBT_PROGRAM, "--quiet", "parse", *places]
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr, cwd=DBT)
    for name in ("partial_parse.msgpack", "manifest.json"):
        replace(PARSED / name, (aside / name).read_bytes())


def newest_model() -> float:
    """When the dbt project was last changed, in seconds since 1970."""
    sources = [path for path in DBT.rglob("*") if path.suffix in (".sql", ".yml")]
    return max(path.stat().st_mtime for path in sources if "target" not in path.parts)


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


class Dbt(DbtCliResource):
    """dbt as installed here; its version is read, not asked of a process of its own."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))


def dbt_at(folder: Path) -> Dbt:
    """The dbt project as links in a run's own folder.

    The database's path is relative and so the same for every run: dbt's parse stays valid.
    """
    for name in PROJECT_PARTS:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(DBT / name)
    target = folder / "target"
    target.mkdir(exist_ok=True)
    parsed = PARSED / "partial_parse.msgpack"
    if parsed.exists():
        shutil.copy(parsed, target)
    os.environ.update(dbt_environment())
    return Dbt(project_dir=str(folder), profiles_dir=str(folder), dbt_executable=DBT_PROGRAM)


def dbt_build(context: Any, scratch: Path) -> Iterator[Any]:
    """Builds and tests the selected models in the run's scratch file, with column lineage.

    Threads of dbt's change the process's folder and back, past each other: it may end as the
    scratch folder, which is about to go.
    """
    arguments = ["build", "--exclude-resource-type", "unit_test"]  # those are the test suite's
    folder, here = scratch.parent, Path.cwd()
    try:
        command = dbt_at(folder).cli(arguments, context=context, target_path=folder / "target")
        command.is_successful()  # waits; the stream alone would spin on a core until dbt has ended
        yield from command.stream().fetch_column_metadata()
        if command.adapter:  # it read column metadata, and would keep the file locked
            command.adapter.cleanup_connections()
            manager: Any = type(command.adapter.connections)
            manager.close_all_connections()
    finally:
        os.chdir(here)
