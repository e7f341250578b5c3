"""Langfuse: traces of its API with their observations and scores, and the blob export's tables.

Both are converted to spans and assembled like every trace. Times come from start and end:
`latency` is seconds or milliseconds, depending on when an integration was made. `langfuse_metadata`
splits metadata, `langfuse_scores` reads scores.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import orjson

from evals.records import Json
from evals.traces.files.documents import list_key_paths
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import OPENS, Refused, parse_inner
from evals.traces.formats.langfuse_metadata import split_metadata
from evals.traces.formats.langfuse_scores import build_label, read_feedback, read_score
from evals.traces.messages import exchanges
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.product_rows import parse_product_row
from evals.traces.rows.shards import Share
from evals.traces.spans.item_rows import build_trace
from evals.traces.spans.observations import (
    EMPTY,
    Object,
    describe_call,
    find_documents,
    list_objects,
    parse_cached,
    parse_object,
    place_release,
    to_nanoseconds,
    to_text,
    unquote,
)
from evals.traces.spans.span_rows import collect_garbage_seldom
from evals.traces.spans.spans import Span, SpanStore
from evals.traces.spans.trace_roots import TRACE, RootKeys, unite_under_root

NAME = "langfuse"
OBSERVATIONS = {"id", "type", "start_time", "trace_id"}
EXPORTED = {"parent_observation_id", "usage_details", "trace_name", "provided_model_name"}
API_OBSERVATIONS = {"id", "type", "startTime", "traceId"}
TRACES = {"id", "timestamp", "name", "userId"}
LEGACY_TRACES = {"id", "timestamp", "name", "user_id", "session_id", "bookmarked"}
SCORES = {"name", "source", "value"}
BARE = ("SPAN", "CHAIN", "AGENT")
"""Types of observations that may represent the whole trace."""
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
    """Whether rows are Langfuse's traces with observations, observations, or scores."""
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


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields whole traces and scores row by row, then the traces gathered from several rows."""
    with collect_garbage_seldom(), SpanStore() as store:
        for line in rows:
            raw = line.raw
            try:
                items = list_items(parse_product_row(line, reading))
            except Refused as problem:
                if reading.share.reports_row(line.number):
                    yield canonical.make_refusal(problem, raw, line.number, reading)
                continue
            for item in items:
                row = None
                if not is_in_share(item, line, reading.share):
                    continue
                try:
                    if type(item) is not dict:
                        raise NO_OBJECT
                    row = item
                    yield from read_item(row, line, reading, store)
                except Refused as problem:
                    raw = line.raw if len(items) == 1 else orjson.dumps(item)
                    yield canonical.make_refusal(problem, raw, line.number, reading, row)
        for spans in store.group_by_trace():
            yield make_trace(spans, [], reading)


def is_in_share(item: Json, line: Line, share: Share) -> bool:
    """Whether this reader takes an item: by its trace, or by its line if it has none."""
    row = item if type(item) is dict else {}
    trace = row.get("trace")
    given_id = trace.get("id") if type(trace) is dict else row.get("trace_id") or row.get("id")
    trace_id = to_text(given_id)
    return share.has_trace(trace_id) if trace_id else share.reports_row(line.number)


def list_items(row: Object) -> list[Json]:
    """Lists the items of an API page, or the row itself, with snake-case keys."""
    data = row.get("data")
    items = data if type(data) is list and "id" not in row else [row]
    return [convert_keys(item) if type(item) is dict else item for item in items]


def convert_keys(row: Object) -> Object:
    """Converts the keys of an API row to those of the exports."""
    keys = tuple(row)
    names = convert_key_names(keys) if len(keys) <= MAX_CACHED else tuple(map(to_snake_case, keys))
    return row if names == keys else dict(zip(names, row.values(), strict=True))


@functools.lru_cache(maxsize=64)
def convert_key_names(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Converts keys to those of the exports."""
    return tuple(map(to_snake_case, keys))


def to_snake_case(key: str) -> str:
    """Converts a key of the API to snake case."""
    return CAMEL.sub(r"_\1", key).lower()


MAX_CACHED = 64
"""The keys of larger rows are not cached."""


