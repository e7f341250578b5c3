"""The checksum in a JSON document, by which a changed one is detected.

It is a key of an object, or the last item of a list; documents of older versions have none.
"""

from __future__ import annotations

from evals.records import Json, digest

CHECKSUM = "checksum"


def add_checksum(value: Json) -> Json:
    """Adds to a document the digest of everything else in it."""
    mark: dict[str, Json] = {CHECKSUM: digest(value)}
    if type(value) is dict:
        return {**value, **mark}
    return [*value, mark] if type(value) is list else value


def verify_checksum(value: Json) -> Json:
    """Returns a document without its checksum.

    Raises:
        ValueError: the document was changed.
    """
    rest, mark = value, None
    if type(value) is dict and CHECKSUM in value:
        rest = {key: item for key, item in value.items() if key != CHECKSUM}
        mark = value[CHECKSUM]
    elif type(value) is list and value:
        last = value[-1]
        if type(last) is dict and list(last) == [CHECKSUM]:
            rest, mark = value[:-1], last[CHECKSUM]
    if mark is not None and mark != digest(rest):
        raise ValueError("the checksum is that of another content")
    return rest
