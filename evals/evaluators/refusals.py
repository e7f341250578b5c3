"""Whether an answer refuses or apologises, by its words.

The words are in `phrases.yaml`; the checks are in `checks.wording` and `checks.abstention`.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import yaml

REFUSAL_CHARACTERS = 300
"""An answer refuses in its first characters, this many."""
APOLOGY_CHARACTERS = 600
PHRASES = Path(__file__).with_name("phrases.yaml")
APOSTROPHES = str.maketrans("’‘`´", "''''")
PUNCTUATION = re.compile(r"[^\w']+")


@functools.cache
def load_phrases(kind: str) -> tuple[str, ...]:
    """Loads the phrases of all languages; those of scripts with spaces begin with one."""
    by_language: dict[str, list[str]] = yaml.safe_load(PHRASES.read_bytes())[kind]
    return tuple(
        dict.fromkeys(
            f"{'' if language in ('ja', 'zh') else ' '}{phrase.casefold()}"
            for language, phrases in by_language.items()
            for phrase in phrases
        )
    )


def normalize_answer(text: str) -> str:
    """Returns an answer as phrases are compared with it: words in lower case, a space before each.

    Marks that are no letters, such as vowel signs, are lost from text and phrase alike.
    """
    folded = unicodedata.normalize("NFKC", text.translate(APOSTROPHES)).casefold()
    return f" {PUNCTUATION.sub(' ', folded)} "


def find_phrase(kind: str, output: str, characters: int) -> str:
    """Finds the first phrase of a kind in the first characters of an answer; empty without one."""
    beginning = normalize_answer(output[:characters])
    return next((phrase.strip() for phrase in load_phrases(kind) if phrase in beginning), "")


def find_own_phrase(phrases: Iterable[str], output: str, characters: int) -> str:
    """Finds the first of a team's own phrases in the first characters of an answer."""
    beginning = normalize_answer(output[:characters])
    return next((phrase for phrase in phrases if normalize_answer(phrase) in beginning), "")


def find_refusal(output: str) -> str:
    """Finds the phrase with which an answer refuses at its beginning; empty where it does not."""
    return find_phrase("refusals", output, REFUSAL_CHARACTERS)


def find_apology(output: str) -> str:
    """Finds the phrase with which an answer apologises, or regrets; empty where it does not."""
    return find_phrase("apologies", output, APOLOGY_CHARACTERS)


def find_abstention(output: str) -> str:
    """Finds the phrase with which an answer declares that it cannot be given; empty without one."""
    return find_phrase("abstentions", output, APOLOGY_CHARACTERS) or find_refusal(output)


def is_refusal(output: str) -> bool:
    """Whether an answer refuses at its beginning."""
    return bool(find_refusal(output))


def is_apology(output: str) -> bool:
    """Whether an answer apologises, or regrets."""
    return bool(find_apology(output))
