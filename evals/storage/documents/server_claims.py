"""Which server each answer version belongs to: two servers with one model name are two models.

`runs.model_servers` assigns versions to servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from evals.records import Json
from evals.storage.lake import Lake

NAME = "model_servers.json"


class ServerClaim(TypedDict):
    """The server whose answers are stored under a version."""

    server: str
    """Its name, see `ModelPin.server_name`."""
    pin: dict[str, Json]
    """The pin it was last asked by, with its address."""
    answered: bool
    """Whether it has answered: another server may take over a version that has no answer."""


def read_claims(lake: Lake) -> dict[str, ServerClaim]:
    """Reads the claims by answer version; empty in homes older than this document."""
    return lake.read_document(NAME, parse_claims) or {}


def parse_claims(rows: dict[str, ServerClaim]) -> dict[str, ServerClaim]:
    """Returns the document if it is an object of objects."""
    return {name: {**claim} for name, claim in rows.items()}


def add_claims(lake: Lake, claims: Mapping[str, ServerClaim]) -> None:
    """Adds claims, or replaces those of the same versions."""
    with lake.lock("model-servers"):
        before = read_claims(lake)
        after = {**before, **claims}
        if after != before:
            lake.replace_document(NAME, after)
