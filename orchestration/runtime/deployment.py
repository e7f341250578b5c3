"""What Dagster's definitions are built from: a team's places, its catalog, and its nights.

Read once, when Dagster loads. What is wrong with the catalog is kept as a sentence and shown at the
application it stops; definitions load all the same. A run reads the catalog again.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from evals.evaluators import resolution
from evals.specs import Catalog, CatalogError, Evaluator
from orchestration.runtime.partitions import build_calendar
from orchestration.settings import Settings

UNDECLARED = "unknown"
"""An application the catalog does not know: it has the guardrails."""
WHOLE = "catalog"
"""Stands for every application where the catalog as a whole cannot be read."""
QUALITY, PLATFORM = "team:quality", "team:andon"
OWNER = re.compile(r"team:[\w.-]+|[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Deployment:
    """What definitions are built from."""

    settings: Settings
    catalog: Catalog
    """An empty one where it cannot be read."""
    nights: dg.DailyPartitionsDefinition
    evaluators: Mapping[str, tuple[Evaluator, ...]]
    """Each evaluator by name, once for every application that uses it."""
    problems: Mapping[str, str]
    """What is wrong, by application, or of the `catalog`."""

    def owners(self, apps: Iterable[str], default: str = QUALITY) -> list[str]:
        """The owners of some applications, as far as Dagster takes them; else the default."""
        named = {self.catalog.apps[app].owner for app in apps if app in self.catalog.apps}
        return sorted(name for name in named if OWNER.fullmatch(name)) or [default]


def load_deployment(settings: Settings) -> Deployment:
    """Reads the catalog as far as it can be read, and the home's first night."""
    problems: dict[str, str] = {}
    try:
        catalog = settings.catalog()
    except CatalogError as error:
        catalog = Catalog(root=settings.catalog_root)
        problems[WHOLE] = "; ".join(error.messages)
    problems |= {app: "; ".join(one.messages) for app, one in catalog.broken.items()}
    found: dict[str, list[Evaluator]] = {}
    for app in [*catalog.apps, UNDECLARED]:
        try:
            evaluators = resolution.resolve_app(catalog, app)
        except CatalogError as error:
            problems[app] = str(error)
            continue
        for evaluator in evaluators:
            found.setdefault(evaluator.name, []).append(evaluator)
    uses = {name: tuple(evaluators) for name, evaluators in sorted(found.items())}
    nights = build_calendar(catalog, settings.lake())
    return Deployment(settings, catalog, nights, uses, problems)


def tags_of(stage: str, apps: Iterable[str] = (), **more: bool) -> dict[str, str]:
    """The tags of an asset: its stage, its applications, and what holds of it (`pii`, `paid`)."""
    own = {f"application/{app}": "" for app in sorted(apps) if is_tag_name(app)}
    return {"stage": stage, **own, **{name: "" for name, holds in more.items() if holds}}


def is_tag_name(name: str) -> bool:
    """Whether Dagster takes a name within a tag's key."""
    return re.fullmatch(r"[\w.-]{1,63}", name, re.ASCII) is not None


def reference_to(path: Any, line: int, label: str) -> Mapping[str, Any]:
    """Metadata by which Dagster links an asset to a line of a file of the catalog."""
    found = dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=label)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[found])}
