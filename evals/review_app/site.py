"""What the review page works on: the home, the catalog, the clock, and who may visit.

What is in each index is its own module's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from evals.reports.right_answers import RightAnswers
from evals.review_app.gold_index import GoldIndex
from evals.review_app.judge_verdicts import JudgeIndex
from evals.review_app.judged_questions import JudgedQuestions
from evals.review_app.leases import Leases
from evals.review_app.previous_index import PreviousIndex
from evals.review_app.queue_index import Queue, QueueIndex
from evals.review_app.sessions import Access, LoginLimiter
from evals.review_app.verdict_index import VerdictIndex, Verdicts
from evals.specs import Catalog
from evals.storage.lake import Lake

CATALOG_AGE = timedelta(seconds=20)
"""After this long the catalog is read again, so that a long-running page has new criteria."""


class ReviewSite:
    """A home under review."""

    def __init__(
        self,
        lake: Lake,
        load_catalog: Callable[[], Catalog],
        access: Access,
        now: Callable[[], datetime],
        make_id: Callable[[], str],
    ) -> None:
        self.lake, self.load_catalog, self.access = lake, load_catalog, access
        self.now, self.make_id = now, make_id
        self.limiter = LoginLimiter()
        self.queue = QueueIndex(lake)
        self.verdicts, self.judged = VerdictIndex(lake), JudgedQuestions(lake)
        self.read_from: tuple[Queue, Verdicts] | None = None
        self.judges, self.gold, self.leases = JudgeIndex(lake), GoldIndex(lake), Leases()
        self.previous = PreviousIndex(lake)
        self.deciding = threading.Lock()
        """Whoever decides between people holds it: two at once would tie."""
        self.loaded, self.loaded_at = load_catalog(), now()
        self.right = RightAnswers(lake, self.loaded)

    def read_queue(self) -> Queue:
        """Reads the questions that were drawn, and those that were answered here before."""
        asked, verdicts = self.queue.read(), self.verdicts.read()
        before = self.read_from
        if before is None or before[0] is not asked or before[1] is not verdicts:
            gone = [row for about, row in verdicts.rows.items() if about not in asked.by_about]
            self.queue.add(self.judged.build(self.catalog, gone))
            self.read_from = asked, verdicts
        return self.queue.queue

    @property
    def catalog(self) -> Catalog:
        """The catalog; the last one that could be read, where somebody is editing it."""
        if self.now() - self.loaded_at > CATALOG_AGE:
            self.loaded_at = self.now()
            try:
                self.loaded = self.load_catalog()
            except (OSError, ValueError):
                return self.loaded
        return self.loaded

    @property
    def right_answers(self) -> RightAnswers:
        """The right answers of the catalog, as it is now."""
        if self.right.catalog is not self.catalog:
            self.right = RightAnswers(self.lake, self.catalog)
        return self.right
