"""What the attributes of a span mean, whichever conventions they follow.

`attributes` maps attribute names to fields; `assembly` builds traces of spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from evals.records import Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.messages import chat, payloads
from evals.traces.messages.parts import Message, Messages, list_choices, read_parts
from evals.traces.messages.plain_text import to_text
from evals.traces.spans import genai, openinference, vendors
from evals.traces.spans.attributes import RANKS, VOCABULARIES, shorten_value, sort_attributes
from evals.traces.spans.mlflow_attributes import convert_attributes, has_mlflow_attributes
from evals.traces.spans.openinference import Annotation, list_items
from evals.traces.spans.spans import Event, Span

Object: TypeAlias = dict[str, Json]
KINDS = {word: kind for words in VOCABULARIES for word, kind in words.KINDS.items()}
NOT_PARAMS = ("model", "messages", "tools", "input", "prompt", "contents", "system")
"""Keys among a call's parameters that other fields hold."""


@dataclass(slots=True)
class SpanFacts:
    """One span, interpreted."""

    kind: str
    """llm, tool, retrieval, embedding, reranker, agent, chain, guardrail, evaluator, prompt,
    decision; `span` where the attributes name no such kind."""
    fields: Object
    """Values by field, as the attributes hold them."""
    input_messages: Messages = field(default_factory=list[Message])
    output_messages: Messages = field(default_factory=list[Message])
    documents: list[Object] = field(default_factory=list[Object])
    params: Object = field(default_factory=dict[str, Json])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    metadata: Object = field(default_factory=dict[str, Json])
    annotations: list[Annotation] = field(default_factory=list[Annotation])
    unknown: Object = field(default_factory=dict[str, Json])
    """Attributes of no convention, under their own names."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_other: int = 0
    """Tokens of a total that are neither input nor output."""
    cost: float | None = None
    error: str = ""

    @property
    def is_llm_work(self) -> bool:
        """Whether the span is about a model, a tool or a retrieval."""
        return self.kind != "span" or "input" in self.fields or "output" in self.fields

    @property
    def has_tokens(self) -> bool:
        """Whether the span counts tokens of any sort."""
        return self.tokens_in is not None or self.tokens_out is not None or self.tokens_other > 0

    def get_text(self, name: str) -> str | None:
        """Returns a field as text; None where it is missing or empty."""
        value = self.fields.get(name)
        if value is None:
            return None
        if type(value) is list and name == "finish_reason":
            value = value[0] if value else None
        return to_text(value) or None


def read_facts(span: Span) -> SpanFacts:
    """Interprets a span."""
    attributes = span.attributes
    if span.events:
        from_events = genai.read_events(span.events)
        attributes = {**from_events, **attributes} if from_events else attributes
    if has_mlflow_attributes(attributes):
        attributes = convert_attributes(attributes)
    return build_facts(span, *sort_attributes(attributes))


def build_facts(
    span: Span, fields: Object, maps: Mapping[str, Object], unknown: Object
) -> SpanFacts:
    """Builds the facts of a span from its sorted attributes."""
    for name in PARSED_FIELDS.intersection(fields):
        if type(value := fields[name]) is str:
            fields[name] = payloads.parse_quoted(value)
    facts = SpanFacts(find_kind(fields), fields, unknown=unknown)
    if facts.kind == "llm" or not CHAT_FIELDS.isdisjoint(fields):
        add_chat(facts)
    if "documents" in fields:
        items = list_items(fields["documents"])
        facts.documents = [openinference.read_document(item) for item in items]
    if maps or "params_json" in fields or "metadata_json" in fields:
        facts.params = collect_params(fields, maps)
        facts.metadata = collect_metadata(fields, maps)
    if maps or not VERSION_FIELDS.isdisjoint(fields):
        facts.versions = collect_versions(fields, maps)
    if not USAGE_FIELDS.isdisjoint(fields):
        add_usage(facts)
    if span.events or not ANNOTATION_FIELDS.isdisjoint(fields):
        facts.annotations = collect_annotations(fields, span.events)
    facts.error = find_error(span, facts)
    return facts


def add_chat(facts: SpanFacts) -> None:
    """Adds the messages of a model's call, and its finish reason where a message has one."""
    fields = facts.fields
    take_first_choice(facts)
    facts.input_messages = find_input_messages(fields, facts.kind)
    facts.output_messages = find_output_messages(fields, facts.kind)
    if "finish_reason" not in fields:
        reason = find_finish_reason(fields.get("output_messages"))
        if reason is not None:
            fields["finish_reason"] = reason


CHAT_FIELDS = frozenset(("input_messages", "output_messages", "system", "tool_calls"))
PARSED_FIELDS = frozenset(("input_messages", "output_messages", "system", "documents", "tools"))
"""Fields that may be JSON in a text, which is parsed once."""
GEMINI_COUNTS = ("tokens_written", "tokens_thought")
"""Gemini's counts of an answer and of the reasoning before it."""
USAGE_FIELDS = frozenset(
    ("tokens_in", "tokens_out", "tokens_total", "cost", "usage_json", "cost_json")
).union(GEMINI_COUNTS)
ANNOTATION_FIELDS = frozenset(("annotations", "outer_annotations"))


