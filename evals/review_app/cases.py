"""Production failures that become cases of the regression set, by one key.

The set itself is a file of the catalog; `evals.cases` adds to it.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from evals.cases.adding import CaseError, CaseRequest, add_case, remove_cases
from evals.evaluators.gold import GoldAndLabels
from evals.privacy.row_filter import PrivacyFilter
from evals.review_app.case_index import load_intact_set
from evals.review_app.notes import check_app
from evals.review_app.questions import describe_decision, find_question
from evals.review_app.site import ReviewSite
from evals.review_app.subjects import read_subject
from evals.review_app.views import open_view
from evals.review_app.visits import Refused, Visit, form, page, redirect, render
from evals.specs import CatalogError
from evals.specs.cases import CASES, hash_cases, list_case_files
from evals.storage.label_records import read_gold_values, read_labels


def show_cases(visit: Visit) -> Response:
    """Shows the regression set of each application."""
    paths = (path for path in list_case_files(visit.site.catalog.root) if path.parent.name == CASES)
    sets = {path.stem: load_intact_set(visit.site, path.stem) for path in paths}
    shown = [(app, hash_cases(own), own) for app, own in sets.items() if own]
    count = sum(len(own) for _, _, own in shown)
    return render(visit, "cases.html", sets=shown, count=count)


def keep_case(visit: Visit) -> Response:
    """Adds the answer of a question to its application's set, with the visitor's verdict."""
    view = open_view(visit, visit.list_fields())
    question = find_question(visit, visit.params["key"])
    decision = describe_decision(visit, view, question)
    if decision is None or decision.own is None or decision.own.verdict not in ("pass", "fail"):
        raise Refused(409, "judge the answer first: a case has a verdict")
    site, subject = visit.site, read_subject(visit.site, question)
    request = CaseRequest(
        by=visit.session.annotator,
        dimension=question.row.dimension,
        verdict=decision.own.verdict,
        why=decision.own.words,
    )
    place = (site.lake, site.catalog, load_references(site), subject.trace, question.night)
    try:
        add_case(*place, request, site.now())
    except (CaseError, CatalogError, OSError) as error:
        raise Refused(409, f"it could not be kept: {error}") from error
    back = visit.field("back")
    return redirect(back or view.link(f"/questions/{question.key}"))


def load_references(site: ReviewSite) -> GoldAndLabels:
    """Loads people's labels and gold values."""
    labels, values = read_labels(site.lake), read_gold_values(site.lake)
    privacy = PrivacyFilter.load(site.lake, site.catalog)
    return GoldAndLabels.of(site.catalog.root, labels, values, privacy)


def remove_case(visit: Visit) -> Response:
    """Removes a case; the team's commits still have it."""
    site = visit.site
    app = check_app(visit, visit.field("app"))
    try:
        remove_cases(site.lake, site.catalog, app, [visit.field("case")])
    except (CaseError, CatalogError, OSError) as error:
        raise Refused(409, str(error)) from error
    return redirect("/cases")


ROUTES: tuple[Route, ...] = (
    page("/cases", show_cases),
    form("/questions/{key}/case", keep_case),
    form("/cases/remove", remove_case),
)
