"""Promises of Dagster's web server as we serve it: a foreign page can change nothing in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from orchestration.web.dagster import GraphQLByPost
from orchestration.web.protection import protect

HERE = "http://127.0.0.1:3000"
SOCKET = "ws://127.0.0.1:3000/graphql"
CHANGE = 'mutation { setConcurrencyLimit(concurrencyKey: "pool", limit: 1) }'
JSON = "application/json"


class Dagster(NamedTuple):
    """Dagster's application behind our protection, and its instance."""

    client: TestClient
    instance: DagsterInstance

    @property
    def is_changed(self) -> bool:
        """Whether the change was carried out."""
        return bool(self.instance.event_log_storage.get_concurrency_keys())


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    """An instance without definitions: enough to change something."""
    folder = tmp_path_factory.mktemp("dagster")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with (
        DagsterInstance.from_config(str(folder)) as instance,
        WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context,
    ):
        app = GraphQLByPost(create_app_from_workspace_process_context(context))
        with TestClient(protect(app), HERE) as client:
            yield Dagster(client, instance)


@pytest.fixture
def dagster(started: Dagster) -> Dagster:
    """The same, unchanged."""
    started.instance.event_log_storage.delete_concurrency_limit("pool")
    assert not started.is_changed
    return started


def test_an_own_page_may_change_something(dagster: Dagster) -> None:
    """A mutation that Dagster's page posts as JSON is executed."""
    response = dagster.client.post("/graphql", json={"query": CHANGE}, headers={"origin": HERE})
    assert response.json() == {"data": {"setConcurrencyLimit": True}}
    assert dagster.is_changed


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/graphql", "/%67raphql", "/graphql/", "//graphql"])
@pytest.mark.parametrize("accept", ["*/*", "image/*", "text/html", JSON])
def test_an_address_changes_nothing(dagster: Dagster, method: str, path: str, accept: str) -> None:
    """A mutation in an address is never executed."""
    address = f"{path}?query={quote(CHANGE)}"
    response = dagster.client.request(method, address, headers={"accept": accept})
    assert not dagster.is_changed
    assert "setConcurrencyLimit" not in response.text


def test_the_refusal_of_an_address_names_what_to_send(dagster: Dagster) -> None:
    """The answer to a query by GET asks for POST and JSON."""
    response = dagster.client.get("/graphql?query={version}")
    assert response.status_code == 405
    assert "by POST" in response.text
    assert JSON in response.text


FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
MULTIPART = (
    f'--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n'
    f"{json.dumps({'query': CHANGE})}\r\n--b--\r\n"
)
SENT = {
    "text": ("", "text/plain", json.dumps({"query": CHANGE})),
    "text called json": ("", f"text/plain; {JSON}", json.dumps({"query": CHANGE})),
    "form": ("", FORM, f"query={quote(CHANGE)}"),
    "multipart": ("", PARTS, MULTIPART),
    "graphql": ("", "application/graphql", CHANGE),
    "address and nothing": (f"?query={quote(CHANGE)}", "", ""),
    "address and text": (f"?query={quote(CHANGE)}", "text/plain", "x"),
    "address and form": (f"?query={quote(CHANGE)}", FORM, "a=b"),
}


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
@pytest.mark.parametrize("origin", [HERE, None])
def test_only_json_changes_something(
    dagster: Dagster, sent: tuple[str, str, str], origin: str | None
) -> None:
    """What a form can send is refused even where a browser hides its origin."""
    query, kind, body = sent
    headers = {"content-type": kind} | ({"origin": origin} if origin else {})
    response = dagster.client.post(f"/graphql{query}", content=body, headers=headers)
    assert response.status_code == 415
    assert not dagster.is_changed


@pytest.mark.parametrize("body", [{"query": CHANGE}, [{"query": CHANGE}]], ids=["one", "batch"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3001"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
    ids=str,
)
def test_a_foreign_page_changes_nothing(
    dagster: Dagster, body: Any, headers: dict[str, str]
) -> None:
    """Another site, another port and a rebound name are refused, one request or many at once."""
    response = dagster.client.post("/graphql", json=body, headers=headers)
    assert response.status_code in (400, 403)
    assert not dagster.is_changed


@pytest.mark.parametrize("kind", ["materialization", "check", "observation"])
def test_events_are_reported_in_json_alone(dagster: Dagster, kind: str) -> None:
    """An address alone cannot report that an asset was made, checked or observed."""
    address = f"/report_asset_{kind}/scores?check_name=a&passed=true"
    assert dagster.client.post(address).status_code == 415
    assert dagster.client.get(address).headers["content-type"].startswith("text/html")
    assert not dagster.instance.get_asset_keys()


def test_subscriptions_work_and_change_nothing(dagster: Dagster) -> None:
    """A web socket of an own page is answered; a mutation over it is not executed."""
    opened = dagster.client.websocket_connect(SOCKET, ["graphql-ws"], headers={"origin": HERE})
    with opened as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json() == {"type": "connection_ack"}
        socket.send_json({"type": "start", "id": "1", "payload": {"query": CHANGE}})
        assert socket.receive_json()["type"] == "error"
    assert not dagster.is_changed


def test_a_web_socket_of_a_foreign_page_is_refused(dagster: Dagster) -> None:
    """Another page cannot read logs and states of runs."""
    with (
        pytest.raises(WebSocketDisconnect),
        dagster.client.websocket_connect(
            SOCKET, ["graphql-ws"], headers={"origin": "http://evil.example"}
        ),
    ):
        pass


def test_the_pages_of_dagster_cannot_be_framed(dagster: Dagster) -> None:
    """Dagster's page keeps its own content policy, and ours is added."""
    headers = dagster.client.get("/assets", headers={"accept": "text/html"}).headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    policies = headers.get_list("content-security-policy")
    assert any("strict-dynamic" in policy for policy in policies)
    assert "frame-ancestors 'self'" in policies
