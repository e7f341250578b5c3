"""Langfuse: traces of its API with their observations and scores, and the blob export's tables.

Both are brought to spans and put together as every trace is. Times come from start and end:
`latency` is seconds or milliseconds, depending on when an integration was made. What metadata
holds is told in `langfuse_metadata`, what a score says in `langfuse_scores`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import orjson

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import OPENS, Parsed, Refused
from evals.traces.formats.langfuse_metadata import split_metadata
from evals.traces.formats.langfuse_scores import find_label, read_feedback, read_score
from evals.traces.messages import exchanges
from evals.traces.rows import canonical
from evals.traces.rows.canonical import Found, Reading
from evals.traces.rows.shards import Share
from evals.traces.spans.observations import (
    EMPTY,
    Object,
    build_trace,
    describe_call,
    find_documents,
    list_objects,
    parse_cached,
    parse_object,
    parse_text,
    place_release,
    to_nanoseconds,
    to_text,
    unquote,
)
from evals.traces.spans.span_rows import collect_garbage_seldom
from evals.traces.spans.spans import Span, SpanStore

NAME = "langfuse"
OBSERVATIONS = {"id", "type", "start_time", "trace_id"}
EXPORTED = {"parent_observation_id", "usage_details", "trace_name", "provided_model_name"}
API_OBSERVATIONS = {"id", "type", "startTime", "traceId"}
TRACES = {"id", "timestamp", "name", "userId"}
LEGACY_TRACES = {"id", "timestamp", "name", "user_id", "session_id", "bookmarked"}
SCORES = {"name", "source", "value"}
BARE = ("SPAN", "CHAIN", "AGENT")
"""Types of observations that may represent the whole trace."""
TRACE = "trace"
"""The span id of a trace itself, which Langfuse keeps apart from its observations."""
CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
TRACE_KEYS = {
    "session_id": "langfuse.session.id",
    "user_id": "langfuse.user.id",
    "tags": "langfuse.trace.tags",
    "version": "langfuse.version",
}
KEYS = TRACE_KEYS | {
    "type": "langfuse.observation.type",
    "prompt_name": "langfuse.observation.prompt.name",
    "prompt_version": "langfuse.observation.prompt.version",
    "cost_details": "langfuse.observation.cost_details",
}
READ = frozenset(
    [
        *KEYS,
        *("id", "trace_id", "parent_observation_id", "name", "trace_name", "timestamp", "release"),
        *("start_time", "end_time", "input", "output", "metadata", "level", "status_message"),
        *("provided_model_name", "model", "model_parameters", "usage_details", "usage", "unit"),
        *("input_usage", "output_usage", "total_usage", "prompt_tokens", "completion_tokens"),
        *("total_tokens", "total_cost", "input_cost", "output_cost", "provided_cost_details"),
        *("calculated_input_cost", "calculated_output_cost", "calculated_total_cost", "latency"),
        *("environment", "scores", "observations", "corrections", "html_path", "bookmarked"),
        *("public", "project_id", "created_at", "updated_at", "model_id", "internal_model_id"),
        *("internal_model", "tool_call_names", "tool_calls"),
    ]
)
"""Keys that are read, repeat others, or concern Langfuse's own pages."""


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are traces with observations, observations, or scores of Langfuse."""
    paths = list_key_paths(head)
    for under in ("", "data.", "trace.", "observations.", "trace.observations."):
        keys = {path.removeprefix(under) for path in paths if path.startswith(under)}
        if keys >= API_OBSERVATIONS or (keys >= OBSERVATIONS and keys & EXPORTED):
            return True
        if keys >= SCORES and keys & {"traceId", "trace_id"} and keys & {"dataType", "data_type"}:
            return True
        if keys >= TRACES and keys & {"htmlPath", "bookmarked", "observations"}:
            return True
        if keys >= LEGACY_TRACES:
            return True
    return False


def read(rows: Iterable[Line], reading: Reading) -> Iterator[Found]:
    """Traces that are whole in one row and scores as they come; then those gathered row by row."""
    with collect_garbage_seldom(), SpanStore() as gathered:
        for line in rows:
            parsed, raw = None, line.raw
            try:
                items = list_items(canonical.parse_row(line).row)
            except Refused as problem:
                if reading.share.reports_row(line.number):
                    yield canonical.make_refusal(problem, raw, line.number, reading)
                continue
            for item in items:
                parsed = None
                if not is_mine(item, line, reading.share):
                    continue
                try:
                    if type(item) is not dict:
                        raise NO_OBJECT
                    parsed = Parsed(item, plain=False)
                    yield from read_item(item, line, reading, gathered)
                except Refused as problem:
                    raw = line.raw if len(items) == 1 else orjson.dumps(item)
                    yield canonical.make_refusal(problem, raw, line.number, reading, parsed)
        for spans in gathered.group_by_trace():
            yield make_trace(spans, [], reading)


def is_mine(item: Json, line: Line, share: Share) -> bool:
    """Whether this reader takes an item: by its trace, or by its line where it has none."""
    row = item if type(item) is dict else {}
    trace = row.get("trace")
    told = trace.get("id") if type(trace) is dict else row.get("trace_id") or row.get("id")
    trace_id = to_text(told)
    return share.has_trace(trace_id) if trace_id else share.reports_row(line.number)


def list_items(row: Object) -> list[Json]:
    """The items of a page of the API, or the row itself, under snake-case keys."""
    data = row.get("data")
    items = data if type(data) is list and "id" not in row else [row]
    return [convert_keys(item) if type(item) is dict else item for item in items]


def convert_keys(row: Object) -> Object:
    """Converts the keys of an API row to those of the exports."""
    keys = tuple(row)
    names = convert_key_names(keys) if len(keys) <= USUAL else tuple(map(to_snake_case, keys))
    return row if names == keys else dict(zip(names, row.values(), strict=True))


@functools.lru_cache(maxsize=64)
def convert_key_names(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Converts keys to those of the exports."""
    return tuple(map(to_snake_case, keys))


