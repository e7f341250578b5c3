"""An index of the nights an id is staged in: the sorted hashes of all ids, one file per night.

It is rebuilt when a night's staged files changed; deleting it loses nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from evals.records import digest
from evals.storage.files import open_replacement
from evals.storage.lake import Lake
from evals.storage.queries import open_duckdb, read_parquet_files

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Hashes: TypeAlias = NDArray[np.uint64]
    """Hashes of ids, sorted."""

FOLDER = "ids"
UNIQUE_LENGTH = 16
"""From this length on an id is random or has a date, so it is unique; shorter ones may count up."""
HASH = f"""
    case when length(trace_id) >= {UNIQUE_LENGTH} then hash(trace_id) | 1
    else hash(trace_id) & 18446744073709551614 end
"""
"""The lowest bit of a hash is 1 for a unique id."""
SELECT = f"select distinct {HASH} as h"
SELECT_BOTH = f"select trace_id, {HASH} as h from wanted order by h"  # noqa: S608  no input


def find_nights(lake: Lake, ids: Collection[str]) -> list[date]:
    """Returns the nights that may have some of the ids staged, oldest first.

    Hashes can collide, so a night may rarely have none of them.
    """
    nights = lake.list_nights("staged")
    if not ids or not nights:
        return []
    wanted = hash_ids(ids)
    return [
        night for night, hashes in load_indexes(lake, nights) if mark_members(hashes, wanted).any()
    ]


def hash_ids(ids: Collection[str]) -> Hashes:
    """Returns the sorted hashes of ids."""
    with open_duckdb() as db:
        db.register("wanted", build_id_table(ids))
        return db.sql(f"{SELECT} from wanted order by h").fetchnumpy()["h"]


def build_id_table(ids: Collection[str]) -> pa.Table:
    """Returns ids as a table of one column; replaces lone surrogates, which no staged id has."""
    import pyarrow as pa

    texts = [text.encode("utf-8", "replace").decode() for text in ids]
    return pa.table({"trace_id": pa.array(texts, pa.string())})


def mark_members(index: Hashes, wanted: Hashes) -> NDArray[np.bool_]:
    """Returns which of the wanted hashes are in a sorted index."""
    import numpy as np

    if not len(wanted) or not len(index):
        return np.zeros(len(wanted), bool)
    at = np.searchsorted(index, wanted)
    return index[np.minimum(at, len(index) - 1)] == wanted


def load_indexes(lake: Lake, nights: Sequence[date]) -> Iterator[tuple[date, Hashes]]:
    """Yields each night with the sorted hashes of its ids."""
    import numpy as np

    for night in nights:
        path = lake.home / FOLDER / f"{night}.{digest_sources(lake, night)}.npy"
        try:
            hashes = np.load(path, mmap_mode="r")
        except (FileNotFoundError, ValueError, EOFError):  # damaged, or another import replaced it
            hashes = build_index(lake, night, path)
        yield night, hashes


def delete_indexes(lake: Lake, night: date | None = None) -> None:
    """Deletes the index of a night, or of every night (None)."""
    for name in lake.store.list_names(f"{FOLDER}/{night or '*'}.*"):
        lake.store.delete(name)


def digest_sources(lake: Lake, night: date) -> str:
    """Returns a digest of a night's staged files and the DuckDB version that hashes them."""
    import duckdb

    stats = [(path.name, path.stat()) for path in lake.list_files("staged", [night])]
    return digest([duckdb.__version__, [(n, s.st_size, s.st_mtime_ns) for n, s in stats]], 16)


def build_index(lake: Lake, night: date, path: Path) -> Hashes:
    """Builds a night's index, writes it in the place of an older one, and returns it."""
    import numpy as np

    files = lake.list_files("staged", [night])
    with open_duckdb() as db:
        query = f"{SELECT} from rows where trace_id is not null order by h"
        read_parquet_files(db, files).create_view("rows")
        columns = db.sql(query).fetchnumpy()
    hashes: Hashes = np.asarray(columns["h"], np.uint64)
    with open_replacement(path) as file:
        np.save(file, hashes)
        for old in path.parent.glob(f"{night}.*.npy"):
            old.unlink(missing_ok=True)
    return hashes


def find_unstaged(lake: Lake, ids: Collection[str]) -> set[str]:
    """Returns those of some ids that no night has staged: their traces have not arrived."""
    import numpy as np

    if not ids:
        return set()
    with open_duckdb() as db:
        db.register("wanted", build_id_table(ids))
        found = db.sql(SELECT_BOTH).fetchall()
    hashes = np.array([row[1] for row in found], np.uint64)
    is_staged = np.zeros(len(hashes), bool)
    for _, own in load_indexes(lake, lake.list_nights("staged")):
        is_staged |= mark_members(own, hashes)
    return {row[0] for row, is_known in zip(found, is_staged, strict=True) if not is_known}
