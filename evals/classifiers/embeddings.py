"""Static embeddings of a local folder: a text as the mean of its words' vectors.

Needs the package model2vec, and fetches nothing.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
from pathlib import Path
from typing import Any, NamedTuple

FILES = ("config.json", "model.safetensors", "tokenizer.json")


class EmbeddingsError(ValueError):
    """A folder of embeddings that cannot be used, with what to do."""


class Folder(NamedTuple):
    """Embeddings in the form of model2vec."""

    path: Path
    width: int

    def embed(self, text: str) -> tuple[float, ...]:
        """Returns a text as a point."""
        (point,) = load_static_model(self.path).encode([text])
        return tuple(round(float(x), 6) for x in point)


def open_folder(path: Path) -> Folder:
    """Opens a folder of embeddings.

    Raises:
        EmbeddingsError: it is none, or the package is not installed.
    """
    return Folder(path, int(load_static_model(path).dim))


def digest_folder(path: Path) -> str:
    """Returns a digest of the files of a folder of embeddings.

    Raises:
        EmbeddingsError: a file is missing.
    """
    whole = hashlib.sha256()
    for name in FILES:
        file = path / name
        if not file.is_file():
            raise EmbeddingsError(f"{file} does not exist; expected a folder of model2vec's")
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:16]


@functools.lru_cache(maxsize=2)
def load_static_model(path: Path) -> Any:
    """Loads the embeddings of a folder.

    Raises:
        EmbeddingsError: the folder is none, or the package is not installed.
    """
    digest_folder(path)
    try:
        model2vec: Any = importlib.import_module("model2vec")
    except ImportError as error:
        raise EmbeddingsError("embeddings need `pip install model2vec`") from error
    try:
        return model2vec.StaticModel.from_pretrained(path)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:200]
        raise EmbeddingsError(f"{path} cannot be read as embeddings: {problem}") from error
