"""Rows that are spans: the rows of a group become one trace, as a mapping's `group_by` declares.

`mapping` names the columns; `assembly` builds the trace, as for every format of spans.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import cast

from evals.records import Json, digest
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.messages import payloads
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.fields import to_trace_id
from evals.traces.rows.mapping import ABSENT, Absent, LeftOut, Plan, RenamedRow, find_value
from evals.traces.rows.notes import UNREAD
from evals.traces.rows.timestamps import read_timestamp
from evals.traces.spans.assembly import build_row
from evals.traces.spans.facts import SpanFacts
from evals.traces.spans.observations import describe_call, describe_sides, to_text
from evals.traces.spans.span_rows import format_spans
from evals.traces.spans.spans import Span, SpanStore
from evals.traces.spans.steps import EPOCH, join_answer
from evals.traces.spans.trace_spans import TraceSpans, read_trace
from evals.traces.spans.trace_texts import extract_side

NAME = "grouped"
FIELDS = "andon.fields"
"""The attribute with a row's fields that no convention of spans has; it is taken out again."""
OWN_FIELDS = (
    "app", "context", "feedback", "git_commit", "metadata", "prompt_hash", "tags", "versions",
)  # fmt: skip
ATTRIBUTES = {
    "model": "gen_ai.response.model",
    "model_requested": "gen_ai.request.model",
    "provider": "gen_ai.provider.name",
    "params": "llm.invocation_parameters",
    "messages": "gen_ai.input.messages",
    "finish_reason": "gen_ai.response.finish_reasons",
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
    "cost_usd": "gen_ai.usage.cost",
    "session_id": "langsmith.trace.session_id",
    "user_id": "enduser.id",
    "prompt_name": "gen_ai.prompt.name",
    "prompt_version": "gen_ai.prompt.version",
}
"""The attribute of each field that a span of a convention has."""
KINDS = {
    **dict.fromkeys(("response", "completion", "generation", "model"), "llm"),
    **dict.fromkeys(("function", "custom", "handoff", "eval"), "chain"),
    "score": "evaluator",
}
"""Kinds of rows that the conventions of spans do not have."""
EMPTY: tuple[Json, ...] = (None, "", [], {})
NO_CONTENT = Refused(
    "no-content",
    "No row of the trace has an input, an output or a model; map columns to them.",
)


def read(rows: Iterable[Line], reading: Reading, plain: str) -> Iterator[ImporterOutput]:
    """Yields the rows that belong to no group and the refusals, then the trace of each group.

    Args:
        rows: the rows of the file.
        reading: how they are read.
        plain: the format of rows that are traces themselves.
    """
    with SpanStore() as store:
        for line in rows:
            parsed: dict[str, Json] = {}
            try:
                parsed = canonical.parse_row(line)
                row = canonical.rename_row(parsed, reading)
                if row.plan is None or row.plan.group_by is None:
                    yield from canonical.read_row(line, reading, plain)
                    continue
                canonical.note_columns(parsed, row.plan, reading.notes)
                span = build_span(row, row.plan, parsed, reading, line.number)
                store.add_spans([span], len(line.raw))
            except LeftOut:
                reading.notes.left_out += 1
            except Refused as problem:
                yield canonical.make_refusal(problem, line.raw, line.number, reading, parsed)
        for spans in store.group_by_trace():
            yield build_trace(spans, reading)


def build_span(
    renamed: RenamedRow, plan: Plan, given: dict[str, Json], reading: Reading, line: int
) -> Span:
    """Builds the span of a row.

    Raises:
        Refused: `no-trace-id`, `bad-trace-id`, `bad-app` or `wrong-type`.
    """
    group = find_value(given, plan.group_by) if plan.group_by else ABSENT
    if isinstance(group, Absent) or group in EMPTY:
        raise Refused(
            "no-trace-id",
            "The row has no value in the column of `group_by`, so it belongs to no trace; leave "
            "it out by `where`, or correct the export.",
        )
    trace_id = to_trace_id("group_by", group)
    row = {**renamed.rest, **renamed.row, "trace_id": None}
    cells, unknown, unread = canonical.convert_cells(row, reading, plan)
    start = read_moment("ts", row, plan, unread)
    end = read_moment("ended", row, plan, unread)
    latency = cells["latency_ms"]
    if end is None and start is not None and isinstance(latency, float):
        end = start + int(latency * 10**6)
    for name, value in unread.items():
        reading.notes.add_unread(name, line, value)
    if unread:
        cells["metadata"] = {**cast("dict[str, Json]", cells["metadata"]), UNREAD: unread}
    span_id = to_text(row.get("span_id")) or digest(given)
    parent = find_parent(row, plan, span_id, trace_id)
    attributes = describe_row(row, cells, reading.table)
    attributes |= {name: row[name] for name in unknown if name not in SPAN_KEYS}
    if not parent and row.get("status") not in EMPTY:
        attributes[FIELDS] = {**as_object(attributes.get(FIELDS)), "status": row["status"]}
    name, error = to_text(row.get("name")), row.get("error")
    message = "" if error in (*EMPTY, False) else to_text(error)
    return Span(trace_id, span_id, parent, name, start, end, attributes, (), message, {}, "", line)


