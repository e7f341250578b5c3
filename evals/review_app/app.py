"""Builds the review page's application from the routes of its areas.

The areas' modules say what is shown; `visits` who may see it.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evals.review_app import (
    access,
    agreement,
    cases,
    modes,
    notes,
    questions,
    regrading,
    verdict_forms,
)
from evals.review_app.rendering import load_assets, render_template
from evals.review_app.site import ReviewSite
from evals.review_app.visits import Refused
from evals.storage.lake import LakeError

AREAS = (questions, verdict_forms, agreement, notes, modes, cases, regrading, access)
"""Each has its routes in `ROUTES`."""
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def build_app(site: ReviewSite) -> Starlette:
    """Builds the application of a home under review."""
    assets = [Route(one.path, show_asset, methods=["GET"]) for one in load_assets().values()]
    app = Starlette(
        routes=[*assets, *(route for area in AREAS for route in area.ROUTES)],
        exception_handlers={
            Refused: show_refusal,
            HTTPException: show_http_error,
            LakeError: show_home_error,
            OSError: show_home_error,
        },
    )
    app.state.site = site
    return app


def show_asset(request: Request) -> Response:
    """Sends the style or the script."""
    asset = next(one for one in load_assets().values() if one.path == request.url.path)
    return Response(asset.body, media_type=asset.media_type, headers=FOREVER)


def show_refusal(request: Request, error: Exception) -> HTMLResponse:
    """Shows why a request was refused."""
    if not isinstance(error, Refused):
        raise error
    return show_problem(error.status, error.sentence)


def show_http_error(request: Request, error: Exception) -> HTMLResponse:
    """Shows a page that is missing, or a method that is refused."""
    if not isinstance(error, HTTPException):
        raise error
    sentence = "there is no such page" if error.status_code == 404 else error.detail
    return show_problem(error.status_code, sentence)


def show_home_error(request: Request, error: Exception) -> HTMLResponse:
    """Shows that the home cannot be read or written, such as a full disk."""
    words = error.strerror if isinstance(error, OSError) else str(error)
    return show_problem(503, f"the home cannot be used: {words or 'unknown error'}")


def show_problem(status: int, sentence: str) -> HTMLResponse:
    """Shows a sentence about a problem, and the way back."""
    return HTMLResponse(render_template("problem.html", sentence=sentence), status)
