"""What a span's attributes mean, whichever conventions they follow.

Which attribute tells which field is `attributes`' to say; what a trace is made of, `assembly`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from evals.records import Json
from evals.traces.files.strict_json import parse_inner as embedded
from evals.traces.messages import chat, payloads
from evals.traces.spans import genai, openinference, vendors
from evals.traces.spans.attributes import RANKS, VOCABULARIES, shorten, sort_attributes
from evals.traces.spans.openinference import list_items
from evals.traces.spans.spans import Event, Span

KINDS = {word: kind for words in VOCABULARIES for word, kind in words.KINDS.items()}
PARAMS_ELSEWHERE = ("model", "messages", "tools", "input", "prompt", "contents", "system")


@dataclass(slots=True)
class Facts:
    """One span, understood."""

    kind: str
    """llm, tool, retrieval, embedding, reranker, agent, chain, guardrail, evaluator, prompt,
    decision; `span` where the attributes name no such thing."""
    said: dict[str, Json]
    """The fields that stand in one attribute, as found."""
    asked: chat.Messages = field(default_factory=list)
    """Messages sent to a model."""
    answered: chat.Messages = field(default_factory=list)
    documents: list[dict[str, Json]] = field(default_factory=list)
    params: dict[str, Json] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Json] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(default_factory=list)
    rest: dict[str, Json] = field(default_factory=dict)
    """Attributes nobody knows, under their own names."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None
    error: str = ""

    @property
    def is_llm_work(self) -> bool:
        """Whether anything of this span is about a model, a tool or a retrieval."""
        said = self.said
        return self.kind != "span" or "input" in said or "output" in said

    def text(self, name: str) -> str | None:
        """A field as text; None where it is absent or empty."""
        value = self.said.get(name)
        if value is None:
            return None
        if type(value) is list and name == "finish_reason":
            value = value[0] if value else None
        return chat.to_text(value) or None


def read_facts(span: Span) -> Facts:
    """Reads the facts of a span."""
    attributes = span.attributes
    if span.events:
        told = genai.read_events(span.events)
        attributes = {**told, **attributes} if told else attributes
    return build_facts(span, *sort_attributes(attributes))


def build_facts(
    span: Span,
    said: dict[str, Json],
    maps: dict[str, dict[str, Json]],
    rest: dict[str, Json],
) -> Facts:
    """The facts of what was found."""
    for name in PARSED.intersection(said):
        if type(value := said[name]) is str:
            said[name] = payloads.parse_quoted(value)
    facts = Facts(find_kind(said), said, rest=rest)
    if facts.kind == "llm" or not CHATS.isdisjoint(said):
        add_chat(facts)
    if "documents" in said:
        found = list_items(said["documents"])
        facts.documents = [openinference.read_document(item) for item in found]
    if maps or "params_json" in said or "metadata_json" in said:
        facts.params = collect_params(said, maps)
        facts.metadata = collect_metadata(said, maps)
    if maps or not VERSIONS.isdisjoint(said):
        facts.versions = collect_versions(said, maps)
    if not MEASURES.isdisjoint(said):
        add_usage(facts)
    if span.events or not ANNOTATED.isdisjoint(said):
        facts.labels = collect_labels(said, span.events)
    facts.error = find_error(span, facts)
    return facts


def add_chat(facts: Facts) -> None:
    """Adds the messages of a model's call, and its finish reason where a message has one."""
    said = facts.said
    facts.asked = find_asked(said, facts.kind)
    facts.answered = find_answered(said, facts.kind)
    if (
        "finish_reason" not in said
        and (reason := find_finish_reason(said.get("answered"))) is not None
    ):
        said["finish_reason"] = reason


CHATS = frozenset(("asked", "answered", "system", "calls"))
PARSED = frozenset(("asked", "answered", "system", "documents", "tools"))
"""Fields that are JSON in a text, read once."""
MEASURES = {"tokens_in", "tokens_out", "cost", "usage_json", "cost_json"}
ANNOTATED = {"annotations", "annotations_too"}


def find_error(span: Span, facts: Facts) -> str:
    """What went wrong, in the words of the last exception where there was one."""
    error = span.error or facts.text("error") or ""
    for event in span.events:
        if event.name == "exception":
            error = chat.to_text(event.attributes.get("exception.message")) or error
    return error


def find_kind(said: dict[str, Json]) -> str:
    """What sort of work a span is."""
    word = said.get("kind")
    if type(word) is str:
        kind = KINDS.get(word) or KINDS.get(word.lower())
        kind = kind or next((k for end, k in vendors.ENDINGS.items() if word.endswith(end)), None)
        if kind and kind != "span":
            return kind
    if "tool_name" in said or "call_id" in said:
        return "tool"
    if any(name in said for name in ("asked", "answered", "model", "model_requested")):
        return "llm"
    return "retrieval" if "documents" in said else "span"


def find_asked(said: dict[str, Json], kind: str) -> chat.Messages:
    """The messages a model was sent, its instructions first."""
    found = read_chat(said.get("asked"), "user")
    if not found and kind == "llm" and "input" in said:
        found = read_chat(said["input"], "user")
    if "system" in said and not (found and found[0]["role"] in ("system", "developer")):
        texts = chat.read_parts(payloads.parse_quoted(said["system"])).texts
        if texts:
            found.insert(0, {"role": "system", "content": "\n".join(texts)})
    return found


def find_answered(said: dict[str, Json], kind: str) -> chat.Messages:
    """The messages a model answered with."""
    found = read_chat(said.get("answered"), "assistant")
    if not found and kind == "llm" and "output" in said:
        found = read_chat(said["output"], "assistant")
    if "calls" in said:
        known = chat.read_parts(list_items(said["calls"])).calls
        if known and not found:
            found = [chat.Message(role="assistant", content="")]
        if known:
            found[-1] = {**found[-1], "tool_calls": known}
    return found