def read_item(
    row: Object, line: Line, reading: Reading, store: SpanStore
) -> Iterator[ImporterOutput]:
    """Yields a row's trace or score; stores an observation until its trace is complete.

    Raises:
        Refused: the row is neither trace, observation nor score.
    """
    size = len(line.raw) // reading.share.of
    trace, observations = row.get("trace"), row.get("observations")
    if type(trace) is dict:
        inner = convert_keys(trace)
        yield from read_api_trace(inner, observations or inner.get("observations"), line, reading)
    elif type(observations) is list and any(type(item) is dict for item in observations):
        yield from read_api_trace(row, observations, line, reading)
    elif "source" in row and ("data_type" in row or "string_value" in row):
        yield read_score(row)
    elif row.get("trace_id") and "start_time" in row:
        store.add_spans([build_span(row, line.number)], size)
    elif row.get("id") and "timestamp" in row:
        store.add_spans([build_root_span(row, line.number)], size)
    else:
        raise Refused(
            "not-langfuse",
            "The row is neither a trace, an observation nor a score of Langfuse; export "
            "observations and scores, or traces with their observations.",
        )


def read_api_trace(
    trace: Object, items: Json, line: Line, reading: Reading
) -> Iterator[ImporterOutput]:
    """Reads a trace of the API with its observations, then its scores."""
    spans = [
        build_span({"trace_id": trace.get("id"), **convert_keys(item)}, line.number)
        for item in list_objects(items)
    ]
    scores = [
        {"trace_id": trace.get("id"), **convert_keys(item)}
        for item in list_objects(trace.get("scores"))
    ]
    yield make_trace([build_root_span(trace, line.number), *spans], scores, reading)
    for item in scores:
        if label := build_label(item):
            yield label


def make_trace(spans: list[Span], scores: list[Object], reading: Reading) -> ImporterOutput:
    """Builds the trace of some spans, with its users' feedback."""
    feedback: list[Json] = [read_feedback(item) for item in scores if item.get("source") == "API"]
    return build_trace(unite_under_root(spans, ROOT), reading, NAME, {"feedback": feedback})


def build_root_span(trace: Object, line: int) -> Span:
    """Builds the span of the trace itself, around its observations."""
    parts = split_metadata(trace.get("metadata"))
    metadata = parts.custom
    if trace.get("environment") not in (*EMPTY, "default"):
        metadata = {**metadata, "environment": trace["environment"]}
    attributes = parts.attributes | name_attributes(trace, of_trace=True)
    attributes |= {"langfuse.trace.metadata": metadata} if metadata else {}
    for side in ("input", "output"):
        if (value := unquote(trace.get(side))) not in EMPTY:
            # Langfuse's pages export a trace so
            is_quoted = type(value) is str and value.startswith(OPENS)
            attributes[f"langfuse.observation.{side}"] = value if is_quoted else trace[side]
    start = to_nanoseconds(trace.get("timestamp"))
    trace_id, name = to_text(trace.get("id")), to_text(trace.get("name"))
    release, resource = place_release(trace.get("release"), RELEASE, parts.resource)
    attributes |= release
    return Span(
        trace_id, TRACE, "", name, start, None, attributes, (), "", resource, parts.scope, line
    )


def build_span(row: Object, line: int) -> Span:
    """Builds the span of an observation, from the API or an export."""
    parts = split_metadata(row.get("metadata"))
    attributes = {f"langfuse.metadata.{key}": value for key, value in parts.custom.items()}
    attributes.update(parts.attributes)
    attributes.update(name_attributes(row))
    request, response = (parse_side(unquote(row.get(side))) for side in ("input", "output"))
    is_bare = row.get("type") in BARE  # may be the application's own texts, which stay unchanged
    is_call = row.get("type") == "GENERATION"
    chat = describe_call(request, response) if is_call else {}
    is_verbatim = is_bare or (is_call and "gen_ai.output.messages" not in chat)
    if request or request not in EMPTY:
        attributes["langfuse.observation.input"] = row["input"] if is_bare else request
    if response or response not in EMPTY:
        attributes["langfuse.observation.output"] = row["output"] if is_verbatim else response
    if is_call:
        attributes |= find_model(row, chat)
    elif row.get("type") == "RETRIEVER" and (documents := find_documents(response)):
        attributes["gen_ai.retrieval.documents"] = documents
    release, resource = place_release(row.get("release"), RELEASE, parts.resource)
    attributes |= release | find_usage(row)
    name = to_text(row.get("name"))
    if row.get("trace_name") and not row.get("parent_observation_id"):
        name = to_text(row["trace_name"]) if is_bare else name
        attributes |= {} if is_bare else {TRACE_NAME: row["trace_name"]}
    problem = to_text(row.get("status_message"))
    failed = row.get("level") == "ERROR"
    if problem and not failed:
        attributes["status_message"] = problem
    if row.get("level") in NOTED_LEVELS:
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
        parts.scope,
        line,
    )


