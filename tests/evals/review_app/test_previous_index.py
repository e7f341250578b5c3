"""Promises of earlier answers on the review page: looked for once, and never stale."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from evals.review_app.previous_index import PreviousIndex
from evals.review_app.queue_index import QueueIndex
from evals.storage.lake import Lake
from tests.evals.review_app.review_home import ANSWER, NIGHT, ask
from tests.evals.review_app.review_home import write_review_queue as write_queue

DAY = timedelta(days=1)


def test_one_search_serves_the_next_questions(tmp_path: Path) -> None:
    """Until a night changes: what was deleted there is shown no more."""
    lake = Lake(tmp_path / "home").open()
    rows = [replace(ANSWER, trace_id=f"t-{n}", input=f"Which {n}?") for n in range(3)]
    new = [replace(one, prompt_name="p", prompt_version="2") for one in rows]
    old = [
        replace(one, trace_id=f"o-{one.trace_id}", ts=one.ts - DAY, prompt_version="1")
        for one in new
    ]
    lake.write("traces", NIGHT, new)
    lake.write("traces", NIGHT - DAY, old)
    write_queue(lake, NIGHT, [ask(one.trace_id) for one in new])
    queue, index = QueueIndex(lake).read(), PreviousIndex(lake)
    first, *others = queue.questions
    found = [index.find(first, queue)]
    search = index.searches[NIGHT, "desk"]
    found += [index.find(question, queue) for question in others]
    assert [one.trace_id for one in found if one] == ["o-t-0", "o-t-1", "o-t-2"]
    assert index.searches[NIGHT, "desk"] is search
    lake.write("traces", NIGHT - DAY, old[1:])
    assert index.find(first, queue) is None
