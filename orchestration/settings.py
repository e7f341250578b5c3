"""Where a team's catalog and data are, as the environment says.

The CLI, the UI and a schedule agree because all of them read it here; nothing heavy is imported.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.specs import Catalog, load_catalog
from evals.storage.lake import Lake

ROOT = Path(__file__).resolve().parent.parent
STARTED = Path.cwd()
"""Relative paths are from here for the life of the process: dbt changes folder while it runs."""


class Settings(NamedTuple):
    """Where a team's catalog and data are."""

    home: Path
    catalog_root: Path
    inbox: Path | str | None
    labels: tuple[Path, ...]

    def lake(self) -> Lake:
        """The lake, opened."""
        return Lake(self.home).open()

    def catalog(self) -> Catalog:
        """The catalog, checked; an application that is broken stands apart.

        Raises:
            CatalogError: none of its applications can be used.
        """
        from evals.validation.catalog_checks import check_catalog

        return check_catalog(Lake(self.home), load_catalog(self.catalog_root))

    def references(self, lake: Lake) -> GoldAndLabels:
        """Gold and labels."""
        return GoldAndLabels.of(self.catalog_root, lake.labels(), lake.gold_values())


def settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process."""
    home = (STARTED / (environment.get("ANDON_HOME") or ".andon")).resolve()
    root = (STARTED / (environment.get("ANDON_CATALOG") or ROOT / "evals" / "catalog")).resolve()
    inbox = environment.get("ANDON_INBOX")
    labels = [
        STARTED / part for part in environment.get("ANDON_LABELS", "").split(os.pathsep) if part
    ]
    return Settings(home, root, place_of(inbox) if inbox else None, tuple(labels))


def place_of(inbox: str) -> Path | str:
    """An inbox as it is read: a path from where the process began, a pattern, or an address."""
    from evals.sources import locations

    if locations.is_remote(inbox):
        return inbox
    path = STARTED / inbox
    return str(path) if locations.is_pattern(str(path)) else path
