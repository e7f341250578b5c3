"""Finds what of the catalog no reported night has yet: evaluators that are new, changed or gone.

Moving nights to them is a backfill; later nights use them by themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from evals.runs.model_servers import ModelServers
from evals.specs import Catalog
from evals.storage import night_state
from evals.storage.lake import Lake

NIGHTS = 31
"""Nights that are looked at for an application's last one."""
SHOWN = 3
"""Evaluators that are named."""


class CatalogChange(NamedTuple):
    """An application whose last night was evaluated otherwise than the catalog now declares."""

    app: str
    night: date
    """The last night."""
    evaluators: tuple[str, ...]
    """Those that are new, changed or gone."""

    def describe(self) -> str:
        """Describes it in a sentence with what to do."""
        names = ", ".join(self.evaluators[:SHOWN])
        more = len(self.evaluators) - SHOWN
        names += f" and {more} more" if more > 0 else ""
        return (
            f"{self.app}: the catalog changed since {self.night} ({names}): later nights use it; "
            f"`andon plan` shows what moving old nights would cost, "
            f"`andon backfill --from {self.night}` moves them"
        )


def find_catalog_changes(lake: Lake, catalog: Catalog) -> list[CatalogChange]:
    """Finds the applications whose last night has other evaluators than the catalog now."""
    locks: dict[str, tuple[date, dict[str, str]]] = {}
    for night in lake.list_nights("traces")[-NIGHTS:]:
        for app, versions in night_state.read_state(lake, night).evaluators.items():
            locks[app] = (night, dict(versions))
    servers = ModelServers(lake, catalog)
    changes: list[CatalogChange] = []
    for app, (night, before) in sorted(locks.items()):
        if app in catalog.broken or app not in catalog.apps:
            continue
        now = {one.name: one.version for one in servers.resolve_app(app)}
        if names := list_differences(before, now):
            changes.append(CatalogChange(app, night, names))
    return changes


def list_differences(before: dict[str, str], now: dict[str, str]) -> tuple[str, ...]:
    """Lists the evaluators that are new, of another version, or gone."""
    names: Collection[str] = before.keys() | now.keys()
    changed: Sequence[str] = [name for name in names if before.get(name) != now.get(name)]
    return tuple(sorted(changed))
