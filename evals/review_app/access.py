"""Pages for signing in with the token of the printed link, and for giving a name.

Tokens and cookies are checked in `sessions`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evals.review_app.rendering import render_template
from evals.review_app.sessions import LIFETIME, Session, name_annotator, start_session
from evals.review_app.site import ReviewSite
from evals.review_app.visits import (
    Visit,
    form,
    page,
    read_form,
    redirect,
    render,
    repeat_visit,
)


async def sign_in(request: Request) -> Response:
    """Exchanges a token, of the link or of the form, for a cookie."""
    site: ReviewSite = request.app.state.site
    sent = await read_form(request) if request.method == "POST" else {}
    token = sent.get("token", (request.query_params.get("token", ""),))[-1].strip()
    address, now = request.client.host if request.client else "", site.now()
    if not token:
        return refuse_token("", 401)
    if wait := site.limiter.count_wait(address, now):
        refused = refuse_token(f"Too many wrong tokens: wait {wait:.0f} seconds.", 429)
        refused.headers["Retry-After"] = str(int(wait) + 1)
        return refused
    role = site.access.choose_role(token)
    if role is None:
        site.limiter.note_failure(address, now)
        return refuse_token("This token is wrong, or of a server that was started before.", 403)
    response = repeat_visit("/")
    set_cookie(site, response, start_session(site.access, role, site.make_id(), now))
    return response


def refuse_token(problem: str, status: int) -> HTMLResponse:
    """Asks for a token, with the problem of the last one."""
    return HTMLResponse(render_template("sign_in.html", problem=problem, refresh=""), status)


def set_cookie(site: ReviewSite, response: Response, session: Session) -> None:
    """Gives a visitor a session: for this site's pages alone, out of reach of scripts."""
    response.set_cookie(
        site.access.cookie,
        site.access.sign(session),
        max_age=int(LIFETIME.total_seconds()),
        secure=site.access.is_https,
        httponly=True,
        samesite="strict",
    )


def ask_name(visit: Visit) -> Response:
    """Asks who judges."""
    return render(visit, "name.html", problem="", name=visit.session.annotator)


def save_name(visit: Visit) -> Response:
    """Puts the name into the session; from then on it is on every verdict."""
    try:
        session = name_annotator(visit.session, visit.field("name"))
    except ValueError as error:
        problem, name = str(error), visit.field("name")
        return render(visit, "name.html", status=422, problem=problem, name=name)
    response = redirect("/")
    set_cookie(visit.site, response, session)
    return response


ROUTES = (
    Route("/login", sign_in, methods=["GET", "POST"]),
    page("/name", ask_name),
    form("/name", save_name),
)