SPAN_KEYS = ("ts", "timestamp", "ended", "span_id", "parent_id", "name", "kind", "error", "status")


def find_parent(row: Mapping[str, Json], plan: Plan, span_id: str, trace_id: str) -> str:
    """Finds a row's parent: empty for the root; the trace where the mapping names no parents."""
    if all(path.target != "parent_id" for path in plan.paths):
        return trace_id
    parent = to_text(row.get("parent_id"))
    return "" if parent == span_id else parent


def read_moment(
    key: str, row: Mapping[str, Json], plan: Plan, unread: dict[str, Json]
) -> int | None:
    """Reads a time in nanoseconds since 1970; notes one that cannot be read."""
    value = row.get(key)
    if value in EMPTY:
        return None
    try:
        moment = read_timestamp(value, plan.ts_format, plan.zone).moment
    except Refused:
        unread[key] = value
        return None
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def describe_row(
    row: Mapping[str, Json], cells: Mapping[str, object], is_table: bool
) -> dict[str, Json]:
    """Describes a row by the attributes of a span."""
    attributes: dict[str, Json] = {}
    for field, attribute in ATTRIBUTES.items():
        value = cast("Json", cells[field])
        if value not in (*EMPTY, ()):
            attributes[attribute] = value
    kind = to_text(row.get("kind"))
    kind = KINDS.get(kind.lower(), kind)
    if kind == "llm" or (not kind and "gen_ai.response.model" in attributes):
        kind = "llm"
        attributes = {**describe_call(row.get("input"), row.get("output")), **attributes}
    sides = describe_sides(row.get("input"), row.get("output"), is_table)
    attributes |= {key: value for key, value in sides.items() if value not in EMPTY}
    if kind:
        attributes["langsmith.span.kind"] = kind
    own = {name: cells[name] for name in OWN_FIELDS if cells[name] not in (*EMPTY, ())}
    return {**attributes, FIELDS: cast("Json", own)} if own else attributes


def build_trace(spans: list[Span], reading: Reading) -> ImporterOutput:
    """Builds the trace of a group, or its refusal."""
    line = min(span.line for span in spans)
    own, spans = take_fields(spans)
    row: dict[str, Json] = {"trace_id": spans[0].trace_id, "app": own.get("app")}
    try:
        trace = read_trace(spans)
        row = {**build_row(trace), **choose_texts(trace)}
        metadata = {**as_object(own.pop("metadata", None)), **as_object(row.get("metadata"))}
        row |= {**own, "metadata": metadata}
        return canonical.build_trace(row, reading_of_spans(reading), NAME, line)
    except Refused as problem:
        reason = NO_CONTENT if problem.code == "no-llm-span" else problem
        return canonical.make_refusal(
            reason, format_spans(spans), line, reading_of_spans(reading), row
        )


def take_fields(spans: list[Span]) -> tuple[dict[str, Json], list[Span]]:
    """Takes the fields out of spans: the root's, or else those of the first row that has one."""
    own: dict[str, Json] = {}
    bare: list[Span] = []
    for span in sorted(spans, key=lambda span: (bool(span.parent_id), span.start or 0, span.line)):
        fields = as_object(span.attributes.get(FIELDS))
        own = {**fields, **own}
    for span in spans:
        attributes = {key: value for key, value in span.attributes.items() if key != FIELDS}
        bare.append(span._replace(attributes=attributes))
    return own, bare


def as_object(value: Json) -> dict[str, Json]:
    """Returns an object; an empty one for any other value."""
    return value if type(value) is dict else {}


def choose_texts(trace: TraceSpans) -> dict[str, Json]:
    """Chooses input and output of rows that name no parents: the first and the last there is."""
    if any(not span.parent_id or span.parent_id != span.trace_id for span in trace.spans):
        return {}
    answers = (join_answer(facts) or read_side(facts, "output") for facts in reversed(trace.facts))
    questions = (read_side(facts, "input") for facts in trace.facts)
    texts = {"input": next(filter(None, questions), ""), "output": next(filter(None, answers), "")}
    return {key: text for key, text in texts.items() if text}


def read_side(facts: SpanFacts, side: str) -> str:
    """Returns what a row was asked, or what it gave."""
    role = "user" if side == "input" else "assistant"
    asked = payloads.find_last_content(facts.input_messages, "user") if side == "input" else ""
    return asked or extract_side(facts, side, role, "")


def reading_of_spans(reading: Reading) -> Reading:
    """Returns how a built row is read: by no mapping, which was applied to its spans."""
    return dataclasses.replace(reading, plans=(), table=False, decimal=None)
