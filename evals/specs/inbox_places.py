"""Where a catalog's `inbox:` is: an address, a pattern or a path.

What is in an inbox is `evals.ingest`'s.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from evals.specs.yaml_files import refuse


def resolve_inbox(path: Path, inbox: str) -> Path | str:
    """Returns a catalog's inbox with `~` and variables expanded: an address, a pattern or a path.

    A pattern or a path is relative to the catalog's folder.

    Raises:
        CatalogError: a variable is not set.
    """
    expanded = os.path.expandvars(os.path.expanduser(inbox))  # noqa: PTH111  also an address
    if unset := re.search(r"\$(?:\w+|\{[^}]*\})", expanded):
        refuse(path, ("inbox",), f"{unset[0]} is not set in the environment")
    if "://" in expanded:
        return expanded
    where = path.parent / expanded
    return str(where) if glob.has_magic(expanded) and not where.exists() else where
