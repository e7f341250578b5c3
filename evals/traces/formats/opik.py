"""Opik: traces and spans of its SDK and API, the files of `opik export`, and its pages' CSV.

A trace is a row of its own, apart from its spans: both are put together by the trace's id.
`opik_scores` reads feedback scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.opik_scores import read_scores
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.spans.item_rows import Item, ItemFormat, Place, read_item_rows, require_trace_id
from evals.traces.spans.observations import (
    EMPTY,
    Object,
    describe_model_call,
    describe_sides,
    find_documents,
    find_value,
    list_objects,
    name_model,
    parse_object,
    parse_text,
    split_people,
    to_text,
    unwrap_output,
)
from evals.traces.spans.spans import Span
from evals.traces.spans.trace_roots import TRACE, RootKeys, unite_under_root
from evals.traces.spans.values import nest_columns, parse_literal, read_cells, read_timestamp

NAME = "opik"
TRACE_COLUMNS = {
    *("total_estimated_cost", "thread_id", "feedback_scores", "last_updated_at", "span_count"),
    *("llm_span_count", "visibility_mode", "error_info", "ttft", "span_feedback_scores"),
}
"""Columns that only Opik gives a trace; two of them identify one."""
NESTED = ("input", "output", "metadata", "usage", "error_info", "feedback_scores", "tags")
KINDS = {"general": "CHAIN", "llm": "LLM", "tool": "TOOL", "guardrail": "GUARDRAIL"}
ROOT = RootKeys(
    "input.value", "output.value", "openinference.span.kind", ("CHAIN",), "metadata.trace_name"
)
DEFAULT_PROJECTS = ("", "Default Project")
READ = frozenset(
    [
        *("id", "project_id", "project_name", "name", "type", "start_time", "end_time", "input"),
        *("output", "metadata", "tags", "error_info", "usage", "feedback_scores", "duration"),
        *("total_estimated_cost", "thread_id", "trace_id", "parent_span_id", "model", "provider"),
        *("created_at", "last_updated_at", "created_by", "last_updated_by", "span_count"),
        *("llm_span_count", "has_tool_spans", "providers", "visibility_mode", "source"),
        *("span_feedback_scores", "total_estimated_cost_version", "annotation_queues"),
        *("environment", "experiment", "workspace_name"),
    ]
)
"""Keys that are read, repeat others, or concern Opik's own pages."""
TOKENS = {
    "gen_ai.usage.input_tokens": (
        *("prompt_tokens", "original_usage.input_tokens", "original_usage.prompt_token_count"),
    ),
    "gen_ai.usage.output_tokens": (
        *("completion_tokens", "original_usage.output_tokens"),
        "original_usage.candidates_token_count",
    ),
    "gen_ai.usage.total_tokens": ("total_tokens", "original_usage.total_token_count"),
}


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are Opik's traces or spans, or files of `opik export`."""
    paths = list_key_paths(head)
    if {"trace_start_time", "span_start_time"} <= paths:
        return True
    for under in ("", "content.", "trace.", "data."):
        keys = {path.removeprefix(under) for path in paths if path.startswith(under)}
        if "run_type" in keys or "start_time" not in keys or "id" not in keys:
            continue
        if {"trace_id", "parent_span_id"} <= keys or len(keys & TRACE_COLUMNS) > 1:
            return True
    return False


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields the scores in each row and its refusals, then the traces."""
    return read_item_rows(rows, reading, FORM)


def list_items(row: Object) -> list[Json]:
    """Lists the traces and spans of a page, of a file of `opik export`, or the row itself."""
    if type(trace := row.get("trace")) is dict:
        spans = row.get("spans")
        items: list[Json] = spans if type(spans) is list else []
        return [name_project(item, row.get("project_name")) for item in (trace, *items)]
    if "trace_start_time" in row:
        return split_export_row(row)
    for key in ("content", "data"):
        if type(listed := row.get(key)) is list and "start_time" not in row:
            return listed
    return [row]


def name_project(item: Json, project: Json) -> Json:
    """Adds the project of an exported file to an item that names none."""
    if type(item) is not dict or item.get("project_name"):
        return item
    return {**item, "project_name": project}


def split_export_row(row: Object) -> list[Json]:
    """Splits a row of `opik export --format csv` into the trace and the span that it joins."""
    trace, span = (
        {
            key.removeprefix(prefix): parse_literal(value)
            for key, value in row.items()
            if key.startswith(prefix) and value not in EMPTY
        }
        for prefix in ("trace_", "span_")
    )
    return [trace, span] if span.get("start_time") else [trace]


def read_item(item: Object, place: Place) -> Iterator[Item]:
    """Yields the span of a trace or a span, then its scores.

    Raises:
        Refused: the item is neither, or names no trace.
    """
    row = nest_columns(item, NESTED)
    row = read_cells(row, ("input", "output")) if place.is_table else row
    if "start_time" not in row:
        raise Refused(
            "not-opik",
            "The item is neither a trace nor a span of Opik; export traces and spans with their "
            "`id` and `start_time`.",
        )
    is_span = row.get("trace_id") not in EMPTY
    trace_id = to_text(row.get("trace_id")) if is_span else to_text(row.get("id"))
    require_trace_id(trace_id, "trace_id" if is_span else "id")
    span = build_span(row, trace_id, is_span, place)
    scores = list(read_scores(row.get("feedback_scores"), trace_id, place.line))
    yield span
    yield from scores


def build_span(row: Object, trace_id: str, is_span: bool, place: Place) -> Span:
    """Builds the span of a span, or of a trace itself.

    Raises:
        Refused: its start is no time.
    """
    start = read_timestamp(row.get("start_time"))
    if start is None:
        raise Refused("bad-timestamp", "`start_time` is no time; expected ISO 8601.")
    error = parse_object(row.get("error_info"))
    message = to_text(error.get("message")) or to_text(error.get("exception_type"))
    project = to_text(row.get("project_name"))
    return Span(
        trace_id,
        to_text(row.get("id")) if is_span else TRACE,
        (to_text(row.get("parent_span_id")) or TRACE) if is_span else "",
        to_text(row.get("name")),
        start,
        read_timestamp(row.get("end_time")),
        read_attributes(row, is_span, place.is_table),
        (),
        (message or "error") if error else "",
        {} if project in DEFAULT_PROJECTS else {"service.name": project},
        "",
        place.line,
    )


def read_attributes(row: Object, is_span: bool, is_table: bool) -> Object:
    """Converts a row to attributes of a span."""
    inputs, outputs = row.get("input"), row.get("output")
    output, is_text = unwrap_output(parse_text(outputs) if is_table else outputs)
    kind = KINDS.get(to_text(row.get("type")), to_text(row.get("type")).upper() or "CHAIN")
    metadata = parse_text(row.get("metadata"))
    known: Object = {
        "openinference.span.kind": kind,
        **describe_sides(inputs, output, is_table and not is_text),
        "tag.tags": row.get("tags"),
        "gen_ai.provider.name": row.get("provider"),
        **describe_metadata(metadata, is_span),
        **({"session.id": row["thread_id"]} if row.get("thread_id") not in EMPTY else {}),
        **find_usage(row),
    }
    if kind == "LLM":
        call = describe_model_call(inputs, outputs)
        known = {key: value for key, value in known.items() if value not in EMPTY}
        known = {**call, **known, **name_model(call, row.get("model"))}
    elif kind == "TOOL" and (documents := find_documents(outputs)):
        known["documents"] = documents
    rest = {key: value for key, value in row.items() if key not in READ}
    return {key: value for key, value in (rest | known).items() if value not in EMPTY}


def find_usage(row: Object) -> Object:
    """Finds the tokens and the cost of a span, or of a trace, which sums up its spans'."""
    usage = parse_object(row.get("usage"))
    counts = {name: find_value(usage, keys) for name, keys in TOKENS.items()}
    return {**counts, "gen_ai.usage.cost": row.get("total_estimated_cost")}


def describe_metadata(metadata: Json, is_span: bool) -> Object:
    """Describes a row's metadata: a trace's is a team's own, with its prompts' versions."""
    if type(metadata) is not dict:
        return {"metadata": metadata}
    prompts = list_objects(metadata.get("opik_prompts"))
    own = {key: value for key, value in metadata.items() if key not in ("opik_prompts", "_opik")}
    people, own = split_people(own)
    found: Object = {}
    if prompts:
        version = parse_object(prompts[0].get("version"))
        found = {
            "gen_ai.prompt.name": prompts[0].get("name"),
            "gen_ai.prompt.version": version.get("commit") or version.get("id"),
        }
    if is_span:
        return found | people | {f"span.metadata.{key}": value for key, value in own.items()}
    return {**found, **people, "metadata": own}


def identify(item: Object) -> Object:
    """Returns the id and the start of a refused trace or span."""
    start = item.get("start_time")
    return {
        "trace_id": find_value(item, ("trace_id", "id")),
        "ts": start if type(start) is str else None,
    }


def unite(spans: list[Span]) -> list[Span]:
    """Puts the spans of a trace under the trace."""
    return unite_under_root(spans, ROOT)


FORM = ItemFormat(NAME, list_items, read_item, identify, unite)
