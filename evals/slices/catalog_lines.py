"""The line of `slices.yaml` that keeps a slice."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from evals.specs import Slice

LONGEST = 60
WIDE = 1_000_000


def write_line(words: Sequence[str], where: str, slices: Sequence[Slice], app: str) -> str:
    """Writes the line of a slice.

    Args:
        words: what it is, for its name, which is one that the catalog does not have.
        where: the SQL of its traces.
        slices: the catalog's.
        app: the application it was found in.
    """
    name = choose_name(words, {one.slice for one in slices})
    text = yaml.safe_dump(
        {"slice": name, "where": where, "apps": [app]},
        default_flow_style=True, allow_unicode=True, width=WIDE, sort_keys=False,
    )  # fmt: skip
    return f"- {text.strip()}"


def choose_name(words: Sequence[str], taken: set[str]) -> str:
    """Chooses a name: the plain letters of the words, with a number where it is taken."""
    text = " ".join(word.removeprefix("metadata.") for word in words).lower()
    name = re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:LONGEST].strip("-") or "found"
    names = (f"{name}-{n}" if n > 1 else name for n in range(1, len(taken) + 3))
    return next(one for one in names if one not in {*taken, "all"})