def to_snake_case(key: str) -> str:
    """Converts a key of the API to snake case."""
    return CAMEL.sub(r"_\1", key).lower()


USUAL = 64
"""Rows with more keys are not remembered by them."""


def read_item(row: Object, line: Line, reading: Reading, gathered: SpanStore) -> Iterator[Found]:
    """What one row gives at once; an observation alone waits for the others of its trace.

    Raises:
        Refused: the row is neither trace, observation nor score.
    """
    size = len(line.raw) // reading.share.of
    trace, observations = row.get("trace"), row.get("observations")
    if type(trace) is dict:
        inside = convert_keys(trace)
        yield from read_api_trace(inside, observations or inside.get("observations"), line, reading)
    elif type(observations) is list and any(type(item) is dict for item in observations):
        yield from read_api_trace(row, observations, line, reading)
    elif "source" in row and ("data_type" in row or "string_value" in row):
        yield read_score(row)
    elif row.get("trace_id") and "start_time" in row:
        gathered.add_spans([build_span(row, line.number)], size)
    elif row.get("id") and "timestamp" in row:
        gathered.add_spans([build_root_span(row, line.number)], size)
    else:
        raise Refused(
            "not-langfuse",
            "The row is neither a trace, an observation nor a score of Langfuse; export "
            "observations and scores, or traces with their observations.",
        )


def read_api_trace(trace: Object, items: Json, line: Line, reading: Reading) -> Iterator[Found]:
    """Reads a trace of the API with its observations, then its scores."""
    spans = [
        build_span({"trace_id": trace.get("id"), **convert_keys(item)}, line.number)
        for item in list_objects(items)
    ]
    scores = [
        {"trace_id": trace.get("id"), **convert_keys(it)}
        for it in list_objects(trace.get("scores"))
    ]
    yield make_trace([build_root_span(trace, line.number), *spans], scores, reading)
    for item in scores:
        if label := find_label(item):
            yield label


