"""Builds a trace of a row under canonical names, or refuses it with a reason and a remedy.

Every importer ends here. Formats handle bytes, lines and the shapes of other systems.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple, cast

from evals.records import (
    AnnotatorKind,
    AnswerStatus,
    Json,
    Label,
    NonAnswer,
    Refusal,
    Trace,
)
from evals.traces.files.broken_rows import check_row
from evals.traces.files.streams import MAX_STORED, Line
from evals.traces.files.strict_json import Refused, parse_line
from evals.traces.rows import mapping, timestamps
from evals.traces.rows.answers import PLAIN_FORMS, unwrap_answer
from evals.traces.rows.fields import (
    BLANK,
    CONVERT,
    MAX_ID,
    REQUIRED,
    TYPED,
    parse_text,
    to_app_name,
    to_trace_id,
    try_convert,
)
from evals.traces.rows.inference import InferredValues, infer_missing, merge_metadata
from evals.traces.rows.mapping import SYNONYMS, Plan
from evals.traces.rows.notes import UNREAD, ReadingNotes
from evals.traces.rows.numbers import Mark
from evals.traces.rows.shards import WHOLE, Share
from evals.traces.rows.statuses import derive_status, is_status, read_row_error, read_row_status

ImporterOutput = Trace | Refusal | Label | NonAnswer
"""An importer yields rows, and beside them labels (scores, feedback) and what is no answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The options of reading a file."""

    source_file: str
    """The file name in traces and refusals."""
    plans: tuple[Plan, ...] = ()
    assume_date: date | None = None
    spread: tuple[date, date] | None = None
    """First and last day over which traces without a timestamp are spread by a hash of their id."""
    day_begins: int = 0
    """The hour of UTC at which a night begins."""
    table: bool = False
    """Whether rows come from CSV or Parquet, where text may represent a number or a list."""
    path: Path | None = None
    """The file, for a format that reads a second file beside it."""
    app: str | None = None
    """The application of rows that name none."""
    share: Share = WHOLE
    """The traces to build, where several processes read one file."""
    decimal: Mark | None = None
    """The decimal mark that the file's first rows show, if they do."""
    notes: ReadingNotes = field(default_factory=ReadingNotes)
    """What reading notes beside the rows."""


def parse_row(line: Line) -> dict[str, Json]:
    """Parses the object of a row.

    Raises:
        Refused: the row is not whole, or not the JSON of an object.
    """
    return parse_line(check_row(line))


def read_row(line: Line, reading: Reading, form: str) -> Iterator[Trace | Refusal]:
    """Reads a row under canonical names, or those of a mapping.

    Yields a trace or a refusal; nothing for a row that a mapping leaves out.
    """
    row = None
    try:
        row = parse_row(line)
        yield build_trace(row, reading, form, line.number)
    except mapping.LeftOut:
        reading.notes.left_out += 1
    except Refused as problem:
        yield make_refusal(problem, line.raw, line.number, reading, row)


class TraceValues(InferredValues):
    """The fields of a trace, as `CONVERT` returns them."""

    trace_id: str
    ts: datetime
    app: str
    output: str
    session_id: str | None
    user_id: str | None
    context: str | None
    steps: tuple[Json, ...]
    model_requested: str | None
    model: str | None
    provider: str | None
    params: dict[str, Json]
    prompt_name: str | None
    git_commit: str | None
    versions: dict[str, str]
    finish_reason: str | None
    tokens_in: int | None
    tokens_out: int | None
    latency_ms: float | None
    cost_usd: float | None
    feedback: tuple[Json, ...]
    tags: tuple[str, ...]
    status: AnswerStatus


