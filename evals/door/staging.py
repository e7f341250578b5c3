"""One file's rows: traces staged by night, labels kept, everything else in quarantine.

Every row passes `privacy` before it is written; whether it is valid is decided at `admission`.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

from evals import importers
from evals.door.labels import keep_labels
from evals.importers.streams import file_sha
from evals.lake import InboxFile, Lake, to_table, write_parquet
from evals.privacy import Door
from evals.records import Label, Refusal, Trace
from evals.specs import Catalog


def import_file(
    lake: Lake,
    catalog: Catalog,
    path: Path,
    *,
    assume_date: date | None = None,
    spread: tuple[date, date] | None = None,
) -> InboxFile:
    """Stages one file's traces by night, keeps its labels, quarantines its other rows.

    Twice is once.
    """
    sha = file_sha(path)
    nights: dict[date, list[Trace]] = defaultdict(list)
    refused: list[Refusal] = []
    labels: list[Label] = []
    shift, door = timedelta(hours=catalog.day_begins), Door.of(lake, catalog)
    rows = importers.read(
        path,
        mappings=catalog.mappings,
        assume_date=assume_date,
        spread=spread,
        day_begins=catalog.day_begins,
    )
    for found in rows:
        if isinstance(found, Label):
            labels.append(found)
            continue
        row = door.row(found)
        if isinstance(row, Refusal):
            refused.append(row)
            if row.app and row.night:
                nights.setdefault(row.night, [])  # of bad rows alone it is refused, not forgotten
        else:
            nights[(row.ts - shift).date()].append(row)
    for night, traces in sorted(nights.items()):
        lake.write("staged", night, traces, sha[:16])
    if refused:
        kept = lake.home / "quarantine" / "files" / f"{sha[:16]}.parquet"
        write_parquet(kept, to_table(Refusal, refused))
    read = sum(map(len, nights.values())) + len(refused)
    touched = sorted(night.isoformat() for night in nights)
    format_name = next((t.source_format for traces in nights.values() for t in traces), "")
    if labels:
        keep_labels(lake, door, labels, f"found-in-{sha[:16]}")
    seen = InboxFile(
        sha, path.name, format_name, path.stat().st_size, read, len(refused), touched, len(labels)
    )
    lake.record_files([seen])
    return seen