def make_trace(spans: list[Span], scores: list[Object], reading: Reading) -> Found:
    """Makes the trace of some spans, with its users' feedback."""
    feedback: list[Json] = [read_feedback(item) for item in scores if item.get("source") == "API"]
    return build_trace(unite_under_root(spans), reading, NAME, {"feedback": feedback})


def unite_under_root(spans: list[Span]) -> list[Span]:
    """The trace itself around its observations, where the export has it.

    A lone outermost observation that says no more than the trace is the trace.
    """
    top = next((span for span in spans if span.span_id == TRACE), None)
    if top is None:
        return spans
    inside = [span for span in spans if span is not top]
    outermost = [span for span in inside if not span.parent_id]
    if len(outermost) == 1 and is_same_as_trace(outermost[0], top):
        one = outermost[0]
        attributes = {**one.attributes, **top.attributes}
        bare = one.attributes.get("langfuse.observation.type") in BARE
        if top.name and not bare:
            attributes[TRACE_NAME] = top.name
        merged = one._replace(
            name=top.name if top.name and bare else one.name,
            attributes=attributes,
            resource={**one.resource, **top.resource},
            scope=one.scope or top.scope,
        )
        return [merged if span is one else span for span in inside]
    starts = [span.start for span in spans if span.start]
    ends = [span.end for span in inside if span.end]
    top = top._replace(start=min(starts, default=None), end=max(ends, default=None))
    return [
        top,
        *(span if span.parent_id else span._replace(parent_id=TRACE) for span in inside),
    ]


def is_same_as_trace(span: Span, top: Span) -> bool:
    """Whether an observation is but the trace once more."""
    if span.error:
        return False
    readers = {"input": exchanges.read_question, "output": exchanges.read_answer}
    names = [(f"langfuse.observation.{side}", words) for side, words in readers.items()]
    pairs = [(span.attributes.get(name), top.attributes.get(name), words) for name, words in names]
    return all(
        one in EMPTY or other in EMPTY or words(unquote(one)) == words(unquote(other))
        for one, other, words in pairs
    )


def build_root_span(trace: Object, line: int) -> Span:
    """The trace itself as the span around its observations."""
    told = split_metadata(trace.get("metadata"))
    metadata = told.own
    if trace.get("environment") not in (*EMPTY, "default"):
        metadata = {**metadata, "environment": trace["environment"]}
    attributes = told.attributes | name_attributes(trace, of_trace=True)
    attributes |= {"langfuse.trace.metadata": metadata} if metadata else {}
    for side in ("input", "output"):
        if (said := unquote(trace.get(side))) not in EMPTY:
            twice = type(said) is str and said.startswith(OPENS)  # as its pages export a trace
            attributes[f"langfuse.observation.{side}"] = said if twice else trace[side]
    start = to_nanoseconds(trace.get("timestamp"))
    trace_id, name = to_text(trace.get("id")), to_text(trace.get("name"))
    released, resource = place_release(trace.get("release"), RELEASE, told.resource)
    attributes |= released
    return Span(
        trace_id, TRACE, "", name, start, None, attributes, (), "", resource, told.scope, line
    )


