"""The three systems, served for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evals.sources import api as http
from tests.evals.sources.systems import KEYS, World, serving


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The three systems, with keys in the environment and no time lost in waiting."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(http, "sleep", lambda seconds: None)
    with serving(World()) as found:
        yield found
