"""dbt: its project parsed once, its models as assets, and its builds, run in this process.

What is modelled is `dbt_project`'s, what it reads and where marts go `evals.storage.marts`'s.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation
from packaging.version import Version

from evals.storage.files import replace
from evals.storage.locks import hold_lock
from orchestration.runtime.deployment import reference_to, tags_of
from orchestration.runtime.progress import Progress
from orchestration.settings import ROOT

DBT = ROOT / "dbt_project"
PARSED = DBT / "target"
DBT_PROGRAM = str(Path(sys.executable).with_name("dbt"))
PROJECT_PARTS = ("models", "macros", "tests", "dbt_project.yml", "profiles.yml", "selectors.yml")
DBT_VERSION = Version(metadata.version("dbt-core"))
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")
"""Nothing reads dbt's own log, nor the manifest it would write twice a build."""


def dbt_environment() -> dict[str, str]:
    """The environment dbt runs in: no telemetry."""
    return {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def manifest() -> Path:
    """The parsed dbt project, parsed again only when one of its files is newer.

    One process parses at a time, and aside: who waits finds it done, who reads finds it whole.
    """
    PARSED.mkdir(parents=True, exist_ok=True)
    found = PARSED / "manifest.json"
    with hold_lock(PARSED / "parse.lock"):
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
    errors = sys.stderr  # noqa: TID251  dbt's own, of our own models
    subprocess.run(command, check=True, env=environment, stdout=errors, cwd=DBT)
    for name in ("partial_parse.msgpack", "manifest.json"):
        replace(PARSED / name, (aside / name).read_bytes())


def newest_model() -> float:
    """When the dbt project was last changed, in seconds since 1970."""
    sources = [path for path in DBT.rglob("*") if path.suffix in (".sql", ".yml")]
    return max(path.stat().st_mtime for path in sources if "target" not in path.parts)


class Translator(DagsterDbtTranslator):
    """dbt models as assets: staged scores come from every evaluator's asset, not from one."""

    def __init__(self, stage: str, evaluators: Sequence[dg.AssetKey] = ()) -> None:
        super().__init__()
        self.stage, self.evaluators = stage, evaluators

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> Any:
        """The model's spec, its kinds, tags and dependencies made ours."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        deps = [dep for dep in spec.deps if dep.asset_key != dg.AssetKey("scores")]
        if len(deps) < len(list(spec.deps)):
            deps += [dg.AssetDep(key) for key in self.evaluators]
        spec = spec.replace_attributes(deps=deps, kinds={"dbt", "duckdb"}, tags=tags_of(self.stage))
        node = manifest["nodes"].get(unique_id)
        if node is None:
            return spec
        file = DBT / node["original_file_path"]
        return spec.merge_attributes(metadata=reference_to(file, 1, node["name"]))


def linked(folder: Path) -> None:
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
        replace(target / parsed.name, parsed.read_bytes())
    os.environ.update(dbt_environment())


class Ended(NamedTuple):
    """A build that is over, as Dagster asks after a process."""

    args: Sequence[str]
    returncode: int

    def wait(self) -> int:
        """How it ended."""
        return self.returncode


class Build(DbtCliInvocation):
    """A build that ran in this process: a dbt of its own cost seconds of imports, twice a night."""

    def __init__(self, said: Sequence[dict[str, Any]], **about: Any) -> None:
        super().__init__(**about)
        self.said = said

    def _stream_stdout(self) -> Iterator[dict[str, Any]]:
        """What dbt said, as its JSON log would have it."""
        self._error_messages = [one["info"]["msg"] for one in self.said if failed(one)]
        yield from self.said


def failed(event: Mapping[str, Any]) -> bool:
    """Whether an event of dbt's tells of an error."""
    return event["info"]["level"] == "error"


def build(context: Any, folder: Path) -> Build:
    """Builds and tests the models a step selects; its folder is the process's meanwhile."""
    from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
    from dbt.adapters.factory import FACTORY
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    chosen = get_updated_cli_invocation_params_for_context(context, {}, Translator(""))
    said: list[dict[str, Any]] = []

    def hear(event: Any) -> None:
        """Keeps what dbt's console would show."""
        if event.info.level in ("info", "warn", "error"):
            said.append(msg_to_dict(event))

    words = ["build", "--exclude-resource-type", "unit_test"]  # those are the test suite's
    words += ["--project-dir", str(folder), "--profiles-dir", str(folder)]
    words += ["--target-path", str(folder / "target"), *chosen.selection_args]
    if chosen.indirect_selection:
        words += ["--indirect-selection", chosen.indirect_selection]
    os.chdir(folder)
    result = dbtRunner(callbacks=[hear]).invoke([*words, *QUIET])
    if result.exception:
        raise result.exception
    return Build(
        said,
        process=Ended(["dbt", *words], 0 if result.success else 1),
        manifest=chosen.manifest,
        dagster_dbt_translator=chosen.dagster_dbt_translator,
        project_dir=folder,
        target_path=folder / "target",
        raise_on_error=True,
        context=context,
        adapter=next(iter(FACTORY.adapters.values()), None),
        cli_version=DBT_VERSION,
    )


def dbt_build(context: Any, scratch: Path) -> Iterator[Any]:
    """Builds and tests the selected models in the run's scratch file, with column lineage.

    dbt and its threads change the process's folder and back, past each other: it may end as the
    scratch folder, which is about to go.
    """
    folder, here = scratch.parent, Path.cwd()
    linked(folder)
    try:
        yield from build(context, folder).stream().fetch_column_metadata()
    finally:
        release()
        os.chdir(here)


def release() -> None:
    """Closes what dbt's adapter has open: it reads column metadata, and would keep the file."""
    from dbt.adapters.factory import FACTORY

    for adapter in FACTORY.adapters.values():
        manager: Any = adapter.connections
        manager.cleanup_all()
        type(manager).close_all_connections()
