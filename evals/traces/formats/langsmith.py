"""LangSmith: runs of its API, its SDKs' posts and patches, its bulk export; and feedback.

A run becomes a span, and runs are assembled like every trace; `exchanges` reads inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from evals.records import AnnotatorKind, Json, Label
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.messages import exchanges, plain_text
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.product_rows import parse_product_row
from evals.traces.spans.assembly import ROOT_STATE
from evals.traces.spans.item_rows import build_trace
from evals.traces.spans.observations import (
    EMPTY,
    Object,
    describe_call,
    find_documents,
    find_value,
    list_objects,
    parse_object,
    parse_text,
    place_release,
    to_nanoseconds,
    to_text,
    to_whole_number,
    unwrap_output,
)
from evals.traces.spans.spans import Span, SpanStore

NAME = "langsmith"
SOURCES: dict[str, AnnotatorKind] = {"model": "judge", "auto_eval": "judge", "app": "human"}
SESSIONS = ("session_id", "conversation_id", "thread_id")
HOLDERS = ("runs", "post", "patch")
KINDS = {"retriever": "retriever", "parser": "chain"}
READ = {
    *("id", "trace_id", "parent_run_id", "parent_run_ids", "dotted_order", "name", "run_type"),
    *("start_time", "end_time", "inputs", "outputs", "extra", "error", "tags", "events", "status"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "total_cost", "prompt_cost"),
    *("completion_cost", "session_id", "session_name", "child_runs", "child_run_ids", "serialized"),
    *("direct_child_run_ids", "inputs_preview", "outputs_preview", "app_path", "manifest_id"),
    *("feedback_stats", "feedback", "latency", "attachments", "execution_order", "inputs_s3_urls"),
    *("outputs_s3_urls", "manifest_s3_id", "share_token", "last_queued_at", "trace_start_time"),
}
"""Keys that are read, repeat others, or concern LangSmith's own pages."""
RESPONSES = frozenset(("choices", "generations", "candidates"))
"""Keys of a model's response: they identify the patch of a model call, which has no run type."""


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are runs, posts and patches of runs, or feedback on them."""
    paths = list_key_paths(head)
    for under in ("", "runs.", "post.", "patch."):
        keys = {path.removeprefix(under) for path in paths if path.startswith(under)}
        if "run_type" in keys and keys & {"dotted_order", "trace_id", "parent_run_id"}:
            return True
        if "dotted_order" in keys and keys & {"end_time", "outputs"}:
            return True
    return {"run_id", "key"} <= paths and bool(paths & {"score", "value"})


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields feedback as it comes, then the traces built from the runs."""
    projects: dict[str, str] = {}
    halves: dict[str, int] = {}
    with SpanStore() as store:
        for line in rows:
            row = None
            try:
                row = parse_product_row(line, reading)
                yield from gather_row(row, line, store, projects, halves)
            except Refused as problem:
                partial = find_trace_id(row) if row else None
                yield canonical.make_refusal(problem, line.raw, line.number, reading, partial)
        for spans in store.group_by_trace():
            trace_id = spans[0].trace_id
            half = halves.get(trace_id, BEGUN | ENDED)
            yield build_trace(
                mark_incomplete(spans, half), reading, NAME, {}, projects.get(trace_id)
            )


BEGUN, ENDED = 1, 2
HALVES = {BEGUN: "begun", ENDED: "ended"}
"""The metadata of a root whose other half, its patch or its post, is in another file."""


def find_half(run: Object) -> int:
    """Returns which half of a run a row has: its start, its end, or both."""
    begun = any(run.get(key) not in EMPTY for key in ("start_time", "run_type"))
    ended = any(run.get(key) not in EMPTY for key in ("end_time", "outputs", "error"))
    return BEGUN * begun | ENDED * ended


def mark_incomplete(spans: list[Span], half: int) -> list[Span]:
    """Marks the root of a trace if only one half of it was read."""
    if half not in HALVES:
        return spans
    mark = {ROOT_STATE: HALVES[half]}
    return [
        span if span.parent_id else span._replace(attributes={**span.attributes, **mark})
        for span in spans
    ]


def find_trace_id(row: Object) -> Object:
    """Returns the trace id of a refused row, under its key."""
    return {"trace_id": row.get("trace_id")}


