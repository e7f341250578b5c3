"""W&B Weave: calls of its API and SDK, and the tables and lines that its pages export.

A call becomes a span. `weave_feedback` reads feedback, which names a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.weave_feedback import read_feedback
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
)
from evals.traces.spans.spans import Span
from evals.traces.spans.values import nest_columns, read_cells, read_timestamp

NAME = "weave"
REF = re.compile(r"weave:///(?P<project>[^/]+/[^/]+)/(?:op|object)/(?P<name>[^:]+):(?P<digest>.+)")
"""How Weave refers to the version of an operation or an object."""
NESTED = ("inputs", "output", "attributes", "summary", "feedback")
MODEL_INPUTS = ("messages", "contents", "prompt", "input")
LLM = re.compile(
    r"chat\.completions|completions?\.create|messages\.create|generate_content|litellm"
)
"""Names of operations that Weave's integrations give a model's call."""
READ = frozenset(
    [
        *("id", "project_id", "op_name", "display_name", "trace_id", "parent_id", "thread_id"),
        *("started_at", "ended_at", "inputs", "output", "exception", "summary", "attributes"),
        *("turn_id", "deleted_at", "wb_user_id", "wb_username", "wb_run_id", "wb_run_step"),
        *("wb_run_step_end", "storage_size_bytes", "total_storage_size_bytes", "feedback"),
        *("expire_at", "otel_dump", "_op_name", "func_name", "ui_url", "ref"),
    ]
)
"""Keys that are read, repeat others, or concern Weave's own pages."""


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are Weave's calls."""
    paths = list_key_paths(head)
    return any(
        {f"{under}op_name", f"{under}trace_id"} <= paths
        and any(f"{under}{key}" in paths for key in ("started_at", "project_id", "parent_id"))
        for under in ("", "calls.", "data.", "call.")
    )


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields the feedback in each row and its refusals, then the traces."""
    return read_item_rows(rows, reading, FORM)


def list_items(row: Object) -> list[Json]:
    """Lists the calls of a page, or the row itself."""
    for key in ("calls", "data"):
        if type(items := row.get(key)) is list and "op_name" not in row:
            return items
    return [row["call"] if type(row.get("call")) is dict else row]


def read_item(item: Object, place: Place) -> Iterator[Item]:
    """Yields the span of a call, then its feedback.

    Raises:
        Refused: the item is no call, or names no trace.
    """
    row = nest_columns(item, NESTED)
    row = read_cells(row, ("output",)) if place.is_table else row
    if row.get("op_name") in EMPTY and row.get("started_at") in EMPTY:
        raise Refused(
            "not-weave",
            "The item is no call of Weave; export calls with `trace_id`, `op_name`, `started_at`, "
            "`inputs` and `output`.",
        )
    trace_id = require_trace_id(to_text(row.get("trace_id")), "trace_id")
    yield build_span(row, trace_id, place)
    summary = parse_object(parse_object(row.get("summary")).get("weave"))
    for source in (summary.get("feedback"), row.get("feedback")):
        yield from read_feedback(source, trace_id, place.line)


def build_span(row: Object, trace_id: str, place: Place) -> Span:
    """Builds the span of a call.

    Raises:
        Refused: its start is no time.
    """
    start = read_timestamp(row.get("started_at"))
    if start is None:
        raise Refused("bad-timestamp", "`started_at` is no time; expected ISO 8601.")
    operation = REF.fullmatch(to_text(row.get("op_name")))
    name = operation["name"] if operation else to_text(row.get("op_name"))
    project = to_text(row.get("project_id")).rpartition("/")[2] or (
        operation["project"].rpartition("/")[2] if operation else ""
    )
    is_root = row.get("parent_id") in EMPTY
    attributes = read_attributes(row, name, is_root, place.is_table)
    if is_root and operation:
        attributes["op.version"] = operation["digest"]
    return Span(
        trace_id,
        to_text(row.get("id")),
        to_text(row.get("parent_id")),
        to_text(row.get("display_name")) or name,
        start,
        read_timestamp(row.get("ended_at")),
        attributes,
        (),
        find_error(row),
        {"service.name": project} if project else {},
        "",
        place.line,
    )


def find_error(row: Object) -> str:
    """Finds the last line of a call's exception, or the error that its status names."""
    exception = to_text(row.get("exception")).strip()
    if exception:
        return exception.splitlines()[-1]
    status = parse_object(parse_object(row.get("summary")).get("weave")).get("status")
    return "error" if status == "error" else ""


