"""A row under canonical names becomes a trace, or is refused with a sentence that says what to do.

Every importer ends here. Bytes, lines and the shapes of other systems stay with the formats.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from evals.records import AnnotatorKind, Json, Label, Refusal, Trace, compile_exponents, digest
from evals.traces.files.streams import BOM, KEPT, MAX_LINE, Line
from evals.traces.files.strict_json import Parsed, Refused, parse
from evals.traces.rows import mapping, timestamps
from evals.traces.rows.fields import BLANK, CONVERT, MAX_ID, parse_cell, to_prose, try_convert
from evals.traces.rows.mapping import SYNONYMS, Plan
from evals.traces.rows.shards import WHOLE, Share

HASH_LENGTH = 32


Found = Trace | Refusal | Label
"""What an importer yields: rows, and the scores and feedback beside them, which are no rows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read: the options of an import beside the bytes."""

    source_file: str
    """The name that traces and refusals carry."""
    plans: tuple[Plan, ...] = ()
    assume_date: date | None = None
    spread: tuple[date, date] | None = None
    """First and last day over which traces without a timestamp are laid by a hash of their id."""
    day_begins: int = 0
    """The hour of UTC at which a night begins."""
    table: bool = False
    """Whether rows come from CSV or Parquet, where text may stand for a number or a list."""
    path: Path | None = None
    """The file, for a format whose other half lies beside it."""
    app: str | None = None
    """The application of rows that name none."""
    hashed: bool = True
    """Whether traces are given a content hash; the door has one of its own."""
    share: Share = WHOLE
    """The traces to make, of a format whose files several read at once."""
    used: set[str] = field(default_factory=set)
    """The names of the mappings that fitted, as rows are read."""


BROKEN_ROWS = {
    "line-too-long": f"The row is longer than {MAX_LINE >> 20} MiB; split it, or leave out what "
    "no evaluator reads.",
    "document-too-large": "One element of the document is larger than any request should be; "
    "write a list of traces, or one object a line.",
    "truncated-gzip": "The compressed file ends too early; the rows before this line were read: "
    "fetch the file again.",
    "truncated-json": "The document ends before its last brackets close; the rows before were "
    "read: export it again.",
    "unreadable-file": "The file cannot be read from here on; the rows before this line were "
    "read: fetch it again.",
    "bad-csv": "The row is no CSV; quote cells that hold quotes or newlines.",
    "ragged-row": "The row has another number of cells than the header; quote cells that hold "
    "delimiters or newlines.",
}
"""Why a row is not whole, and what to do."""


def parse_row(line: Line) -> Parsed:
    """The object of a row.

    Raises:
        Refused: the row is not whole, or not the JSON of an object.
    """
    return parse(check_row(line))


def check_row(line: Line) -> bytes:
    """The bytes of a row.

    Raises:
        Refused: the row is not whole.
    """
    if line.code:
        what, then, todo = BROKEN_ROWS[line.code].partition(";")
        detail = f" ({line.problem})" if line.problem else ""
        raise Refused(line.code, f"{what}{detail}{then}{todo}")
    return line.raw.removeprefix(BOM) if line.number == 1 else line.raw


def read_row(line: Line, reading: Reading, form: str) -> Trace | Refusal:
    """What a row under canonical names, or those of a mapping, becomes."""
    parsed = None
    try:
        parsed = parse_row(line)
        return build_trace(parsed, reading, form, line.number)
    except Refused as problem:
        return make_refusal(problem, line.raw, line.number, reading, parsed)


def build_trace(parsed: Parsed, reading: Reading, form: str, line: int) -> Trace:
    """The trace of a row.

    Raises:
        Refused: `no-trace-id`, `no-app`, `no-timestamp`, `bad-timestamp`, `bad-trace-id`,
            `bad-app`, `wrong-type` or `bad-number`.
    """
    row, rest, ts_format = rename_row(parsed.row, reading)
    values: dict[str, Any] = {**BLANK, "params": {}, "versions": {}, "metadata": {}}
    unknown: list[str] = []
    for key, value in row.items():
        convert = CONVERT.get(key)
        if convert is not None:
            if reading.table and type(value) is str:
                value = parse_cell(key, value)
            if value is not None:
                values[key] = convert(key, value)
        elif key != "ts":
            unknown.append(key)
    ts = row.get("ts")
    if unknown:
        ts = take_unknown(row, unknown, values, ts)
    if rest:
        values["metadata"] = merge_metadata(values["metadata"], rest)
    infer_missing(values)
    if not values["trace_id"]:
        raise Refused("no-trace-id", "The row has no `trace_id`; add one, or map a column to it.")
    if values["app"] is None:
        assume_app(values, reading)
    values["ts"] = choose_timestamp(ts, ts_format, values, reading)
    return Trace(
        **values,
        source_format=form,
        source_file=reading.source_file,
        source_line=line,
        content_hash=hash_content(values, parsed.plain) if reading.hashed else "",
    )


def assume_app(values: dict[str, Any], reading: Reading) -> None:
    """Assumes the application of a row that names none, and notes it in metadata.

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


def infer_missing(values: dict[str, Any]) -> None:
    """Fills what follows from the rest: the question, and the version of the prompt."""
    if not values["input"] and values["messages"]:
        values["input"] = find_last_question(values["messages"])
    if values["prompt_version"] is None:
        infer_prompt(values)


def rename_row(row: dict[str, Json], reading: Reading) -> mapping.RenamedRow:
    """The row under canonical names, by the mapping that fits it."""
    plan = mapping.choose_plan(row, reading.plans) if reading.plans else None
    if plan is None:
        return mapping.RenamedRow(row, {}, None)
    reading.used.add(plan.name)
    return mapping.rename_columns(row, plan)