def gather_row(
    row: Object, line: Line, store: SpanStore, projects: dict[str, str], halves: dict[str, int]
) -> Iterator[Label]:
    """Stores the spans of a row's runs; yields its feedback.

    Raises:
        Refused: the row is neither a run nor feedback.
    """
    if "key" in row and "run_id" in row:
        yield read_feedback(row)
        return
    runs = list_runs(row)
    if not runs:
        raise Refused(
            "not-langsmith",
            "The row is neither a run nor feedback of LangSmith; export runs with their "
            "`trace_id`, `dotted_order`, inputs and outputs.",
        )
    spans: list[Span] = []
    for run in runs:
        span = build_span(run, line.number)
        if not span.trace_id:
            raise Refused(
                "no-trace-id", "The run has neither `trace_id`, `dotted_order` nor `id`; add one."
            )
        spans.append(span)
        if not span.parent_id:
            halves[span.trace_id] = halves.get(span.trace_id, 0) | find_half(run)
        project = run.get("session_name")
        if type(project) is str and project not in ("", "default"):
            projects[span.trace_id] = project
        for feedback in list_objects(parse_text(run.get("feedback"))):
            yield read_feedback({"run_id": span.span_id, "trace_id": span.trace_id, **feedback})
    store.add_spans(spans, len(line.raw))
    if any(type(item) is not dict for key in HOLDERS for item in list_items(row.get(key))):
        raise Refused(
            "bad-run", "A run is no object; its row's other runs were read: export again."
        )


def list_items(value: Json) -> list[Json]:
    """Lists the runs under a key, whose value is one run or a list."""
    return value if type(value) is list else [] if value is None else [value]


def list_runs(row: Object) -> list[Object]:
    """Lists a row's runs with their children: its own, a page's, or those posted and patched."""
    runs: list[Object] = []
    for key in HOLDERS:
        runs += list_objects(list_items(row.get(key)))
    if not runs and ("run_type" in row or "dotted_order" in row):
        runs = [row]
    n = 0
    while n < len(runs):
        runs += [
            {"parent_run_id": runs[n].get("id"), "trace_id": runs[n].get("trace_id"), **child}
            for child in list_objects(parse_text(runs[n].get("child_runs")))
        ]
        n += 1
    return runs


def build_span(run: Object, line: int) -> Span:
    """Builds the span of a run, a post or a patch."""
    path = [part.partition("Z")[2] for part in to_text(run.get("dotted_order")).split(".") if part]
    run_id = to_text(run.get("id")) or (path[-1] if path else "")
    parent = to_text(run.get("parent_run_id")) or (path[-2] if len(path) > 1 else "")
    trace_id = to_text(run.get("trace_id")) or (path[0] if path else "" if parent else run_id)
    extra = parse_object(run.get("extra"))
    metadata = dict(parse_object(extra.get("metadata")))
    release, resource = place_release(metadata.pop("revision_id", None), "revision.version", {})
    attributes = read_attributes(run, extra) | release | read_metadata(metadata, extra, not parent)
    return Span(
        trace_id,
        run_id,
        parent,
        to_text(run.get("name")),
        to_nanoseconds(run.get("start_time")) or find_start(run.get("dotted_order")),
        to_nanoseconds(run.get("end_time")),
        attributes,
        (),
        to_text(run.get("error")) or ("error" if run.get("status") == "error" else ""),
        resource,
        "",
        line,
    )


def find_start(path: Json) -> int | None:
    """Returns a run's start from its dotted order, the only place where a patch has it."""
    moment = to_text(path).rpartition(".")[2].partition("Z")[0]
    try:
        return to_nanoseconds(datetime.strptime(moment, "%Y%m%dT%H%M%S%f").isoformat())
    except ValueError:
        return None


def read_attributes(run: Object, extra: Object) -> Object:
    """Converts a run to attributes of a span."""
    kind, inputs, outputs = (
        to_text(run.get("run_type")),
        parse_text(run.get("inputs")),
        run.get("outputs"),
    )
    attributes: Object = {}
    if kind:
        attributes["langsmith.span.kind"] = KINDS.get(kind, kind)
    output, is_text = unwrap_output(parse_text(outputs))
    for name, value in (("input", inputs), ("output", output)):
        if value not in EMPTY:
            attributes[f"traceloop.entity.{name}"] = value
    if is_text:
        attributes["output.mime_type"] = "text/plain"
    responded = not kind and not RESPONSES.isdisjoint(parse_object(outputs))
    if kind == "llm" or responded or "ls_model_type" in parse_object(extra.get("metadata")):
        attributes |= (
            {"langsmith.span.kind": "llm"}
            | describe_call(inputs, outputs)
            | describe_request(inputs, extra)
        )
    elif kind == "retriever" and (documents := find_documents(outputs)):
        attributes["gen_ai.retrieval.documents"] = documents
    attributes |= find_usage(run)
    if run.get("tags") not in EMPTY:
        attributes["langsmith.span.tags"] = parse_text(run["tags"])
    return attributes | {k: v for k, v in run.items() if k not in READ and v not in EMPTY}


