"""The paths of a team's catalog and data, from environment variables.

The command line, the UI and schedules all read them here; nothing heavy is imported.
"""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.specs import Catalog, load_catalog
from evals.storage.documents.trained_models import read_skops
from evals.storage.label_records import read_gold_values, read_labels
from evals.storage.lake import Lake

ROOT = Path(__file__).resolve().parent.parent
STARTED = Path.cwd()
"""What relative paths start from: dbt changes the working directory while it runs."""


class Settings(NamedTuple):
    """The paths of a team's catalog and data."""

    home: Path
    catalog_root: Path
    inbox: Path | str | None
    labels: tuple[Path, ...]

    def open_lake(self) -> Lake:
        """Opens the lake."""
        return Lake(self.home).open()

    def load_catalog(self) -> Catalog:
        """Loads and checks the catalog; it lists broken applications apart.

        Raises:
            CatalogError: none of its applications can be used.
        """
        from evals.validation.catalog_checks import check_catalog

        return check_catalog(Lake(self.home), load_catalog(self.catalog_root))

    def load_references(self, lake: Lake, catalog: Catalog) -> GoldAndLabels:
        """Loads gold values and labels, and the filter by which gold sets are redacted."""
        from evals.privacy.row_filter import PrivacyFilter

        privacy = PrivacyFilter.load(lake, catalog)
        labels, values = read_labels(lake), read_gold_values(lake)
        read_model = functools.partial(read_skops, lake)
        return GoldAndLabels.of(self.catalog_root, labels, values, privacy, read_model)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Reads the settings from environment variables."""
    home = (STARTED / (environment.get("ANDON_HOME") or ".andon")).resolve()
    root = (STARTED / (environment.get("ANDON_CATALOG") or find_catalog(STARTED))).resolve()
    inbox = environment.get("ANDON_INBOX")
    labels = [
        STARTED / part for part in environment.get("ANDON_LABELS", "").split(os.pathsep) if part
    ]
    return Settings(home, root, resolve_inbox(inbox) if inbox else None, tuple(labels))


def find_catalog(folder: Path) -> Path:
    """Finds `catalog/` in the folder the process began in, or else the demo's catalog."""
    own = folder / "catalog"
    return own if (own / "catalog.yaml").is_file() else ROOT / "evals" / "catalog"


def resolve_inbox(inbox: str) -> Path | str:
    """Resolves an inbox to an absolute path or pattern, or to the address of an object store."""
    from evals.sources import locations

    if locations.is_remote(inbox):
        return inbox
    path = STARTED / inbox
    return str(path) if locations.is_pattern(str(path)) else path
