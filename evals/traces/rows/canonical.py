"""Builds a trace of a row under canonical names, or refuses it with a reason and a remedy.

Every importer ends here. Formats handle bytes, lines and the shapes of other systems.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import orjson

from evals.records import (
    AnnotatorKind,
    Json,
    JsonLike,
    Label,
    NonAnswer,
    Refusal,
    Trace,
    compile_exponents,
    digest,
)
from evals.traces.files.streams import BOM, KEPT, MAX_LINE, Line
from evals.traces.files.strict_json import Parsed, Refused, parse
from evals.traces.rows import mapping, timestamps
from evals.traces.rows.fields import (
    BLANK,
    CONVERT,
    MAX_ID,
    parse_cell,
    to_app_name,
    to_prose,
    to_trace_id,
    try_convert,
)
from evals.traces.rows.mapping import SYNONYMS, Plan
from evals.traces.rows.shards import WHOLE, Share

HASH_LENGTH = 32

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
    hashed: bool = True
    """Whether traces get a content hash; `ingest` computes one of its own."""
    share: Share = WHOLE
    """The traces to build, where several processes read one file."""
    used: set[str] = field(default_factory=set[str])
    """The names of the mappings that were applied so far."""


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
"""The reasons for which a row is not whole, by code, and what to do."""


def parse_row(line: Line) -> Parsed:
    """Parses the object of a row.

    Raises:
        Refused: the row is not whole, or not the JSON of an object.
    """
    return parse(check_row(line))


def check_row(line: Line) -> bytes:
    """Returns the bytes of a row.

    Raises:
        Refused: the row is not whole.
    """
    if line.code:
        reason, semicolon, remedy = BROKEN_ROWS[line.code].partition(";")
        detail = f" ({line.problem})" if line.problem else ""
        raise Refused(line.code, f"{reason}{detail}{semicolon}{remedy}")
    return line.raw.removeprefix(BOM) if line.number == 1 else line.raw


def read_row(line: Line, reading: Reading, form: str) -> Trace | Refusal:
    """Reads a row under canonical names, or those of a mapping, as a trace or a refusal."""
    parsed = None
    try:
        parsed = parse_row(line)
        return build_trace(parsed, reading, form, line.number)
    except Refused as problem:
        return make_refusal(problem, line.raw, line.number, reading, parsed)


class InferredValues(TypedDict):
    """The fields that `infer_missing` reads and fills."""

    input: str
    messages: tuple[Json, ...]
    prompt_version: str | None
    prompt_hash: str | None
    metadata: dict[str, Json]


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


def build_trace(parsed: Parsed, reading: Reading, form: str, line: int) -> Trace:
    """Builds the trace of a row.

    Raises:
        Refused: `no-trace-id`, `no-app`, `no-timestamp`, `bad-timestamp`, `bad-trace-id`,
            `bad-app`, `wrong-type` or `bad-number`.
    """
    row, rest, ts_format = rename_row(parsed.row, reading)
    cells, unknown = convert_cells(row, reading.table)
    extra = take_synonyms(row, unknown, cells) if unknown else {}
    ts = row.get("ts")
    if ts is None and "timestamp" not in extra:
        ts = row.get("timestamp")
    values = cast("TraceValues", cells)
    for more in (extra, rest):
        if more:
            values["metadata"] = merge_metadata(values["metadata"], more)
    infer_missing(values)
    if not values["trace_id"]:
        raise Refused("no-trace-id", "The row has no `trace_id`; add one, or map a column to it.")
    if cells["app"] is None:
        assume_app(values, reading)
    values["ts"], note = choose_timestamp(ts, ts_format, values["trace_id"], reading)
    if note:
        values["metadata"] = merge_metadata(values["metadata"], note)
    return Trace(
        **values,
        source_format=form,
        source_file=reading.source_file,
        source_line=line,
        content_hash=hash_content(values, parsed.plain) if reading.hashed else "",
    )


def convert_cells(row: dict[str, Json], is_table: bool) -> tuple[dict[str, object], list[str]]:
    """Converts the cells of known fields; returns all fields but `ts`, and the unknown keys."""
    cells: dict[str, object] = {**BLANK, "params": {}, "versions": {}, "metadata": {}}
    unknown: list[str] = []
    for key, value in row.items():
        convert = CONVERT.get(key)
        if convert is not None:
            if is_table and type(value) is str:
                value = parse_cell(key, value)
            if value is not None:
                cells[key] = convert(key, value)
        elif key != "ts":
            unknown.append(key)
    return cells, unknown


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


def infer_missing(values: InferredValues) -> None:
    """Fills fields that follow from others: the question, and the version of the prompt."""
    if not values["input"] and values["messages"]:
        values["input"] = find_last_question(values["messages"])
    if values["prompt_version"] is None:
        infer_prompt(values)


def rename_row(row: dict[str, Json], reading: Reading) -> mapping.RenamedRow:
    """Renames the row's columns by the mapping that fits it."""
    plan = mapping.choose_plan(row, reading.plans) if reading.plans else None
    if plan is None:
        return mapping.RenamedRow(row, {}, None)
    reading.used.add(plan.name)
    return mapping.rename_columns(row, plan)


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