def find_finish_reason(value: Json) -> Json:
    """Finds the finish reason in a model's first message."""
    items = list_items(value)
    first = openinference.unwrap_item(items[0]) if items else None
    return first.get("finish_reason") if type(first) is dict else None


def read_chat(value: Json, role: str) -> chat.Messages:
    """A chat in whatever form: messages, or one text of somebody."""
    if value is None or value == "":
        return []
    if type(value) is chat.Chat:
        return cast("chat.Messages", list(value))
    plain = payloads.parse_quoted(value)
    if type(plain) is list and plain and not all(map(is_chat_message, plain)):
        objects = [item for item in plain if type(item) is dict]
        if len(objects) == len(plain):
            plain = [with_role(item, role) for item in objects]
    found = chat.read_messages(plain)
    if found:
        return found
    words = payloads.extract_words(value, role)
    return [chat.Message(role=role, content=words)] if words else []


def with_role(item: dict[str, Json], role: str) -> Json:
    """A message in the shape that `chat` reads, given a role where it names none."""
    plain = openinference.read_message(item) if is_openinference(item) else item
    return {"role": role, **plain} if type(plain) is dict and has_no_role(plain) else plain


def is_chat_message(item: Json) -> bool:
    """Whether an item is a message in a shape that `chat` reads."""
    return type(item) is dict and "role" in item and "contents" not in item


def is_openinference(item: dict[str, Json]) -> bool:
    """Whether a message is in the words of OpenInference."""
    words = (key.partition(".")[0] for key in item)
    return "contents" in item or any(word in openinference.WRAPPERS for word in words)


def has_no_role(item: dict[str, Json]) -> bool:
    """Whether a message names nobody, as those of single events and completions may."""
    speaks = "content" in item or "text" in item
    return speaks and "type" not in item and chat.find_role(item) is None


def collect_params(said: dict[str, Json], maps: dict[str, dict[str, Json]]) -> dict[str, Json]:
    """Collects the parameters of a call; they may be the only place that names the model."""
    found = dict(maps.get("params", ()))
    inner = embedded(told) if type(told := said.get("params_json")) is str else told
    if type(inner) is dict:
        if type(model := inner.get("model")) is str and model:
            said.setdefault("model_requested", model)
        found |= {key: value for key, value in inner.items() if key not in PARAMS_ELSEWHERE}
    return {
        key: value for key, value in found.items() if value is not None and "headers" not in key
    }


VERSIONS = frozenset(name for name, _ in RANKS.values() if name.startswith("versions."))


def collect_versions(said: dict[str, Json], maps: dict[str, dict[str, Json]]) -> dict[str, str]:
    """What else ran in some version: each a possible cause of a change."""
    found = dict(maps.get("versions", ())) if maps else {}
    for name in sorted(VERSIONS.intersection(said)):
        found[name[9:]] = said[name]
    if "flags" in maps:
        found |= {f"flag.{key}": value for key, value in maps["flags"].items()}
    return {key: chat.to_text(value)[:200] for key, value in found.items() if value != ""}


def collect_metadata(said: dict[str, Json], maps: dict[str, dict[str, Json]]) -> dict[str, Json]:
    """What a team wrote beside, under the names it gave."""
    found = {key: shorten(value) for key, value in maps.get("metadata", {}).items()}
    inner = embedded(told) if type(told := said.get("metadata_json")) is str else told
    if type(inner) is dict:
        found = {**inner, **found}
    elif inner:
        found["metadata"] = inner
    if "variables" in maps:
        found["prompt_variables"] = maps["variables"]
    return found


def add_usage(facts: Facts) -> None:
    """Tokens and cost; what is no number stays among the rest."""
    said = facts.said
    usage = embedded(told) if type(told := said.get("usage_json")) is str else told
    usage = usage if type(usage) is dict else {}
    price = embedded(told) if type(told := said.get("cost_json")) is str else told
    price = price if type(price) is dict else {}
    facts.tokens_in = to_count(said.get("tokens_in", usage.get("input")))
    facts.tokens_out = to_count(said.get("tokens_out", usage.get("output")))
    facts.cost = to_amount(said.get("cost", price.get("total")))
    for name, value in (("tokens_in", facts.tokens_in), ("tokens_out", facts.tokens_out)):
        if value is None and name in said:
            facts.rest[name] = shorten(said[name])


def to_count(value: Json) -> int | None:
    """A count; None where a value is none."""
    if type(value) is str and value.removesuffix(".0").isdecimal() and len(value) < 19:
        value = int(value.removesuffix(".0"))
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**63 else None


def to_amount(value: Json) -> float | None:
    """A sum of money; None where a value is none."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) is not int and type(value) is not float:
        return None
    return float(value) if 0 <= value < 1e12 else None


def collect_labels(said: dict[str, Json], events: Iterable[Event]) -> list[dict[str, Any]]:
    """Scores and people's words, as the arguments of labels."""
    found = []
    for name in ("annotations", "annotations_too"):
        found += [openinference.read_annotation(item) for item in list_items(said.get(name))]
    found += [
        read_evaluation(event.attributes) for event in events if event.name == genai.EVALUATION
    ]
    return [label for label in found if label]


def read_evaluation(told: dict[str, Json]) -> dict[str, Any] | None:
    """A `gen_ai.evaluation.result`, as the arguments of a label."""
    return openinference.read_annotation(
        {
            "name": told.get("gen_ai.evaluation.name"),
            "label": told.get("gen_ai.evaluation.score.label"),
            "score": told.get("gen_ai.evaluation.score.value"),
            "explanation": told.get("gen_ai.evaluation.explanation"),
        }
    )
