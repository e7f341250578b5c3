"""A catalog written from its documents, by file name; their contents are each test's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from evals.specs import load_catalog


def write_catalog(root: Path, files: Mapping[str, Any]) -> Path:
    """Writes a catalog's YAML files; one read before is read anew."""
    for name, document in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document))
    load_catalog.cache_clear()
    return root
