"""The warm server: imports what a night needs, then forks itself for each command asked of it.

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
)
APART = ("evals.experiments.demo_recording", "evals.models.embedded")


def load() -> None:
    """Imports everything, and makes what Great Expectations makes once a process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in HEAVY:
            importlib.import_module(name)
        found = pkgutil.walk_packages(importlib.import_module("evals").__path__, "evals.")
        for module in found:
            if not module.name.startswith(APART):
                importlib.import_module(module.name)
        importlib.import_module("evals.validation.expectations").build_batch_definition()
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    gc.collect()
    gc.freeze()


def serve(address: str) -> list[str]:
    """Forks for each who asks, until standard input ends; the words, in the fork."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen(16)
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    ready.register(0, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in ready.select():
            if key.fileobj == 0:
                os._exit(0)
            elif key.fileobj is listener:
                words = accept(listener, ready)
                if words is not None:
                    return words
            elif key.fd in ready.get_map():
                end(ready, *key.data)


def accept(listener: socket.socket, ready: selectors.BaseSelector) -> list[str] | None:
    """One fork: the words in it, None in the server."""
    asker, _ = listener.accept()
    body, pipes, _, _ = socket.recv_fds(asker, 1 << 20, 3)
    if not body:  # killed before it had asked
        asker.close()
        return None
    asked = json.loads(body)
    child = os.fork()
    if child == 0:
        listener.close()
        asker.close()
        ready.close()
        become(asked, pipes)
        return asked["words"]
    asker.send(str(child).encode())
    for pipe in pipes:
        os.close(pipe)
    ended = os.pidfd_open(child)
    about = (child, ended, asker)
    ready.register(ended, selectors.EVENT_READ, about)
    ready.register(asker, selectors.EVENT_READ, about)
    return None


def become(asked: dict[str, Any], pipes: list[int]) -> None:
    """Takes over the folder, environment and pipes of who asked, in a session of its own."""
    os.setsid()
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
        os.close(pipe)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["andon", *asked["words"]]


def end(ready: selectors.BaseSelector, child: int, ended: int, asker: socket.socket) -> None:
    """Tells who asked how it ended; if they have gone, it goes as they did."""
    ready.unregister(ended)
    ready.unregister(asker)
    if not over(child):
        with contextlib.suppress(ProcessLookupError):  # it may lead no group yet
            os.killpg(child, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    else:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        asker.send(str(code).encode())
    os.close(ended)
    asker.close()


def over(child: int) -> bool:
    """Whether it has ended, not yet waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


if __name__ == "__main__":
    load()
    asked_for = serve(sys.argv[1])
    importlib.import_module("orchestration.cli.main").run(asked_for)
