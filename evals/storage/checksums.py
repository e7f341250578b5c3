"""The checksum in a JSON document, by which a changed one is detected.

It is a key of an object, or the last item of a list; documents of older versions have none.
"""

from __future__ import annotations

import json

from evals.records import Json, digest, encode_canonical

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
    rest = strip_checksum(value)
    if rest is value:
        return value
    if read_mark(value) != digest(rest):
        raise ValueError("the checksum is that of another content")
    return rest


def strip_checksum(value: Json) -> Json:
    """Returns a document without its checksum; the same object if it has none."""
    if read_mark(value) is None:
        return value
    if type(value) is dict:
        return {key: item for key, item in value.items() if key != CHECKSUM}
    return value[:-1] if type(value) is list else value


def read_mark(value: Json) -> Json:
    """Returns the checksum in a document; None if it has none."""
    if type(value) is dict:
        return value.get(CHECKSUM)
    last = value[-1] if type(value) is list and value else None
    return last[CHECKSUM] if type(last) is dict and list(last) == [CHECKSUM] else None


def format_document(value: Json) -> bytes:
    """Returns a document as it is stored, with its checksum."""
    return json.dumps(add_checksum(value), indent=1, sort_keys=True).encode() + b"\n"


def format_rows(rows: Json) -> bytes:
    """Returns a list of rows as it is stored, one a line; the last line is their checksum."""
    lines = rows if type(rows) is list else [rows]
    return b"\n".join(map(encode_canonical, [*lines, {CHECKSUM: digest(lines)}])) + b"\n"


def format_line(row: dict[str, Json]) -> bytes:
    """Returns an object as a line of its own, with its checksum."""
    return encode_canonical(add_checksum(row)) + b"\n"


def format_lines(rows: Json) -> bytes:
    """Returns objects as lines, each with its own checksum, which is made anew."""
    every = map(strip_checksum, rows if type(rows) is list else [rows])
    return b"".join(format_line(row) for row in every if type(row) is dict)


def verify_lines(lines: Json) -> Json:
    """Returns objects without the checksum that each has; the same list if one has none.

    Raises:
        ValueError: an object was changed.
    """
    rows = lines if type(lines) is list else []
    own = [row for row in rows if type(row) is dict and read_mark(row) is not None]
    return [verify_checksum(row) for row in own] if rows and len(own) == len(rows) else lines


def renew_checksum(before: bytes, after: bytes) -> bytes:
    """Returns a file that was changed on purpose, with its checksum made anew.

    A file without a checksum, or whose checksum was wrong before, stays as it was changed.
    """
    if f'"{CHECKSUM}"'.encode() not in before:
        return after
    for read, write in ((read_lines, format_rows), (json.loads, format_document)):
        try:
            old, new = read(before), read(after)
            if verify_lines(old) is not old:
                return format_lines(new)
            rest = verify_checksum(old)
        except ValueError:
            continue
        return after if rest is old else write(strip_checksum(new))
    return after


def read_lines(data: bytes) -> list[Json]:
    """Reads JSON Lines."""
    return [json.loads(line) for line in data.splitlines() if line.strip()]
