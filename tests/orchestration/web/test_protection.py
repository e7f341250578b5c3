"""Promises of the servers' protection: only this machine's own pages and programs may use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from orchestration.web.protection import protect

HERE = "http://127.0.0.1:3000"
SOCKET = "ws://127.0.0.1:3000/socket"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Requests(list[str]):
    """The methods of the requests that reached the application behind the protection."""


@pytest.fixture
def requests() -> Requests:
    """No request so far."""
    return Requests()


@pytest.fixture
def client(requests: Requests) -> Iterator[TestClient]:
    """A client of a protected application that records the requests it gets."""

    async def note(request: Request) -> PlainTextResponse:
        requests.append(request.method)
        return PlainTextResponse("done")

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse("", headers={"X-Frame-Options": "DENY", "Content-Security-Policy": "a"})

    async def listen(socket: WebSocket) -> None:
        requests.append("websocket")
        await socket.accept()
        await socket.close()

    routes = [
        Route("/", note, methods=METHODS),
        Route("/page", page),
        WebSocketRoute("/socket", listen),
    ]
    with TestClient(protect(Starlette(routes=routes)), HERE) as client:
        yield client


def send_change(client: TestClient, **headers: str) -> int:
    """Posts JSON with some headers and returns the status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/", json={}, headers=named).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:8000", "[::1]:3000", "LOCALHOST"])
def test_this_machine_is_served_under_each_of_its_names(
    client: TestClient, requests: Requests, host: str
) -> None:
    """A page of this machine may post JSON under any of its names and ports."""
    assert send_change(client, host=host, origin=f"http://{host.lower()}") == 200
    assert requests == ["POST"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:3000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "a b",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_only_resolves_to_this_machine_is_refused(
    client: TestClient, requests: Requests, host: str, method: str
) -> None:
    """Under DNS rebinding page and server have one name, which is not this machine's."""
    response = client.request(
        method, "/", json={}, headers={"host": host, "origin": f"http://{host}"}
    )
    assert response.status_code == 400
    assert requests == []


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://evil.example:3000",
        "http://127.0.0.1",
        "http://127.0.0.1:3001",
        "http://localhost:3000",
        "http://127.0.0.1:3000.evil.example",
        "null",
        "",
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_page_of_another_origin_is_refused(
    client: TestClient, requests: Requests, origin: str, method: str
) -> None:
    """Another site, another port of this machine and a page without an origin are refused."""
    response = client.request(method, "/", json={}, headers={"origin": origin})
    assert response.status_code == 403
    assert "another origin" in response.text
    assert requests == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_browser_that_sends_only_the_site_is_refused(
    client: TestClient, requests: Requests, site: str, method: str
) -> None:
    """An image, a frame or a form of another page is refused without an Origin as well."""
    fields = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert client.request(method, "/", json={}, headers=fields).status_code == 403
    fields |= {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert client.request(method, "/", json={}, headers=fields).status_code == 403
    assert requests == []


def test_a_link_on_another_page_leads_here(client: TestClient, requests: Requests) -> None:
    """Following a link from anywhere shows the page; a form from elsewhere is refused."""
    fields = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert client.get("/", headers=fields).status_code == 200
    assert client.post("/", json={}, headers=fields).status_code == 403
    assert requests == ["GET"]


def test_own_pages_and_programs_may(client: TestClient, requests: Requests) -> None:
    """Requests of own pages pass, and so do those of programs, which send no origin."""
    assert send_change(client, origin=HERE, sec_fetch_site="same-origin") == 200
    assert send_change(client) == 200
    assert client.get("/", headers={"sec-fetch-site": "none"}).status_code == 200
    assert requests == ["POST", "POST", "GET"]


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "text/plain, application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/graphql",
        "application/jsonp",
    ],
)
def test_changes_are_accepted_as_json_only(
    client: TestClient, requests: Requests, kind: str | None
) -> None:
    """What a form can send is refused, whatever its body is."""
    headers = {"origin": HERE} if kind is None else {"origin": HERE, "content-type": kind}
    for method in METHODS[1:]:
        response = client.request(method, "/", content=json.dumps({}), headers=headers)
        assert response.status_code == 415, method
        assert "application/json" in response.text
    assert requests == []


def test_two_content_types_are_refused(client: TestClient, requests: Requests) -> None:
    """A second content type does not replace the first."""
    headers = [("content-type", "application/json"), ("content-type", "text/plain")]
    assert client.post("/", content="{}", headers=headers).status_code == 415
    assert requests == []


def test_a_preflight_of_another_origin_is_refused(client: TestClient) -> None:
    """The answer to a browser's preflight request allows another origin nothing."""
    response = client.options(
        "/", headers={"origin": "http://evil.example", "access-control-request-method": "POST"}
    )
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


def headers_of(fields: dict[str, Any]) -> dict[str, str]:
    """Headers with dashes."""
    return {name.replace("_", "-"): value for name, value in fields.items()}


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:3001"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"host": "evil.example:3000", "origin": "http://evil.example:3000"},
    ],
)
def test_a_web_socket_of_another_origin_is_refused(
    client: TestClient, requests: Requests, fields: dict[str, str]
) -> None:
    """Browsers let any page open a web socket anywhere: here it is refused."""
    refused = client.websocket_connect(SOCKET, headers=headers_of(fields))
    with pytest.raises(WebSocketDisconnect), refused:
        pass
    assert requests == []


def test_an_own_page_may_open_a_web_socket(client: TestClient, requests: Requests) -> None:
    """Subscriptions of our own pages work."""
    with client.websocket_connect(SOCKET, headers={"origin": HERE}):
        pass
    assert requests == ["websocket"]


@pytest.mark.parametrize(
    ("path", "headers"), [("/", {}), ("/nowhere", {}), ("/", {"host": "evil.example"})]
)
def test_each_answer_has_the_protecting_headers(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    """No answer, not even a refusal, may be sniffed, framed or embedded by another origin."""
    headers = client.get(path, headers=headers).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_an_application_may_be_stricter(client: TestClient) -> None:
    """An application's own header is kept, and its content policy is kept beside ours."""
    headers = client.get("/page").headers
    assert headers.get_list("x-frame-options") == ["DENY"]
    assert headers.get_list("content-security-policy") == ["a", "frame-ancestors 'self'"]
