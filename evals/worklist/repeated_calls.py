"""Which questions are asked: those without an answer, and failed ones a later run may repair.

Makes no call; within a run `calls` decides which failed call is tried again.
"""

from __future__ import annotations

from evals import models
from evals.storage.ledger import Entry

MAX_ATTEMPTS = 5
"""Runs that ask the same question under the same pin in vain; then a person has to change it."""

NEVER_ASKED = frozenset({"not-shown-whole"})
"""Errors of questions that no server gets: only another version of the judge removes them."""


def needs_call(entry: Entry | None, route: str, unreadable: bool | None = None) -> bool:
    """Whether a question is to be asked.

    Args:
        entry: its answer or error so far.
        route: `Evaluator.route` as it is now.
        unreadable: of a stored answer without a verdict, whether it may be repeated; None: it
            has one, or is not known to have none.
    """
    if entry is None:
        return True
    if entry.code in NEVER_ASKED or (entry.code is None and unreadable is None):
        return False
    if entry.code in models.WITHOUT_LIMIT or (entry.route and entry.route != route):
        return True
    retryable = entry.retryable or bool(entry.code is None and unreadable and entry.route)
    return retryable and entry.attempts < MAX_ATTEMPTS


def is_settled(code: str | None, *, retryable: bool) -> bool:
    """Whether a stored error is asked again only where its judge's pin was changed."""
    return not retryable and code not in models.WITHOUT_LIMIT
