"""Azure's diagnostic logs: API Management's gateway and LLM logs, and Azure OpenAI's own.

An LLM log has a call in several entries, numbered, with one correlation id; the gateway's entry of
the same id adds status, duration and subscription. Azure OpenAI's RequestResponse has no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from evals.records import Json, NonAnswer, encode_canonical
from evals.traces.files.documents import list_key_paths
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused
from evals.traces.formats.call_logs import (
    EMPTY,
    WITHOUT_TEXT,
    add_metadata,
    choose_model,
    complete_step,
    drop_empty,
    find_first,
    get_object,
    has_text,
    read_count,
    read_number,
    shorten_model,
)
from evals.traces.messages import calls
from evals.traces.messages.bodies import find_other_kind, is_model_call
from evals.traces.messages.parts import Object
from evals.traces.rows import canonical
from evals.traces.rows.canonical import ImporterOutput, Reading
from evals.traces.rows.product_rows import parse_product_row
from evals.traces.spans.spans import Span, SpanStore

NAME = "azure"
CATEGORY = re.compile(
    rb'(?i)"category(?:_s)?"\s*:\s*"(?:GatewayLogs|GatewayLlmLogs|RequestResponse|Audit|Trace)"'
)
LLM_KEYS = frozenset(("requestmessages", "responsemessages", "prompttokens", "completiontokens"))
"""Columns of an entry of the LLM log."""
SUFFIX = re.compile(r"_[sdgbt]$| \[UTC\]$")
"""What Log Analytics appends to a column's name: its type, or the zone."""
PORTAL_TIME = re.compile(r"\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d(?:\.\d+)? [AP]M")
WITHOUT_BODIES = (
    "The log has no text of answers: Azure OpenAI's RequestResponse log has only "
    "lengths and times. Export API Management's GatewayLlmLogs with request and response "
    "messages logged, or its GatewayLogs with bodies."
)


def sniff(head: bytes, filename: str) -> bool:
    """Whether rows are entries of a diagnostic log, or of the tables that hold them."""
    paths = list_key_paths(head)
    keys = {SUFFIX.sub("", path.removeprefix("records.")).lower() for path in paths}
    if "category" in keys and keys & {"operationname", "resourceid", "_resourceid"}:
        return bool(keys & {"correlationid", "backendresponsebody"}) or bool(CATEGORY.search(head))
    if "tables.columns" in paths:
        return b'"CorrelationId"' in head
    return "correlationid" in keys and bool(keys & (LLM_KEYS | {"backendresponsebody"}))


def read(rows: Iterable[Line], reading: Reading) -> Iterator[ImporterOutput]:
    """Yields the traces of the calls that the entries describe, after refusals and the skipped."""
    textless = texts = 0
    with SpanStore() as store:
        for line in rows:
            for output in store_row(line, store, reading):
                textless += isinstance(output, NonAnswer)
                yield output
        for entries in store.group_by_trace():
            output = build_call(entries, reading)
            is_textless = isinstance(output, NonAnswer) and output.kind == WITHOUT_TEXT
            textless += is_textless
            texts += not is_textless
            yield output
    if textless and not texts:
        problem = Refused("no-answer-text", WITHOUT_BODIES)
        yield canonical.make_refusal(problem, b"", 0, reading)


