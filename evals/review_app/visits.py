"""One request of somebody who has signed in, and the two kinds of routes: pages and forms.

Checks sessions, roles and CSRF tokens for every area; `orchestration/web` checks origins.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from evals.review_app.rendering import MENU, render_template
from evals.review_app.sessions import Session
from evals.review_app.site import ReviewSite

MAX_FORM_BYTES = 1_000_000
MOST_FIELDS = 200
NAME_PAGE = "/name"
"""The only page for an annotator without a name."""
CSRF = "csrf"


class Refused(Exception):
    """Ends a request with a status and a sentence for the visitor."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Visit(NamedTuple):
    """A request of somebody who has signed in."""

    site: ReviewSite
    session: Session
    params: Mapping[str, str]
    """The parameters of the path."""
    query: Mapping[str, str]
    form: Mapping[str, tuple[str, ...]]
    """The values of a form's fields; empty for a page."""
    path: str

    def field(self, name: str) -> str:
        """Returns the value of a field; empty where it is missing."""
        return self.form.get(name, ("",))[-1]

    def list_fields(self) -> dict[str, str]:
        """Returns the value of each field of the form."""
        return {name: self.field(name) for name in self.form}

    def read_note(self) -> str:
        """Returns what somebody wrote into the field `note`, with plain line breaks."""
        return self.field("note").replace("\r\n", "\n").strip()


Answer = Callable[[Visit], Response]


def page(path: str, answer: Answer) -> Route:
    """Declares a page: a GET that changes nothing."""
    return Route(path, make_endpoint(answer), methods=["GET"])


def form(path: str, answer: Answer) -> Route:
    """Declares a form: a POST of an annotator with the session's CSRF token."""
    return Route(path, make_endpoint(answer, is_form=True), methods=["POST"])


def make_endpoint(answer: Answer, *, is_form: bool = False) -> Callable[..., object]:
    """Wraps an answer so that only visitors who may see it get it."""

    async def respond(request: Request) -> Response:
        site: ReviewSite = request.app.state.site
        session = read_session(site, request)
        if session is None:
            return ask_to_sign_in(request)
        path = request.url.path
        form = await read_form(request) if is_form else {}
        if is_form:
            check_form(site, session, form)
        if session.may_write and not session.annotator and path != NAME_PAGE:
            return redirect(NAME_PAGE)
        query = dict(request.query_params)
        visit = Visit(site, session, request.path_params, query, form, path)
        return await run_in_threadpool(answer, visit)

    return respond


def read_session(site: ReviewSite, request: Request) -> Session | None:
    """Returns the session of a request's cookie."""
    cookie = request.cookies.get(site.access.cookie)
    return site.access.read(cookie, site.now()) if cookie else None


def ask_to_sign_in(request: Request) -> Response:
    """Asks for the token; a visitor who followed a link from elsewhere comes once more first.

    Browsers leave a cookie that is `SameSite=Strict` out of a request that another site caused.
    """
    is_page = request.method in ("GET", "HEAD")
    if is_page and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return repeat_visit(
            request.url.path + (f"?{request.url.query}" if request.url.query else "")
        )
    return HTMLResponse(render_template("sign_in.html", problem="", refresh=""), 401)


def repeat_visit(path: str) -> HTMLResponse:
    """Returns a page that leads on by itself, as a visit that this site caused."""
    return HTMLResponse(render_template("sign_in.html", problem="", refresh=path))


async def read_form(request: Request) -> dict[str, tuple[str, ...]]:
    """Reads the fields of a form.

    Raises:
        Refused: it is no form, or too long.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "expected a form: application/x-www-form-urlencoded")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise Refused(
                413, f"the form is longer than {MAX_FORM_BYTES:,} bytes; shorten the note"
            )
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise Refused(400, "the form is not UTF-8, or has too many fields") from error
    return {name: tuple(values) for name, values in fields.items()}


def check_form(site: ReviewSite, session: Session, form: Mapping[str, tuple[str, ...]]) -> None:
    """Checks that a form may be sent by this session, and comes from its own page.

    Raises:
        Refused: it may not.
    """
    given = form.get(CSRF, ("",))[-1].encode("utf-8", "replace")
    if not hmac.compare_digest(given, site.access.make_csrf_token(session).encode()):
        raise Refused(403, "this form is not of your session: reload the page and send it again")
    if not session.may_write:
        raise Refused(403, "you are signed in to read only; open the link for annotators")


def redirect(path: str) -> RedirectResponse:
    """Leads to a page of this site after a form."""
    return RedirectResponse(path if is_local(path) else "/", 303)


def is_local(path: str) -> bool:
    """Whether a path leads to this site, whatever a browser makes of it."""
    parts = urlsplit(path)
    is_plain = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return is_plain and path.isprintable() and not (parts.scheme or parts.netloc)


def render(visit: Visit, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """Renders a page for a visitor."""
    token = visit.site.access.make_csrf_token(visit.session)
    csrf = Markup('<input type="hidden" name="{}" value="{}">').format(CSRF, token)
    about = {"visitor": visit.session, "csrf": csrf, "menu": MENU, "here": visit.path}
    return HTMLResponse(render_template(template, **about, **values), status)
