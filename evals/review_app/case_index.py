"""Which questions are cases of a regression set already.

Adding and removing is in `cases`.
"""

from __future__ import annotations

from evals.review_app.queue_index import Question
from evals.review_app.site import ReviewSite
from evals.specs import CatalogError
from evals.specs.cases import Case, load_cases, locate_cases


def load_intact_set(site: ReviewSite, app: str) -> list[Case]:
    """Loads an application's set; none where a line of it is broken, which the gate names."""
    try:
        return load_cases(locate_cases(site.catalog.root, app))
    except CatalogError:
        return []


def find_case(site: ReviewSite, question: Question) -> Case | None:
    """Finds the case of a question's trace and dimension."""
    key = (question.row.trace_id, question.row.dimension)
    return next((one for one in load_intact_set(site, question.row.app) if one.key == key), None)