def read_attributes(row: Object, name: str, is_root: bool, is_table: bool) -> Object:
    """Converts a call to attributes of a span."""
    inputs, versions = split_inputs(parse_text(row.get("inputs")))
    output = row.get("output")
    summary = parse_object(row.get("summary"))
    custom, kind = split_attributes(parse_object(row.get("attributes")))
    people, custom = split_people(custom)
    kind = kind or guess_kind(name, inputs, output)
    known: Object = {
        "openinference.span.kind": kind,
        **describe_sides(inputs, output, is_table),
        **people,
        **({"session.id": row["thread_id"]} if row.get("thread_id") else {}),
        **versions,
        **find_usage(summary),
    }
    if kind == "LLM":
        call = describe_model_call(inputs, output)
        known = {key: value for key, value in known.items() if value not in EMPTY}
        models = list(parse_object(summary.get("usage")))
        known = {**call, **known, **name_model(call, models[0] if len(models) == 1 else None)}
    elif kind == "RETRIEVER":
        known["retrieval.documents"] = find_documents(output)
    place = "metadata" if is_root else "call.attributes"
    rest = {key: value for key, value in row.items() if key not in READ}
    return {
        key: value for key, value in {**rest, **known, place: custom}.items() if value not in EMPTY
    }


def split_inputs(inputs: Json) -> tuple[Json, Object]:
    """Takes the object that a method belongs to out of its inputs; its version is the run's."""
    if type(inputs) is not dict or "self" not in inputs:
        return inputs, {}
    rest = {key: value for key, value in inputs.items() if key != "self"}
    owner = REF.fullmatch(to_text(inputs["self"]))
    return rest, {f"{owner['name']}.version": owner["digest"]} if owner else {}


def split_attributes(attributes: Object) -> tuple[Object, str]:
    """Splits a call's attributes into a team's own and the kind that its operation declares."""
    own = {key: value for key, value in attributes.items() if key not in ("weave", "python", "os")}
    declared = parse_object(attributes.get("weave")).get("kind") or own.pop("kind", None)
    word = to_text(declared).upper()
    return own, {"SEARCH": "RETRIEVER", "SCORER": "EVALUATOR"}.get(word, word)


def guess_kind(name: str, inputs: Json, output: Json) -> str:
    """Guesses what kind of work an operation does: a model's call, or any other step."""
    output = parse_text(output)
    has_chat = type(inputs) is dict and any(key in inputs for key in MODEL_INPUTS)
    answered = type(output) is dict and any(
        type(output.get(key)) is list for key in ("choices", "candidates", "content")
    )
    return "LLM" if has_chat and (answered or LLM.search(name)) else "CHAIN"


def find_usage(summary: Object) -> Object:
    """Finds the tokens and the cost of a call over the models it used; parents repeat children."""
    usage = list_objects(list(parse_object(summary.get("usage")).values()))
    costs = list_objects(
        list(parse_object(parse_object(summary.get("weave")).get("costs")).values())
    )
    counts = {name: add_up(usage, keys) for name, keys in TOKENS.items()}
    parts = [add_up(costs, (key,)) for key in COSTS]
    cost = sum(part for part in parts if part is not None) if any(parts) else None
    return {**counts, "gen_ai.usage.cost": cost}


TOKENS = {
    "gen_ai.usage.input_tokens": (
        "prompt_tokens",
        "input_tokens",
        "prompt_token_count",
        "promptTokenCount",
    ),
    "gen_ai.usage.output_tokens": ("completion_tokens", "output_tokens", "candidates_token_count"),
    "gen_ai.usage.total_tokens": ("total_tokens", "total_token_count"),
}
COSTS = ("prompt_tokens_total_cost", "completion_tokens_total_cost")


def add_up(items: list[Object], keys: tuple[str, ...]) -> float | int | None:
    """Sums a number over some objects; None where none has it."""
    values = [value for item in items if isinstance(value := find_value(item, keys), int | float)]
    return sum(values) if values else None


def identify(item: Object) -> Object:
    """Returns the trace and the start of a refused call."""
    start = item.get("started_at")
    return {"trace_id": item.get("trace_id"), "ts": start if type(start) is str else None}


FORM = ItemFormat(NAME, list_items, read_item, identify)