def take_unknown(
    row: dict[str, Json], unknown: list[str], values: dict[str, Any], ts: Json
) -> Json:
    """Synonyms fill fields still empty, everything else goes to metadata; the timestamp."""
    extra: dict[str, Json] = {}
    for key in unknown:
        target, value = SYNONYMS.get(key), row[key]
        if target is None or type(value) not in (str, int, float):
            extra[key] = value
        elif target == "ts" and ts is None:
            ts = value
        elif target != "ts" and row.get(target) is None:
            values[target] = CONVERT[target](key, value)
        else:
            extra[key] = value
    if extra:
        values["metadata"] = merge_metadata(values["metadata"], extra)
    return ts


def merge_metadata(metadata: dict[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """Metadata with more keys; one whose name is taken is kept under `row.NAME`."""
    result = dict(metadata)
    for key, value in extra.items():
        while key in result:
            key = f"row.{key}"
        result[key] = value
    return result


def find_last_question(messages: tuple[Json, ...]) -> str:
    """The content of the last message of the user, or empty."""
    for message in reversed(messages):
        if type(message) is dict and message.get("role") == "user":
            content = message.get("content")
            return "" if content is None else to_prose("content", content)
    return ""


CLOCK = re.compile(r"\d{4}-\d\d-\d\d|\d\d?:\d\d(?::\d\d)?")
"""Dates and times in a system message; they make no new version of a prompt."""


@functools.lru_cache(maxsize=256)
def hash_without_times(text: str) -> str:
    """Hashes a system message without its dates and times; applications have few of them."""
    return digest(CLOCK.sub("", text))


def infer_prompt(values: dict[str, Any]) -> None:
    """A prompt version for a row that names none: the template's hash, or the system message's.

    Metadata says that it was inferred.
    """
    if not values["prompt_hash"]:
        text = find_instructions(values["messages"])
        if not text:
            return
        values["prompt_hash"] = hash_without_times(text)
    values["prompt_version"] = values["prompt_hash"][:12]
    note = {"prompt_version_source": "inferred"}
    values["metadata"] = merge_metadata(values["metadata"], note)


def find_instructions(messages: tuple[Json, ...]) -> str:
    """Joins the system and developer messages at the head of a chat."""
    said: list[str] = []
    for message in messages:
        if type(message) is not dict or message.get("role") not in ("system", "developer"):
            break
        content = message.get("content")
        said += [] if content is None else [to_prose("content", content)]
    return "\n".join(said)


def make_label(
    trace_id: str,
    dimension: str,
    verdict: Json,
    annotator: str,
    kind: AnnotatorKind,
    critique: str = "",
) -> Label | None:
    """Makes a label of a score or a comment in an export; None where it is empty.

    Nobody outside may speak as `gold`, whose labels are what answers are compared with.
    """
    if verdict is None or verdict == "" or not trace_id or not dimension:
        return None
    who = annotator.strip()[:MAX_ID] or kind
    who = f"{who}-outside" if who.lower() == "gold" else who
    return Label(trace_id, dimension[:MAX_ID], verdict, who, kind, critique)


def choose_timestamp(
    ts: Json, form: str | None, values: dict[str, Any], reading: Reading
) -> datetime:
    """Chooses the row's timestamp, or an assumed one, which metadata records."""
    if ts is not None and ts != "":
        when, assumed = timestamps.read_timestamp(ts, form)
        note = {"ts_zone": timestamps.ZONE_ASSUMED} if assumed else None
    elif reading.assume_date:
        when = timestamps.assume_timestamp(reading.assume_date, reading.day_begins)
        note = {"ts_source": "assumed-date"}
    elif reading.spread:
        day = timestamps.spread_date(values["trace_id"], reading.spread)
        when = timestamps.assume_timestamp(day, reading.day_begins)
        note = {"ts_source": "spread"}
    else:
        raise Refused(
            "no-timestamp",
            "The row has no timestamp; map a column to `ts` (with its `format` if it is not ISO), "
            "or give all such rows one night with --assume-date.",
        )
    if note:
        values["metadata"] = merge_metadata(values["metadata"], note)
    return when


def hash_content(values: dict[str, Any], plain: bool) -> str:
    """`digest` of every field but where it was read from, the timestamp in ISO form.

    orjson spells very small and large floats differently; without them its bytes are canonical.
    """
    hashed = {**values, "ts": values["ts"].isoformat()}
    try:
        text = orjson.dumps(hashed, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, read out of a text within the row
        return digest(hashed, HASH_LENGTH)
    if plain or not compile_exponents().search(text):
        return hashlib.sha256(text).hexdigest()[:HASH_LENGTH]
    return digest(hashed, HASH_LENGTH)


def make_refusal(
    problem: Refused, raw: bytes, line: int, reading: Reading, parsed: Parsed | None = None
) -> Refusal:
    """Makes the record of a refused row, with as much of its identity as is known."""
    row, _, form = rename_row(parsed.row, reading) if parsed else mapping.RenamedRow({}, {}, None)
    known = {
        key: try_convert(CONVERT[key], key, row.get(key, row.get(also)))
        for key, also in (("trace_id", "id"), ("app", "app"))
    }
    when = try_convert(
        lambda _, ts: choose_timestamp(ts, form, {**known, "metadata": {}}, reading),
        "ts",
        row.get("ts", row.get("timestamp")) if row else None,
        always=known["trace_id"] is not None or reading.assume_date is not None,
    )
    return Refusal(
        source_file=reading.source_file,
        source_line=line,
        code=problem.code,
        reason=problem.reason,
        raw=raw[:KEPT],
        app=known["app"],
        night=timestamps.night_of(when, reading.day_begins) if when else None,
        trace_id=known["trace_id"] or None,
    )
