"""What quality means: evaluators, the ledger, statistics and reports, in plain Python.

Nothing here knows when or where it runs; that is `orchestration`. `from evals import Guard` is
what an application imports: it needs neither the platform nor anything it installs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.evaluators.guardrails import Guard

__all__ = ["Guard"]


def __getattr__(name: str) -> Any:
    """Loads `Guard` when it is asked for."""
    if name == "Guard":
        from evals.evaluators.guardrails import Guard

        return Guard
    raise AttributeError(name)
