"""Reads JSON documents as rows: one object over many lines, a list, or several documents.

Finds where an element ends, with one element in memory at a time. Each format decides what an
element means.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import re
from collections.abc import Iterator

from evals.traces.files.streams import BOM, BROKEN, MAX_STORED, Line, name_error

MAX_DOCUMENT = 64 * 2**20
"""An element of more bytes than this is refused, and with it what follows."""
CHUNK = 2**20
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A bracket or a string; its group is a quote where the string is closed, else it is cut off."""
BETWEEN = b" \t\r\n,"
GAP = re.compile("[ \\t\\r\\n,]*")
DECODER = json.JSONDecoder()
DEEPEST = 3
"""How many levels of keys are inspected to recognise a format."""
NEW_ROW = re.compile(rb"(?<![\[{,:\s])[ \t\r]*\n(?=[{\[])")
"""The end of a line and the beginning of the next row, whatever a damaged row left open."""


class DocumentSplitter:
    """Splits a growing text into its top-level values, or the elements of a top-level list.

    `buffer` is the text not yielded yet, `at` the position up to which it was scanned, `start`
    where the current element begins in it.
    """

    def __init__(self) -> None:
        self.buffer, self.at, self.start = b"", 0, 0
        self.depth, self.floor, self.number = 0, 0, 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yields the elements that end in a chunk."""
        self.buffer = self.buffer[self.start :] + chunk
        self.at, self.start = self.at - self.start, 0
        yield from self.scan_brackets(until_boundary=True)
        if self.floor and self.depth == self.floor:
            yield from self.parse_elements()
            yield from self.scan_brackets()

    def scan_brackets(self, until_boundary: bool = False) -> Iterator[Line]:
        """Follows the brackets through the buffer, or up to the boundary between two elements."""
        for token in TOKEN.finditer(self.buffer, self.at):
            if token[1] is not None:
                if token[1] != b'"':
                    self.at = token.start()
                    return
                continue
            self.at = token.end()
            if token[0] in b"[{":
                yield from self.open_bracket(token.start(), token[0])
            else:
                yield from self.close_bracket(token.end())
            if until_boundary and self.depth == self.floor == 1:
                return
        self.at = len(self.buffer)

    def parse_elements(self) -> Iterator[Line]:
        """Parses the complete elements in the buffer with a parser written in C.

        Stops at an element that is cut off, damaged or no object; `scan_brackets` goes on there.
        """
        text = self.buffer[self.start :].decode("utf-8", "surrogateescape")
        at = 0
        while True:
            begin = GAP.match(text, at).end()  # pyright: ignore[reportOptionalMemberAccess]
            if text[begin : begin + 1] != "{":
                break
            try:
                _, end = DECODER.raw_decode(text, begin)
            except (ValueError, RecursionError):
                break
            yield self.make_row(text[begin:end].encode("utf-8", "surrogateescape"))
            at = end
        self.start += len(text[:at].encode("utf-8", "surrogateescape"))
        self.at = self.start

    def open_bracket(self, at: int, bracket: bytes) -> Iterator[Line]:
        """Handles an opening bracket: of an element, of the list of all elements, or deeper."""
        if self.depth == self.floor:
            yield from self.take_stray_text(at)
            if bracket == b"[" and self.floor == 0:
                self.floor, self.start = 1, at + 1
        self.depth += 1

    def close_bracket(self, end: int) -> Iterator[Line]:
        """Handles a closing bracket; yields the element that it ends."""
        self.depth = max(self.depth - 1, 0)
        if self.depth < self.floor:
            yield from self.take_stray_text(end - 1)
            self.floor, self.start = 0, end
        elif self.depth == self.floor:
            yield self.make_row(self.buffer[self.start : end])
            self.start = end

    def take_stray_text(self, until: int) -> Iterator[Line]:
        """Yields text between two elements as a row to refuse, unless it is only a comma."""
        between = self.buffer[self.start : until]
        stripped = between.strip(BETWEEN)
        if stripped:
            yield self.make_row(stripped)
        self.start += len(between) - len(between.lstrip(BETWEEN)) if not stripped else len(between)

    def make_row(self, raw: bytes, code: str = "", problem: str = "") -> Line:
        """Makes the next row."""
        self.number += 1
        raw = raw.strip(BETWEEN)
        return Line(self.number, raw[:MAX_STORED] if code else raw, code, problem)

    def finish(self) -> Iterator[Line]:
        """Yields the rest when the text ends."""
        left = self.buffer[self.start :].strip(BETWEEN)
        if self.depth > self.floor or self.floor:
            yield self.make_row(left, "truncated-json")
        elif left:
            yield self.make_row(left)


def read_documents(stream: io.BufferedIOBase) -> Iterator[Line]:
    """Yields the stream's elements, counted from 1; a last one with a code where it breaks off."""
    splitter = DocumentSplitter()
    mark = BOM
    while True:
        try:
            chunk = stream.read1(CHUNK).removeprefix(mark)
        except BROKEN as error:
            left = splitter.buffer[splitter.start :]
            yield splitter.make_row(left, name_error(error), str(error) or "damaged")
            return
        if not chunk:
            break
        mark = b""
        yield from splitter.feed(chunk)
        if len(splitter.buffer) - splitter.start > MAX_DOCUMENT:
            yield splitter.make_row(
                splitter.buffer[splitter.start :][:MAX_STORED], "document-too-large"
            )
            return
    yield from splitter.finish()


def is_document(head: bytes, filename: str) -> bool:
    """Returns whether a file is a document and no JSONL: its first line leaves a bracket open."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    name = filename.lower()
    if text[:1] not in (b"{", b"[") or ".jsonl" in name or ".ndjson" in name:
        return False
    first, newline, _ = text.partition(b"\n")
    depth = 0
    for token in TOKEN.finditer(first):
        if token[1] is None:
            depth += 1 if token[0] in b"[{" else -1
        elif token[1] != b'"':
            return not newline
    return depth > 0 if newline else text[:1] == b"[" or ".json" in name


@functools.lru_cache(maxsize=4)
def list_key_paths(head: bytes) -> frozenset[str]:
    """Lists the keys of the first rows, nested ones as dotted paths; the text may be cut off.

    Lists add no level, so a document and a file of lines have the same paths. Cached, since every
    format looks at them.
    """
    return frozenset(itertools.chain.from_iterable(map(list_row_paths, NEW_ROW.split(head))))


def list_row_paths(text: bytes) -> set[str]:
    """Lists the keys of one row, or of the rows of a document."""
    paths: set[str] = set()
    above: list[tuple[str, int]] = []
    at, level, key = "", 0, ""
    for token in TOKEN.finditer(text):
        if token[1] is not None:
            key = ""
            if level < DEEPEST and text[token.end() : token.end() + 8].lstrip()[:1] == b":":
                key = token[0][1:-1].decode("utf-8", "replace")
                paths.add(at + key)
        elif token[0] in b"[{":
            above.append((at, level))
            if key:
                at, level, key = f"{at}{key}.", level + 1, ""
        elif above:
            at, level = above.pop()
            key = ""
    return paths
