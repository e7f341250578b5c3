"""Merges a night's rows that are fragments of one trace, as hourly exports produce them.

Finds the rows of each trace and replaces the last of them by the merged trace; how fragments are
merged is in `fragments`. A night without such rows only costs a comparison of ids.
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
from evals.privacy.id_hashes import load_user_key
from evals.records import Trace
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.storage.record_tables import build_records, to_table

if TYPE_CHECKING:
    import pandas

Place = tuple[int, int]
"""A row: its file's position among the night's files, and its position in the file."""


class MergedTraces(NamedTuple):
    """The traces merged from fragments."""

    traces: dict[Place, Trace]
    """By the place of its last fragment."""
    folded: dict[Place, str]
    """Why each other row with its id was folded."""


def read_merged_rows(
    lake: Lake, catalog: Catalog, night: date, aside: Path
) -> tuple[list[StagedFile], pandas.DataFrame]:
    """Returns a night's files and rows with merged traces; `folded` has why a row was folded.

    Args:
        lake: the home.
        catalog: has the hour at which a night begins.
        night: its date.
        aside: a folder for the merged traces, until they are published.
    """
    files, frame = read_rows(lake, catalog, night)
    merged = merge_traces(lake, files, frame)
    if merged.traces:
        more = list(write_merged(files, merged, night, aside))
        files, frame = read_rows(lake, catalog, night, more)
    at = list(zip(frame["part"], frame["row"], strict=True)) if merged.traces else []
    frame["folded"] = [merged.folded.get(key, "") for key in at] if at else ""
    if at:
        frame = frame[[key not in merged.traces for key in at]].reset_index(drop=True)
    return files, frame


def merge_traces(lake: Lake, files: Sequence[StagedFile], frame: pandas.DataFrame) -> MergedTraces:
    """Merges the traces whose rows share an id across files."""
    merged = MergedTraces({}, {})
    if frame.empty or frame["file"].iloc[0] == frame["file"].iloc[-1]:
        return merged
    spans = frame[frame["source_format"].isin(FORMATS) & frame["trace_id"].notna()]
    shared = spans[spans.duplicated(["app", "trace_id"], keep=False)]
    if shared.empty:
        return merged
    traces = dict(read_traces(files, shared))
    key = load_user_key(lake)
    for _, group in shared.groupby(["app", "trace_id"], sort=False):
        merge_group(group, traces, key, merged)
    return merged


def read_traces(
    files: Sequence[StagedFile], wanted: pandas.DataFrame
) -> Iterator[tuple[Place, Trace]]:
    """Yields the traces of some rows."""
    ordered = wanted.sort_values(["part", "row"])
    parts: list[int] = ordered["part"].unique().tolist()
    for part in parts:
        part_rows = ordered.loc[ordered["part"] == part]
        for table, at in read_row_groups(files[part].path, part_rows):
            places: list[int] = part_rows["row"].iloc[at].to_list()
            for row, trace in zip(places, build_records(Trace, table.to_pylist()), strict=True):
                yield (part, row), trace


def merge_group(
    group: pandas.DataFrame, traces: dict[Place, Trace], key: bytes, merged: MergedTraces
) -> None:
    """Merges the rows of one id if they are several fragments of a trace."""
    rows_of: dict[int, list[Place]] = defaultdict(list)
    for file, part, row in zip(group["file"], group["part"], group["row"], strict=True):
        rows_of[file].append((part, row))
    places = [in_file[0] for in_file in rows_of.values()]  # within a file the first row counts
    versions = [traces[place] for place in places]
    fragments = select_versions(versions)
    if len(fragments) < 2:
        return
    whole = merge_fragments([versions[n] for n in fragments])
    last = places[fragments[-1]]
    merged.traces[last] = dataclasses.replace(whole, content_hash=hash_trace(whole, key))
    hashes = {versions[n].content_hash for n in fragments}
    for n, place in enumerate(places):
        if place != last:
            copied = versions[n].content_hash in hashes and n not in fragments
            merged.folded[place] = MERGED if n in fragments else COPY if copied else CORRECTED
    hashes = {version.content_hash for version in versions} - {""}
    for place in (place for in_file in rows_of.values() for place in in_file[1:]):
        if traces[place].content_hash in hashes:
            merged.folded[place] = COPY


def write_merged(
    files: Sequence[StagedFile], merged: MergedTraces, night: date, aside: Path
) -> Iterator[StagedFile]:
    """Writes the merged traces as staged files, one for the inbox file of each last fragment."""
    by_part: dict[int, list[Trace]] = defaultdict(list)
    for (part, _), trace in merged.traces.items():
        by_part[part].append(trace)
    for part, traces in by_part.items():
        source = files[part]
        path = aside / f"{night}" / f"{source.path.stem}.merged.parquet"
        if source.night != night:
            path = path.with_name(f"{source.path.stem}.after.merged.parquet")
        write_parquet(path, to_table(Trace, traces))
        yield source._replace(path=path, night=night)
