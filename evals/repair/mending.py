"""Makes damaged or missing files of a home again from the others, at the start of a run.

Looks at every small document, and at both ends of every table; `inspection` reads all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

from evals.ingest.sessions import record_carried
from evals.labels.night_queue import build_night_queue
from evals.repair import inbox_record, label_record, night_record
from evals.specs import Catalog
from evals.storage import marts, night_state
from evals.storage.damage import explain_damage, report, set_aside
from evals.storage.documents.answer_files import (
    list_present,
    read_answer_files,
    write_answer_files,
)
from evals.storage.documents.batch_jobs import list_job_tags, read_job
from evals.storage.documents.carried_turns import read_carried
from evals.storage.documents.departures import read_departures
from evals.storage.documents.review_queues import list_queue_nights, read_review_queue
from evals.storage.documents.tombstones import mend_tombstones, read_tombstones
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.storage.parquet_checksums import has_both_ends
from evals.storage.parquet_files import verify_files
from evals.storage.report_files import ReportVersion, locate_report_file

ADMITTED = ("traces", "quarantine")
"""Tables that validation writes."""
SCORED = (
    "requests", "scores", "coverage", "canaries", "noise", "anchors", "parts", "pairs",
    "verdicts",
)  # fmt: skip
LATER_MARTS = (
    "dim_slices",
    "fct_disagreements",
    "rpt_guard_audit",
    "rpt_statuses",
    "rpt_strata",
    "rpt_topics",
)
OF_EVERY_REPORT = frozenset(
    f"marts/{model}"
    for model in (*marts.SLICE_MARTS, *marts.QUALITY_MARTS)
    if model not in LATER_MARTS
) | {"traces"}
"""Tables that every reported night has a part of: `dim_slices` is one file for all nights, and
homes written by earlier versions lack the others that are left out."""
RECENT = 8
"""Nights whose derived tables are read whole: a night is compared with the seven before it."""


def mend_home(lake: Lake, catalog: Catalog) -> list[str]:
    """Makes damaged files again; returns a sentence for each that cannot be.

    The nights of a file that was made again are due.
    """
    mend_tombstones(lake)
    if not lake.list_nights("staged"):
        return []
    closed = read_tombstones(lake).nights
    lost = [
        *inbox_record.mend_files(lake, catalog),
        *night_record.mend_nights(lake),
        *night_record.mend_evaluators(lake, catalog),
        *label_record.mend_labels(lake, catalog),
        *find_damaged_jobs(lake),
    ]
    mend_midnights(lake)
    mend_tables(lake, closed)
    mend_reports(lake, closed)
    mend_queues(lake, catalog)
    report_lost_answers(lake)
    return list(dict.fromkeys(lost))


def find_damaged_jobs(lake: Lake) -> Iterator[str]:
    """Yields a sentence for each batch job that cannot be read."""
    for tag in list_job_tags(lake):
        try:
            read_job(lake, tag)
        except DamagedFileError as error:
            yield str(error)


def mend_midnights(lake: Lake) -> None:
    """Makes the records of carried turns and of re-dated traces again."""
    for name in lake.store.list_names("sessions/*.json"):
        midnight = date.fromisoformat(Path(name).stem)
        if set_aside_damaged(lake, name, read_carried, midnight):
            record_carried(lake, [midnight])
    for name in lake.store.list_names("left/*.json"):
        set_aside_damaged(lake, name, read_departures, date.fromisoformat(Path(name).stem))


def set_aside_damaged(
    lake: Lake, name: str, read: Callable[[Lake, date], object], night: date
) -> bool:
    """Sets a document aside if it cannot be read; returns whether it was."""
    try:
        read(lake, night)
    except DamagedFileError:
        set_aside(lake.store.path(name))
        return True
    return False


def report_lost_answers(lake: Lake) -> None:
    """Reports files of paid answers that are gone, once, and records those the home has."""
    recorded, present = read_answer_files(lake), list_present(lake)
    for name in sorted(recorded - present):
        report(f"{lake.store.path(name)} is missing; its answers are paid again where needed")
    if recorded != present:
        write_answer_files(lake, present)


def mend_queues(lake: Lake, catalog: Catalog) -> None:
    """Makes damaged review queues again, and those missing since there were any."""
    present = list(list_queue_nights(lake))
    for night in night_state.list_stored_nights(lake) if present else ():
        is_due = bool(lake.list_files("traces", [night]))
        if is_due and night not in present and night_state.read_state(lake, night).reports:
            report(f"{lake.store.path(f'review/{night}.json')} is missing; it is made again")
            build_night_queue(lake, catalog, night)
    for night in present:
        if set_aside_damaged(lake, f"review/{night}.json", read_review_queue, night):
            build_night_queue(lake, catalog, night)


def mend_tables(lake: Lake, closed: Iterable[date]) -> None:
    """Sets damaged derived tables aside, and has their nights made again.

    Args:
        lake: the home.
        closed: nights whose texts were deleted, which are not made again.
    """
    nights = [night for night in lake.list_nights("staged") if night not in set(closed)]
    recent = set(nights[-RECENT:])
    for table in ADMITTED:
        mend_admitted(lake, table, nights, recent)
    for night in nights:
        for table in SCORED:
            for path in list_damaged(lake.list_files(table, [night]), night in recent):
                remake(lake, night, path)
    for model in (*marts.SLICE_MARTS, *marts.QUALITY_MARTS):
        mend_mart(lake, model, nights, recent)


def mend_admitted(lake: Lake, table: str, nights: list[date], recent: set[date]) -> None:
    """Has nights validated again whose rows are damaged or missing."""
    begun = find_first_night(lake, table, nights)
    for night in nights:
        files = lake.list_files(table, [night])
        for path in list_damaged(files, night in recent):
            remake(lake, night, path, admitted="")
        if not files and begun and night >= begun and night_state.read_state(lake, night).reports:
            report(f"{lake.locate_partition(table, night)} is missing; it is made again")
            mark_due(lake, night, admitted="")


def list_missing_parts(lake: Lake) -> Iterator[Path]:
    """Yields the parts of tables that every reported night has and that are missing."""
    for night in sorted(set(lake.list_nights("staged")) - read_tombstones(lake).nights):
        if night_state.read_state(lake, night).reports:
            for table in sorted(OF_EVERY_REPORT):
                if not lake.list_files(table, [night]):
                    yield lake.locate_partition(table, night) / "data.parquet"


def find_first_night(lake: Lake, table: str, nights: list[date]) -> date | None:
    """Returns the night since which each that was reported has a part of a table."""
    return min(nights if table in OF_EVERY_REPORT else lake.list_nights(table), default=None)


def list_damaged(paths: Iterable[Path], is_recent: bool) -> list[Path]:
    """Returns the damaged ones of some files; of recent nights, every page is verified."""
    damaged: list[Path] = []
    for path in paths:
        try:
            if not has_both_ends(path):
                raise explain_damage(path)
            verify_files([path] if is_recent else [])
        except DamagedFileError:
            damaged.append(path)
    return damaged


def remake(lake: Lake, night: date, path: Path, *, admitted: str | None = None) -> None:
    """Sets a derived file aside, and marks its night as due."""
    set_aside(path, "its night is evaluated again")
    mark_due(lake, night, admitted)


def mark_due(lake: Lake, night: date, admitted: str | None = None) -> None:
    """Marks a night as due, and its rows as not validated if `admitted` is empty."""
    if admitted is not None:
        night_state.update_state(lake, night, admitted=admitted)
    if night_state.read_state(lake, night).seen is not None:
        night_state.update_state(lake, night, seen="")


def mend_mart(lake: Lake, model: str, nights: list[date], recent: set[date]) -> None:
    """Has nights evaluated again whose part of a mart is damaged or missing."""
    for path in list_damaged(marts.list_mart_files(lake, model, []), is_recent=True):
        remake(lake, nights[-1], path)
    begun = find_first_night(lake, f"marts/{model}", nights)
    for night in nights:
        reported = night_state.read_state(lake, night).reports
        files = lake.list_files(f"marts/{model}", [night])
        for path in list_damaged(files, night in recent):
            remake(lake, night, path)
        if reported and not files and begun and night >= begun:
            missing = lake.locate_partition(f"marts/{model}", night)
            report(f"{missing} is missing; its night is evaluated again")
            mark_due(lake, night)


def mend_reports(lake: Lake, closed: Iterable[date]) -> None:
    """Has nights reported again whose current report is missing or has no end."""
    for night in night_state.list_stored_nights(lake):
        for app, version in sorted(night_state.read_state(lake, night).reports.items()):
            path = locate_report_file(lake, ReportVersion(night, app, version))
            if ends_as_report(path):
                continue
            if night in set(closed):
                report(str(explain_damage(path)))
                continue
            if path.exists():
                set_aside(path, "its night is reported again")
            else:
                report(f"{path} is missing; its night is reported again")
            mark_due(lake, night)


def ends_as_report(path: Path) -> bool:
    """Whether a report exists and has the end of one; its digest is verified when it is read."""
    try:
        with path.open("rb") as file:
            begin = file.read(1)
            file.seek(max(0, path.stat().st_size - 2))
            return begin + file.read() == b"{}\n"
    except FileNotFoundError:
        return False
