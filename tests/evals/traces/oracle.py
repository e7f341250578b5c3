"""What must hold of whatever an importer finds in a file: every row told, none told twice.

Rows are counted here without the importers: as docs/exporters.md says what a row is.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evals.records import Label, Refusal, Trace
from evals.traces import reader
from evals.traces.files import containers
from evals.traces.files.streams import KEPT
from evals.traces.files.strict_json import Refused, parse, parse_envelope
from evals.traces.spans.span_rows import normalize_id

GATHERED = ("otlp", "langfuse", "langsmith", "phoenix", "otel-sdk")
"""Formats whose row is a trace, gathered from what stands on many lines."""
NAMES = ("trace_id", "traceId", "id", "run_id", "context.trace_id")


class Held(NamedTuple):
    """One line, element or table row of a file."""

    number: int
    value: dict[str, Any] | None
    """None where it is no object."""


class Account(NamedTuple):
    """A file's rows as an importer found them."""

    form: str
    """The format the file was taken for; empty where it was none."""
    rows: list[Trace | Refusal]
    labels: list[Label]


def account(path: Path, app: str = "fuzz") -> Account:
    """What an importer makes of a file."""
    found = list(reader.read_file(path, mappings={}, app=app))
    form = reader.recognise_format(containers.inspect_file(path), path.name)
    rows = [item for item in found if not isinstance(item, Label)]
    labels = [item for item in found if isinstance(item, Label)]
    return Account(form.NAME if form else "", rows, labels)


def sound(told: Account) -> None:
    """A trace has what every trace needs, and a refusal says what to do."""
    for item in told.rows:
        if isinstance(item, Refusal):
            assert item.code
            assert item.reason.endswith(".")
            assert len(item.raw) <= KEPT
        else:
            assert item.trace_id
            assert item.app
            assert item.ts.tzinfo is not None


def identity(data: bytes, path: Path, told: Account) -> None:
    """Everything in the file is one accepted or one refused row, a label, or part of a trace."""
    held = held_in(data, path)
    if held is None or not told.form:  # broken off, or no format's: some refusal says so
        assert any(isinstance(item, Refusal) for item in told.rows) or not data.strip()
    elif told.form not in GATHERED:
        assert Counter(item.source_line for item in told.rows) == Counter(
            one.number for one in held if not beside(one, told)
        )
    else:
        assert not list(lost(held, told))


def beside(one: Held, told: Account) -> bool:
    """Whether a line is a request whose answer is a row of the file beside it."""
    return told.form == "openai" and not told.rows and "body" in (one.value or {})


def lost(held: Sequence[Held], told: Account) -> Iterator[Held]:
    """The lines of a gathered format of which something is neither refused nor told."""
    refused = {item.source_line for item in told.rows if isinstance(item, Refusal)}
    rows = [item.trace_id for item in told.rows] + [item.subject_id for item in told.labels]
    ids = {spelled(trace_id) for trace_id in rows if trace_id}
    ids.update(*(nameless(row) for row in told.rows if isinstance(row, Refusal)))
    for one in held:
        units = [] if one.value is None else units_of(told.form, one.value)
        whole = all(isinstance(u, dict) and ids & names_of(u) for u in units)
        none = one.value is None or (told.form == "otlp" and not units)
        if (none or not whole) and one.number not in refused:
            yield one


def nameless(row: Refusal) -> set[str]:
    """The id that a refused trace cannot be known by, as the kept bytes of its spans tell it."""
    if row.code != "bad-trace-id":
        return set()
    return names_of(json.loads(row.raw)["spans"][0])


def once(told: Account) -> bool:
    """Whether each trace that was gathered is one row."""
    traces = Counter(item.trace_id for item in told.rows if isinstance(item, Trace))
    return max(traces.values(), default=1) == 1


