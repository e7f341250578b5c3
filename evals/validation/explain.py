"""Explains what a run would do with each row of some files, by doing it in a temporary home.

Import, merging, redaction and validation are those of a run; the home itself is only read.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from evals.ingest.staging import import_file
from evals.readable import make_name_readable
from evals.records import Trace
from evals.runs.night_locks import list_begun_nights
from evals.sources.pulls import find_app
from evals.specs import Catalog
from evals.storage.documents.accounts import Account
from evals.storage.documents.inbox_files import InboxFile, read_inbox_files
from evals.storage.lake import Lake
from evals.storage.night_state import DAY
from evals.storage.queries import open_duckdb, quote_paths, quote_text
from evals.storage.record_tables import build_records
from evals.storage.refused_rows import group_refused
from evals.traces import reader
from evals.traces.files.containers import Container, inspect_file
from evals.traces.files.streams import file_sha
from evals.traces.reader import MissingColumnsError
from evals.traces.rows import mapping
from evals.validation.admission import admit_nights
from evals.validation.row_summary import (
    NoOutputs,
    UndeclaredApp,
    UnreadRows,
    find_undeclared,
    list_no_outputs,
    list_unread,
)

WORDS = {
    "lines": "one JSON object a line",
    "document": "a JSON document",
    "csv": "CSV with a header",
    "parquet": "Parquet",
}


class RefusedRows(NamedTuple):
    """Rows that would go to quarantine for one reason."""

    code: str
    rows: int
    line: int
    """The line of the first of them."""
    reason: str


@dataclasses.dataclass(frozen=True)
class FileExplanation:
    """A file's recognized format, and what a run would do with its rows.

    Rows read are `traces` + `duplicates` + `waiting` + those of `refused` and `refused_nights`.
    """

    file: str
    packed_as: str
    format: str | None
    """Null if no format matches."""
    also: list[str]
    """Other formats that match it too."""
    mappings: list[str] = dataclasses.field(default_factory=list[str])
    """The catalog's mappings that were applied."""
    constants_only: list[str] = dataclasses.field(default_factory=list[str])
    """Those of them of which no row has a column: only their constants are used."""
    whole: bool = True
    """Whether every row was read."""
    error: str = ""
    """Why nothing of the file would be taken in; empty where there is no such reason."""
    known: bool = False
    """Whether it was read before, so that a run would not read it."""
    read: int = 0
    """Rows found in it."""
    traces: int = 0
    """Rows that would become traces of their nights."""
    duplicates: int = 0
    """Rows that repeat another, are parts of it, or are corrected by a later one."""
    waiting: int = 0
    """Rows of nights that have not begun, or of applications whose catalog is broken."""
    labels: int = 0
    apps: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    nights: list[str] = dataclasses.field(default_factory=list[str])
    refused: list[RefusedRows] = dataclasses.field(default_factory=list[RefusedRows])
    refused_nights: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Why a night of an application would be refused, with all of its rows."""
    unread: list[UnreadRows] = dataclasses.field(default_factory=list[UnreadRows])
    """Optional fields that could not be read in some rows and would be null there."""
    without_output: list[NoOutputs] = dataclasses.field(default_factory=list[NoOutputs])
    """Where the output was read, if no row has one."""
    left_out: int = 0
    """Rows that `where` of a mapping leaves out."""
    undeclared: list[UndeclaredApp] = dataclasses.field(default_factory=list[UndeclaredApp])
    encoding: str = ""
    """Its encoding, if it is not UTF-8."""
    skipped: dict[str, int] = dataclasses.field(default_factory=dict[str, int])
    """Entries of a log that are no answers, by kind."""
    first: dict[str, object] | None = None
    """The first trace, as it would be stored."""

    @property
    def keeps_any(self) -> bool:
        """Whether a run would keep any of it, or has done so before."""
        return self.known or bool(self.traces or self.labels or self.waiting)


class StagedFile(NamedTuple):
    """A file that was imported, or why it was not."""

    path: Path
    container: Container
    seen: InboxFile | None
    error: str = ""
    known: bool = False


def explain_files(
    overlay: Lake,
    catalog: Catalog,
    paths: Sequence[Path],
    now: datetime,
    *,
    assume_date: date | None = None,
    app: str | None = None,
) -> list[FileExplanation]:
    """Imports files and validates their nights; returns what became of the rows of each.

    Args:
        overlay: a temporary home.
        catalog: declares mappings, applications and checks.
        paths: the files, in the order in which a run reads them.
        now: the time of reading.
        assume_date: the night of rows without a timestamp.
        app: the application of rows that name none.
    """
    staged = [stage_file(overlay, catalog, path, now, assume_date, app) for path in paths]
    nights = {
        near
        for file in staged
        if file.seen and not file.known
        for night in map(date.fromisoformat, file.seen.nights)
        for near in (night - DAY, night, night + DAY)
    }
    begun = [night for night in list_begun_nights(overlay, catalog, now) if night in nights]
    accounts = admit_nights(overlay, catalog, begun)
    return [explain_staged(overlay, catalog, file, accounts) for file in staged]


def stage_file(
    overlay: Lake,
    catalog: Catalog,
    path: Path,
    now: datetime,
    assume_date: date | None,
    app: str | None,
) -> StagedFile:
    """Imports a file, unless it was imported before."""
    plans = mapping.make_plans(catalog.mappings, None)
    container = inspect_file(path, mapping.list_encodings(plans))
    if path.is_file() and (seen := read_inbox_files(overlay).get(file_sha(path))):
        return StagedFile(path, container, seen, known=True)
    app = app or find_app(overlay, path)
    try:
        seen = import_file(overlay, catalog, path, assume_date=assume_date, app=app, now=now)
    except (MissingColumnsError, OSError) as error:
        return StagedFile(path, container, None, str(error))
    return StagedFile(path, container, seen)


def explain_staged(
    overlay: Lake, catalog: Catalog, file: StagedFile, nights: dict[date, dict[str, Account]]
) -> FileExplanation:
    """Explains what became of the rows of one file."""
    form = reader.recognise_format(file.container, file.path.name)
    explanation = FileExplanation(
        file=make_name_readable(file.path.name),
        packed_as=file.container.kind,
        format=form.NAME if form else None,
        also=list_other_formats(file.container, file.path.name, form),
        error=file.error,
        known=file.known,
    )
    seen = file.seen
    if seen is None:
        return explanation
    sha = seen.sha256[:16]
    counts, refused_nights = count_outcomes(sha, nights)
    return dataclasses.replace(
        explanation,
        mappings=seen.mappings,
        constants_only=seen.constants_only,
        read=seen.read,
        traces=counts["accepted"],
        duplicates=counts["duplicate"],
        waiting=0 if file.known else count_waiting(overlay, catalog, seen, set(nights)),
        labels=seen.labels,
        apps=seen.apps,
        nights=seen.nights,
        refused=list_refused(overlay, sha),
        refused_nights=refused_nights,
        unread=list_unread([seen]),
        without_output=list_no_outputs([seen]),
        left_out=seen.left_out,
        undeclared=find_undeclared(catalog, Counter(seen.apps)),
        encoding=seen.encoding,
        skipped=seen.skipped,
        first=find_first_trace(overlay, seen),
    )


def list_other_formats(
    container: Container, filename: str, form: reader.Importer | None
) -> list[str]:
    """Lists the other formats that match the file."""
    others = (other for other in reader.FORMATS if other.sniff(container.head, filename))
    return [other.NAME for other in others if other is not form]


def count_outcomes(
    sha: str, nights: dict[date, dict[str, Account]]
) -> tuple[Counter[str], dict[str, str]]:
    """Counts a file's accepted and duplicate rows; lists its refused nights, which keep none."""
    counts: Counter[str] = Counter()
    refused: dict[str, str] = {}
    for night, apps in nights.items():
        for app, account in apps.items():
            own = account["files"].get(sha)
            if own and account["refused"]:
                refused[f"{night} {app}"] = account["refused"]
            elif own:
                counts.update(accepted=own["accepted"], duplicate=own["duplicate"])
    return counts, refused


