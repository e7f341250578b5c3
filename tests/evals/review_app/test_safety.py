"""Promises of the review page's safety: who gets in, what they may do, and from which page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from evals.review_app.sessions import Access, LoginLimiter, Session
from evals.review_app.visits import is_local
from orchestration.cli.review import choose_address, review
from orchestration.settings import Settings
from orchestration.web.review import (
    READ_TOKEN,
    TOKEN,
    ReviewAddress,
    ServedReview,
    TokenError,
    make_access,
    serve_review,
)
from tests.evals.review_app.review_home import (
    URL,
    Visitor,
    find_path,
    list_labels,
    serve,
    write_home,
)

ADDRESS = ReviewAddress(URL, 3002)
NOW = datetime(2026, 10, 14, tzinfo=UTC)
PAGES = ("/", "/agreement", "/name", find_path(0), "/jump?to=1")
FORMS = ("/undo", f"{find_path(0)}/verdict", f"{find_path(0)}/draft", "/name")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with three questions."""
    return write_home(tmp_path_factory.mktemp("safety"))


@pytest.fixture(scope="module")
def served(settings: Settings) -> ServedReview:
    """The review page over that home."""
    return serve(settings)


@pytest.fixture
def ann(served: ServedReview) -> Visitor:
    """Somebody who may judge."""
    return Visitor(served.app, served.link, "ann")


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_the_token(served: ServedReview, path: str) -> None:
    """Every page asks to sign in, and shows nothing of the home."""
    answer = Visitor(served.app).client.get(path)
    assert answer.status_code == 401
    assert "Open the link" in answer.text
    assert "Is the answer right?" not in answer.text


