"""Models this process serves itself: weights from a package, their digest checked, llama.cpp.

They are asked through the same API as any other.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import time
from pathlib import Path
from typing import Any

from evals.models.protocol import Unavailable
from evals.specs import ModelPin


def weights(pin: ModelPin) -> Path:
    """The weights' file of an embedded model, its digest checked.

    Raises:
        Unavailable: when the file is not the pinned one.
    """
    spec = importlib.util.find_spec(pin.package or "")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in Path(folder).rglob(pin.model)]
    if not found:
        raise Unavailable("no-model", f"{pin.name}: {pin.package} holds no file {pin.model}")
    if file_digest(found[0]) != pin.sha256:
        raise Unavailable("other-weights", f"{pin.name}: {pin.model} is not the pinned file")
    return found[0]


@functools.lru_cache(maxsize=8)
def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=2)
def embedded_server(path: Path, alias: str) -> Any:
    """A llama.cpp server in this process; it lives as long as the process does."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.model_alias = {alias}
    params.n_ctx = 4096
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.offline = True
    params.fit_params = False
    params.ui = False
    params.verbosity = -1
    threads = threads_now()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(params)


def threads_now() -> int:
    """Two threads where two cores are idle: on contended cores llama.cpp is faster with one."""
    return 2 if idle_cores() > 1.5 else 1


def idle_cores(over_s: float = 0.3) -> float:
    """Cores that do nothing just now.

    Not the load average, which still tells of an installation that ended a minute ago; it is
    asked only where there is no `/proc`.
    """
    cores = os.cpu_count() or 1
    if not Path("/proc/stat").exists():
        return cores - os.getloadavg()[0]
    before, began = idle_seconds(), time.monotonic()
    time.sleep(over_s)
    return (idle_seconds() - before) / (time.monotonic() - began)


def idle_seconds() -> float:
    """Seconds that all cores have been idle together since the machine started."""
    with Path("/proc/stat").open() as file:
        idle = sum(map(int, file.readline().split()[4:6]))  # waiting for a disk among it
    return idle / os.sysconf("SC_CLK_TCK")


def serve(path: Path, alias: str) -> str:
    """The base URL of the embedded server, once it is ready to answer."""
    import urllib.request

    address = embedded_server(path, alias).listening_address
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310
                if answer.status == 200:
                    return f"{address}/v1"
        except OSError:
            time.sleep(0.05)
    raise Unavailable("no-model", f"the embedded server did not start: {path.name}")