def find_error(span: Span, facts: SpanFacts) -> str:
    """Finds the error message: the last exception's, else the status's; empty where none failed."""
    error = span.error or facts.get_text("error") or ""
    for event in span.events:
        if event.name == "exception":
            error = to_text(event.attributes.get("exception.message")) or error
    return error


def find_kind(fields: Object) -> str:
    """Finds the kind of work that a span records."""
    word = fields.get("kind")
    if type(word) is str:
        kind = KINDS.get(word) or KINDS.get(word.lower())
        kind = kind or next((k for end, k in vendors.ENDINGS.items() if word.endswith(end)), None)
        if kind and kind != "span":
            return kind
    if "tool_name" in fields or "call_id" in fields:
        return "tool"
    if any(name in fields for name in MODEL_FIELDS):
        return "llm"
    return "retrieval" if "documents" in fields else "span"


MODEL_FIELDS = ("input_messages", "output_messages", "model", "model_requested")


def find_input_messages(fields: Object, kind: str) -> Messages:
    """Finds the messages that a model received, its instructions first."""
    messages = read_chat(fields.get("input_messages"), "user")
    if not messages and kind == "llm" and "input" in fields:
        messages = read_chat(fields["input"], "user")
    return add_instructions(messages, read_instructions(fields))


def read_instructions(fields: Object) -> str:
    """Reads the system's instructions that a span holds beside its messages; empty without any."""
    return read_parts(payloads.parse_quoted(fields.get("system"))).join_lines()


def add_instructions(messages: Messages, text: str) -> Messages:
    """Puts the system's instructions at the head of a chat, unless it begins with such."""
    if not text or (messages and messages[0]["role"] in ("system", "developer")):
        return messages
    return [Message(role="system", content=text), *messages]


def find_output_messages(fields: Object, kind: str) -> Messages:
    """Finds the messages that a model answered with."""
    messages = read_chat(fields.get("output_messages"), "assistant")
    if not messages and kind == "llm" and "output" in fields:
        messages = read_chat(fields["output"], "assistant")
    if "tool_calls" in fields:
        calls = read_parts(list_items(fields["tool_calls"])).calls
        if calls and not messages:
            messages = [Message(role="assistant", content="")]
        if calls:
            messages[-1] = {**messages[-1], "tool_calls": calls}
    return messages


def take_first_choice(facts: SpanFacts) -> None:
    """Takes the first of several choices for the answer; the others stay as unknown attributes."""
    value = facts.fields.get("output_messages")
    if type(value) is not list or len(value) < 2 or type(value) is chat.Chat:
        return
    value = list_choices(value, openinference.unwrap_item)
    params = parse_field(facts.fields, "params_json")
    count = params.get("n") if type(params) is dict else None
    asked = type(count) is int and 1 < count == len(value)
    if asked or all(map(is_choice, value)):
        facts.fields["output_messages"] = value[:1]
        facts.unknown["choices"] = value[1:]


def is_choice(item: Json) -> bool:
    """Whether a message is one of a model's choices.

    By OpenTelemetry's conventions each message of `gen_ai.output.messages` is one, and no choice
    has two. Some instrumentations record an agent's turns there: a message with anything but text,
    or of another role, is a turn of these, unless it ends with a reason or has an own index.
    """
    wrapped, item = item, openinference.unwrap_item(item)
    if type(item) is not dict:
        return False
    if item.get("finish_reason") or type(item.get("index")) is int:
        return True
    if openinference.is_completion(wrapped):
        return True
    parts = list_items(item.get("parts"))
    return (
        bool(parts)
        and item.get("role") in ("assistant", "model")
        and all(type(part) is dict and part.get("type") == "text" for part in parts)
    )


def find_finish_reason(value: Json) -> Json:
    """Finds the finish reason in a model's first message."""
    items = list_choices(list_items(value), openinference.unwrap_item)
    first = openinference.unwrap_item(items[0]) if items else None
    return first.get("finish_reason") if type(first) is dict else None


def read_chat(value: Json, role: str) -> Messages:
    """Reads a chat in any form: messages, or a single text of the given role."""
    if value is None or value == "":
        return []
    if type(value) is chat.Chat:
        return cast("Messages", list(value))  # checked when the Chat was made
    plain = payloads.parse_quoted(value)
    if type(plain) is list and plain and not all(map(is_chat_message, plain)):
        objects = [item for item in plain if type(item) is dict]
        if len(objects) == len(plain):
            plain = [add_role(item, role) for item in objects]
    messages = chat.read_messages(plain)
    if messages:
        return messages
    text = payloads.extract_words(value, role)
    return [Message(role=role, content=text)] if text else []


def add_role(item: Object, role: str) -> Json:
    """Converts a message to the shape that `chat` reads, with the role where it names none."""
    plain = openinference.read_message(item) if is_openinference(item) else item
    return {"role": role, **plain} if type(plain) is dict and has_no_role(plain) else plain


