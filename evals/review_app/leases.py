"""Which question is open at whom, so that two people do not read the same one at once.

In memory: a lost lease costs a second opinion and nothing else.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import NamedTuple

LENGTH = timedelta(minutes=10)


class Lease(NamedTuple):
    """A question that is open at somebody."""

    annotator: str
    since: datetime


class Leases:
    """The questions that are open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_question: dict[str, Lease] = {}

    def take(self, key: str, annotator: str, now: datetime) -> None:
        """Remembers that a question is open at somebody, and no other one is."""
        with self.lock:
            self.by_question = {
                one: lease
                for one, lease in self.by_question.items()
                if now - lease.since < LENGTH and (lease.annotator != annotator or one == key)
            }
            held = self.by_question.get(key)
            if held is None or held.annotator == annotator:
                self.by_question[key] = Lease(annotator, now)

    def is_taken(self, key: str, annotator: str, now: datetime) -> bool:
        """Whether a question is open at somebody else."""
        lease = self.by_question.get(key)
        return lease is not None and lease.annotator != annotator and now - lease.since < LENGTH
