"""A detector of one kind of private data, its findings, and the mark that replaces them.

The kinds themselves are in `personal`, `secrets` and `keys`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Spans = Iterable[tuple[int, int]]
CHUNK = 1500
"""The most characters a recognizer gets at once: its time grows faster than the text."""
OVERLAP = 280


class Finding(NamedTuple):
    """The position of a finding in a text, without the text itself."""

    kind: str
    start: int
    end: int
    """Offsets in characters, the end exclusive."""


class Detector(NamedTuple):
    """Detects one kind of private data."""

    kind: str
    hint: re.Pattern[str]
    """A linear pattern that every finding contains: a text without it needs no more work."""
    margin: int
    """How far a finding may extend from the hint, in characters."""
    spans: Callable[[str], Spans]
    """Findings within one window of text."""
    screen: str = ""
    """The hint for RE2, where `hint` cannot be translated; it may match more."""

    def find(self, text: str) -> Iterator[Finding]:
        """Yields every finding of this kind, unordered, perhaps twice."""
        for start, end in find_windows(text, self.hint, self.margin):
            for first, last in self.spans(text[start:end]):
                yield Finding(self.kind, start + first, start + last)


def find_windows(text: str, hint: re.Pattern[str], margin: int) -> Iterator[tuple[int, int]]:
    """Yields the parts of a text near a hint: merged, cut between words, at most CHUNK long."""
    begin = stop = -1
    for match in hint.finditer(text):
        start, end = max(match.start() - margin, 0), match.end() + margin
        if begin < 0:
            begin, stop = start, end
        elif start <= stop:
            stop = max(stop, end)
        else:
            yield from split_window(text, begin, stop)
            begin, stop = start, end
    if begin >= 0:
        yield from split_window(text, begin, stop)


def split_window(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Splits a span into overlapping pieces; the outer ends do not cut a word."""
    for _ in range(64):
        if start > 0 and text[start - 1].isalnum():
            start -= 1
        if end < len(text) and text[end].isalnum():
            end += 1
    end = min(end, len(text))
    while end - start > CHUNK:
        yield start, start + CHUNK
        start += CHUNK - OVERLAP
    yield start, end


def merge_overlaps(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the findings in order, overlapping ones merged under the kind of the longest."""
    merged: list[tuple[Finding, int]] = []
    for finding in sorted(findings, key=lambda f: (f.start, f.start - f.end, f.kind)):
        length = finding.end - finding.start
        if merged and finding.start < merged[-1][0].end:
            last, longest = merged[-1]
            kind = finding.kind if length > longest else last.kind
            union = Finding(kind, last.start, max(last.end, finding.end))
            merged[-1] = (union, max(length, longest))
        else:
            merged.append((finding, length))
    return [finding for finding, _ in merged]


def format_mark(kind: str) -> str:
    """Returns the mark that replaces a finding of a kind."""
    return f"[redacted:{kind}]"


MARK = re.compile(r"\[redacted:([a-z0-9_-]{1,40})\]")
TOKEN = re.compile(r"[A-Za-z0-9_\-+/=]*(?:\.[A-Za-z0-9_\-+/=]+)*")


def find_token_end(text: str, at: int) -> int:
    """Returns where the token that extends past a position ends."""
    rest = TOKEN.match(text, at) if at and re.match(r"[\w.+/=-]", text[at - 1]) else None
    return rest.end() if rest else at
