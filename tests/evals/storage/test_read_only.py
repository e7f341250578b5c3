"""Promises of a home that can only be read: it is opened, and nothing is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from evals.privacy.row_filter import PrivacyFilter
from evals.specs import App, Catalog
from evals.storage.documents import redacted_kinds
from evals.storage.lake import Lake
from evals.storage.scratch import open_unnamed_file
from evals.validation.catalog_checks import check_catalog

NOBODY = 65534


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A home of another user, without rights to write to it, even for root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        PrivacyFilter.load(Lake(home).open(), Catalog(root=Path(folder)))
        paths = [home, *home.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        if root := os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            yield home
        finally:
            if root:
                os.seteuid(0)
            for path in paths:
                path.chmod(0o755)


def test_a_home_that_can_only_be_read_is_read(read_only: Path) -> None:
    """Opening it, checking the catalog and loading the redaction leave it as it is."""
    before = sorted(read_only.rglob("*"))
    lake = Lake(read_only).open()
    catalog = Catalog(root=read_only.parent, apps={"desk": App(app="desk")})
    assert not lake.is_writable()
    assert lake.list_nights("staged") == list[date]()
    check_catalog(lake, catalog)
    assert "desk" in PrivacyFilter.load(lake, catalog).remembered
    assert redacted_kinds.add_kinds(lake, {"desk": ("email",)}) == {"desk": ("email",)}
    os.close(open_unnamed_file(lake))
    assert sorted(read_only.rglob("*")) == before
