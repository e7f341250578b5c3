"""`andon ui`: starts Dagster and serves it and the pages, on this machine only.

What is served to whom is in the modules beside.
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
from collections.abc import Generator, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import uvicorn
import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.instance import InstanceRef
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import (
    create_app_from_workspace_process_context,  # pyright: ignore[reportUnknownVariableType]
)
from dagster_webserver.version import __version__
from starlette.types import ASGIApp, Receive, Scope, Send

from evals.storage.documents.board_address import write_address
from evals.storage.lake import Lake
from orchestration.runtime import terminal
from orchestration.runtime.instance import make_dagster_home
from orchestration.settings import ROOT, Settings
from orchestration.web.dagster import GraphQLByPost
from orchestration.web.pages import serve_pages
from orchestration.web.protection import protect
from orchestration.web.review import ReviewAddress, serve_review

DONE, FAILED = 0, 1
HOST = "127.0.0.1"
POLL_MS = 2000
"""How often Dagster's pages poll, as in `dagster dev`."""
GRACE_S = 3
"""How long open requests may take after a signal; open pages would keep the server up for ever."""
DAEMON_GRACE_S = 60
WAITING = {"code_servers": {"wait_for_local_processes_on_shutdown": True}}
"""Waits for the code server and its runs, so that nothing is left running."""


class Dagster(NamedTuple):
    """The running web application and daemon of Dagster."""

    app: ASGIApp
    daemon: subprocess.Popen[bytes]


class ByPort:
    """Serves one application per port; the socket decides which, not the request's `Host`."""

    def __init__(self) -> None:
        self.apps: dict[int, ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on to the application of the port it came in on."""
        await self.apps[scope["server"][1]](scope, receive, send)


class PortTakenError(Exception):
    """Raised where another program listens on a port."""


def serve(settings: Settings, port: int) -> int:
    """Serves Dagster, the board and the review page until interrupted; returns the exit code.

    Raises:
        PortTakenError: another program has one of the three ports.
        TokenError: a token in the environment cannot be used.
    """
    listeners = [open_socket(port + number) for number in range(3)]
    by_port = ByPort()
    server = make_server(by_port)
    interrupted = end_on_signal(server)
    set_environment(settings, port)
    review = serve_review(settings, ReviewAddress(f"http://{HOST}:{port + 2}", port + 2))
    with run_dagster(settings.home) as dagster:
        by_port.apps[port] = protect(GraphQLByPost(dagster.app))
        by_port.apps[port + 1] = protect(serve_pages(settings.home))
        by_port.apps[port + 2] = review.app
        threading.Thread(target=end_with_daemon, args=(dagster.daemon, server), daemon=True).start()
        terminal.print_line(f"board    http://{HOST}:{port + 1}/", err=True)
        terminal.print_line(f"Dagster  http://{HOST}:{port}/", err=True)
        terminal.print_line(f"review   {review.link}", err=True)
        server.run(sockets=listeners)
        if not interrupted.is_set():
            code = dagster.daemon.wait()
            terminal.print_error(f"Dagster's daemon ended with exit code {code}")
            return FAILED
    return DONE


def serve_alone(app: ASGIApp, host: str, port: int, lines: Sequence[str], *, proxy: bool) -> int:
    """Serves one application until interrupted; returns the exit code.

    Args:
        app: the application.
        host: the address of this machine to listen on.
        port: the port.
        lines: what to print once it listens.
        proxy: whether a proxy on this machine names the address of each visitor.

    Raises:
        PortTakenError: another program has the port, or the address is not this machine's.
    """
    listener = open_socket(port, host)
    server = make_server(app, proxy=proxy)
    end_on_signal(server)
    terminal.print_lines(lines, err=True)
    server.run(sockets=[listener])
    return DONE


def make_server(app: ASGIApp, *, proxy: bool = False) -> uvicorn.Server:
    """Makes the server of an application."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        proxy_headers=proxy,
        forwarded_allow_ips=HOST,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def end_on_signal(server: uvicorn.Server) -> threading.Event:
    """Ends a server on SIGTERM and SIGINT; returns the event that is set then."""
    interrupted = threading.Event()

    def end_server(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        server.should_exit = True

    signal.signal(signal.SIGTERM, end_server)
    signal.signal(signal.SIGINT, end_server)
    return interrupted


def open_socket(port: int, host: str = HOST) -> socket.socket:
    """Listens on a port of this machine; early requests wait until all has started.

    Raises:
        PortTakenError: another program has the port.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PortTakenError(
            f"port {port} of {host} is not free ({error.strerror}); choose another with --port "
            "(`andon ui` needs three side by side)"
        ) from error


def set_environment(settings: Settings, port: int) -> None:
    """Sets the environment variables and the working directory of the processes to start."""
    os.environ["ANDON_BOARD_URL"] = f"http://{HOST}:{port + 1}"
    write_address(settings.open_lake(), os.environ["ANDON_BOARD_URL"])
    os.environ["ANDON_HOME"], os.environ["ANDON_CATALOG"] = (
        str(settings.home),
        str(settings.catalog_root),
    )
    if settings.inbox is not None:
        os.environ["ANDON_INBOX"] = str(settings.inbox)
    if settings.labels:
        os.environ["ANDON_LABELS"] = os.pathsep.join(map(str, settings.labels))
    os.chdir(ROOT)  # a user's folder called `evals` would be imported in place of ours


@contextlib.contextmanager
def run_dagster(home: Path) -> Generator[Dagster, None, None]:
    """Runs what `dagster dev` runs, but returns the web application instead of opening a port.

    One code server loads the definitions for the web server and the daemon.
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
    """Opens the home's Dagster instance, and makes it where there is none."""
    folder = make_dagster_home(home)
    with Lake(home).lock("dagster"):  # two first runs of a home would both make its tables
        return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=WAITING))


def cancel_runs(instance: DagsterInstance, sockets: set[str]) -> None:
    """Cancels the runs of these code servers; runs of the command line go on."""
    running = RunsFilter(statuses=[DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
    for run in instance.get_runs(running):
        if json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("socket") in sockets:
            instance.run_launcher.terminate(run.run_id)


@contextlib.contextmanager
def run_daemon(workspace: Path) -> Generator[subprocess.Popen[bytes], None, None]:
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


def end_with_daemon(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    """Ends the server once the daemon has ended."""
    daemon.wait()
    server.should_exit = True
