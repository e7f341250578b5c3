"""Braintrust: rows of project logs, from its API, BTQL, its SDKs and its pages.

A row is a span; scores on any of a trace's spans are labels of the trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evals.records import Json, Label
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.braintrust_scores import read_scores
from evals.traces.messages import exchanges
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.spans.item_rows import Item, ItemFormat, Place, read_item_rows, require_trace_id
from evals.traces.spans.observations import (
    COMMIT,
    EMPTY,
    Object,
    describe_model_call,
    describe_sides,
    find_documents,
    find_value,
    name_model,
    parse_object,
    split_people,
    to_text,
)
from evals.traces.spans.spans import Span
from evals.traces.spans.values import (
    nest_columns,
    parse_literal,
    read_cells,
    read_timestamp,
    to_number,
)

NAME = "braintrust"
HOLDERS = ("data", "events", "rows", "objects")
NESTED = (
    *("input", "output", "expected", "metadata", "metrics", "scores", "span_attributes"),
    *("context", "origin", "tags"),
)
KINDS = {"score": "EVALUATOR", "task": "CHAIN", "function": "CHAIN", "eval": "CHAIN"}
READ = frozenset(
    [
        *("id", "_xact_id", "_pagination_key", "created", "org_id", "project_id", "log_id"),
        *("input", "output", "error", "scores", "metadata", "tags", "metrics", "context"),
        *("span_id", "span_parents", "root_span_id", "is_root", "span_attributes", "origin"),
        *("audit_data", "_async_scoring_state", "_is_merge", "experiment_id", "dataset_id"),
        *("project_name",),
    ]
)
"""Keys that are read, repeat others, or concern Braintrust's own pages."""
TOKENS = {
    "gen_ai.usage.input_tokens": "prompt_tokens",
    "gen_ai.usage.output_tokens": "completion_tokens",
    "gen_ai.usage.total_tokens": "tokens",
    "gen_ai.usage.cost": "estimated_cost",
}


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are spans of Braintrust's logs."""
    paths = list_key_paths(head)
    return any(
        {f"{under}span_id", f"{under}root_span_id"} <= paths
        for under in ("", *(f"{name}." for name in HOLDERS))
    )


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields the scores in each row and its refusals, then the traces."""
    return read_item_rows(rows, reading, FORM)


def list_items(row: Object) -> list[Json]:
    """Lists the rows of a page, or the row itself."""
    for key in HOLDERS:
        if type(items := row.get(key)) is list and "root_span_id" not in row:
            return items
    return [row]


def read_item(item: Object, place: Place) -> Iterator[Item]:
    """Yields the span of a row, then its scores.

    Raises:
        Refused: the row names no trace, or its times are none.
    """
    row = nest_columns(item, NESTED)
    row = read_cells(row, ("input", "output")) if place.is_table else row
    trace_id = require_trace_id(to_text(row.get("root_span_id")), "root_span_id")
    span = build_span(row, trace_id, place)
    labels: list[Label] = list(read_scores(row, trace_id))
    yield span
    yield from labels


def build_span(row: Object, trace_id: str, place: Place) -> Span:
    """Builds the span of a row.

    Raises:
        Refused: its start is no time.
    """
    metrics, about = parse_object(row.get("metrics")), parse_object(row.get("span_attributes"))
    start = read_timestamp(to_number(metrics.get("start"))) or read_timestamp(row.get("created"))
    if start is None:
        raise Refused(
            "bad-timestamp",
            "`metrics.start` and `created` are no times; expected seconds since 1970 or ISO 8601.",
        )
    parents = parse_literal(row.get("span_parents"))
    parent = parents[0] if type(parents) is list and parents else ""
    span_id = to_text(row.get("span_id"))
    metadata = parse_object(row.get("metadata"))
    return Span(
        trace_id,
        span_id,
        "" if span_id == trace_id else to_text(parent),
        to_text(about.get("name")),
        start,
        read_timestamp(to_number(metrics.get("end"))),
        {
            **describe_sides(row.get("input"), row.get("output"), place.is_table),
            **read_attributes(row, metadata, metrics, to_text(about.get("type"))),
        },
        (),
        describe_error(row.get("error")),
        find_resource(row, metadata),
        "",
        place.line,
    )


def describe_error(error: Json) -> str:
    """Returns the message of a row's error, on one line; empty where it has none."""
    if type(error) is dict:
        error = find_value(error, ("message", "error", "name")) or to_text(error)
    lines = to_text(error).strip().splitlines()
    return lines[0][:500] if lines else ""


def find_resource(row: Object, metadata: Object) -> Object:
    """Finds the project that a row names, and the commit it ran."""
    found: Object = {}
    if project := to_text(row.get("project_name")):
        found["service.name"] = project
    commit = metadata.get("commit") or metadata.get("git_commit")
    if type(commit) is str and COMMIT.fullmatch(commit):
        found["vcs.ref.head.revision"] = commit
    return found


def read_attributes(row: Object, metadata: Object, metrics: Object, word: str) -> Object:
    """Converts a row to attributes of a span."""
    inputs, output = row.get("input"), row.get("output")
    kind = KINDS.get(word, word.upper()) or "CHAIN"
    people, metadata = split_people(metadata)
    is_root = not parse_literal(row.get("span_parents"))
    known: Object = {
        "openinference.span.kind": kind,
        **people,
        "tag.tags": row.get("tags"),
        **{name: to_number(metrics.get(key)) for name, key in TOKENS.items()},
        **describe_prompt(metadata),
    }
    if kind == "LLM":
        call = describe_model_call(inputs, output)
        known = {key: value for key, value in known.items() if value not in EMPTY}
        known = {**call, **known, **name_model(call, metadata.get("model"))}
        known["gen_ai.provider.name"] = metadata.get("provider")
        known["llm.invocation_parameters"] = exchanges.describe_request(metadata).get("params")
    elif kind == "TOOL" and (documents := find_documents(output)):
        known["documents"] = documents
    place = "metadata" if is_root else "span.metadata"
    rest = {key: value for key, value in row.items() if key not in READ}
    return {
        key: value
        for key, value in {**rest, **known, place: metadata}.items()
        if value not in EMPTY
    }


def describe_prompt(metadata: Object) -> Object:
    """Describes the prompt that a span ran, as Braintrust's prompts record it."""
    prompt = parse_object(metadata.get("prompt"))
    return {
        "gen_ai.prompt.name": find_value(prompt, ("slug", "name", "id")),
        "gen_ai.prompt.version": find_value(prompt, ("version", "prompt_version")),
    }


def identify(item: Object) -> Object:
    """Returns the trace and the time of a refused row."""
    created = item.get("created")
    return {"trace_id": item.get("root_span_id"), "ts": created if type(created) is str else None}


FORM = ItemFormat(NAME, list_items, read_item, identify)