@pytest.mark.parametrize("path", FORMS)
def test_nothing_is_stored_without_a_session_or_its_token(
    served: ServedReview, settings: Settings, ann: Visitor, path: str
) -> None:
    """A form of a stranger, without a CSRF token, or with that of another session is refused."""
    stranger, other = Visitor(served.app), Visitor(served.app, served.link, "ben")
    assert stranger.client.post(path, data={"verdict": "pass"}).status_code == 401
    token = re.search(r'name="csrf" value="([^"]+)"', other.read("/name"))
    assert token
    for csrf in ({}, {"csrf": ""}, {"csrf": token[1]}, {"csrf": "é" * 9}):
        sent = {"verdict": "pass", "name": "eve", **csrf}
        assert ann.client.post(path, data=sent).status_code == 403
    assert list_labels(settings) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example"}, 400),
        ({"content-type": "application/json"}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_a_form_of_another_page_is_refused(
    ann: Visitor, settings: Settings, headers: dict[str, str], status: int
) -> None:
    """Even with the cookie and the token: another origin, another name, another content type."""
    path = f"{find_path(0)}/verdict"
    assert ann.send(path, {"verdict": "pass"}, **headers).status_code == status
    assert list_labels(settings) == []


def test_a_reader_sees_and_changes_nothing(served: ServedReview, settings: Settings) -> None:
    """The second link opens the pages without a form, and refuses one that is sent anyway."""
    reader = Visitor(served.app, served.read_link)
    page = reader.read(find_path(0))
    assert "reading only" in page
    assert "<textarea" not in page
    assert 'method="post"' not in page
    for path in FORMS:
        assert reader.send(path, {"verdict": "pass", "name": "eve"}).status_code == 403
    assert list_labels(settings) == []


def test_the_cookie_is_for_this_site_alone(served: ServedReview) -> None:
    """No script reads it, no other site sends it, and a changed one is worth nothing."""
    client = TestClient(served.app, URL)
    header = client.get(served.link.removeprefix(URL)).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= set(header.split("; "))
    name, value = header.partition(";")[0].split("=", 1)
    payload, _, mac = value.strip('"').rpartition(".")
    for wrong in (f"{payload}x.{mac}", f"{payload}.{mac[:-1]}0", payload, "", ".", "é"):
        client.cookies.clear()
        sent = [(b"cookie", f"{name}={wrong}".encode())]
        assert client.get("/", headers=sent).status_code == 401


def test_guessing_is_slow(settings: Settings) -> None:
    """After five wrong tokens in a minute no token of that address is read, right or wrong."""
    served = serve(settings)
    client = Visitor(served.app).client
    statuses = [client.get(f"/login?token={n}").status_code for n in range(6)]
    assert statuses == [403] * 5 + [429]
    refused = client.get(served.link.removeprefix(URL))
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 61
    limiter, later = LoginLimiter(), NOW + timedelta(seconds=60)
    for _ in range(5):
        limiter.note_failure("one", NOW)
    assert limiter.count_wait("one", NOW) == 60
    assert limiter.count_wait("two", NOW) == limiter.count_wait("one", later) == 0
    for n in range(2_000):
        limiter.note_failure(str(n), NOW)
    assert len(limiter.failures) <= limiter.ADDRESSES


def test_every_answer_has_the_strict_policy(served: ServedReview, ann: Visitor) -> None:
    """Pages, errors and redirects: no inline script or style, no frame, nothing kept in a cache."""
    answers = [ann.client.get(path) for path in (*PAGES, "/nothing", "/login?token=x")]
    for answer in (*answers, ann.client.delete("/"), Visitor(served.app).client.get("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    for path in PAGES[:4]:
        page = ann.read(path)
        assert not re.search(r"<style|style=|\son\w+=|javascript:|<script(?! src=)", page)


def test_a_link_from_elsewhere_leads_in(ann: Visitor) -> None:
    """A browser sends no strict cookie with it, so that the page comes once more by itself."""
    ann.client.cookies.clear()
    path = f"{find_path(0)}?app=desk"
    came = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document"}  # fmt: skip
    answer = ann.client.get(path, headers=came)
    assert answer.status_code == 200
    assert f'content="0;url={path}"' in answer.text


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil", "", "x"])
def test_no_redirect_leads_away(path: str) -> None:
    """A path that a browser would take for another site's is none."""
    assert not is_local(path)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\u202eb"])
def test_a_name_is_one_that_shows(ann: Visitor, name: str) -> None:
    """An empty, endless or invisible name is refused with a sentence."""
    assert ann.send("/name", {"name": name}, page="/name").status_code == 422


def test_a_form_is_bounded(ann: Visitor) -> None:
    """A body of megabytes, thousands of fields, or one that is no UTF-8 is refused."""
    path, kind = f"{find_path(0)}/verdict", {"content-type": "application/x-www-form-urlencoded"}
    bodies = {b"note=" + b"x" * 1_100_000: 413, b"a=1&" * 500: 400, b"note=%ff": 400}
    for body, status in bodies.items():
        assert ann.client.post(path, content=body, headers=kind).status_code == status


def test_a_session_ends() -> None:
    """A cookie is worth nothing after its time, and after a new start of the server."""
    access = make_access(ADDRESS, "", {})
    cookie = access.sign(Session("1", "annotator", "ann", NOW))
    assert access.read(cookie, NOW - timedelta(seconds=1))
    assert access.read(cookie, NOW) is None
    assert make_access(ADDRESS, "", {}).read(cookie, NOW - timedelta(days=1)) is None


@pytest.mark.parametrize(
    "environment",
    [{TOKEN: "short"}, {TOKEN: "a b" * 9}, {TOKEN: "x" * 20, READ_TOKEN: "x" * 20}],
)
def test_a_weak_token_is_refused(environment: dict[str, str]) -> None:
    """One that a team chose must be long, and not the same for both roles."""
    with pytest.raises(TokenError, match="ANDON_REVIEW"):
        make_access(ADDRESS, "", environment)


def test_a_proxy_gives_its_name_and_a_secure_cookie(settings: Settings) -> None:
    """The page is served under the proxy's name, with a cookie for HTTPS alone."""
    address = choose_address("127.0.0.1", 3002, "https://review.example.com")
    served = serve_review(settings, address)
    client = TestClient(served.app, "https://review.example.com")
    answer = client.get(served.link.removeprefix(address.url))
    assert answer.status_code == 200
    assert "Secure" in answer.headers["set-cookie"]
    assert served.link.startswith("https://review.example.com/login?token=")
    origin = {"origin": "https://review.example.com"}
    assert client.post("/undo", data={"a": "b"}, headers=origin).status_code == 403  # no CSRF token
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "::"], "needs --proxy"),
        (["--host", "example.com"], "expected an IP address"),
        (["--proxy", "review.example.com"], "expected an address such as"),
        (["--proxy", "https://a.example/path"], "expected an address such as"),
        (["--proxy", "https://me@a.example"], "expected an address such as"),
    ],
)
def test_an_open_address_needs_a_proxy(tmp_path: Path, words: list[str], sentence: str) -> None:
    """What would open the page to a network by accident is refused with what to do."""
    result = CliRunner().invoke(review, [*words, "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert sentence in result.output


def test_access_compares_any_text() -> None:
    """A token with characters outside ASCII is wrong, not an error."""
    access = Access(b"s", "a" * 20, "b" * 20)
    assert access.choose_role("é\ud800") is None
    assert access.choose_role("a" * 20) == "annotator"
    assert access.choose_role("b" * 20) == "reader"
