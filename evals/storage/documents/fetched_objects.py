"""The objects fetched from remote inboxes: a version stamp by the digest of each address."""

from __future__ import annotations

from collections.abc import Mapping

from evals.storage.lake import Lake

NAME = "pulls/remote_stamps.json"


def read_fetched(lake: Lake) -> dict[str, str]:
    """Reads the stamps by the digest of an object's address."""
    return lake.read_document(NAME, lambda rows: {**rows}) or {}


def write_fetched(lake: Lake, stamps: Mapping[str, str]) -> None:
    """Replaces all stamps."""
    lake.replace_document(NAME, stamps)
