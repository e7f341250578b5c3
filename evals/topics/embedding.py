"""Vectors of words from a static embedding model in a local folder, in model2vec's format.

The only module that imports model2vec, an optional extra; nothing is fetched. A topic model stores
the vectors that it needs, so nights are assigned without the folder.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.topics.tokens import list_terms

if TYPE_CHECKING:
    from evals.topics.topic_model import Floats

FILES = ("model.safetensors", "tokenizer.json")
NEAR = 0.6
"""The cosine with a term of the requests from which a word of the model's vocabulary is near it."""
MOST_NEAR = 2000
"""Words of the vocabulary that a topic model stores."""
BATCH = 1024
SPACES = ("▁", "Ġ")
"""What begins a word in a tokenizer that marks spaces."""
CONTINUED = "##"
"""What begins a token inside a word in a tokenizer that does not."""


class EmbeddingError(Exception):
    """The embedding model of `catalog.yaml` cannot be used; the message explains why."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """A static embedding model."""

    model: Any
    """A `StaticModel`, whose package has no complete types."""

    def embed_words(self, words: Sequence[str]) -> Floats:
        """Returns the vector of each word, of length 1; 0 where the model has none of its parts."""
        import numpy as np

        vectors: Floats = np.asarray(self.model.encode(list(words), use_multiprocessing=False))
        vectors = np.nan_to_num(vectors.astype(np.float64))
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    def list_near_words(self, terms: Sequence[str]) -> list[str]:
        """Lists words of the model's vocabulary that are near some terms, the nearest first."""
        import numpy as np

        known = set(terms)
        words = [word for word in self.list_vocabulary() if word not in known]
        own, found = self.embed_words(terms).T, list[tuple[float, str]]()
        for at in range(0, len(words), BATCH):
            batch = words[at : at + BATCH]
            cosines: Floats = np.round(self.embed_words(batch) @ own, 4)
            nearest: list[float] = cosines.max(axis=1).tolist()
            pairs = zip(nearest, batch, strict=True)
            found += [(-cosine, word) for cosine, word in pairs if cosine >= NEAR]
        return [word for _, word in sorted(found)[:MOST_NEAR]]

    def list_vocabulary(self) -> list[str]:
        """Lists the whole words of the vocabulary, as requests have them."""
        tokens: Sequence[str] = self.model.tokens
        marked = [token[1:] for token in tokens if token.startswith(SPACES)]
        words = marked or [token for token in tokens if not token.startswith(CONTINUED)]
        return sorted({word.casefold() for word in words if list_terms(word) == [word.casefold()]})


def load_embedding(folder: Path) -> Embedding:
    """Loads a model from a local folder.

    Raises:
        EmbeddingError: the folder or the extra is missing, or the files are no such model.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise EmbeddingError(
            f"catalog.yaml: topics.embedding: {folder} has no {' and no '.join(missing)}; expected "
            "the folder of a static embedding model in model2vec's format"
        )
    try:
        package: Any = importlib.import_module("model2vec")
    except ImportError:
        raise EmbeddingError(
            "catalog.yaml: topics.embedding needs the extra `andon[embedding]`; install it, or "
            "remove the key"
        ) from None
    try:
        return Embedding(package.StaticModel.from_pretrained(folder, force_download=False))
    except Exception as error:
        raise EmbeddingError(
            f"catalog.yaml: topics.embedding: {folder} is no static embedding model that can be "
            f"read ({type(error).__name__}: {error})"
        ) from error
