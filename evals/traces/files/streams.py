"""Reads a file as lines in bounded memory, gzip and zstd included.

Decompresses and splits. Each format decides what a line means.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, cast

if TYPE_CHECKING:
    import pyarrow

MAX_LINE = 16 * 2**20
"""A line of more bytes than this is refused, and never in memory as a whole."""
MAX_STORED = 64 * 2**10
"""How many bytes of a refused row are stored."""
BOM = b"\xef\xbb\xbf"
CHUNK = 2**20
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
BROKEN = (EOFError, OSError, zlib.error)
"""The errors of reading a damaged or vanished file."""
LONG = "line-too-long"


class Line(NamedTuple):
    """One line, or the beginning of one that is not whole."""

    number: int
    """1-based, blank lines counted."""
    raw: bytes
    """Without its newline; the first 64 KiB where `code` is set."""
    code: str = ""
    """Why it is not whole, one of `broken_rows.BROKEN_ROWS`, or empty."""
    problem: str = ""


def file_sha(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_unpacked(path: Path) -> io.BufferedIOBase:
    """Opens a file's content as a binary stream; gzip and zstd are recognised by their magic bytes.

    Raises:
        OSError: the file is not a regular file or cannot be opened.
    """
    if not path.is_file():
        raise FileNotFoundError("not a file")
    stream = path.open("rb")
    magic = stream.peek(4)[:4]
    if magic[:2] == GZIP:
        return GzipStream(stream)
    if magic == ZSTD:
        stream.close()
        return open_zstd(path)
    return stream


def open_zstd(path: Path) -> io.BufferedIOBase:
    """Opens a zstd file's content as a binary stream."""
    import pyarrow

    file = open_with_arrow(path)
    stream = pyarrow.input_stream(file, compression="zstd")  # pyright: ignore[reportArgumentType] # it takes Arrow's files too
    return cast("io.BufferedIOBase", stream)


def open_with_arrow(path: Path) -> pyarrow.OSFile:
    """Opens a file by Arrow, which takes a name that is not UTF-8 as bytes only."""
    import pyarrow

    return pyarrow.OSFile(os.fsencode(path))  # pyright: ignore[reportCallIssue] # reads by default


class GzipStream(gzip.GzipFile):
    """A gzip file that closes the file beneath it."""

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self.beneath = stream

    def close(self) -> None:
        """Closes both."""
        super().close()
        self.beneath.close()


class Head(NamedTuple):
    """The beginning of a file's content."""

    start: bytes
    problem: Exception | None
    """The error that stopped reading, where the file is damaged."""


def read_head(path: Path, size: int = MAX_STORED) -> Head:
    """Reads the first bytes of the content.

    Raises:
        OSError: the file cannot be opened.
    """
    start = b""
    with open_unpacked(path) as stream:
        try:
            while len(start) < size and (chunk := stream.read1(size - len(start))):
                start += chunk
        except BROKEN as error:
            return Head(start, error)
    return Head(start, None)


class Block(NamedTuple):
    """Consecutive whole lines, blank ones included."""

    number: int
    """Of the first, 1-based."""
    text: bytes
    """The lines, each except the last with its newline."""
    lines: list[bytes]
    """The same lines without newlines."""

    @classmethod
    def of(cls, number: int, text: bytes) -> Self:
        """Makes a block of its text."""
        return cls(number, text, text.split(b"\n"))


def read_blocks(stream: io.BufferedIOBase) -> Iterator[Block | Line]:
    """Yields the stream's lines in blocks, and lines that are not whole one by one, with a code."""
    number, tail, skipping = 1, b"", False
    while True:
        try:
            chunk = stream.read1(CHUNK)
        except BROKEN as error:
            yield Line(number, tail[:MAX_STORED], name_error(error), str(error) or "damaged")
            return
        if not chunk:
            break
        end, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if end < 0:
            tail = tail if skipping else tail + chunk
        elif not skipping and chunk.isspace() and (not tail or tail.isspace()):
            number += chunk.count(b"\n")
            tail = chunk[last + 1 :]
        else:
            long = skipping or len(tail) + end > MAX_LINE
            if long:
                yield Line(number, (tail if skipping else tail + chunk[:end])[:MAX_STORED], LONG)
                number += 1
            if not long or end < last:
                text = chunk[end + 1 : last] if long else tail + chunk[:last]
                yield (block := Block.of(number, text))
                number += len(block.lines)
            tail, skipping = chunk[last + 1 :], False
        if len(tail) > MAX_LINE:
            tail, skipping = tail[:MAX_STORED], True
    if skipping or len(tail) > MAX_LINE:
        yield Line(number, tail[:MAX_STORED], LONG)
    else:
        yield Block.of(number, tail)


def read_lines(stream: io.BufferedIOBase) -> Iterator[Line]:
    """Yields the non-blank lines; a last one with a code where the stream breaks off."""
    for block in read_blocks(stream):
        if isinstance(block, Line):
            yield block
        else:
            for number, raw in enumerate(block.lines, block.number):
                if raw and not raw.isspace():
                    yield Line(number, raw)


def name_error(error: Exception) -> str:
    """Returns the code for an error of a stream: an early end of gzip, or unreadable bytes."""
    return "truncated-gzip" if isinstance(error, EOFError) else "unreadable-file"
