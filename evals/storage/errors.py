"""The errors of a home: it cannot be used as it is, or one of its files is damaged."""

from __future__ import annotations

from pathlib import Path


class LakeError(RuntimeError):
    """The home folder cannot be used as it is; the message names the remedy."""


class DamagedFileError(LakeError):
    """A file of the home cannot be read; the message names the file, the loss and the remedy."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path