def is_chat_message(item: Json) -> bool:
    """Whether an item is a message in a shape that `chat` reads."""
    return type(item) is dict and "role" in item and "contents" not in item


def is_openinference(item: Object) -> bool:
    """Whether a message follows OpenInference."""
    prefixes = (key.partition(".")[0] for key in item)
    return "contents" in item or any(word in openinference.WRAPPERS for word in prefixes)


def has_no_role(item: Object) -> bool:
    """Whether a message names no role, as those of single events and completions may."""
    has_text = "content" in item or "text" in item
    return has_text and "type" not in item and chat.find_role(item) is None


def parse_field(fields: Object, name: str) -> Json:
    """Parses a field that is an object or JSON text; None where it is missing."""
    value = fields.get(name)
    return parse_wrapper(value) if type(value) is str else value


def collect_params(fields: Object, maps: Mapping[str, Object]) -> Object:
    """Collects the parameters of a call; where only they name the model, adds it to the fields."""
    params = {**maps.get("params", {})}
    inner = parse_field(fields, "params_json")
    if type(inner) is dict:
        if type(model := inner.get("model")) is str and model:
            fields.setdefault("model_requested", model)
        params |= {key: value for key, value in inner.items() if key not in NOT_PARAMS}
    return {
        key: value for key, value in params.items() if value is not None and "headers" not in key
    }


VERSION_FIELDS = frozenset(name for name, _ in RANKS.values() if name.startswith("versions."))


def collect_versions(fields: Object, maps: Mapping[str, Object]) -> dict[str, str]:
    """Collects the versions and feature flags that a span ran with, each at most 200 characters."""
    versions = {**maps.get("versions", {})}
    for name in sorted(VERSION_FIELDS.intersection(fields)):
        versions[name.removeprefix("versions.")] = fields[name]
    if "flags" in maps:
        versions |= {f"flag.{key}": value for key, value in maps["flags"].items()}
    return {key: to_text(value)[:200] for key, value in versions.items() if value != ""}


def collect_metadata(fields: Object, maps: Mapping[str, Object]) -> Object:
    """Collects a team's own metadata, under its own names."""
    metadata = {key: shorten_value(value) for key, value in maps.get("metadata", {}).items()}
    inner = parse_field(fields, "metadata_json")
    if type(inner) is dict:
        metadata = {**inner, **metadata}
    elif inner:
        metadata["metadata"] = inner
    if "variables" in maps:
        metadata["prompt_variables"] = maps["variables"]
    return metadata


def add_usage(facts: SpanFacts) -> None:
    """Adds tokens and cost; token counts that are no numbers stay among the unknown attributes."""
    fields = facts.fields
    usage, cost = parse_field(fields, "usage_json"), parse_field(fields, "cost_json")
    usage = usage if type(usage) is dict else {}
    cost = cost if type(cost) is dict else {}
    facts.tokens_in = to_count(fields.get("tokens_in", usage.get("input")))
    counts = [to_count(fields.get(name)) for name in GEMINI_COUNTS]
    found = [count for count in counts if count is not None]
    apart = sum(found) if found else None
    facts.tokens_out = to_count(fields.get("tokens_out", usage.get("output", apart)))
    total = to_count(fields.get("tokens_total", usage.get("total")))
    facts.tokens_other = max((total or 0) - (facts.tokens_in or 0) - (facts.tokens_out or 0), 0)
    facts.cost = to_amount(fields.get("cost", cost.get("total")))
    for name, value in (("tokens_in", facts.tokens_in), ("tokens_out", facts.tokens_out)):
        if value is None and name in fields:
            facts.unknown[name] = shorten_value(fields[name])


def to_count(value: Json) -> int | None:
    """Converts a value to a count; None where it is none."""
    if type(value) is str and value.removesuffix(".0").isdecimal() and len(value) < 19:
        value = int(value.removesuffix(".0"))
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**63 else None


def to_amount(value: Json) -> float | None:
    """Converts a value to an amount of money; None where it is none."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) is not int and type(value) is not float:
        return None
    return float(value) if 0 <= value < 1e12 else None


def collect_annotations(fields: Object, events: Iterable[Event]) -> list[Annotation]:
    """Collects the scores and annotations of a span and its events."""
    items = [
        item
        for name in ("annotations", "outer_annotations")
        for item in list_items(fields.get(name))
    ]
    annotations = [openinference.read_annotation(item) for item in items]
    annotations += [
        read_evaluation(event.attributes) for event in events if event.name == genai.EVALUATION
    ]
    return [annotation for annotation in annotations if annotation]


def read_evaluation(attributes: Object) -> Annotation | None:
    """Reads a `gen_ai.evaluation.result`; None where it names nothing."""
    return openinference.read_annotation(
        {
            "name": attributes.get("gen_ai.evaluation.name"),
            "label": attributes.get("gen_ai.evaluation.score.label"),
            "score": attributes.get("gen_ai.evaluation.score.value"),
            "explanation": attributes.get("gen_ai.evaluation.explanation"),
        }
    )
