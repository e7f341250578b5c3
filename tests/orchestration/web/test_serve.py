"""Promises of `andon ui`: what it refuses, which processes it runs, and how they end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.orchestration.ui import andon_command, find_free_ports

PATIENCE_S = 120
HEARTBEAT_S = 45
"""How long code servers wait for a sign of life before they end by themselves."""
HIDDEN = "the key under which user ids are hashed"
MUTATION = "mutation{reloadWorkspace{__typename}}"
JSON = {"Content-Type": "application/json"}
HEALTH = "{instance{daemonHealth{allDaemonStatuses{daemonType required healthy}}}}"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc"),
]


class Running(NamedTuple):
    """A running `andon ui`."""

    process: subprocess.Popen[bytes]
    home: Path
    port: int

    def request(
        self, method: str, path: str, body: str = "", *, board: bool = False, **headers: str
    ) -> tuple[int, str]:
        """Requests a path exactly as written; returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port + board, timeout=PATIENCE_S)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def graphql(self, query: str) -> Any:
        """Dagster's answer to a GraphQL query of a local program."""
        status, body_text = self.request("POST", "/graphql", json.dumps({"query": query}), **JSON)
        assert status == 200, body_text
        return json.loads(body_text)["data"]

    def children(self) -> dict[int, str]:
        """The other processes that work for this home, with their commands."""
        mine, processes = f"ANDON_HOME={self.home}", {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mine in (folder / "environ").read_text("utf-8", "replace").split("\0"):
                    processes[int(folder.name)] = (
                        (folder / "cmdline").read_text().replace("\0", " ")
                    )
        return processes


def start_ui(home: Path) -> Running:
    """Starts `andon ui` over a home and waits until it answers."""
    port = find_free_ports()
    running = Running(
        subprocess.Popen([*andon_command(home, "ui"), "--port", str(port)]), home, port
    )
    wait_until(lambda: is_taken(port) or running.process.poll() is not None)
    assert running.request("GET", "/server_info")[0] == 200
    return running


def is_taken(port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Waits until a condition is true."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`andon ui` over a home with secret files."""
    home = tmp_path_factory.mktemp("serve") / "home"
    for name in ("user_key", "quarantine/files/rows.jsonl"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(HIDDEN)
    running = start_ui(home)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(PATIENCE_S)


@pytest.mark.parametrize("up", ["..%2f", "../", "%2e%2e/", "..%252f", "..\\", "..%5c"])
@pytest.mark.parametrize("to", ["user_key", "quarantine/files/", "quarantine/files/rows.jsonl"])
def test_the_home_is_not_served(running: Running, up: str, to: str) -> None:
    """A way up out of the pages' folders leads to nothing, and lists nothing."""
    for start in ("/", "/data_docs/"):
        status, body_text = running.request("GET", f"{start}{up}{to}", board=True)
        assert status == 404
        assert HIDDEN not in body_text
        assert "rows.jsonl" not in body_text


@pytest.mark.parametrize("board", [False, True])
def test_another_name_is_refused(running: Running, board: bool) -> None:
    """Neither server answers to a name that is not this machine's."""
    status, _ = running.request(
        "GET", "/", board=board, Host=f"evil.example:{running.port + board}"
    )
    assert status == 400


def test_a_foreign_page_starts_nothing(running: Running) -> None:
    """An image's address, a form's text, and JSON from elsewhere do not reach Dagster."""
    body, address = json.dumps({"query": MUTATION}), f"/graphql?query={MUTATION}"
    foreign = {"Origin": "http://evil.example"}
    assert running.request("GET", address)[0] == 405
    assert running.request("POST", address)[0] == 415
    assert running.request("POST", "/graphql", body, Content_Type="text/plain")[0] == 415
    assert running.request("POST", "/graphql", body, **JSON, **foreign)[0] == 403
    assert running.request("POST", "/graphql", body, **JSON, Origin="null")[0] == 403


def test_an_own_page_may(running: Running) -> None:
    """The same request of Dagster's own page is executed."""
    body, own = json.dumps({"query": MUTATION}), f"http://127.0.0.1:{running.port}"
    status, body_text = running.request("POST", "/graphql", body, **JSON, Origin=own)
    assert status == 200
    assert json.loads(body_text)["data"]["reloadWorkspace"]["__typename"] == "Workspace"


def test_web_sockets_are_for_own_pages(running: Running) -> None:
    """Subscriptions are answered to Dagster's own page, and to no other."""
    address = f"127.0.0.1:{running.port}"
    known = [Subprotocol("graphql-ws")]
    with connect(f"ws://{address}/graphql", origin=Origin(f"http://{address}"), subprotocols=known,
                 proxy=None) as own:  # fmt: skip
        own.send(json.dumps({"type": "connection_init"}))
        assert json.loads(own.recv(PATIENCE_S)) == {"type": "connection_ack"}
    foreign = Origin("http://evil.example")
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://{address}/graphql", origin=foreign, subprotocols=known, proxy=None)


def test_dagster_has_no_port_of_its_own(running: Running) -> None:
    """Its processes listen on the three ports only, so no request bypasses our protection."""
    processes = {running.process.pid, *running.children()}
    assert len(processes) > 2
    assert ports_of(processes) == {running.port, running.port + 1, running.port + 2}


def ports_of(processes: set[int]) -> set[int]:
    """The TCP ports that processes listen on."""
    listening = {}
    for line in Path("/proc/net/tcp").read_text().splitlines():
        words = line.split()
        if words[3] == "0A":
            listening[words[9]] = int(words[1].rsplit(":", 1)[1], 16)
    inodes = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            with contextlib.suppress(OSError):
                inodes.add(str(link.readlink()).removeprefix("socket:[").rstrip("]"))
    return {port for inode, port in listening.items() if inode in inodes}


def test_schedules_and_sensors_run(running: Running) -> None:
    """The daemons that schedules and sensors need are healthy."""

    def are_healthy() -> bool:
        daemons = running.graphql(HEALTH)["instance"]["daemonHealth"]["allDaemonStatuses"]
        needed = {
            daemon["daemonType"]: daemon["healthy"] for daemon in daemons if daemon["required"]
        }
        return {"SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR"} <= needed.keys() and all(
            needed.values()
        )

    wait_until(are_healthy)


def test_a_taken_port_is_named(running: Running, tmp_path: Path) -> None:
    """A second `andon ui` on the same port names it and what to do, and starts nothing."""
    command = [*andon_command(tmp_path / "home", "ui"), "--port", str(running.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert f"port {running.port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_processes(how: int, tmp_path: Path) -> None:
    """After Ctrl-C or SIGTERM it exits 0, and no process it started is left."""
    running = start_ui(tmp_path / "home")
    assert running.children()
    running.process.send_signal(how)
    assert running.process.wait(PATIENCE_S) == 0
    assert running.children() == {}
    assert not is_taken(running.port)


def test_a_kill_frees_its_ports_and_ends_its_processes(tmp_path: Path) -> None:
    """After a kill its ports are free, and no process it started is left, code servers included."""
    running = start_ui(tmp_path / "home")
    running.process.kill()
    running.process.wait()
    assert not is_taken(running.port)
    assert not is_taken(running.port + 1)
    wait_until(lambda: not running.children(), HEARTBEAT_S - 5)


def test_it_ends_with_its_daemon(tmp_path: Path) -> None:
    """When the daemon of schedules and sensors dies, it exits 1."""
    running = start_ui(tmp_path / "home")
    [daemon] = [
        pid for pid, name in running.children().items() if "orchestration.runtime.daemon" in name
    ]
    os.kill(daemon, signal.SIGKILL)
    assert running.process.wait(PATIENCE_S) == 1
    assert running.children() == {}