def build_trace(parsed: dict[str, Json], reading: Reading, form: str, line: int) -> Trace:
    """Builds the trace of a row, without a content hash: `ingest` adds one under the home's key.

    Raises:
        Refused: `no-trace-id`, `no-app`, `no-timestamp`, `bad-timestamp`, `bad-trace-id`,
            `bad-app` or `wrong-type`, of a required field.
    """
    row, rest, plan = rename_row(parsed, reading)
    if reading.plans:
        note_columns(parsed, plan, reading.notes)
    cells, unknown, unread = convert_cells(row, reading, plan)
    extra = take_synonyms(row, unknown, cells) if unknown else {}
    ts = row.get("ts")
    if ts is None and "timestamp" not in extra:
        ts = row.get("timestamp")
    values = cast("TraceValues", cells)
    for more in (extra, rest):
        if more:
            values["metadata"] = merge_metadata(values["metadata"], more)
    if form in PLAIN_FORMS:
        replace_wrapped_answer(values)
    infer_missing(values)
    values["status"] = derive_status(
        values["output"],
        values["steps"],
        values["finish_reason"],
        read_row_status(row),
        read_row_error(row),
    )
    if not values["trace_id"]:
        raise Refused(
            "no-trace-id",
            "The row has no `trace_id`; add one, map a column to it, or set `row_id: content` in "
            "the mapping.",
        )
    if cells["app"] is None:
        assume_app(values, reading)
    values["ts"], note = choose_timestamp(ts, plan, values["trace_id"], reading)
    if unread:
        note = {**note, UNREAD: unread}
    if note:
        values["metadata"] = merge_metadata(values["metadata"], note)
    add_notes(reading.notes, note, line)
    return Trace(
        **values,
        source_format=form,
        source_file=reading.source_file,
        source_line=line,
    )


def replace_wrapped_answer(values: TraceValues) -> None:
    """Replaces an answer in a framework's wrapper by its words."""
    if answer := unwrap_answer(values["output"]):
        values["output"] = answer.words
        if answer.whole is not None:
            values["metadata"] = merge_metadata(values["metadata"], {"output": answer.whole})


def add_notes(notes: ReadingNotes, note: Mapping[str, Json], line: int) -> None:
    """Counts what the metadata of a row notes: values that were not read, and clock changes."""
    unread = note.get(UNREAD)
    for name, value in unread.items() if type(unread) is dict else ():
        notes.add_unread(name, line, value)
    if note.get("ts_zone") in (timestamps.AMBIGUOUS, timestamps.SKIPPED):
        notes.clock_changes += 1


class ConvertedCells(NamedTuple):
    """The cells of a row, converted."""

    cells: dict[str, object]
    """Every field but `ts`."""
    unknown: list[str]
    """Keys of no field."""
    unread: dict[str, Json]
    """The values of optional fields that could not be converted; the fields are null."""


def convert_cells(row: dict[str, Json], reading: Reading, plan: Plan | None) -> ConvertedCells:
    """Converts the cells of known fields.

    Raises:
        Refused: a required field cannot be converted.
    """
    cells: dict[str, object] = {**BLANK, "params": {}, "versions": {}, "metadata": {}}
    unknown: list[str] = []
    unread: dict[str, Json] = {}
    decimal = (plan and plan.decimal) or reading.decimal
    for key, value in row.items():
        convert = CONVERT.get(key)
        if convert is not None:
            if type(value) is str:
                if key in TYPED:
                    value = parse_text(key, value, decimal)
                elif reading.table and not value:
                    value = None
            if value is None:
                continue
            try:
                cells[key] = convert(key, value)
            except Refused:
                if key in REQUIRED:
                    raise
                unread[key] = row[key]
        elif key != "ts" and not is_status(key, value):
            unknown.append(key)
    return ConvertedCells(cells, unknown, unread)


def assume_app(values: TraceValues, reading: Reading) -> None:
    """Sets the application of a row that names none, and records it in metadata.

    Raises:
        Refused: none is assumed.
    """
    if reading.app is None:
        raise Refused(
            "no-app",
            "The row has no `app`; add one, set it under `constants` in a mapping, or name it "
            "with --assume-app.",
        )
    values["app"] = reading.app
    values["metadata"] = merge_metadata(values["metadata"], {"app_source": "assumed"})


def rename_row(row: dict[str, Json], reading: Reading) -> mapping.RenamedRow:
    """Renames the row's columns by the mapping that fits it."""
    plan = mapping.choose_plan(row, reading.plans) if reading.plans else None
    if plan is None:
        return mapping.RenamedRow(row, {}, None)
    return mapping.rename_columns(row, plan)


def note_columns(row: dict[str, Json], plan: Plan | None, notes: ReadingNotes) -> None:
    """Notes which columns of a mapping a row has; all of its columns, where no mapping fits."""
    targets = plan.list_found(row) if plan else []
    own = [path.target for path in plan.paths if path.target in row] if plan else []
    name = plan.name if plan and plan.maps(row, targets) else ""
    notes.add_keys(name, row)
    notes.add_mapped(name, 1, [*targets, *own])


