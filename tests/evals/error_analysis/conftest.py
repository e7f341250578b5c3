"""What tests of error analysis share."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.storage.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with nothing in it."""
    return Lake(tmp_path / "home").open()
