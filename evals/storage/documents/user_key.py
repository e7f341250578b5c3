"""The home's key for hashing ids, and a check value that detects another key."""

from __future__ import annotations

import secrets

from evals.storage.files import create_if_missing
from evals.storage.lake import Lake

KEY, CHECK = "user_key", "user_key.json"


def read_or_make_key(lake: Lake) -> bytes:
    """Reads the key from a file that only its owner can read, or creates it once."""
    path = lake.store.path(KEY)
    if not path.exists():
        create_if_missing(path, secrets.token_hex(32).encode())
    return path.read_bytes()


def read_key_check(lake: Lake) -> str | None:
    """Reads the hash of a fixed text under the home's key; None in a new home."""
    return lake.read_document(CHECK, lambda row: str(row["key"]))


def write_key_check(lake: Lake, check: str) -> None:
    """Writes the hash of a fixed text under the home's key."""
    lake.replace_document(CHECK, {"key": check}, durable=True)
