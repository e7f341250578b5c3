"""A provider that takes batches, and a team that hands some in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evals.calls.batch_night import BatchLine, catalog_at
from tests.evals.models.batch_server import Server, serve_batches


@pytest.fixture
def server() -> Iterator[Server]:
    """A provider that takes batches."""
    with serve_batches() as running:
        yield running


@pytest.fixture
def line(tmp_path: Path, server: Server) -> BatchLine:
    """A team with three answers in its night."""
    catalog_at(tmp_path / "catalog", server.url)
    made = BatchLine(tmp_path)
    made.night("good", "bad", "good too")
    return made
