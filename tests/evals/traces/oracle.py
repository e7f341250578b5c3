"""What must hold of every import: no row of the file is lost, none appears twice.

Rows are counted without the importers, as docs/exporters.md defines a row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evals.records import Label, NonAnswer, Refusal, Trace
from evals.traces import reader
from evals.traces.files import containers
from evals.traces.files.lenient_json import repair_object
from evals.traces.files.streams import MAX_STORED
from evals.traces.files.strict_json import Refused, parse_line
from evals.traces.spans.span_rows import normalize_id

CALL_LOGS = ("bedrock", "azure", "vertex", "helicone", "litellm")
PAGES = {
    "mlflow": ("traces",),
    "opik": ("content", "data"),
    "weave": ("calls", "data"),
    "braintrust": ("data", "events", "rows", "objects"),
    "openai-agents": ("data", "items", "spans"),
}
"""The keys of pages of the formats whose items are spans."""
TRACE_FORMATS = ("otlp", "langfuse", "langsmith", "phoenix", "otel-sdk", *PAGES)
"""Formats whose row is a trace, which many lines of the file make up."""
NAMES = ("trace_id", "traceId", "id", "run_id", "context.trace_id", "root_span_id", "request_id")


class SourceRow(NamedTuple):
    """One line, element or table row of a file."""

    number: int
    value: dict[str, Any] | None
    """None where it is not an object."""


class Account(NamedTuple):
    """The rows and labels that an importer reads from a file."""

    form: str
    """The recognised format; empty where none was."""
    rows: list[Trace | Refusal]
    labels: list[Label]
    skipped: list[NonAnswer]


def import_file(path: Path, app: str = "fuzz") -> Account:
    """Imports a file."""
    items = list(reader.read_file(path, mappings={}, app=app))
    form = reader.recognise_format(containers.inspect_file(path), path.name)
    rows = [item for item in items if isinstance(item, Trace | Refusal)]
    labels = [item for item in items if isinstance(item, Label)]
    skipped = [item for item in items if isinstance(item, NonAnswer)]
    return Account(form.NAME if form else "", rows, labels, skipped)


def check_rows(account: Account) -> None:
    """Asserts that traces have the required fields, and refusals a code and a sentence."""
    for item in account.rows:
        if isinstance(item, Refusal):
            assert item.code
            assert item.reason.endswith(".")
            assert len(item.raw) <= MAX_STORED
        else:
            assert item.trace_id
            assert item.app
            assert item.ts.tzinfo is not None


def check_completeness(data: bytes, path: Path, account: Account) -> None:
    """Asserts that all of the file became a trace, a refusal, a label, or part of a trace."""
    source_rows = read_source_rows(data, path)
    if source_rows is None or not account.form:  # incomplete or unrecognised: a refusal reports it
        assert any(isinstance(item, Refusal) for item in account.rows) or not data.strip()
    elif account.form in CALL_LOGS:
        assert not list(find_lost_entries(source_rows, account))
    elif account.form not in TRACE_FORMATS:
        assert Counter(item.source_line for item in account.rows) == Counter(
            row.number for row in source_rows if not is_batch_request(row, account)
        )
    else:
        assert not list(find_lost_rows(source_rows, account))


def find_lost_entries(source_rows: Sequence[SourceRow], account: Account) -> Iterator[SourceRow]:
    """Yields the rows of a log of calls of which nothing became anything.

    Entries of one call are counted at the first of them.
    """
    lines = {item.source_line for item in (*account.rows, *account.skipped)}
    ids = {key for row in source_rows if row.number in lines for key in list_calls(row.value)}
    for row in source_rows:
        pages = [(row.value or {}).get(key) for key in ("data", "records", "tables", "events")]
        if row.number not in lines and not ids & list_calls(row.value) and [] not in pages:
            yield row


def list_calls(value: Any) -> set[str]:
    """Lists the ids of the calls that a row's entries belong to."""
    entries = value.get("records", [value]) if isinstance(value, dict) else []
    flat: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            flat += [entry, entry.get("properties")]
    names = ("correlationId", "CorrelationId")
    items = [entry.get(name) for entry in flat if isinstance(entry, dict) for name in names]
    return {call_id for call_id in items if isinstance(call_id, str)}


def is_batch_request(row: SourceRow, account: Account) -> bool:
    """Whether a line is a request whose answer is a row of the file beside it."""
    return account.form == "openai" and not account.rows and "body" in (row.value or {})


def find_lost_rows(source_rows: Sequence[SourceRow], account: Account) -> Iterator[SourceRow]:
    """Yields the lines of which some unit is neither refused nor in a trace or a label."""
    refused = {item.source_line for item in account.rows if isinstance(item, Refusal)}
    rows = [item.trace_id for item in account.rows] + [item.subject_id for item in account.labels]
    ids = {normalize(trace_id) for trace_id in rows if trace_id}
    ids.update(*(list_invalid_ids(row) for row in account.rows if isinstance(row, Refusal)))
    for row in source_rows:
        units = [] if row.value is None else list_units(account.form, row.value)
        whole = all(isinstance(u, dict) and ids & list_ids(u) for u in units)
        none = row.value is None or (account.form == "otlp" and not units)
        if (none or not whole) and row.number not in refused:
            yield row


