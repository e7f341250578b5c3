"""A local server of the three systems' APIs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evals.sources import api as http
from tests.evals.sources.api_server import KEYS, World, serve


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serves the three systems, with keys in the environment and no waits."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(http, "sleep", lambda seconds: None)
    with serve(World()) as world:
        yield world
