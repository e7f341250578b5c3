"""dbt: parses the project, declares its models as assets, and builds them in this process.

The models are in `dbt_project`; what they read and where marts go is in `evals.storage.marts`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtProject
from packaging.version import Version

from evals.storage.files import replace
from evals.storage.locks import hold_lock
from orchestration.runtime.dbt_columns import DbtEvent, add_columns
from orchestration.runtime.deployment import build_tags, link_source
from orchestration.runtime.progress import Progress
from orchestration.settings import ROOT

if TYPE_CHECKING:
    from dbt_common.events.base_types import EventMsg

DBT = ROOT / "dbt_project"
PARSED = DBT / "target"
DERIVED = PARSED / "columns"
DBT_PROGRAM = str(Path(sys.executable).with_name("dbt"))
PROJECT_PARTS = ("models", "macros", "tests", "dbt_project.yml", "profiles.yml", "selectors.yml")
DBT_VERSION = Version(metadata.version("dbt-core"))
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")
"""Nothing reads dbt's own log, nor the manifest that it would write twice per build."""


class EventInfo(TypedDict):
    """The part of a dbt event that is read here."""

    level: str
    msg: str


class LogEvent(TypedDict):
    """An event of dbt in the form of its JSON log."""

    info: EventInfo
    data: dict[str, Any]


