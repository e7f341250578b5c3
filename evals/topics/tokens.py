"""The terms of a request: words, or pairs of characters where a script has no spaces.

How terms are weighed is in `topic_model`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

MOST_CHARACTERS = 2000
"""A request's topic is found in its first characters, this many."""
MARKS = re.compile(r"\[(?:redacted|forgotten|expired)[^\]]{0,60}\]")
"""What redaction puts in place of a text."""
RUNS = (
    r"\p{Han}+|\p{Katakana}[\p{Katakana}ー]*|\p{Hiragana}+"
    r"|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+|\p{L}[\p{L}\p{M}]*"
)
"""Runs of letters of one script; digits and signs are in none."""
SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
KATAKANA = re.compile("[\u30a0-\u30ff\uff66-\uff9f]")
HIRAGANA = re.compile("[\u3040-\u309f]")
HAN = re.compile("[\u2e80-\u2fdf\u3005\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
NEGATIONS = re.compile(r"n['’]t\b")
"""The end of *don't* and *isn't*, without which half a word would be left."""
VOWEL_SIGNS = re.compile("[\u064b-\u065f\u0670\u0640]")
"""Marks of Arabic that most writers leave out, and the line that stretches a word."""
SHORTEST_WORD = 2


@functools.cache
def compile_runs() -> Any:
    """Compiles the pattern of runs; RE2 has classes of scripts, and `re` has not."""
    import re2  # pyright: ignore[reportMissingTypeStubs]

    return re2.compile(RUNS)  # pyright: ignore[reportUnknownMemberType]


def normalise_text(text: str) -> str:
    """Returns the beginning of a text in the form in which requests are compared.

    Compatibility forms are one, case and Arabic vowel signs are dropped, and so are redactions.
    """
    plain = MARKS.sub(" ", text[:MOST_CHARACTERS])
    folded = NEGATIONS.sub(" ", unicodedata.normalize("NFKC", plain).casefold())
    return VOWEL_SIGNS.sub("", folded.encode("utf-8", "ignore").decode("utf-8"))


def list_terms(text: str) -> list[str]:
    """Returns the terms of a request, in order and with repetitions."""
    return [term for run in find_runs(text) for term in split_run(run)]


def find_runs(text: str) -> list[str]:
    """Returns a text's runs of letters of one script, in lower case."""
    return compile_runs().findall(normalise_text(text))


def split_run(run: str) -> Iterator[str]:
    """Yields the terms of a run of letters of one script.

    Hiragana is mostly inflection, and yields none; a run in katakana is a word; of Han characters
    each pair is a term, and of other scripts without spaces each three.
    """
    if HAN.match(run):
        yield from slide(run, 2)
    elif SPACELESS.match(run):
        yield from slide(run, 3)
    elif HIRAGANA.match(run):
        return
    elif KATAKANA.match(run) or len(run) >= SHORTEST_WORD:
        yield run


def slide(run: str, width: int) -> Iterator[str]:
    """Yields every part of a run that is so many characters long; a shorter run as it is."""
    yield from (run[at : at + width] for at in range(max(1, len(run) - width + 1)))


def is_spaceless(term: str) -> bool:
    """Whether a term is a part of a run in a script without spaces."""
    return bool(HAN.match(term) or SPACELESS.match(term))
