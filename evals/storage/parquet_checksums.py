"""The checksums of a Parquet file: of its content, and of its footer, which has no other.

They are in the gap before the footer, where no reader looks: a footer lists where its pages are.
Files of older versions have none. The pages of a file have checksums of their own, which Arrow
verifies as it reads them; those of their headers are in none but these.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from evals.storage.files import replace_end

MAGIC = b"PAR1"
LABEL = b"ANDONCRC"
SIZE = len(LABEL) + 8
"""Bytes of both checksums: the label, then the content's and the footer's."""
CHUNK = 2**20


class Ending(NamedTuple):
    """The end of a Parquet file."""

    start: int
    """Where the footer begins."""
    footer: bytes
    """The footer, its length and the last four bytes."""
    checksums: bytes
    """Those of the file; empty if it has none."""


def add_checksums(temporary: Path) -> None:
    """Adds the checksums of a Parquet file that was just written."""
    with temporary.open("rb") as file:
        ending = read_ending(file)
        if ending is None:
            raise ValueError(f"{temporary} is no whole Parquet file")
        content = compute_checksum(file, ending.start)
    replace_end(temporary, ending.start, build_checksums(content, ending.footer) + ending.footer)


def build_checksums(content: int, footer: bytes) -> bytes:
    """Returns the checksums as they are stored."""
    return LABEL + content.to_bytes(4, "little") + zlib.crc32(footer).to_bytes(4, "little")


def has_both_ends(path: Path) -> bool:
    """Whether a file begins and ends as Parquet does, with a footer as it was written."""
    with path.open("rb") as file:
        ending = read_ending(file)
    if ending is None:
        return False
    stored = ending.checksums[-4:]
    return not stored or stored == zlib.crc32(ending.footer).to_bytes(4, "little")


def verify_content(path: Path) -> bool | None:
    """Whether all of a file is as it was written; None if it has no checksums."""
    with path.open("rb") as file:
        ending = read_ending(file)
        if ending is None:
            return False
        if not ending.checksums:
            return None
        content = compute_checksum(file, ending.start - SIZE)
    return ending.checksums == build_checksums(content, ending.footer)


def read_ending(file: BinaryIO) -> Ending | None:
    """Reads the end of a Parquet file; None if it is cut short or no Parquet."""
    size = file.seek(0, 2)
    file.seek(0)
    if size <= 2 * len(MAGIC) + 4 or file.read(len(MAGIC)) != MAGIC:
        return None
    file.seek(size - 8)
    length = int.from_bytes(file.read(4), "little")
    start = size - 8 - length
    if file.read() != MAGIC or start < len(MAGIC):
        return None
    before = max(0, start - SIZE)
    file.seek(before)
    end = file.read()
    checksums, footer = end[: start - before], end[start - before :]
    return Ending(start, footer, checksums if checksums.startswith(LABEL) else b"")


def compute_checksum(file: BinaryIO, size: int) -> int:
    """Computes the checksum of the first bytes of a file."""
    file.seek(0)
    checksum = 0
    while size > 0 and (data := file.read(min(CHUNK, size))):
        checksum = zlib.crc32(data, checksum)
        size -= len(data)
    return checksum
