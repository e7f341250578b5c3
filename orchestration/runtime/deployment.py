"""The data Dagster's definitions are built from: a team's settings, its catalog and its nights.

Read once, when Dagster loads. A problem of the catalog is shown at the application it stops, and
definitions load all the same. A run reads the catalog again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from evals.evaluators import resolution
from evals.specs import Catalog, CatalogError, Evaluator
from orchestration.runtime.partitions import build_calendar
from orchestration.settings import Settings

UNDECLARED = "unknown"
"""The name of an application the catalog does not declare; guardrails run on it."""
WHOLE = "catalog"
"""The name for all applications where the catalog as a whole cannot be read."""
QUALITY, PLATFORM = "team:quality", "team:andon"
OWNER = re.compile(r"team:[\w.-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Deployment:
    """The data from which definitions are built."""

    settings: Settings
    catalog: Catalog
    """Empty if it cannot be read."""
    nights: dg.DailyPartitionsDefinition
    evaluators: Mapping[str, tuple[Evaluator, ...]]
    """Each evaluator by name, once for every application that uses it."""
    problems: Mapping[str, str]
    """Problems by application; those of the whole catalog under `catalog`."""

    def find_owners(self, apps: Iterable[str], default: str = QUALITY) -> list[str]:
        """Finds the owners of applications in a form Dagster accepts, or else the default."""
        named = {self.catalog.apps[app].owner for app in apps if app in self.catalog.apps}
        return sorted(name for name in named if OWNER.fullmatch(name)) or [default]


def load_deployment(settings: Settings) -> Deployment:
    """Reads the applications that can be read, and the home's first night."""
    problems: dict[str, str] = {}
    try:
        catalog = settings.load_catalog()
    except CatalogError as error:
        catalog = Catalog(root=settings.catalog_root)
        problems[WHOLE] = "; ".join(error.messages)
    problems |= {app: "; ".join(error.messages) for app, error in catalog.broken.items()}
    by_name: dict[str, list[Evaluator]] = {}
    for app in [*catalog.apps, UNDECLARED]:
        try:
            evaluators = resolution.resolve_app(catalog, app)
        except CatalogError as error:
            problems[app] = str(error)
            continue
        for evaluator in evaluators:
            by_name.setdefault(evaluator.name, []).append(evaluator)
    uses = {name: tuple(evaluators) for name, evaluators in sorted(by_name.items())}
    nights = build_calendar(catalog, settings.open_lake())
    return Deployment(settings, catalog, nights, uses, problems)


def build_tags(stage: str, apps: Iterable[str] = (), **marks: bool) -> dict[str, str]:
    """Returns the tags of an asset: its stage, its applications, and the marks that are true."""
    own = {f"application/{app}": "" for app in sorted(apps) if is_tag_name(app)}
    return {"stage": stage, **own, **{name: "" for name, applies in marks.items() if applies}}


def is_tag_name(name: str) -> bool:
    """Whether Dagster accepts a name within a tag's key."""
    return re.fullmatch(r"[\w.-]{1,63}", name, re.ASCII) is not None


def link_source(path: Path, line: int, label: str) -> Mapping[str, dg.CodeReferencesMetadataValue]:
    """Returns metadata by which Dagster links an asset to a line of a file."""
    reference = dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=label)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