def merge_metadata(metadata: dict[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """Adds keys to metadata; one whose name is taken becomes `row.NAME`."""
    result = dict(metadata)
    for key, value in extra.items():
        while key in result:
            key = f"row.{key}"
        result[key] = value
    return result


def find_last_question(messages: tuple[Json, ...]) -> str:
    """Returns the content of the user's last message, or an empty text."""
    for message in reversed(messages):
        if type(message) is dict and message.get("role") == "user":
            content = message.get("content")
            return "" if content is None else to_prose("content", content)
    return ""


CLOCK = re.compile(r"\d{4}-\d\d-\d\d|\d\d?:\d\d(?::\d\d)?")
"""Dates and times in a system message, which make no new version of a prompt."""


@functools.lru_cache(maxsize=256)
def hash_without_times(text: str) -> str:
    """Hashes a system message without its dates and times; cached, since applications have few."""
    return digest(CLOCK.sub("", text))


def infer_prompt(values: InferredValues) -> None:
    """Sets the prompt version by the hash of the template, or of the system message.

    Metadata records that it was inferred.
    """
    prompt_hash = values["prompt_hash"]
    if not prompt_hash:
        text = find_instructions(values["messages"])
        if not text:
            return
        prompt_hash = values["prompt_hash"] = hash_without_times(text)
    values["prompt_version"] = prompt_hash[:12]
    note = {"prompt_version_source": "inferred"}
    values["metadata"] = merge_metadata(values["metadata"], note)


def find_instructions(messages: tuple[Json, ...]) -> str:
    """Joins the system and developer messages at the head of a chat."""
    texts: list[str] = []
    for message in messages:
        if type(message) is not dict or message.get("role") not in ("system", "developer"):
            break
        content = message.get("content")
        texts += [] if content is None else [to_prose("content", content)]
    return "\n".join(texts)


def make_label(
    trace_id: str,
    dimension: str,
    verdict: Json,
    annotator: str,
    kind: AnnotatorKind,
    critique: str = "",
) -> Label | None:
    """Makes a label of a score or a comment in an export; None where it is empty.

    An annotator called `gold` is renamed: gold labels come from the catalog alone.
    """
    if verdict is None or verdict == "" or not trace_id or not dimension:
        return None
    name = annotator.strip()[:MAX_ID] or kind
    name = f"{name}-outside" if name.lower() == "gold" else name
    return Label(trace_id, dimension[:MAX_ID], verdict, name, kind, critique)


class ChosenTimestamp(NamedTuple):
    """When a request began, and what metadata records of an assumption; empty without one."""

    ts: datetime
    note: dict[str, Json]


def choose_timestamp(
    ts: Json, form: str | None, trace_id: str | None, reading: Reading
) -> ChosenTimestamp:
    """Parses the row's timestamp, or assumes one where it has none.

    Raises:
        Refused: `no-timestamp` or `bad-timestamp`.
    """
    if ts is not None and ts != "":
        when, is_zone_assumed = timestamps.read_timestamp(ts, form)
        return ChosenTimestamp(
            when, {"ts_zone": timestamps.ZONE_ASSUMED} if is_zone_assumed else {}
        )
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


def hash_content(values: TraceValues, plain: bool) -> str:
    """Hashes every field, the timestamp in ISO form; not the place it was read from.

    orjson formats very small and large floats differently; without them its bytes are canonical.
    """
    hashed = cast("dict[str, JsonLike]", {**values, "ts": values["ts"].isoformat()})
    try:
        text = orjson.dumps(hashed, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, from a text within the row
        return digest(hashed, HASH_LENGTH)
    if plain or not compile_exponents().search(text):
        return hashlib.sha256(text).hexdigest()[:HASH_LENGTH]
    return digest(hashed, HASH_LENGTH)


def make_refusal(
    problem: Refused, raw: bytes, line: int, reading: Reading, parsed: Parsed | None = None
) -> Refusal:
    """Makes the refusal of a row, with its ids and its night where they can be read."""
    row, _, form = rename_row(parsed.row, reading) if parsed else mapping.RenamedRow({}, {}, None)
    trace_id = try_convert(to_trace_id, "trace_id", row.get("trace_id", row.get("id")))
    app = try_convert(to_app_name, "app", row.get("app"))
    chosen = try_convert(
        lambda _, ts: choose_timestamp(ts, form, trace_id, reading),
        "ts",
        row.get("ts", row.get("timestamp")),
        always=trace_id is not None or reading.assume_date is not None,
    )
    return Refusal(
        source_file=reading.source_file,
        source_line=line,
        code=problem.code,
        reason=problem.reason,
        raw=raw[:KEPT],
        app=app,
        night=timestamps.find_night(chosen.ts, reading.day_begins) if chosen else None,
        trace_id=trace_id or None,
    )
