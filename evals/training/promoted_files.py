"""What a promotion writes into a catalog, for a person's commit: the files, shown and written.

Which files those are is decided by whoever promotes: a judge's candidate, or a trained classifier.
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from evals.specs import CatalogError
from evals.statistics.judges_compared import Decided
from evals.storage.files import replace


def list_uncommitted(files: Mapping[Path, bytes]) -> Iterator[str]:
    """Yields an objection for each file with changes that nobody committed."""
    for file in files:
        if is_changed(file):
            yield f"{file.name} has changes that are not committed: commit or undo them"


def is_changed(file: Path) -> bool:
    """Whether a file of a git repository differs from what is committed; False outside of one."""
    git = shutil.which("git")
    if git is None or not file.exists():
        return False
    command = [git, "-C", str(file.parent), "status", "--porcelain", "--", file.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


def object_to(result: Decided, shown: str) -> Iterator[str]:
    """Yields the objection to what labels do not show to be better."""
    if result != "better":
        yield f"the held-back labels do not show that it is better ({result}): {shown}"


def diff_files(root: Path, files: Mapping[Path, bytes]) -> str:
    """Returns how the YAML files of a catalog would change; empty where nothing does."""
    parts: list[str] = []
    for file, data in files.items():
        if file.suffix == ".yaml":
            name = file.relative_to(root).as_posix()
            old, new = (text.splitlines(keepends=True) for text in (
                file.read_text("utf-8"), data.decode()
            ))  # fmt: skip
            parts += difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(parts)


def write_files(files: Mapping[Path, bytes]) -> None:
    """Writes the files in their order: what decides comes last.

    Raises:
        CatalogError: the catalog cannot be written.
    """
    for file, data in files.items():
        try:
            replace(file, data)
        except OSError as error:
            raise CatalogError(
                f"{file}: cannot be written ({error.strerror}); promote on a machine that may "
                "write the catalog"
            ) from error
