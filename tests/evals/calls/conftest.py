"""A provider that takes batches, and a team that submits some."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evals.calls.batch_night import BatchTeam, write_batch_catalog
from tests.evals.models.batch_server import Server, serve_batches


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves a provider that takes batches."""
    with serve_batches() as running:
        yield running


@pytest.fixture
def team(tmp_path: Path, server: Server) -> BatchTeam:
    """Opens a team with three answers in its night."""
    write_batch_catalog(tmp_path / "catalog", server.url)
    team = BatchTeam(tmp_path)
    team.write_night("good", "bad", "good too")
    return team
