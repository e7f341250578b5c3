"""The function words of a sample: *the*, *der*, *de la*, which say nothing about a topic.

spaCy has lists of them for 24 of the languages that are written with spaces.
"""

from __future__ import annotations

import functools
import importlib
from collections import Counter
from collections.abc import Collection, Sequence

LANGUAGES = (
    "ar", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi",
    "hu", "id", "it", "nb", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk",
)  # fmt: skip


@functools.cache
def load_words() -> dict[str, frozenset[str]]:
    """Loads the lists, by language."""
    modules = {code: importlib.import_module(f"spacy.lang.{code}.stop_words") for code in LANGUAGES}
    return {code: frozenset(module.STOP_WORDS) for code, module in modules.items()}


def find_function_words(texts: Sequence[Collection[str]]) -> set[str]:
    """Finds the function words of some texts, each judged by the language of its text.

    A text's language is the one whose list has most of its words; without one it has none. A word
    that is one in the texts of one language and none in those of another, such as *die*, is what it
    mostly is.
    """
    total: Counter[str] = Counter()
    function: Counter[str] = Counter()
    for terms in texts:
        words = set(terms)
        total.update(words)
        function.update(max((words & own for own in load_words().values()), key=len))
    return {word for word, n in function.items() if 2 * n >= total[word]}
