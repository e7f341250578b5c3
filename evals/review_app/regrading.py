"""Labels of an earlier wording of a question, offered to be judged again.

Which labels those are, and their order, is decided in `evals.labels.regrading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from evals.labels.night_queue import list_review_dimensions
from evals.labels.regrading import (
    Offer,
    RubricAgreement,
    list_offers,
    measure_by_rubric,
    queue_offers,
    read_wordings,
)
from evals.review_app.visits import Refused, Visit, form, page, redirect, render

MOST = 50
"""Labels that are offered at a time."""


class Changed(NamedTuple):
    """A question whose wording changed."""

    app: str
    dimension: str
    question: str
    offers: Sequence[Offer]
    wordings: Sequence[RubricAgreement]
    texts: Mapping[str, str]
    """The wordings that queues asked, by their digest."""


def show_changed(visit: Visit) -> Response:
    """Shows the questions whose wording changed, with the labels that may flip."""
    lake, catalog = visit.site.lake, visit.site.catalog
    changed = [
        Changed(
            app,
            name,
            spec.question,
            offers,
            measure_by_rubric(lake, catalog, app, name),
            read_wordings(lake, app, name),
        )
        for app in catalog.apps
        for name, spec in list_review_dimensions(catalog, app).items()
        if (offers := list_offers(lake, catalog, app, name))
    ]
    return render(visit, "regrading.html", changed=changed, most=MOST)


def ask_again(visit: Visit) -> Response:
    """Puts the labels most likely to flip into the queue, under the present wording."""
    lake, catalog = visit.site.lake, visit.site.catalog
    app, dimension = visit.field("app"), visit.field("dimension")
    if app not in catalog.apps or dimension not in list_review_dimensions(catalog, app):
        raise Refused(404, "the catalog has no such question any more; reload the page")
    offers = list_offers(lake, catalog, app, dimension)[:MOST]
    queue_offers(lake, app, dimension, offers)
    return redirect("/?reason=regrade")


ROUTES: tuple[Route, ...] = (page("/regrade", show_changed), form("/regrade", ask_again))