def list_invalid_ids(row: Refusal) -> set[str]:
    """Returns the invalid ids of a trace refused for its id, from the raw bytes of its spans."""
    if row.code != "bad-trace-id":
        return set()
    return list_ids(json.loads(row.raw)["spans"][0])


def has_unique_traces(account: Account) -> bool:
    """Whether no trace id has two rows."""
    traces = Counter(item.trace_id for item in account.rows if isinstance(item, Trace))
    return max(traces.values(), default=1) == 1


def list_units(form: str, row: dict[str, Any]) -> list[Any]:
    """Lists what a line contains: spans, observations and scores, or runs."""
    if form == "otlp":
        events = [*iterate_lists(row, ("logRecords",))]  # other log records are no part of a trace
        return [*iterate_lists(row, ("spans",))] or [{"inside": events}][: len(events)]
    if form == "langsmith":
        runs = [row[key] for key in ("runs", "post", "patch") if row.get(key) not in (None, [])]
        items = [item for one in runs for item in (one if isinstance(one, list) else [one])]
        return items or [row]
    if form == "opik" and isinstance(row.get("trace"), dict):
        return [row["trace"], *(row["spans"] if isinstance(row.get("spans"), list) else ())]
    names = PAGES.get(form, ("data",) if form == "langfuse" else ("data", "spans"))
    lists = [row[name] for name in names if isinstance(row.get(name), list)]
    is_page = form in PAGES or "id" not in row
    return lists[0] if lists and is_page and lists[0] else [row]


def iterate_lists(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """Yields the items of every list under some names, at any depth outside attributes."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in names and isinstance(item, list):
                yield from item
            elif key != "attributes":
                yield from iterate_lists(item, names)
    elif isinstance(value, list):
        for item in value:
            yield from iterate_lists(item, names)


def list_ids(unit: dict[str, Any]) -> set[str]:
    """Lists the ids by which a unit may name its trace."""
    places = [unit, *(unit[k] for k in ("context", "spanContext", "trace", "info") if k in unit)]
    for name in ("observations", "inside"):
        places += unit[name] if isinstance(unit.get(name), list) else []
    ids = [place.get(name) for place in places if isinstance(place, dict) for name in NAMES]
    ids += re.findall(r'mlflow\.traceRequestId": "\\"([^"\\]+)', json.dumps(unit, default=str))
    path = unit.get("dotted_order")
    if isinstance(path, str):
        ids.append(path.split(".")[0].partition("Z")[2])
    return {normalize(value) for value in ids if value is not None}


def normalize(value: Any) -> str:
    """Normalizes an id."""
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "replace")
    return normalize_id(text) or text


def read_source_rows(data: bytes, path: Path) -> list[SourceRow] | None:
    """Reads a file's lines, elements or table rows; None where it is incomplete."""
    container = containers.inspect_file(path)
    try:
        form = reader.recognise_format(container, path.name)
        if container.kind == "lines":
            parse_line = parse_leniently if form in reader.FORMATS else parse_strictly
            return [
                SourceRow(n, parse_line(line))
                for n, line in enumerate(data.split(b"\n"), 1)
                if line.strip()
            ]
        if container.kind == "document":
            text = data.removeprefix(b"\xef\xbb\xbf")
            lenient = repair_object(b'{"rows":%b}' % text) if form in reader.FORMATS else None
            whole = lenient.value["rows"] if lenient else json.loads(text)
            return number_elements(whole if isinstance(whole, list) else [whole])
        return read_table(data, container)
    except ValueError:
        return None


def number_elements(values: list[Any]) -> list[SourceRow]:
    """Numbers the elements of a list; adjacent elements that are no containers are one row."""
    items: list[dict[str, Any] | None] = []
    bare = False
    for item in values:
        if isinstance(item, dict | list) or not bare:
            items.append(item if isinstance(item, dict) else None)
        bare = not isinstance(item, dict | list)
    return [SourceRow(n, item) for n, item in enumerate(items, 1)]


def parse_strictly(line: bytes) -> dict[str, Any] | None:
    """Parses a line's object as our own format is read; None where it is none."""
    try:
        return parse_line(line.removeprefix(b"\xef\xbb\xbf"))
    except Refused:
        return None


def parse_leniently(line: bytes) -> dict[str, Any] | None:
    """Parses a line's object as products' formats are read, in spite of its flaws."""
    repaired = repair_object(line.removeprefix(b"\xef\xbb\xbf"))
    return repaired.value if repaired else None


def read_table(data: bytes, container: containers.Container) -> list[SourceRow]:
    """Reads a table's rows.

    Raises:
        ValueError: The table is incomplete.
    """
    import pyarrow
    import pyarrow.parquet as pq

    if container.kind == "parquet":
        try:
            table = pq.ParquetFile(io.BytesIO(data)).read()
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(str(error)) from error
        ids = [name for name in dict.fromkeys(table.schema.names) if name in NAMES]
        columns = {name: table.column(table.schema.names.index(name)) for name in ids}
        return [
            SourceRow(n + 1, {name: cells[n].as_py() for name, cells in columns.items()})
            for n in range(table.num_rows)
        ]
    text = io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline="")
    try:
        header, *rows = csv.reader(text, delimiter=container.delimiter)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    whole = (row if len(row) == len(header) else None for row in rows if row)
    return [
        SourceRow(n, dict(zip(header, row, strict=True)) if row else None)
        for n, row in enumerate(whole, 1)
    ]