def build_dbt_environment(outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Builds dbt's environment: without a person's own `DBT_…` variables, with telemetry off.

    `DBT_EMPTY`, `DBT_TARGET` and others would change or stop our builds.
    """
    others = {name: value for name, value in outer.items() if not name.upper().startswith("DBT_")}
    return {**others, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


@contextlib.contextmanager
def use_dbt_environment() -> Generator[None, None, None]:
    """Gives this process dbt's environment until the block ends."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(build_dbt_environment(before))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def load_manifest() -> Path:
    """Locates the manifest of the dbt project; parses the project again if a file is newer.

    One process parses at a time, into another folder: readers never see half a manifest.
    """
    PARSED.mkdir(parents=True, exist_ok=True)
    manifest = PARSED / "manifest.json"
    with hold_lock(PARSED / "parse.lock"):
        if not manifest.exists() or manifest.stat().st_mtime < find_last_change():
            Progress.report("parsing the dbt project (once)")
            parse_project()
    return manifest


def parse_project() -> None:
    """Parses the dbt project and replaces the files that runs read."""
    aside = PARSED / "aside"
    places = ["--project-dir", str(DBT), "--profiles-dir", str(DBT), "--target-path", str(aside)]
    environment = build_dbt_environment()
    environment.pop("ANDON_SCRATCH", None)  # parse with the default file name, as runs have it
    command = [DBT_PROGRAM, "--quiet", "parse", *places]
    errors = sys.stderr  # noqa: TID251  dbt prints only about our own models
    subprocess.run(command, check=True, env=environment, stdout=errors, cwd=DBT)
    for name in ("partial_parse.msgpack", "manifest.json"):
        replace(PARSED / name, (aside / name).read_bytes())
    for path in DERIVED.glob("*.json"):  # most are of SQL that is no more
        path.unlink(missing_ok=True)


def find_last_change() -> float:
    """Finds when the dbt project was last changed, in seconds since 1970."""
    sources = [path for path in DBT.rglob("*") if path.suffix in (".sql", ".yml")]
    return max(path.stat().st_mtime for path in sources if "target" not in path.parts)


class Translator(DagsterDbtTranslator):
    """Declares dbt models as assets; the source `scores` represents all evaluators' assets."""

    def __init__(self, stage: str, evaluators: Sequence[dg.AssetKey] = ()) -> None:
        super().__init__()
        self.stage, self.evaluators = stage, evaluators

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Returns the spec of a model, with the stage's tags and the evaluators as dependencies."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        deps = [dep for dep in spec.deps if dep.asset_key != dg.AssetKey("scores")]
        if len(deps) < len(list(spec.deps)):
            deps += [dg.AssetDep(key) for key in self.evaluators]
        spec = spec.replace_attributes(  # pyright: ignore[reportUnknownMemberType]  # Dagster's
            deps=deps, kinds={"dbt", "duckdb"}, tags=build_tags(self.stage)
        )
        node = manifest["nodes"].get(unique_id)
        if node is None:
            return spec
        file = DBT / node["original_file_path"]
        return spec.merge_attributes(metadata=link_source(file, 1, node["name"]))


def link_project(folder: Path) -> None:
    """Links the dbt project into a run's own folder.

    The database's path is relative and so the same for every run: the parsed project stays valid.
    """
    for name in PROJECT_PARTS:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(DBT / name)
    target = folder / "target"
    target.mkdir(exist_ok=True)
    parsed = PARSED / "partial_parse.msgpack"
    if parsed.exists():
        replace(target / parsed.name, parsed.read_bytes())


class FinishedProcess(NamedTuple):
    """A build that has ended, with what Dagster reads of a process."""

    args: Sequence[str]
    returncode: int

    def wait(self) -> int:
        """Returns the exit code."""
        return self.returncode


class FinishedBuild(DbtCliInvocation):
    """A build that ran in this process, which saves seconds of imports twice a night."""

    def __init__(self, events: Sequence[LogEvent], **invocation: Any) -> None:
        super().__init__(**invocation)  # pyright: ignore[reportUnknownMemberType]  # dagster-dbt's
        self.events = events

    def _stream_stdout(self) -> Iterator[dict[str, Any]]:
        """Yields dbt's events in the form of its JSON log."""
        self._error_messages = [e["info"]["msg"] for e in self.events if is_error(e)]
        yield from (dict(event) for event in self.events)


def is_error(event: LogEvent) -> bool:
    """Whether dbt logged an event as an error."""
    return event["info"]["level"] == "error"


def run_build(context: dg.AssetExecutionContext, folder: Path) -> FinishedBuild:
    """Builds and tests the models a step selects; changes the working directory to the folder."""
    from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict  # pyright: ignore[reportUnknownVariableType]

    selection = get_updated_cli_invocation_params_for_context(context, {}, Translator(""))
    events: list[LogEvent] = []

    def collect_event(event: EventMsg) -> None:
        """Keeps what dbt's console would show."""
        if event.info.level in ("info", "warn", "error"):
            events.append(cast("LogEvent", msg_to_dict(event)))

    arguments = ["build", "--exclude-resource-type", "unit_test"]  # the test suite runs those
    arguments += ["--project-dir", str(folder), "--profiles-dir", str(folder)]
    arguments += ["--target-path", str(folder / "target"), *selection.selection_args]
    if selection.indirect_selection:
        arguments += ["--indirect-selection", selection.indirect_selection]
    os.chdir(folder)
    runner: Any = dbtRunner(callbacks=[collect_event])
    with use_dbt_environment():
        result = runner.invoke([*arguments, *QUIET])
    if result.exception:
        raise result.exception
    return FinishedBuild(
        events,
        process=FinishedProcess(["dbt", *arguments], 0 if result.success else 1),
        manifest=selection.manifest,
        dagster_dbt_translator=selection.dagster_dbt_translator,
        project_dir=folder,
        target_path=folder / "target",
        raise_on_error=True,
        context=context,
        adapter=next(iter(list_adapters()), None),
        cli_version=DBT_VERSION,
    )


def build_models(context: dg.AssetExecutionContext, scratch: Path) -> Iterator[DbtEvent]:
    """Builds and tests the selected models in the run's scratch file, with column lineage.

    Restores the working directory: dbt's threads may leave the process in the scratch folder,
    which is deleted later.
    """
    folder, before = scratch.parent, Path.cwd()
    link_project(folder)
    try:
        yield from add_columns(run_build(context, folder), DERIVED)
    finally:
        close_connections()
        os.chdir(before)


def list_adapters() -> list[Any]:
    """Lists the database adapters that dbt has loaded."""
    from dbt.adapters import factory

    loaded: Any = factory.FACTORY
    return list(loaded.adapters.values())


def close_connections() -> None:
    """Closes the connections of dbt's adapter, which would keep the scratch file open."""
    for adapter in list_adapters():
        manager = adapter.connections
        manager.cleanup_all()
        manager.close_all_connections()
