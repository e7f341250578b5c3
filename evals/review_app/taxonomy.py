"""The tags that reviewers may give: the names of an application's failure modes.

Failure modes are made in `modes`, from people's open notes.
"""

from __future__ import annotations

from evals.error_analysis import modes
from evals.review_app.site import ReviewSite
from evals.storage.documents.failure_modes import read_taxonomy

MOST = 12
"""Tags on a page: the largest failure modes."""


def list_tags(site: ReviewSite, app: str) -> list[str]:
    """Lists the tags of an application, the most frequent first."""
    return modes.list_tags(read_taxonomy(site.lake, app))[:MOST]
