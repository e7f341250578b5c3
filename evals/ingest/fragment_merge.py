"""A night's rows with each trace whole, though exports cut by the hour tell it in several files.

Which rows are parts of one trace is found here, and their trace put in the place of the last of
them; what it says is `parts`' to tell. A night without such rows costs a look at its ids.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evals.ingest.fragments import FORMATS, merge_fragments, select_versions
from evals.ingest.identity import hash_trace
from evals.ingest.staged_rows import COPY, CORRECTED, MERGED, StagedFile, read_row_groups, read_rows
from evals.privacy.redaction import load_user_key
from evals.records import Trace
from evals.specs import Catalog
from evals.storage.files import write_parquet
from evals.storage.lake import Lake
from evals.storage.tables import from_rows, to_table

if TYPE_CHECKING:
    import pandas

Place = tuple[int, int]
"""A row by its file among the night's, and where in it."""


class MergedTraces(NamedTuple):
    """The traces that were made of parts."""

    traces: dict[Place, Trace]
    """Each in the place of its last part."""
    folded: dict[Place, str]
    """What became of the other rows with its id."""


def read_merged_rows(
    lake: Lake, catalog: Catalog, night: date, aside: Path
) -> tuple[list[StagedFile], pandas.DataFrame]:
    """A night's files and rows as `rows`, each trace whole; `folded` says why a row is none.

    Args:
        lake: where they rest.
        catalog: says when a night begins.
        night: its date.
        aside: a folder for the traces made of parts, until they are in place.
    """
    files, frame = read_rows(lake, catalog, night)
    found = merge_traces(lake, files, frame)
    if found.traces:
        more = list(write_merged(files, found, night, aside))
        files, frame = read_rows(lake, catalog, night, more)
    at = list(zip(frame["part"], frame["row"], strict=True)) if found.traces else []
    frame["folded"] = [found.folded.get(key, "") for key in at] if at else ""
    if at:
        frame = frame[[key not in found.traces for key in at]].reset_index(drop=True)
    return files, frame


def merge_traces(lake: Lake, files: Sequence[StagedFile], frame: pandas.DataFrame) -> MergedTraces:
    """The traces of rows that share an id across files and are parts of one."""
    found = MergedTraces({}, {})
    if frame.empty or frame["file"].iloc[0] == frame["file"].iloc[-1]:
        return found
    spans = frame[frame["source_format"].isin(FORMATS) & frame["trace_id"].notna()]
    shared = spans[spans.duplicated(["app", "trace_id"], keep=False)]
    if shared.empty:
        return found
    traces = dict(read_traces(files, shared))
    key = load_user_key(lake)
    for _, group in shared.groupby(["app", "trace_id"], sort=False):
        merge_group(group, traces, key, found)
    return found


def read_traces(
    files: Sequence[StagedFile], wanted: pandas.DataFrame
) -> Iterator[tuple[Place, Trace]]:
    """The traces of some rows."""
    ordered = wanted.sort_values(["part", "row"])
    for part in ordered["part"].unique().tolist():
        own = ordered[ordered["part"] == part]
        for table, at in read_row_groups(files[part].path, own):
            places = own["row"].iloc[at].to_list()
            for row, trace in zip(places, from_rows(Trace, table.to_pylist()), strict=True):
                yield (part, row), trace


def merge_group(
    group: pandas.DataFrame, traces: dict[Place, Trace], key: bytes, found: MergedTraces
) -> None:
    """Puts one trace in the place of its parts, where it has several."""
    rows_of: dict[int, list[Place]] = defaultdict(list)
    for file, part, row in zip(group["file"], group["part"], group["row"], strict=True):
        rows_of[file].append((part, row))
    places = [own[0] for own in rows_of.values()]  # within a file the first row speaks
    versions = [traces[place] for place in places]
    kept = select_versions(versions)
    if len(kept) < 2:
        return
    whole = merge_fragments([versions[n] for n in kept])
    last = places[kept[-1]]
    found.traces[last] = dataclasses.replace(whole, content_hash=hash_trace(whole, key))
    said = {versions[n].content_hash for n in kept}
    for n, place in enumerate(places):
        if place != last:
            copied = versions[n].content_hash in said and n not in kept
            found.folded[place] = MERGED if n in kept else COPY if copied else CORRECTED
    told = {version.content_hash for version in versions} - {""}
    for place in (place for own in rows_of.values() for place in own[1:]):
        if traces[place].content_hash in told:
            found.folded[place] = COPY


def write_merged(
    files: Sequence[StagedFile], found: MergedTraces, night: date, aside: Path
) -> Iterator[StagedFile]:
    """The merged traces as staged files, one for each inbox file in whose place they stand."""
    own: dict[int, list[Trace]] = defaultdict(list)
    for (part, _), trace in found.traces.items():
        own[part].append(trace)
    for part, traces in own.items():
        source = files[part]
        path = aside / f"{night}" / f"{source.path.stem}.merged.parquet"
        if source.night != night:
            path = path.with_name(f"{source.path.stem}.after.merged.parquet")
        write_parquet(path, to_table(Trace, traces))
        yield source._replace(path=path, night=night)
