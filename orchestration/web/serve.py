"""`andon ui`: starts Dagster and serves it and the pages, on this machine only.

What is served, and to whom, is in `orchestration/web`.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.instance import InstanceRef
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__
from starlette.types import ASGIApp, Receive, Scope, Send

from evals.storage.documents.board_address import write_address
from evals.storage.lake import Lake
from orchestration.runtime import terminal
from orchestration.runtime.instance import dagster_home
from orchestration.settings import ROOT, Settings
from orchestration.web.dagster import GraphQLByPost
from orchestration.web.pages import pages
from orchestration.web.protection import protect

DONE, FAILED = 0, 1
HOST = "127.0.0.1"
POLL_MS = 2000
"""How often Dagster's pages look for news, as `dagster dev` has it."""
GRACE_S = 3
"""How long answers under way may take once asked to end; open pages would keep it up for ever."""
DAEMON_GRACE_S = 60
WAITING = {"code_servers": {"wait_for_local_processes_on_shutdown": True}}
"""Nothing is left running: what loads definitions and what it runs have ended before this does."""


class Dagster(NamedTuple):
    """Dagster as it runs for the UI."""

    app: ASGIApp
    daemon: subprocess.Popen[bytes]


class ByPort:
    """One application a port; which one is asked is the socket's to say, not the request's."""

    def __init__(self) -> None:
        self.apps: dict[int, ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on to the application of the port it came in by."""
        await self.apps[scope["server"][1]](scope, receive, send)


class PortTakenError(Exception):
    """A port that something else listens on."""


def serve(here: Settings, port: int) -> int:
    """Serves until interrupted; returns the exit code.

    Raises:
        PortTakenError: another program has one of the two ports.
    """
    listeners = [listen(port), listen(port + 1)]
    by_port, interrupted = ByPort(), threading.Event()
    server = uvicorn.Server(
        uvicorn.Config(
            by_port,
            lifespan="off",
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )

    def end(number: int, frame: Any) -> None:
        interrupted.set()
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    tell_children(here, port)
    with run_dagster(here.home) as dagster:
        by_port.apps[port] = protect(GraphQLByPost(dagster.app))
        by_port.apps[port + 1] = protect(pages(here.home))
        threading.Thread(target=end_with, args=(dagster.daemon, server), daemon=True).start()
        terminal.say(f"board    http://{HOST}:{port + 1}/", err=True)
        terminal.say(f"Dagster  http://{HOST}:{port}/", err=True)
        server.run(sockets=listeners)
        if not interrupted.is_set():
            code = dagster.daemon.wait()
            terminal.complain(f"Dagster's daemon ended with exit code {code}")
            return FAILED
    return DONE


def listen(port: int) -> socket.socket:
    """Takes a port of this machine; who asks before all has started waits."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise PortTakenError(
            f"port {port} cannot be had ({error.strerror}); choose two free ports side by side "
            "with --port"
        ) from error


def tell_children(here: Settings, port: int) -> None:
    """Says in the environment, and by the folder, what the processes below go by."""
    os.environ["ANDON_BOARD_URL"] = f"http://{HOST}:{port + 1}"
    write_address(here.lake(), os.environ["ANDON_BOARD_URL"])
    os.environ["ANDON_HOME"], os.environ["ANDON_CATALOG"] = str(here.home), str(here.catalog_root)
    if here.inbox is not None:
        os.environ["ANDON_INBOX"] = str(here.inbox)
    if here.labels:
        os.environ["ANDON_LABELS"] = os.pathsep.join(map(str, here.labels))
    os.chdir(ROOT)  # a folder of the user's called `evals` would be imported in place of ours


@contextlib.contextmanager
def run_dagster(home: Path) -> Iterator[Dagster]:
    """Runs what `dagster dev` does, but for an open port: its web application is given back.

    The definitions are loaded by a process of their own, which web server and daemon share.
    """
    configure_loggers(log_level="WARNING")
    definitions = WorkspaceFileTarget([str(ROOT / "workspace.yaml")])
    with (
        open_instance(home) as instance,
        ProxyServerManager(instance, definitions, "warning") as code,
        tempfile.TemporaryDirectory() as folder,
    ):
        servers = list(code.get_code_server_specs())
        shared = Path(folder) / "workspace.yaml"
        shared.write_text(yaml.safe_dump({"load_from": servers}))
        target = WorkspaceFileTarget([str(shared)])
        try:
            with (
                WorkspaceProcessContext(instance, target, version=__version__) as context,
                run_daemon(shared) as daemon,
            ):
                app = create_app_from_workspace_process_context(context, "", POLL_MS)
                yield Dagster(app, daemon)
        finally:
            cancel_runs(instance, {server["grpc_server"]["socket"] for server in servers})


def open_instance(home: Path) -> DagsterInstance:
    """Opens the home's Dagster instance, made where there is none."""
    folder = dagster_home(home)
    with Lake(home).lock("dagster"):  # the first two of a home would both make its tables
        return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=WAITING))


def cancel_runs(instance: DagsterInstance, sockets: set[str]) -> None:
    """Cancels the runs that these code servers are at; runs of the command line go on."""
    at_work = RunsFilter(statuses=[DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
    for run in instance.get_runs(at_work):
        if json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("socket") in sockets:
            instance.run_launcher.terminate(run.run_id)


@contextlib.contextmanager
def run_daemon(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs schedules and sensors in a process that ends with this one."""
    command = [sys.executable, "-m", "orchestration.runtime.daemon", "run", "-w", str(workspace)]
    with subprocess.Popen([*command, "--log-level", "warning"], stdin=subprocess.PIPE) as daemon:
        try:
            yield daemon
        finally:
            daemon.terminate()
            try:
                daemon.wait(DAEMON_GRACE_S)
            except subprocess.TimeoutExpired:
                daemon.kill()


def end_with(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    """Ends the server once the daemon has ended."""
    daemon.wait()
    server.should_exit = True