def list_refused(overlay: Lake, sha: str) -> list[RefusedRows]:
    """Lists the reasons for which rows of a file are refused, the most frequent first."""
    reasons: dict[str, RefusedRows] = {}
    for group in group_refused(overlay):
        if group.file_sha == sha:
            rows = RefusedRows(group.code, group.rows, group.line, group.reason)
            if first_rows := reasons.get(group.code):
                first = min(first_rows, rows, key=lambda one: one.line)
                rows = first._replace(rows=first_rows.rows + rows.rows)
            reasons[group.code] = rows
    return sorted(reasons.values(), key=lambda rows: (-rows.rows, rows.line))


def count_waiting(
    overlay: Lake, catalog: Catalog, seen: InboxFile, admitted: Iterable[date]
) -> int:
    """Counts the rows of a file whose night was not validated, or whose application is broken."""
    nights = [date.fromisoformat(night) for night in seen.nights]
    later = [night for night in nights if night not in set(admitted)]
    broken = ", ".join(map(quote_text, sorted(catalog.broken))) or "null"
    waiting = 0
    for where, chosen in ((f"app in ({broken})", set(nights) - set(later)), ("true", set(later))):
        if files := list_staged(overlay, seen, sorted(chosen)):
            with open_duckdb() as db:
                query = f"select count(*) from read_parquet({quote_paths(files)}) where {where}"  # noqa: S608  our own paths
                waiting += db.sql(query).fetchall()[0][0]
    return waiting


def list_staged(overlay: Lake, seen: InboxFile, nights: Sequence[date]) -> list[Path]:
    """Lists the staged files of an inbox file in some nights."""
    files = overlay.list_files("staged", nights)
    return [file for file in files if file.name.startswith(seen.sha256[:16])]


def find_first_trace(overlay: Lake, seen: InboxFile) -> dict[str, object] | None:
    """Returns the first row of a file that could be read, as it is stored."""
    files = list_staged(overlay, seen, [date.fromisoformat(night) for night in seen.nights])
    if not files:
        return None
    with open_duckdb() as db:
        query = f"from read_parquet({quote_paths(files)}) order by source_line, trace_id limit 1"
        rows = db.sql(query).to_arrow_table().to_pylist()
    return describe_trace(build_records(Trace, rows)[0]) if rows else None


def describe_trace(row: Trace) -> dict[str, object]:
    """Returns a trace's fields that have a value, timestamps in ISO form."""
    fields: dict[str, object] = dataclasses.asdict(row)
    return {
        key: value.isoformat() if isinstance(value, date) else value
        for key, value in fields.items()
        if value not in (None, "", (), [], {})
    }
