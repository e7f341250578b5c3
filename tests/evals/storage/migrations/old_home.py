"""A home of an earlier schema version, with its catalog and its inbox.

The code of that version wrote it: three nights of two applications with judges (one by batch),
assertions, a guardrail, labels and gold, refused rows, and a night pulled from Langfuse.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

FIXTURES = Path(__file__).with_name("fixtures")


def unpack_home(version: int, folder: Path) -> Path:
    """Unpacks `home`, `catalog` and `inbox` of a schema version, with the current time."""
    with tarfile.open(FIXTURES / f"home-of-schema-{version}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        os.utime(path)  # retention deletes old files
    return folder / "home"


def read_contents(home: Path) -> dict[str, bytes]:
    """Returns every file of a home by its path within."""
    files = (path for path in home.rglob("*") if path.is_file())
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in files}
