"""The words of a text with their places, in linear time and in any script.

What is made of them is the checks'.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.evaluators.untrusted import HIDDEN

DENSE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Scripts without spaces between words: each character counts as one."""
WORD = re.compile(rf"[{DENSE}]|[^\W_{DENSE}]+(?:['’][^\W\d_{DENSE}]+)*")


class Word(NamedTuple):
    """A word in a text."""

    text: str
    """In its normal form: compatibility characters and case folded."""
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """Returns the words of a text in their normal form."""
    if text.isascii():
        return [Word(m[0].lower(), m.start(), m.end()) for m in WORD.finditer(text)]
    return [Word(fold(m[0]), m.start(), m.end()) for m in WORD.finditer(text)]


def fold(word: str) -> str:
    """Returns a word in its normal form."""
    return unicodedata.normalize("NFKC", word).casefold().replace("’", "'")


def list_words(text: str) -> list[str]:
    """Returns the words of a text without what is invisible in it."""
    if text.isascii():
        return WORD.findall(text.lower())
    clear = unicodedata.normalize("NFKC", HIDDEN.sub("", text)).casefold().replace("’", "'")
    return WORD.findall(clear)


def windows_of(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yields overlapping windows of words, which step by half; a shorter text is one."""
    step = max(size // 2, 1)
    for start in range(0, max(len(words) - step, 1), step):
        yield words[start : start + size]
