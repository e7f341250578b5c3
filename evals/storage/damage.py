"""Damaged files: sets aside what is made again, and refuses the rest in a sentence.

What the loss of a file means is in `file_kinds`; `evals.repair` makes files again.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Generator
from pathlib import Path

from evals.storage.errors import DamagedFileError
from evals.storage.file_kinds import find_kind

LOG = logging.getLogger("andon.home")
"""Takes a sentence for each damaged file that stops nothing; a command prints them."""
ASIDE = ".damaged-"
READING_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    NotImplementedError,
)
"""What parsing a damaged file raises; pyarrow's and pydantic's errors are of these classes."""


def find_home(path: Path) -> Path:
    """Returns the home that a file is in; the folder of a file that is in none."""
    homes = (folder for folder in path.parents if (folder / "schema.json").exists())
    return next(homes, path.parent)


def name_file(path: Path) -> str:
    """Returns a file's name in its home."""
    return path.relative_to(find_home(path)).as_posix()


def explain_damage(path: Path) -> DamagedFileError:
    """Returns the error of a damaged or missing file."""
    kind = find_kind(name_file(path))
    if path.exists():
        return DamagedFileError(path, f"{path} is damaged; {kind.loss}; {kind.remedy}")
    return DamagedFileError(path, f"{path} is missing; {kind.loss}; {omit_deletion(kind.remedy)}")


def omit_deletion(remedy: str) -> str:
    """Returns the remedy for a file that is gone, so that there is nothing to delete."""
    before, _, after = remedy.partition("delete it")
    if after.startswith(" and "):
        return before + after.removeprefix(" and ")
    return before.removesuffix(", or ")


def set_aside(path: Path, more: str = "") -> Path:
    """Renames a damaged file, and reports it; the first free number ends its new name."""
    number = 1
    while (aside := path.with_name(f"{path.name}{ASIDE}{number}")).exists():
        number += 1
    path.rename(aside)
    loss = more or find_kind(name_file(path)).loss
    report(f"{path} is damaged and was set aside as {aside.name}; {loss}")
    return aside


def find_set_aside(home: Path) -> list[Path]:
    """Lists the damaged files of a home that were set aside."""
    return [path for path in home.rglob(f"*{ASIDE}*") if path.is_file()]


@functools.lru_cache(maxsize=4096)
def report(sentence: str) -> None:
    """Reports damage that stops nothing, once in a process."""
    LOG.warning("%s", sentence)


@contextlib.contextmanager
def detect_damage(path: Path) -> Generator[None]:
    """Turns errors of reading a file into the error of a damaged one.

    Raises:
        DamagedFileError: it cannot be read.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except READING_ERRORS as error:
        raise explain_damage(path) from error
