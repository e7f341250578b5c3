"""The home's key for hashing ids, and the mark by which another key is noticed."""

from __future__ import annotations

import secrets

from evals.storage.files import create_if_missing
from evals.storage.lake import Lake

KEY, MARK = "user_key", "user_key.json"


def read_or_make_key(lake: Lake) -> bytes:
    """The key in a file that only its owner can read; two who make it at once agree on one."""
    path = lake.store.path(KEY)
    if not path.exists():
        create_if_missing(path, secrets.token_hex(32).encode())
    return path.read_bytes()


def read_key_mark(lake: Lake) -> str | None:
    """What the key of the home's ids hashes a known text to; None in a new home."""
    found = lake.read_document(MARK)
    return found["key"] if found else None


def write_key_mark(lake: Lake, mark: str) -> None:
    """Notes the mark of the key that the home's ids are hashed with."""
    lake.replace_document(MARK, {"key": mark}, durable=True)
