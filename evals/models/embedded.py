"""Embedded models: finds weights in a package, checks their digest, serves them by llama.cpp.

They are called through the same API as any other model.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import time
from pathlib import Path
from typing import Protocol

from evals.models.protocol import Unavailable
from evals.specs import ModelPin


class EmbeddedServer(Protocol):
    """A llama.cpp server in this process."""

    listening_address: str


def find_weights(pin: ModelPin) -> Path:
    """Finds the weights of an embedded model and checks their digest.

    Raises:
        Unavailable: when the file is not the pinned one.
    """
    spec = importlib.util.find_spec(pin.package or "")
    folders = list(spec.submodule_search_locations or []) if spec else []
    paths = [path for folder in folders for path in Path(folder).rglob(pin.model)]
    if not paths:
        raise Unavailable("no-model", f"{pin.name}: {pin.package} holds no file {pin.model}")
    if hash_file(paths[0]) != pin.sha256:
        raise Unavailable("other-weights", f"{pin.name}: {pin.model} is not the pinned file")
    return paths[0]


@functools.lru_cache(maxsize=8)
def hash_file(path: Path) -> str:
    """Computes the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=2)
def load_server(path: Path, alias: str) -> EmbeddedServer:
    """Loads a llama.cpp server into this process, for as long as the process lives."""
    xllamacpp = importlib.import_module("xllamacpp")
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
    threads = choose_threads()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(params)


def choose_threads() -> int:
    """Chooses two threads where two cores are idle, else one, which is faster on busy cores."""
    return 2 if measure_idle_cores() > 1.5 else 1


def measure_idle_cores(over_s: float = 0.3) -> float:
    """Measures how many cores are idle now.

    The load average lags by a minute, so it is used only where there is no `/proc`.
    """
    cores = os.cpu_count() or 1
    if not Path("/proc/stat").exists():
        return cores - os.getloadavg()[0]
    before, began = read_idle_seconds(), time.monotonic()
    time.sleep(over_s)
    return (read_idle_seconds() - before) / (time.monotonic() - began)


def read_idle_seconds() -> float:
    """Reads the idle seconds of all cores since the machine started."""
    with Path("/proc/stat").open() as file:
        idle = sum(map(int, file.readline().split()[4:6]))  # waiting for a disk among it
    return idle / os.sysconf("SC_CLK_TCK")


def start_server(path: Path, alias: str) -> str:
    """Starts the embedded server, waits until it is ready, and returns its base URL."""
    import urllib.request

    address = load_server(path, alias).listening_address
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310
                if answer.status == 200:
                    return f"{address}/v1"
        except OSError:
            time.sleep(0.05)
    raise Unavailable("no-model", f"the embedded server did not start: {path.name}")
