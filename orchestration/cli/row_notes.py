"""What commands print about rows that were not taken in as they were, and where to look.

The rows are counted in `evals.validation.row_summary`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from evals.ingest.inbox import PassedOver
from evals.readable import list_counts
from evals.storage.lake import Lake
from evals.validation.row_summary import (
    NoOutputs,
    RefusedRows,
    RowSummary,
    UndeclaredApp,
    UnreadRows,
    list_refused,
)

SHOWN = 8
"""Reasons that are printed; `andon quarantine list` has all rows."""


def count_rows(count: int) -> str:
    """Formats a number of rows."""
    return count_of(count, "row")


def count_of(count: int, noun: str, plural: str = "") -> str:
    """Formats a number of things."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def describe_summary(summary: RowSummary) -> Iterator[str]:
    """Describes a summary in lines; none if every row was imported unchanged."""
    yield from describe_passed_over(summary.passed_over)
    yield from describe_refused(summary.refused)
    if summary.earlier:
        rows = count_of(summary.earlier, "more row" if summary.refused else "row")
        verb = "is" if summary.earlier == 1 else "are"
        yield f"{rows} of earlier files {verb} in quarantine{LOOK}"
    yield from map(describe_no_outputs, summary.no_outputs)
    yield from map(describe_unread, summary.unread)
    if summary.left_out:
        yield f"{count_rows(summary.left_out)} left out by `where` of a mapping"
    if summary.skipped:
        yield f"skipped, as they are no answers to judge: {list_counts(summary.skipped)}"
    yield from map(describe_undeclared, summary.undeclared)
    for unused in summary.labels[:SHOWN]:
        yield f"{unused.file}: {count_of(unused.labels, 'label')} not used: {unused.reason}"
    if others := sum(unused.labels for unused in summary.labels[SHOWN:]):
        yield f"  and {count_of(others, 'label')} for other reasons; `andon doctor` names them"
    for decoded in summary.decoded:
        how = "declare another with `encoding` in its mapping"
        yield f"{decoded.file}: read as {decoded.encoding}; {how}"


LOOK = " (`andon quarantine list`)"


def describe_passed_over(entries: Sequence[PassedOver]) -> Iterator[str]:
    """Describes entries of an inbox that were not read, the first ones in a line each."""
    yield from (entry.describe() for entry in entries[:SHOWN])
    if more := len(entries[SHOWN:]):
        yield f"  and {count_of(more, 'more entry', 'more entries')}; `andon doctor` lists them"


def describe_refused(refused: Sequence[RefusedRows]) -> Iterator[str]:
    """Describes refused rows in lines: how many, then each reason with its file and first row."""
    if not refused:
        return
    total = sum(rows.rows for rows in refused)
    yield f"{count_rows(total)} refused, now in quarantine{LOOK}:"
    for rows in refused[:SHOWN]:
        yield f"  {rows.rows:,} {rows.code}, {name_place(rows)}: {rows.reason}"
    if len(refused) > SHOWN:
        yield f"  and {count_rows(sum(rows.rows for rows in refused[SHOWN:]))} for other reasons"


def name_place(rows: RefusedRows) -> str:
    """Names the first of some refused rows; the file alone where they are it as a whole."""
    return f"first {rows.file}:{rows.line}" if rows.line else rows.file


def describe_unread(unread: UnreadRows) -> str:
    """Describes a field that could not be read in some rows."""
    return (
        f"{unread.file}: `{unread.field}` could not be read in {count_rows(unread.rows)} and is "
        f"null or replaced there, first in row {unread.line}: {unread.example!r}"
    )


def describe_no_outputs(file: NoOutputs) -> str:
    """Describes a file none of whose rows has an output: where it was read, where it may be."""
    reads = " or ".join(f"`{column}`" for column in file.reads)
    hint = "if they were answered, map the column of the answers to `output` in catalog.yaml"
    near = f"did you mean `{file.nearest}`?" if file.nearest else hint
    rows = "the one row has no" if file.rows == 1 else f"0 of {count_rows(file.rows)} have an"
    return f"{file.file}: {rows} output, which is read from {reads}; {near}"


def describe_undeclared(app: UndeclaredApp) -> str:
    """Describes an application that the catalog does not declare."""
    near = f"; did you mean {app.nearest!r}?" if app.nearest else ""
    return (
        f"{count_rows(app.rows)} of the application {app.app!r}, which no file in apps/ declares"
        f"{near}"
    )


def explain_absence(lake: Lake, app: str | None = None, night: date | None = None) -> str:
    """Explains refused rows that may be why a report is absent, as further lines of a message."""
    lines = list(describe_refused(list_refused(lake, app=app, night=night)))
    return "".join(f"\n{line}" for line in lines)


def convert_summary(summary: RowSummary) -> dict[str, object]:
    """Returns a summary as JSON."""
    return {
        "refused_rows": [rows._asdict() for rows in summary.refused],
        "refused_earlier": summary.earlier,
        "unread_fields": [rows._asdict() for rows in summary.unread],
        "left_out": summary.left_out,
        "skipped": summary.skipped,
        "undeclared": [app._asdict() for app in summary.undeclared],
        "without_output": [file._asdict() for file in summary.no_outputs],
        "unused_labels": [unused._asdict() for unused in summary.labels],
        "decoded": [file._asdict() for file in summary.decoded],
        "passed_over": [entry._asdict() for entry in summary.passed_over],
    }