def units_of(form: str, row: dict[str, Any]) -> list[Any]:
    """What a line holds: spans, observations and scores, or runs."""
    if form == "otlp":
        events = [*within(row, ("logRecords",))]  # those of other matters are no part of a trace
        return [*within(row, ("spans",))] or [{"inside": events}][: len(events)]
    if form == "langsmith":
        runs = [row[key] for key in ("runs", "post", "patch") if row.get(key) not in (None, [])]
        found = [item for one in runs for item in (one if isinstance(one, list) else [one])]
        return found or [row]
    names = ("data",) if form == "langfuse" else ("data", "spans")
    lists = [row[name] for name in names if isinstance(row.get(name), list)]
    return lists[0] if lists and "id" not in row and lists[0] else [row]


def within(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """The items of every list under some names, however deep, attributes apart."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in names and isinstance(item, list):
                yield from item
            elif key != "attributes":
                yield from within(item, names)
    elif isinstance(value, list):
        for item in value:
            yield from within(item, names)


def names_of(unit: dict[str, Any]) -> set[str]:
    """The ids by which a unit may name its trace."""
    places = [unit, *(unit[k] for k in ("context", "spanContext", "trace") if k in unit)]
    for name in ("observations", "inside"):
        places += unit[name] if isinstance(unit.get(name), list) else []
    said = [place.get(name) for place in places if isinstance(place, dict) for name in NAMES]
    path = unit.get("dotted_order")
    if isinstance(path, str):
        said.append(path.split(".")[0].partition("Z")[2])
    return {spelled(value) for value in said if value is not None}


def spelled(value: Any) -> str:
    """An id in one spelling."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return normalize_id(str(value)) or str(value)


def held_in(data: bytes, path: Path) -> list[Held] | None:
    """A file's lines, elements or table rows; None where it is not whole."""
    found = containers.inspect_file(path)
    try:
        if found.kind == "lines":
            read = lenient if b"resource" in data else strict
            return [
                Held(n, read(line)) for n, line in enumerate(data.split(b"\n"), 1) if line.strip()
            ]
        if found.kind == "document":
            whole = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
            return elements(whole if isinstance(whole, list) else [whole])
        return tabled(data, found)
    except ValueError:
        return None


def elements(items: list[Any]) -> list[Held]:
    """The elements of a document's list; bare words between two of them are one refused row."""
    found: list[dict[str, Any] | None] = []
    bare = False
    for item in items:
        if isinstance(item, dict | list) or not bare:
            found.append(item if isinstance(item, dict) else None)
        bare = not isinstance(item, dict | list)
    return [Held(n, item) for n, item in enumerate(found, 1)]


def strict(line: bytes) -> dict[str, Any] | None:
    """A line's object."""
    try:
        return parse(line.removeprefix(b"\xef\xbb\xbf")).row
    except Refused:
        return None


def lenient(line: bytes) -> dict[str, Any] | None:
    """A line's object, whose numbers and depth OTLP's reader looks at itself."""
    try:
        return parse_envelope(line.removeprefix(b"\xef\xbb\xbf"))
    except Refused:
        return None


def tabled(data: bytes, found: containers.Container) -> list[Held]:
    """A table's rows.

    Raises:
        ValueError: it is not whole.
    """
    import pyarrow
    import pyarrow.parquet as pq

    if found.kind == "parquet":
        try:
            table = pq.ParquetFile(io.BytesIO(data)).read()
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(str(error)) from error
        ids = [name for name in dict.fromkeys(table.schema.names) if name in NAMES]
        columns = {name: table.column(table.schema.names.index(name)) for name in ids}
        return [
            Held(n + 1, {name: cells[n].as_py() for name, cells in columns.items()})
            for n in range(table.num_rows)
        ]
    text = io.StringIO(data.decode("utf-8-sig", "surrogateescape"), newline="")
    try:
        header, *rows = csv.reader(text, delimiter=found.delimiter)
    except csv.Error as error:
        raise ValueError(str(error)) from error
    whole = (row if len(row) == len(header) else None for row in rows if row)
    return [
        Held(n, dict(zip(header, row, strict=True)) if row else None)
        for n, row in enumerate(whole, 1)
    ]