def take_synonyms(
    row: dict[str, Json], unknown: list[str], cells: dict[str, object]
) -> dict[str, Json]:
    """Fills empty fields by synonyms; returns the other values, which go to metadata.

    The synonym of `ts` is in neither: `build_trace` reads it.
    """
    extra: dict[str, Json] = {}
    for key in unknown:
        target, value = SYNONYMS.get(key), row[key]
        if target is None or type(value) not in (str, int, float):
            extra[key] = value
        elif target == "ts" and row.get("ts") is None:
            continue
        elif target != "ts" and row.get(target) is None:
            cells[target] = CONVERT[target](key, value)
        else:
            extra[key] = value
    return extra


def make_label(
    trace_id: str,
    dimension: str,
    verdict: Json,
    annotator: str,
    kind: AnnotatorKind,
    critique: str = "",
) -> Label | None:
    """Makes a label of a score or a comment in an export; None where a person gave no verdict.

    A judge or rule that gave none made an error, which is counted. An annotator called `gold` is
    renamed: gold labels come from the catalog alone.
    """
    is_empty = verdict is None or verdict == ""
    if not trace_id or not dimension or (is_empty and kind in ("human", "adjudicated")):
        return None
    name = annotator.strip()[:MAX_ID] or kind
    name = f"{name}-outside" if name.lower() == "gold" else name
    return Label(trace_id, dimension[:MAX_ID], None if is_empty else verdict, name, kind, critique)


def name_missing(label: Label | None, line: int) -> Label | NonAnswer:
    """Returns a label, or in place of none a row to count: its score lacks a name or a verdict."""
    return label or NonAnswer(line, "score without a name or a verdict")


class ChosenTimestamp(NamedTuple):
    """When a request began, and what metadata records of an assumption; empty without one."""

    ts: datetime
    note: dict[str, Json]


def choose_timestamp(
    ts: Json, plan: Plan | None, trace_id: str | None, reading: Reading
) -> ChosenTimestamp:
    """Parses the row's timestamp, or assumes one where it has none.

    Raises:
        Refused: `no-timestamp` or `bad-timestamp`.
    """
    if ts is not None and ts != "":
        form, zone = (plan.ts_format, plan.zone) if plan else (None, None)
        when, assumed = timestamps.read_timestamp(ts, form, zone)
        return ChosenTimestamp(when, {"ts_zone": assumed} if assumed else {})
    if reading.assume_date:
        when = timestamps.assume_timestamp(reading.assume_date, reading.day_begins)
        return ChosenTimestamp(when, {"ts_source": "assumed-date"})
    if reading.spread and trace_id is not None:
        day = timestamps.spread_date(trace_id, reading.spread)
        when = timestamps.assume_timestamp(day, reading.day_begins)
        return ChosenTimestamp(when, {"ts_source": "spread"})
    raise Refused(
        "no-timestamp",
        "The row has no timestamp; map a column to `ts` (with its `format` if it is not ISO), "
        "or give all such rows one night with --assume-date.",
    )


def rename_safely(row: dict[str, Json], reading: Reading) -> mapping.RenamedRow:
    """Renames a row's columns, those of a row that a mapping leaves out not at all."""
    try:
        return rename_row(row, reading)
    except mapping.LeftOut:
        return mapping.RenamedRow(row, {}, None)


def make_refusal(
    problem: Refused,
    raw: bytes,
    line: int,
    reading: Reading,
    parsed: dict[str, Json] | None = None,
) -> Refusal:
    """Makes the refusal of a row, with its ids and its night where they can be read."""
    row, _, plan = rename_safely(parsed, reading) if parsed else mapping.RenamedRow({}, {}, None)
    trace_id = try_convert(to_trace_id, "trace_id", row.get("trace_id", row.get("id")))
    app = try_convert(to_app_name, "app", row.get("app"))
    chosen = try_convert(
        lambda _, ts: choose_timestamp(ts, plan, trace_id, reading),
        "ts",
        row.get("ts", row.get("timestamp")),
        always=trace_id is not None or reading.assume_date is not None,
    )
    return Refusal(
        source_file=reading.source_file,
        source_line=line,
        code=problem.code,
        reason=problem.reason,
        raw=raw[:MAX_STORED],
        app=app,
        night=timestamps.find_night(chosen.ts, reading.day_begins) if chosen else None,
        trace_id=trace_id or None,
    )
