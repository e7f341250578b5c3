"""What products' exports of observations and runs have in common: values, moments, model calls.

Which of their columns says what is the format's; how a trace is made of it, `assembly`'s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from evals.records import Json, Refusal, Trace
from evals.traces.files.strict_json import OPENS, Parsed, Refused, parse_inner
from evals.traces.messages import exchanges
from evals.traces.messages.chat import Chat, as_json
from evals.traces.rows import canonical
from evals.traces.rows.canonical import Reading
from evals.traces.spans.assembly import build_row, read_trace
from evals.traces.spans.span_rows import write_spans
from evals.traces.spans.spans import Span

Object = dict[str, Json]
COMMIT = re.compile(r"[0-9a-f]{40}|(?=.*[a-f])(?=.*\d)[0-9a-f]{7,39}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONELESS = EPOCH.replace(tzinfo=None)
EMPTY: tuple[Json, ...] = (None, "", [], {})
"""Values that mean "empty" in exports that have no null."""
DOCUMENTS = ("documents", "docs", "results", "source_documents", "matches")


def build_trace(
    spans: list[Span], reading: Reading, form: str, more: Mapping[str, Json], app: str | None = None
) -> Trace | Refusal:
    """The trace of some spans and what else is known of it, or why it is none."""
    line = min(span.line for span in spans)
    parsed = None
    try:
        row = build_row(read_trace(spans), app)
        parsed = Parsed({**row, **more}, plain=False)
        return canonical.build_trace(parsed, reading, form, line)
    except Refused as problem:
        known = parsed or Parsed({"trace_id": spans[0].trace_id}, plain=False)
        return canonical.make_refusal(problem, write_spans(spans), line, reading, known)


def describe_call(asked: Json, answered: Json) -> Object:
    """Describes a model's call as attributes of a span: its chat and its response's details."""
    asked, answered = parse_text(asked), parse_text(answered)
    found: Object = {}
    chat = exchanges.read_messages(asked)
    if chat and chat[0].get("role") not in ("system", "developer") and type(answered) is dict:
        chat = [*exchanges.read_system(answered), *chat]
    if chat:
        found["gen_ai.input.messages"] = Chat(as_json(chat))
    if spoken := exchanges.read_messages(answered):
        found["gen_ai.output.messages"] = Chat(as_json(spoken))
    for key, value in exchanges.describe_response(answered).items():
        found[RESPONSE[key]] = value
    return found


RESPONSE = {
    "model": "gen_ai.response.model",
    "finish_reason": "gen_ai.response.finish_reasons",
    "tokens_in": "gen_ai.usage.input_tokens",
    "tokens_out": "gen_ai.usage.output_tokens",
    "system_fingerprint": "openai.response.system_fingerprint",
}


def find_documents(answered: Json) -> list[Json]:
    """The documents that a retriever's output lists."""
    value = parse_text(answered)
    if type(value) is dict:
        value = next((value[key] for key in DOCUMENTS if type(value.get(key)) is list), None)
    if type(value) is not list:
        return []
    return [unwrap_document(item) for item in value if type(item) in (dict, str)]


def unwrap_document(item: Any) -> Json:
    """A document, also as LangChain writes it and beside its score."""
    kwargs = item.get("kwargs") if type(item) is dict else None
    return kwargs if type(kwargs) is dict and "lc" in item else item


def place_release(release: Json, key: str, resource: Object) -> tuple[Object, Object]:
    """A release under a key of its own, and the resource, which has it where it is a git commit."""
    if release in EMPTY:
        return {}, resource
    if type(release) is str and COMMIT.fullmatch(release):
        return {}, {**resource, "vcs.ref.head.revision": release}
    return {key: release}, resource


def parse_text(value: Json) -> Json:
    """A value, read out of the JSON text it may be kept as."""
    return parse_inner(value) if type(value) is str and value[:1] in OPENS else value


def parse_object(value: Json) -> Object:
    """An object, read out of the JSON text it may be kept as; empty where it is none.

    Never written to: short ones, such as parameters, come again and again and are remembered.
    """
    value = parse_cached(value)
    return value if type(value) is dict else {}


def parse_cached(value: Json) -> Json:
    """What `held` gives, for values that nobody writes to: of equal short texts the same one."""
    if type(value) is not str or value[:1] not in OPENS:
        return value
    return parse_once(value) if len(value) <= SHORT else parse_inner(value)


parse_once = functools.lru_cache(maxsize=2**12)(parse_inner)
SHORT = 256
"""Longer texts seldom come twice."""


def list_objects(value: Json) -> list[Object]:
    """The objects of a list; none where it is no list."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def unquote(value: Json) -> Json:
    """A value that may be quoted twice over."""
    if type(value) is str and len(value) > 1 and value[0] == '"' == value[-1]:
        once = parse_inner(f"[{value}]")
        value = once[0] if type(once) is list and len(once) == 1 else value
    return value


def to_text(value: Any) -> str:
    """Text, or none."""
    return value if type(value) is str else "" if value is None else str(value)


def to_whole_number(value: Json) -> Json:
    """Converts a float without a fraction to an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def find_value(row: Object, names: Iterable[str]) -> Json:
    """Finds the first value under some names that is not empty."""
    return next((row[name] for name in names if row.get(name) not in EMPTY), None)


def to_nanoseconds(value: Json) -> int | None:
    """A moment in nanoseconds since 1970, of ISO text or epoch milliseconds.

    One without a zone is UTC, as both products keep all of theirs.
    """
    if type(value) is int or type(value) is float:
        return int(value * 10**6) if 0 < value < 10**13 else None
    return parse_iso(value) if type(value) is str and len(value) < 40 else None


@functools.lru_cache(maxsize=2**12)
def parse_iso(text: str) -> int | None:
    """Nanoseconds since 1970 of a moment in ISO text."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = moment - (EPOCH if moment.tzinfo else ZONELESS)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