def describe_request(inputs: Json, extra: Object) -> Object:
    """Returns the model that a call requests, and its parameters."""
    metadata = parse_object(extra.get("metadata"))
    request = exchanges.describe_request(inputs)
    invocation = exchanges.describe_request(parse_object(extra.get("invocation_params")))
    model = request.get("model_requested") or invocation.get("model_requested")
    params = {**parse_object(invocation.get("params")), **parse_object(request.get("params"))}
    attributes = {
        "gen_ai.request.model": model or metadata.get("ls_model_name"),
        "gen_ai.provider.name": metadata.get("ls_provider"),
        "llm.invocation_parameters": params or None,
    }
    return {key: value for key, value in attributes.items() if value not in EMPTY}


def find_usage(run: Object) -> Object:
    """Returns tokens and cost; LangSmith writes zeros if nobody counted."""
    counts = {
        "gen_ai.usage.input_tokens": run.get("prompt_tokens"),
        "gen_ai.usage.output_tokens": run.get("completion_tokens"),
        "gen_ai.usage.total_tokens": run.get("total_tokens"),
    }
    cost = run.get("total_cost")
    attributes = {key: value for key, value in counts.items() if value}
    return attributes | ({"gen_ai.usage.cost": cost} if cost not in EMPTY else {})


def read_metadata(metadata: Object, extra: Object, is_root: bool) -> Object:
    """Converts a run's metadata to attributes; the root's other keys are the trace's."""
    session, user = find_value(metadata, SESSIONS), metadata.pop("user_id", None)
    custom = {key: value for key, value in metadata.items() if value is not session or not session}
    attributes: Object = {"langsmith.trace.session_id": session} if session else {}
    attributes |= {"enduser.id": user} if user else {}
    attributes |= find_versions(custom)
    if not is_root:
        return attributes | {f"run.metadata.{key}": value for key, value in custom.items()}
    runtime = parse_object(extra.get("runtime"))
    custom |= {"runtime": runtime} if runtime else {}
    attributes |= {"langfuse.trace.metadata": custom} if custom else {}
    return attributes


def find_versions(metadata: Object) -> Object:
    """Returns the name and version of the prompt in a run's metadata."""
    prompt = metadata.get("lc_hub_repo") or metadata.get("prompt_name")
    version = metadata.get("lc_hub_commit_hash") or metadata.get("prompt_version")
    versions = {"gen_ai.prompt.name": prompt, "gen_ai.prompt.version": version}
    return {key: value for key, value in versions.items() if value not in EMPTY}


def read_feedback(row: Object) -> Label:
    """Converts one piece of feedback to a label.

    Raises:
        Refused: the feedback has no run, no key or no value.
    """
    trace_id = to_text(row.get("trace_id")) or to_text(row.get("run_id"))
    if not trace_id:
        raise Refused("no-trace-id", "The feedback belongs to no run; leave such out.")
    source = parse_object(row.get("feedback_source"))
    kind = SOURCES.get(to_text(source.get("type")), "rule")
    person = source.get("user_id") or parse_object(source.get("metadata")).get("user_id")
    if person:
        kind = "human"
    value = row.get("value")
    score = to_whole_number(value if value not in EMPTY else row.get("score"))
    annotator = to_text(person) or f"langsmith-{to_text(source.get('type')) or 'api'}"
    notes = [comment] if type(comment := row.get("comment")) is str else []
    if (correction := row.get("correction")) not in EMPTY:
        notes.append(f"correction: {plain_text.to_text(correction)}")
    note = "; ".join(filter(None, notes))
    label = canonical.make_label(trace_id, to_text(row.get("key")), score, annotator, kind, note)
    if label is None or label.verdict is None:
        raise Refused("empty-score", "The feedback has no key, or neither score nor value.")
    return label
