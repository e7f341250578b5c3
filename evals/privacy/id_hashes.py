"""Hashes ids of users, of texts and of erased traces under the home's key.

Where the key is stored is `storage`'s; which ids are hashed is `row_filter`'s.
"""

from __future__ import annotations

import hmac
import os

from evals.storage.documents.user_key import read_key_check, read_or_make_key, write_key_check
from evals.storage.lake import Lake, LakeError

KEY_VARIABLE = "ANDON_USER_KEY"


def load_user_key(lake: Lake) -> bytes:
    """Returns the home's key for hashing ids: the environment's, or one created in the home once.

    Raises:
        LakeError: the environment's key is not the one the home's ids were hashed with.
    """
    given = os.environ.get(KEY_VARIABLE)
    key = given.encode() if given else read_or_make_key(lake)
    check = read_key_check(lake)
    mark = hash_with_key(key, "which key is this")[:16]
    if check is None:
        write_key_check(lake, mark)
    elif check != mark:
        raise LakeError(
            f"{lake.store.path('.')} was begun with another key for user ids; set {KEY_VARIABLE} "
            "to that one, or unset it to use the file `user_key` there"
        )
    return key


def hash_with_key(key: bytes, text: str) -> str:
    """Returns a text's HMAC-SHA-256 in hex."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def hash_tombstone(key: bytes, trace_id: str) -> str:
    """Returns the tombstone of an erased trace's id."""
    return hash_with_key(key, f"forgotten {trace_id}")[:32]
