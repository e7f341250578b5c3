"""How similar texts are: the cosine of TF-IDF weights of character n-grams, in any language.

What follows from it is the caller's.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any


class SimilarTexts:
    """Some texts, indexed by their groups of three to five characters."""

    def __init__(self, texts: Sequence[str]) -> None:
        module: Any = importlib.import_module("sklearn.feature_extraction.text")  # it has no types
        self.vectorizer = module.TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True
        )
        self.weights = self.vectorizer.fit_transform([text or " " for text in texts])

    def compare(self, text: str) -> list[float]:
        """Returns the cosine of a text and each of the texts."""
        row = self.vectorizer.transform([text])
        return (self.weights @ row.T).toarray().ravel().round(9).tolist()

    def compare_all(self) -> list[list[float]]:
        """Returns the cosine of each two of the texts; takes the square of their number."""
        return (self.weights @ self.weights.T).toarray().round(9).tolist()
