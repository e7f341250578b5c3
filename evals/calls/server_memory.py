"""What earlier calls of a home have shown about servers: routes that answered, and their limits.

A limit is learned in one process and used by the next; no verdict depends on it.
"""

from __future__ import annotations

from evals import models
from evals.calls.shared_state import SharedState


def has_answered(shared: SharedState, route: str) -> bool:
    """Whether a route has answered, and was not refused as a whole since."""
    query = "select 1 from answered_route where route = ?"
    return shared.db.execute(query, (route,)).fetchone() is not None


def record_answered(shared: SharedState, route: str) -> None:
    """Records that a route has answered."""
    with shared.transaction() as db:
        db.execute("insert or ignore into answered_route values (?)", (route,))


def record_refused(shared: SharedState, route: str) -> None:
    """Records that a route is refused: its next run begins with one call."""
    with shared.transaction() as db:
        db.execute("delete from answered_route where route = ?", (route,))


def load_logprob_limits(shared: SharedState) -> None:
    """Has this process ask the servers for few log probabilities that refused more."""
    for server, model in shared.db.execute("select server, model from few_logprobs"):
        models.LIMITED_SERVERS.add((server or None, model))


def store_logprob_limits(shared: SharedState) -> None:
    """Stores the servers that refused so many log probabilities."""
    known = set(shared.db.execute("select server, model from few_logprobs"))
    new = {(server or "", model) for server, model in models.LIMITED_SERVERS} - known
    if new:
        with shared.transaction() as db:
            db.executemany("insert or ignore into few_logprobs values (?, ?)", sorted(new))