def parse_side(value: Json) -> Json:
    """Parses an input or an output; text with a flaw stays text, which `describe_call` reads."""
    return parse_inner(value) if type(value) is str else value


def name_attributes(row: Object, of_trace: bool = False) -> Object:
    """Renames columns to attributes; those without an attribute keep their name."""
    keys = tuple(row)
    attributes: Object = {}
    choose = choose_keys_cached if len(keys) <= MAX_CACHED else choose_keys
    for key, name in choose(keys, of_trace):
        value = row[key]
        if value or value not in EMPTY:
            attributes[name] = value if name is key else parse_cached(value)
    return attributes


def choose_keys(keys: tuple[str, ...], of_trace: bool) -> list[tuple[str, str]]:
    """Chooses the keys of an observation or a trace that are read, and their attributes."""
    names = TRACE_KEYS if of_trace else KEYS
    return [(key, names.get(key, key)) for key in keys if key in names or key not in READ]


choose_keys_cached = functools.lru_cache(maxsize=64)(choose_keys)


def find_model(row: Object, chat: Object) -> Object:
    """Returns a generation's model, and its parameters that are not blank.

    If the response names another model than the observation, the observation's was requested.
    """
    params = {k: v for k, v in parse_object(row.get("model_parameters")).items() if v not in EMPTY}
    model = row.get("provided_model_name") or row.get("model")
    response_model = chat.get(RESPONSE_MODEL)
    attributes: Object = {"langfuse.observation.model.parameters": params} if params else {}
    attributes = chat | attributes
    if not model or model == response_model:
        return attributes
    return {"gen_ai.request.model" if response_model else RESPONSE_MODEL: model, **attributes}


RESPONSE_MODEL, RELEASE = "gen_ai.response.model", "langfuse.release"
TRACE_NAME = "langfuse.trace.metadata.name"
ROOT = RootKeys(
    "langfuse.observation.input",
    "langfuse.observation.output",
    "langfuse.observation.type",
    BARE,
    TRACE_NAME,
)


def find_usage(row: Object) -> Object:
    """Returns tokens by side, and cost; zeros without details mean unknown."""
    attributes: Object = {}
    if USAGE.isdisjoint(row):
        return attributes
    usage = parse_object(row.get("usage_details"))
    for side, name in (("input", "input_tokens"), ("output", "output_tokens")):
        counts = [n for key, n in usage.items() if key.startswith(side) and type(n) is int]
        total = sum(counts) if counts else row.get(f"{side}_usage") or count_raw(usage)[side]
        if total or counts:
            attributes[f"gen_ai.usage.{name}"] = total
    if total := usage.get("total") or row.get("total_usage"):
        attributes["gen_ai.usage.total_tokens"] = total
    if usage.keys() - SIDES:
        attributes["usage_details"] = usage
    if row.get("total_cost") and "total" not in parse_object(row.get("cost_details")):
        attributes["gen_ai.usage.cost"] = row["total_cost"]
    return attributes


def count_raw(usage: Object) -> Object:
    """Counts tokens under the provider's own names, as an application may pass them on."""
    fields = exchanges.describe_response({"usage": usage}) if usage else {}
    return {"input": fields.get("tokens_in"), "output": fields.get("tokens_out")}


USAGE = frozenset(("usage_details", "input_usage", "output_usage", "total_usage", "total_cost"))
SIDES = frozenset(("input", "output", "total"))
"""Keys of usage that have fields; if it has others (cached tokens), its details are kept too."""
NOTED_LEVELS = ("WARNING", "DEBUG")
"""Levels of observations besides the default and errors."""


NO_OBJECT = Refused("not-an-object", "An item of the page is no object; fetch the page again.")
