"""Promises of what stands before every server: only this machine's own pages and programs ask."""

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


class Asked(list[str]):
    """What has reached the application behind the protection."""


@pytest.fixture
def asked() -> Asked:
    """Nothing has been asked yet."""
    return Asked()


@pytest.fixture
def client(asked: Asked) -> Iterator[TestClient]:
    """Asks a protected application that notes what reaches it."""

    async def note(request: Request) -> PlainTextResponse:
        asked.append(request.method)
        return PlainTextResponse("done")

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse("", headers={"X-Frame-Options": "DENY", "Content-Security-Policy": "a"})

    async def listen(socket: WebSocket) -> None:
        asked.append("websocket")
        await socket.accept()
        await socket.close()

    routes = [
        Route("/", note, methods=METHODS),
        Route("/page", page),
        WebSocketRoute("/socket", listen),
    ]
    with TestClient(protect(Starlette(routes=routes)), HERE) as found:
        yield found


def change(client: TestClient, **headers: str) -> int:
    """The status of a change asked for in JSON, with the headers given beside."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/", json={}, headers=named).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:8000", "[::1]:3000", "LOCALHOST"])
def test_this_machine_is_served_under_each_of_its_names(
    client: TestClient, asked: Asked, host: str
) -> None:
    """A page of this machine asks for a change in JSON, at whatever port it reaches us, and may."""
    assert change(client, host=host, origin=f"http://{host.lower()}") == 200
    assert asked == ["POST"]


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
    client: TestClient, asked: Asked, host: str, method: str
) -> None:
    """Under DNS rebinding page and server have one name, which is not this machine's."""
    said = client.request(method, "/", json={}, headers={"host": host, "origin": f"http://{host}"})
    assert said.status_code == 400
    assert asked == []


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
    client: TestClient, asked: Asked, origin: str, method: str
) -> None:
    """Another site, another port of this machine or a page without an origin change nothing."""
    said = client.request(method, "/", json={}, headers={"origin": origin})
    assert said.status_code == 403
    assert "another origin" in said.text
    assert asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_browser_that_tells_only_the_site_is_believed(
    client: TestClient, asked: Asked, site: str, method: str
) -> None:
    """An image, a frame or a form of another page is refused without an Origin as well."""
    told = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert client.request(method, "/", json={}, headers=told).status_code == 403
    told |= {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert client.request(method, "/", json={}, headers=told).status_code == 403
    assert asked == []


def test_a_link_on_another_page_leads_here(client: TestClient, asked: Asked) -> None:
    """A person who follows a link, on the board or in a chat, sees the page; a form is refused."""
    told = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert client.get("/", headers=told).status_code == 200
    assert client.post("/", json={}, headers=told).status_code == 403
    assert asked == ["GET"]


def test_own_pages_and_programs_may(client: TestClient, asked: Asked) -> None:
    """A request of an own page passes, and so does one of a program, which says no origin."""
    assert change(client, origin=HERE, sec_fetch_site="same-origin") == 200
    assert change(client) == 200
    assert client.get("/", headers={"sec-fetch-site": "none"}).status_code == 200
    assert asked == ["POST", "POST", "GET"]


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
def test_a_change_is_asked_for_in_json_alone(
    client: TestClient, asked: Asked, kind: str | None
) -> None:
    """What a form can send without asking first is refused, whatever its body is."""
    headers = {"origin": HERE} if kind is None else {"origin": HERE, "content-type": kind}
    for method in METHODS[1:]:
        said = client.request(method, "/", content=json.dumps({}), headers=headers)
        assert said.status_code == 415, method
        assert "application/json" in said.text
    assert asked == []


def test_two_content_types_are_none(client: TestClient, asked: Asked) -> None:
    """A second content type cannot bring a text past the check of the first."""
    headers = [("content-type", "application/json"), ("content-type", "text/plain")]
    assert client.post("/", content="{}", headers=headers).status_code == 415
    assert asked == []


def test_another_origin_is_not_allowed_to_ask_first(client: TestClient) -> None:
    """A browser that asks whether another origin may send JSON is told nothing that lets it."""
    said = client.options(
        "/", headers={"origin": "http://evil.example", "access-control-request-method": "POST"}
    )
    assert said.status_code == 403
    assert not [name for name in said.headers if name.startswith("access-control")]


def headers_of(asked: dict[str, Any]) -> dict[str, str]:
    """Headers with dashes."""
    return {name.replace("_", "-"): value for name, value in asked.items()}


@pytest.mark.parametrize(
    "told",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:3001"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"host": "evil.example:3000", "origin": "http://evil.example:3000"},
    ],
)
def test_a_web_socket_of_another_origin_is_refused(
    client: TestClient, asked: Asked, told: dict[str, str]
) -> None:
    """Browsers let any page open a web socket anywhere: here it stays closed."""
    refused = client.websocket_connect(SOCKET, headers=headers_of(told))
    with pytest.raises(WebSocketDisconnect), refused:
        pass
    assert asked == []


def test_an_own_page_may_open_a_web_socket(client: TestClient, asked: Asked) -> None:
    """Subscriptions of our own pages work."""
    with client.websocket_connect(SOCKET, headers={"origin": HERE}):
        pass
    assert asked == ["websocket"]


@pytest.mark.parametrize(
    ("path", "headers"), [("/", {}), ("/nowhere", {}), ("/", {"host": "evil.example"})]
)
def test_each_answer_tells_browsers_what_not_to_do(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    """Refusals included, no answer is guessed at, framed, or embedded by another origin."""
    found = client.get(path, headers=headers).headers
    assert found["x-content-type-options"] == "nosniff"
    assert found["x-frame-options"] == "SAMEORIGIN"
    assert found["content-security-policy"] == "frame-ancestors 'self'"
    assert found["referrer-policy"] == "same-origin"
    assert found["cross-origin-resource-policy"] == "same-origin"
    assert found["cross-origin-opener-policy"] == "same-origin"


def test_an_application_may_be_stricter(client: TestClient) -> None:
    """A header that an application sets stays, and its content policy stands beside ours."""
    found = client.get("/page").headers
    assert found.get_list("x-frame-options") == ["DENY"]
    assert found.get_list("content-security-policy") == ["a", "frame-ancestors 'self'"]
