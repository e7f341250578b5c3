"""What a finding is, how one kind is found near its hint, and what stands in its place.

Which kinds there are is told beside: `personal`, `secrets`, `keys`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Spans = Iterable[tuple[int, int]]
CHUNK = 1500
"""Recognizers see at most this many characters at once: their time grows faster than the text."""
OVERLAP = 280


class Finding(NamedTuple):
    """One place in a text; never what stands there."""

    kind: str
    start: int
    end: int
    """Offsets in characters, the end exclusive."""


class Detector(NamedTuple):
    """How one kind is found."""

    kind: str
    hint: re.Pattern[str]
    """Linear, and a part of every finding: a text without it is done."""
    margin: int
    """How far from the hint a finding may reach, in characters."""
    spans: Callable[[str], Spans]
    """Findings within one window of text."""
    screen: str = ""
    """The hint for RE2, where it is not to be had by rewriting `hint`; it may be looser."""

    def find(self, text: str) -> Iterator[Finding]:
        """Every finding of this kind, in no order, perhaps twice."""
        for start, end in find_windows(text, self.hint, self.margin):
            for first, last in self.spans(text[start:end]):
                yield Finding(self.kind, start + first, start + last)


def find_windows(text: str, hint: re.Pattern[str], margin: int) -> Iterator[tuple[int, int]]:
    """The parts of a text near a hint: merged, cut between words, at most CHUNK long."""
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
    """Overlapping pieces of a span whose outer ends do not cut a word."""
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


def merge_overlaps(found: Iterable[Finding]) -> list[Finding]:
    """Findings in order, those that overlap made one: the longest's kind, both their places."""
    kept: list[tuple[Finding, int]] = []
    for finding in sorted(found, key=lambda f: (f.start, f.start - f.end, f.kind)):
        length = finding.end - finding.start
        if kept and finding.start < kept[-1][0].end:
            last, longest = kept[-1]
            kind = finding.kind if length > longest else last.kind
            union = Finding(kind, last.start, max(last.end, finding.end))
            kept[-1] = (union, max(length, longest))
        else:
            kept.append((finding, length))
    return [finding for finding, _ in kept]


def format_mark(kind: str) -> str:
    """What stands in a redacted text instead of a finding."""
    return f"[redacted:{kind}]"


MARK = re.compile(r"\[redacted:([a-z0-9_-]{1,40})\]")


TOKEN = re.compile(r"[A-Za-z0-9_\-+/=]*(?:\.[A-Za-z0-9_\-+/=]+)*")


def find_token_end(text: str, at: int) -> int:
    """Where the token that reaches past a position ends: nothing of a secret stays behind."""
    found = TOKEN.match(text, at) if at and re.match(r"[\w.+/=-]", text[at - 1]) else None
    return found.end() if found else at
