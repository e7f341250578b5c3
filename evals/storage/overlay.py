"""A temporary home that begins with another's data, to try what a run would do.

The other home is only read: tables are linked, and a writer replaces the links; documents are
copied.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from evals.storage.lake import Lake

LEFT_OUT = frozenset((
    "anchors", "answers", "canaries", "coverage", "dagster", "data_docs", "gold", "inbox",
    "journal", "labels", "labels_mapped", "locks", "marts", "noise", "pairs", "parts", "reports",
    "review", "runs", "scores", "slices", "verdicts", "warehouse.duckdb",
))  # fmt: skip
"""Files and folders that neither import nor validation reads."""
TABLE = ".parquet"


@contextlib.contextmanager
def open_overlay(lake: Lake) -> Generator[Lake]:
    """Opens a temporary home that begins as another, or empty where there is none.

    Raises:
        LakeError: another version of Andon wrote the other home.
    """
    with tempfile.TemporaryDirectory(prefix="andon-explain-") as folder:
        overlay = Lake(Path(folder))
        if lake.store.find_entry("schema.json"):
            if not lake.is_open():
                lake.open()  # raises with what to do
            for name in lake.store.walk():
                if name.split("/")[0] not in LEFT_OUT:
                    add_file(lake, overlay, name)
        yield overlay.open()


def add_file(lake: Lake, overlay: Lake, name: str) -> None:
    """Links a table's file into the temporary home, or copies any other file."""
    source, target = lake.store.path(name), overlay.store.path(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == TABLE:
        target.symlink_to(source.absolute())
        return
    with contextlib.suppress(FileNotFoundError):  # a run that goes on has replaced it
        shutil.copyfile(source, target)
