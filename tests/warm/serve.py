"""The warm server: imports what a night needs, then forks itself for each command.

The packages of `orchestration` are left to the command: they look at its folder as they load.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
import warnings
from typing import Any

HEAVY = (
    *("dagster", "dagster_dbt", "dbt.cli.main", "dbt.adapters.duckdb", "duckdb", "openai"),
    *("pandas", "pyarrow.parquet", "rich.progress", "sqlalchemy", "aiohttp", "sqlglot.lineage"),
    *("dagster._core.execution.job_backfill", "dagster._core.execution.execute_in_process"),
    *("dagster._core.storage.event_log.sqlite", "dagster._core.storage.runs.sqlite"),
    *(
        "dagster._core.storage.schedules.sqlite",
        "dbt.task.build",
        "dbt.adapters.duckdb.environments",
    ),
    *("alembic.command", "rich.traceback", "watchdog.observers", "upath.implementations.local"),
    *("openai.resources.models", "httpcore2", "uvloop"),
)
APART = ("evals.experiments.demo_recording", "evals.models.embedded")
KINDS = ("email", "phone", "card", "iban", "ssn", "ip")
"""Of personal data, each with a recognizer that is loaded once a process."""


def load_modules() -> None:
    """Imports everything, and builds what a process builds once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in HEAVY:
            importlib.import_module(name)
        packages = pkgutil.walk_packages(importlib.import_module("evals").__path__, "evals.")
        for module in packages:
            if not module.name.startswith(APART):
                importlib.import_module(module.name)
        importlib.import_module("evals.validation.expectations").build_batch_definition()
        for kind in KINDS:
            importlib.import_module("evals.privacy.detectors.personal").load_recognizer(kind)
        templates = importlib.import_module("evals.reports.pages.environment").load_environment()
        for template in templates.list_templates():
            templates.get_template(template)
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    gc.collect()
    gc.freeze()


def serve(address: str) -> list[str]:
    """Forks for each client until standard input ends; returns the words in the fork."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(16)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                os._exit(0)
            elif key.fileobj is listener:
                words = fork_command(listener, selector)
                if words is not None:
                    return words
            elif key.fd in selector.get_map():
                end_command(selector, *key.data)


def fork_command(listener: socket.socket, selector: selectors.BaseSelector) -> list[str] | None:
    """Forks once; returns the words in the fork and None in the server."""
    client, _ = listener.accept()
    body, pipes, _, _ = socket.recv_fds(client, 1 << 20, 3)
    if not body:  # killed before it sent a command
        client.close()
        return None
    command = json.loads(body)
    child = os.fork()
    if child == 0:
        listener.close()
        client.close()
        selector.close()
        take_over(command, pipes)
        return command["words"]
    client.send(str(child).encode())
    for pipe in pipes:
        os.close(pipe)
    exit_handle = os.pidfd_open(child)
    registration = (child, exit_handle, client)
    selector.register(exit_handle, selectors.EVENT_READ, registration)
    selector.register(client, selectors.EVENT_READ, registration)
    return None


def take_over(command: dict[str, Any], pipes: list[int]) -> None:
    """Takes over the client's folder, environment and pipes, in a session of its own."""
    os.setsid()
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
        os.close(pipe)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    sys.argv = ["andon", *command["words"]]


def end_command(
    selector: selectors.BaseSelector, child: int, exit_handle: int, client: socket.socket
) -> None:
    """Sends a command's exit code to its client; kills the command if the client has gone."""
    selector.unregister(exit_handle)
    selector.unregister(client)
    if not has_ended(child):
        with contextlib.suppress(ProcessLookupError):  # it may lead no group yet
            os.killpg(child, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    else:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        client.send(str(code).encode())
    os.close(exit_handle)
    client.close()


def has_ended(child: int) -> bool:
    """Whether a process has ended and is not yet reaped."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


if __name__ == "__main__":
    load_modules()
    words = serve(sys.argv[1])
    importlib.import_module("orchestration.cli.main").run(words)
