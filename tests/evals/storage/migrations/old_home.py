"""A home that the code of an earlier schema version wrote, with its catalog and its inbox.

Made once by that code: three nights of two applications with judges (one by batch), assertions, a
guardrail, labels and gold, refused rows, and a night pulled from Langfuse.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

FIXTURES = Path(__file__).with_name("fixtures")


def unpack(version: int, folder: Path) -> Path:
    """Unpacks `home`, `catalog` and `inbox` of a schema version, as written just now."""
    with tarfile.open(FIXTURES / f"home-of-schema-{version}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        os.utime(path)  # what is old is cleared by retention
    return folder / "home"


def contents(home: Path) -> dict[str, bytes]:
    """Every file of a home by its path within."""
    files = (path for path in home.rglob("*") if path.is_file())
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in files}
