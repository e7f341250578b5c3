"""What quality means: evaluators, the ledger, statistics and reports, in plain Python.

Nothing here knows when or where it runs; `orchestration` decides that. An application imports
`from evals import Guard`, which needs nothing of the platform.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.guard import Guard

__all__ = ["Guard"]


def __getattr__(name: str) -> object:
    """Imports `Guard` at its first use."""
    if name == "Guard":
        from evals.guard import Guard

        return Guard
    raise AttributeError(name)