def build_span(row: Object, line: int) -> Span:
    """One observation, of the API or of an export."""
    told = split_metadata(row.get("metadata"))
    attributes = {f"langfuse.metadata.{key}": value for key, value in told.own.items()}
    attributes.update(told.attributes)
    attributes.update(name_attributes(row))
    asked, answered = parse_text(unquote(row.get("input"))), parse_text(unquote(row.get("output")))
    bare = row.get("type") in BARE  # may be the application's own words: they stay as they are
    calls = row.get("type") == "GENERATION"
    chat = describe_call(asked, answered) if calls else {}
    own = bare or (calls and "gen_ai.output.messages" not in chat)
    if asked or asked not in EMPTY:
        attributes["langfuse.observation.input"] = row["input"] if bare else asked
    if answered or answered not in EMPTY:
        attributes["langfuse.observation.output"] = row["output"] if own else answered
    if calls:
        attributes |= find_model(row, chat)
    elif row.get("type") == "RETRIEVER" and (documents := find_documents(answered)):
        attributes["gen_ai.retrieval.documents"] = documents
    released, resource = place_release(row.get("release"), RELEASE, told.resource)
    attributes |= released | find_usage(row)
    name = to_text(row.get("name"))
    if row.get("trace_name") and not row.get("parent_observation_id"):
        name = to_text(row["trace_name"]) if bare else name
        attributes |= {} if bare else {TRACE_NAME: row["trace_name"]}
    problem = to_text(row.get("status_message"))
    failed = row.get("level") == "ERROR"
    if problem and not failed:
        attributes["status_message"] = problem
    if row.get("level") in TOLD_LEVELS:
        attributes["level"] = row["level"]
    return Span(
        to_text(row.get("trace_id")),
        to_text(row.get("id")),
        to_text(row.get("parent_observation_id")),
        name,
        to_nanoseconds(row.get("start_time")),
        to_nanoseconds(row.get("end_time")),
        attributes,
        (),
        (problem or "error") if failed else "",
        resource,
        told.scope,
        line,
    )


def name_attributes(row: Object, of_trace: bool = False) -> Object:
    """Names columns as attributes; those without a field keep their own name."""
    keys = tuple(row)
    found: Object = {}
    for key, name in (choose_keys_once if len(keys) <= USUAL else choose_keys)(keys, of_trace):
        value = row[key]
        if value or value not in EMPTY:
            found[name] = value if name is key else parse_cached(value)
    return found


def choose_keys(keys: tuple[str, ...], of_trace: bool) -> list[tuple[str, str]]:
    """Chooses the keys of an observation or a trace that are read, and their attributes."""
    names = TRACE_KEYS if of_trace else KEYS
    return [(key, names.get(key, key)) for key in keys if key in names or key not in READ]


choose_keys_once = functools.lru_cache(maxsize=64)(choose_keys)


def find_model(row: Object, told: Object) -> Object:
    """A generation's call: its model, and its parameters without those left blank.

    Where the response names another model than the observation, that one was asked for.
    """
    params = {k: v for k, v in parse_object(row.get("model_parameters")).items() if v not in EMPTY}
    model, answered = row.get("provided_model_name") or row.get("model"), told.get(ANSWERED)
    found: Object = {"langfuse.observation.model.parameters": params} if params else {}
    found = told | found
    if not model or model == answered:
        return found
    return {"gen_ai.request.model" if answered else ANSWERED: model, **found}


ANSWERED, RELEASE = "gen_ai.response.model", "langfuse.release"
TRACE_NAME = "langfuse.trace.metadata.name"


def find_usage(row: Object) -> Object:
    """Tokens by side, and cost; zeros without details stand for nothing known."""
    found: Object = {}
    if USAGE.isdisjoint(row):
        return found
    usage = parse_object(row.get("usage_details"))
    for side, name in (("input", "input_tokens"), ("output", "output_tokens")):
        counts = [n for key, n in usage.items() if key.startswith(side) and type(n) is int]
        total = sum(counts) if counts else row.get(f"{side}_usage")
        if total or counts:
            found[f"gen_ai.usage.{name}"] = total
    if usage.keys() - SIDES:
        found["usage_details"] = usage
    if row.get("total_cost") and "total" not in parse_object(row.get("cost_details")):
        found["gen_ai.usage.cost"] = row["total_cost"]
    return found


USAGE = frozenset(("usage_details", "input_usage", "output_usage", "total_cost"))
SIDES = frozenset(("input", "output", "total"))
"""Keys of usage that fields tell; what else is counted, such as cached tokens, is kept beside."""
TOLD_LEVELS = ("WARNING", "DEBUG")
"""Levels of observations beside the usual one and that of errors."""


NO_OBJECT = Refused("not-an-object", "An item of the page is no object; fetch the page again.")
