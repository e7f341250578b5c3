"""Where the labelled data are, and how their files are read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared" / "data"
"""Beside the project, as in CI; `--data` sets another folder."""


class NoDataError(Exception):
    """A table's data are not here; the message names which."""


def find_folder(data: Path, name: str) -> Path:
    """The folder of a data set.

    Raises:
        NoDataError: it is absent.
    """
    folder = data / name
    if not folder.is_dir():
        raise NoDataError(f"{folder} is absent")
    return folder


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, compressed or not."""
    unpacked = gzip.decompress if path.suffix == ".gz" else bytes
    yield from map(json.loads, unpacked(path.read_bytes()).decode("utf-8").splitlines())