def store_row(line: Line, store: SpanStore, reading: Reading) -> Iterator[ImporterOutput]:
    """Stores the entries of a row as spans, which are grouped by correlation id.

    Yields the refusals of those that are none, and the entries that belong to no call.
    """
    entries: list[Json] = []
    try:
        entries = list_entries(parse_product_row(line, reading))
    except Refused as problem:
        yield canonical.make_refusal(problem, line.raw, line.number, reading)
    for entry in entries:
        flat = flatten_entry(entry) if type(entry) is dict else {}
        call_id = find_first(flat, "correlationid", "requestid")
        if type(call_id) is str:
            span = Span(call_id, "", "", "", None, None, flat, line=line.number)
            store.add_spans([span], len(line.raw) // len(entries))
        elif "category" in flat or "metricname" in flat:
            yield NonAnswer(line.number, WITHOUT_TEXT)
        else:
            raw = line.raw if len(entries) == 1 else encode_canonical(entry)
            yield canonical.make_refusal(NOT_AZURE, raw, line.number, reading)


NOT_AZURE = Refused(
    "not-azure",
    "The row is no entry of an Azure diagnostic log with a `correlationId`; leave it out.",
)


def list_entries(row: Object) -> list[Json]:
    """Lists the entries of a row: its own, those under `records`, or of the tables of a query."""
    if type(records := row.get("records")) is list:
        return records
    tables = row.get("tables")
    if type(tables) is not list:
        return [row]
    return [entry for table in tables if type(table) is dict for entry in list_table(table)]


def list_table(table: Object) -> Iterator[Json]:
    """Yields the rows of a table, as the API of Log Analytics returns it."""
    columns, rows = table.get("columns"), table.get("rows")
    listed = columns if type(columns) is list else []
    names = [str(column.get("name")) for column in listed if type(column) is dict]
    for row in rows if type(rows) is list else ():
        if type(row) is list:
            yield dict(zip(names, row, strict=False))


def flatten_entry(entry: Object) -> Object:
    """Returns an entry's columns and properties at one level, by name in lower case."""
    flat: Object = {}
    for key, value in entry.items():
        if key.lower() in ("properties", "properties_s"):
            continue
        flat[SUFFIX.sub("", key).lower()] = value
    properties = get_object(entry, "properties", "Properties", "properties_s")
    return {**flat, **{key.lower(): value for key, value in properties.items()}}


def build_call(spans: list[Span], reading: Reading) -> ImporterOutput:
    """Builds the trace of the entries of one call, its refusal, or what it is instead."""
    entries = [span.attributes for span in spans]
    row: Object = {"trace_id": spans[0].trace_id}
    try:
        fields = convert_call(entries)
        if isinstance(fields, str):
            return NonAnswer(spans[0].line, fields)
        row |= drop_empty(complete_step(fields))
        return canonical.build_trace(row, reading, NAME, spans[0].line)
    except Refused as problem:
        raw = encode_canonical({"records": entries})
        return canonical.make_refusal(problem, raw, spans[0].line, reading, row)


def convert_call(entries: list[Object]) -> Object | str:
    """Converts the entries of one call."""
    llm = sorted(filter(is_llm_entry, entries), key=find_position)
    merged = merge_entries([*llm, *(entry for entry in entries if not is_llm_entry(entry))])
    request = read_messages(llm, "requestmessages") or calls.decode_body(
        find_first(merged, "backendrequestbody", "requestbody")
    )
    response = read_messages(llm, "responsemessages") or calls.decode_response(
        find_first(merged, "backendresponsebody", "responsebody")
    )
    deployment = find_deployment(merged)
    operation = find_first(merged, "operationid", "operationname")
    if kind := find_other_kind(response, deployment, merged.get("modelname"), operation):
        return kind
    fields = calls.describe_call(request, response, describe_problem(merged, response))
    if not has_text(fields, response) or not (llm or is_model_call(request, response)):
        return WITHOUT_TEXT
    return describe(merged, fields, deployment)


def describe(merged: Object, fields: Object, deployment: str | None) -> Object:
    """Describes a call: what its bodies say, and what the entries have beside them."""
    model, tokens = (
        merged.get("modelname"),
        (merged.get("prompttokens"), merged.get("completiontokens")),
    )
    steps = fields.get("steps")
    error = steps[0].get("error") if type(steps) is list and type(steps[0]) is dict else None
    blocked = type(error) is str and error.startswith("content_filter")
    fields |= {
        "ts": read_time(find_first(merged, "time", "timegenerated", "timestamp")),
        "provider": find_provider(merged),
        "model_requested": deployment or fields.get("model_requested"),
        "model": choose_model(fields, model, fields.get("model_requested")),
        "finish_reason": fields.get("finish_reason") or ("content_filter" if blocked else None),
        "tokens_in": find_tokens(tokens[0], fields.get("tokens_in")),
        "tokens_out": find_tokens(tokens[1], fields.get("tokens_out")),
        "latency_ms": find_duration(merged),
    }
    more = {key: find_first(merged, *columns) for key, columns in KEPT.items()}
    return add_metadata(fields, more)


KEPT = {
    "api": ("apiid",),
    "operation": ("operationid", "operationname"),
    "region": ("region",),
    "subscription": ("apimsubscriptionid",),
    "response_code": ("responsecode",),
    "request_id": ("requestid",),
    "cache": ("cache",),
}
"""Columns that are kept in metadata, by their name there."""


def is_llm_entry(entry: Object) -> bool:
    """Whether an entry is one of the LLM log."""
    return not LLM_KEYS.isdisjoint(entry)


def find_position(entry: Object) -> float:
    """Returns the position of an entry among those of its call."""
    return read_number(entry.get("sequencenumber")) or 0.0


def merge_entries(entries: list[Object]) -> Object:
    """Merges the entries of a call; the earliest time counts, and any other value once."""
    merged: Object = {}
    for entry in entries:
        for key, value in entry.items():
            if value in EMPTY or (key in COUNTS and not read_number(value)):
                continue
            merged.setdefault(key, value)
    return merged


COUNTS = ("prompttokens", "completiontokens", "totaltokens")
"""Columns that are zero in all entries but one."""


def read_messages(entries: list[Object], column: str) -> Object:
    """Reads the messages of a call, which may be cut into several entries.

    A piece is a list of messages, whose first goes on with the last of the piece before; or a
    piece of the text of one list.
    """
    pieces = [piece for entry in entries if (piece := entry.get(column)) not in EMPTY]
    texts = [piece for piece in pieces if type(piece) is str]
    whole = parse_wrapper("".join(texts)) if len(texts) == len(pieces) > 1 else None
    messages: list[Json] = whole if type(whole) is list else []
    for piece in () if messages else pieces:
        listed = parse_wrapper(piece) if type(piece) is str else piece
        for n, message in enumerate(listed if type(listed) is list else [listed]):
            add_message(messages, message, goes_on=n == 0)
    if not messages:
        return {}
    if column == "requestmessages":
        return {"messages": messages}
    return {"choices": [{"message": name_speaker(messages[-1])}]}


def add_message(messages: list[Json], message: Json, *, goes_on: bool) -> None:
    """Adds a message; the first of a piece goes on with the last before, if both have one role."""
    last = messages[-1] if messages else None
    if goes_on and type(last) is dict and type(message) is dict:
        before, more = last.get("content"), message.get("content")
        if last.get("role") == message.get("role") and type(before) is str and type(more) is str:
            messages[-1] = {**last, "content": before + more}
            return
    messages.append(message)


def name_speaker(message: Json) -> Json:
    """Returns an answer's message with its role, which the log may leave out."""
    if type(message) is str:
        return {"role": "assistant", "content": message}
    return {"role": "assistant", **message} if type(message) is dict else message


def find_deployment(merged: Object) -> str | None:
    """Returns the deployment: as logged, or in the address of the request."""
    name = find_first(merged, "deploymentname", "modeldeploymentname")
    if type(name) is str:
        return shorten_model(name)
    address = find_first(merged, "backendurl", "url")
    match = re.search(r"/deployments/([^/?]+)", address) if type(address) is str else None
    return match[1] if match else None


def find_provider(merged: Object) -> str | None:
    """Returns the provider where the backend's address names Azure."""
    address = merged.get("backendurl")
    azure = ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")
    is_azure = type(address) is str and any(host in address for host in azure)
    return "azure.ai.openai" if is_azure else None


def find_tokens(logged: Json, counted: Json) -> Json:
    """Returns a count of the response's, or else of the log."""
    return counted if counted is not None else read_count(logged)


def find_duration(merged: Object) -> float | None:
    """Returns how long the call took, in milliseconds."""
    took = read_number(find_first(merged, "durationms", "totaltime", "backendtime"))
    return took if took is not None and took >= 0 else None


def describe_problem(merged: Object, response: Object) -> str | None:
    """Describes the error of a call: the response's, the gateway's, or a status."""
    error = calls.describe_error(response.get("error"))
    reasons = (merged.get("lasterrorreason"), merged.get("lasterrormessage"))
    gateway = ": ".join(reason for reason in reasons if type(reason) is str and reason)
    status = find_first(merged, "responsecode", "backendresponsecode", "resultsignature")
    failed = calls.describe_status(read_count(status))
    if gateway and failed:
        return error or f"{failed}: {gateway}"
    return error or failed


def read_time(value: Json) -> Json:
    """Returns a time in ISO form, also one as the portal exports it."""
    if type(value) is not str or not PORTAL_TIME.fullmatch(value):
        return value
    form = "%m/%d/%Y, %I:%M:%S.%f %p" if "." in value else "%m/%d/%Y, %I:%M:%S %p"
    return datetime.strptime(value, form).replace(tzinfo=UTC).isoformat()
