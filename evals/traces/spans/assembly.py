"""The spans of a trace as one row under canonical names, with its steps.

`facts` interprets attributes, `steps` builds steps; `canonical` checks what a field may hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from evals.records import AnswerStatus, Json, digest
from evals.traces.files.strict_json import OPENS, Refused, to_canonical_text
from evals.traces.messages import chat, payloads
from evals.traces.messages.parts import Messages
from evals.traces.messages.plain_text import to_text
from evals.traces.rows.statuses import TIMEOUT
from evals.traces.spans.facts import SpanFacts, read_facts
from evals.traces.spans.instructions import inherit_instructions
from evals.traces.spans.openinference import list_items
from evals.traces.spans.spans import Span, SpanTree, join_spans
from evals.traces.spans.steps import (
    TraceContent,
    build_step,
    find_unrecorded_calls,
    join_answer,
    measure_latency,
    to_iso,
)
from evals.traces.spans.usage import (
    NOT_GENERATIVE,
    TOKENS_OTHER,
    count_other_tokens,
    sum_usage,
)

Object: TypeAlias = dict[str, Json]
RESOURCE_FIELDS = ("service.name", "service.version", "vcs.ref.head.revision")
"""Keys of a resource that fields of the row hold, so that metadata need not."""
VERSION = re.compile(r"(?!prompt[._])(.{1,64})[._]version")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
PROJECTS = ("service.name", "openinference.project.name", "langsmith.project", "project.name")
COMMITS = (
    "vcs.ref.head.revision",
    "vcs.revision",
    "git.commit.sha",
    "langsmith.metadata.revision_id",
)
ROOT_STATE = "root"
"""The metadata key that marks an incomplete root: `missing`, `begun` or `ended`."""
INNER_KINDS = ("tool", "retrieval", "reranker", "embedding")
"""Kinds whose input and output are seldom the trace's own."""
INNER_OUTPUT_KINDS = (*INNER_KINDS, "guardrail", "evaluator")


class TraceSpans:
    """The spans of one trace in order of time, with the facts of each."""

    def __init__(self, spans: Sequence[Span], facts: Sequence[SpanFacts]) -> None:
        self.spans, self.facts, self.tree = spans, facts, SpanTree(spans)
        self.root, self.root_facts = spans[self.tree.root], facts[self.tree.root]
        depths = self.tree.depths
        order = sorted(range(len(facts)), key=depths.__getitem__)
        self.outermost_first = [
            self.root_facts,
            *(facts[n] for n in order if n != self.tree.root),
        ]
        """The root's facts, then the others by depth."""
        self.fields: Object = {}
        """Every field, from the root or else from the first span that has it."""
        self.resource: Object = {}
        """Every key of the resources, from the root's or else from the first that has it."""
        merged: set[int] = set()
        for span, span_facts in zip(reversed(spans), reversed(facts), strict=True):
            self.fields |= span_facts.fields
            if id(span.resource) not in merged:
                self.resource |= span.resource
                merged.add(id(span.resource))
        self.fields |= self.root_facts.fields
        self.resource |= self.root.resource
        is_bare = self.root_facts.kind in ("agent", "chain", "span") and not self.root.parent_id
        self.bare_root = self.tree.root if is_bare else None
        """The index of a root that is the trace itself and no step of it."""

    def get_text(self, field: str) -> str | None:
        """Returns a field as text, from the root or else from the first span that has it."""
        value = self.fields.get(field)
        return None if value is None else to_text(value) or None

    def find_attribute(self, *keys: str) -> str | None:
        """Finds the first of some attributes that a resource has, or else the root."""
        for attributes in (self.resource, self.root.attributes):
            for key in keys:
                if (value := attributes.get(key)) not in (None, ""):
                    return to_text(value)
        return None


def read_trace(spans: Sequence[Span]) -> TraceSpans:
    """Merges and interprets the spans of a trace.

    Raises:
        Refused: `no-llm-span`.
    """
    ordered = join_spans(spans)
    every_facts = [read_facts(span) for span in ordered]
    if not any(facts.is_llm_work for facts in every_facts):
        raise Refused(
            "no-llm-span",
            "The trace has no span of a model, a tool, a retrieval or an agent; leave such traces "
            "out in the exporter, or instrument the application with GenAI conventions.",
        )
    trace = TraceSpans(ordered, every_facts)
    inherit_instructions(trace.facts, trace.tree)
    return trace


def build_row(trace: TraceSpans, app: str | None = None) -> Object:
    """Builds the trace's row under canonical names, without unknown fields.

    Args:
        trace: The spans.
        app: The application, where no span names one.
    """
    answer = find_answer(trace)
    answer_call = trace.facts[answer] if answer is not None else None
    output = find_output(trace, answer_call)
    messages = find_messages(trace, answer_call)
    service = find_app(trace)
    metadata = collect_metadata(trace, service)
    row: Object = {
        "trace_id": trace.root.trace_id,
        "ts": to_iso(find_start(trace)),
        "app": service or app,
        "input": find_input(trace, messages),
        "output": output,
        "messages": chat.as_json(messages) or None,
        "context": join_passages(trace.facts),
        "steps": [*build_steps(trace, answer, output)],
        "latency_ms": measure_latency(trace.root),
        "git_commit": trace.find_attribute(*COMMITS),
        "prompt_name": trace.get_text("prompt_name"),
        "prompt_version": trace.get_text("prompt_version"),
        "prompt_hash": find_prompt_hash(trace),
        "session_id": trace.get_text("session_id"),
        "user_id": trace.get_text("user_id"),
        "versions": {**find_metadata_versions(metadata), **collect_versions(trace)},
        "tags": [*collect_tags(trace.facts)],
        "metadata": metadata,
        "status": find_failure(trace),
        **describe_model(trace, answer_call),
        **sum_usage(trace.facts, trace.tree),
    }
    return {key: value for key, value in row.items() if value is not None}


def find_failure(trace: TraceSpans) -> AnswerStatus | None:
    """Finds how the request failed as a whole: by its root's status, not by a handled exception."""
    kind = trace.root_facts.get_text("error") or ""
    if trace.root.parent_id or not (trace.root.error or kind):
        return None
    return "timeout" if TIMEOUT.search(f"{kind} {trace.root_facts.error}") else "error"


def find_start(trace: TraceSpans) -> int | None:
    """Finds the start of the root, or else of the first span or event with a time."""
    starts = (span.start for span in (trace.root, *trace.spans))
    events = (event.ts for span in trace.spans for event in span.events)
    return next((time for time in (*starts, *events) if time), None)


def find_messages(trace: TraceSpans, answer_call: SpanFacts | None) -> Messages:
    """Finds the trace's chat: what the answering call received, or else what the root did."""
    if answer_call and (answer_call.input_messages or answer_call.output_messages):
        return answer_call.input_messages
    if trace.root_facts.input_messages:  # the calls may record nothing, and their agent all
        return trace.root_facts.input_messages
    return [] if answer_call else chat.read_messages(trace.root_facts.fields.get("input"))


def describe_model(trace: TraceSpans, answer_call: SpanFacts | None) -> Object:
    """Describes the model of the call that answered, or else of the first span that names one."""
    model: Object = {"params": answer_call.params or None} if answer_call else {}
    candidates = [f for f in trace.facts if f.kind not in NOT_GENERATIVE]
    for name in ("model_requested", "model", "provider", "finish_reason"):
        texts = (facts.get_text(name) for facts in ([answer_call] if answer_call else candidates))
        model[name] = next((text for text in texts if text is not None), None)
    return model


def find_answer(trace: TraceSpans) -> int | None:
    """Finds the index of the model's call that gave the trace's answer.

    That is the last call whose text the root's output holds; of nested calls with equal answers
    the inner one. Else it is the last call with any text, or the last call.
    """
    calls = [n for n, facts in enumerate(trace.facts) if facts.kind == "llm"]
    if not calls:
        calls = [n for n, f in enumerate(trace.facts) if f.input_messages or f.output_messages]
    if not calls:
        return None
    calls.sort(key=lambda n: (trace.spans[n].end or 0, trace.tree.depths[n]))
    root_output = trace.root_facts.fields.get("output")
    for n in reversed(calls):
        text = join_answer(trace.facts[n])
        if text and payloads.extract_words(root_output, "assistant", text).strip() == text.strip():
            return n
    return next((n for n in reversed(calls) if join_answer(trace.facts[n])), calls[-1])


def find_input(trace: TraceSpans, messages: Messages) -> str | None:
    """Finds the question: from the outermost span that has an input, or the last user message."""
    question = payloads.find_last_content(messages, "user")
    for facts in trace.outermost_first:
        if facts.kind == "llm" or facts.input_messages:
            text = payloads.find_last_content(facts.input_messages, "user")
        elif facts.kind in INNER_KINDS and question:
            continue
        else:
            text = extract_side(facts, "input", "user", question or "")
        if text:
            return text
    return question


def find_output(trace: TraceSpans, answer_call: SpanFacts | None) -> str:
    """Finds the answer: from the outermost span that has an output, or from the model's call."""
    answer = join_answer(answer_call) if answer_call else ""
    for facts in trace.outermost_first:
        if facts.kind == "llm" and facts is not trace.root_facts:
            return answer
        if facts.kind == "llm" or facts.output_messages:
            text = join_answer(facts)
        elif facts.kind in INNER_OUTPUT_KINDS and answer_call:
            continue
        else:
            text = extract_side(facts, "output", "assistant", answer)
        if text:
            return text
    return answer


def extract_side(facts: SpanFacts, side: str, role: str, answer: str) -> str:
    """Extracts a span's input or output as text.

    Plain text is taken as it is. A logged request is reduced to its question. A logged response is
    reduced to its answer only where a model's call gave that answer (`answer`): otherwise it may be
    an answer that is an object.
    """
    value = facts.fields.get(side)
    if facts.fields.get(f"{side}_type") == "text/plain":
        return to_text(value)
    text = payloads.extract_words(value, role, answer)
    if text == answer or not text.startswith(OPENS):
        return text
    last = payloads.find_last_words(value, role)
    if role == "user":
        return last or answer or text
    return text if last != answer else answer


def describe_root(trace: TraceSpans) -> Object:
    """Describes a root that is no step: its name, and an input of several parts."""
    if trace.bare_root is None:
        return {}
    root: Object = {
        "name": trace.root.name,
        "input": find_structured_input(trace.root_facts.fields.get("input")),
    }
    return {key: value for key, value in root.items() if value}


def find_structured_input(value: Json) -> Json:
    """Finds an input that is an object with more than a user's message; None for any other."""
    plain = payloads.parse_quoted(value)
    if type(plain) is not dict or payloads.find_last_words(plain, "user") is not None:
        return None
    has_several = sum(value not in payloads.EMPTY for value in plain.values()) > 1
    is_object = has_several or payloads.extract_words(plain, "user").startswith(OPENS)
    return plain if is_object else None


def join_passages(every_facts: Sequence[SpanFacts]) -> str | None:
    """Joins the retrieved passages, each once; only the rerankers' choice where there is one."""
    reranked = [facts for facts in every_facts if facts.kind == "reranker" and facts.documents]
    passages = {
        content: None
        for facts in (reranked or every_facts)
        for document in facts.documents
        if type(content := document.get("content")) is str and content
    }
    return "\n\n".join(passages) or None


def find_app(trace: TraceSpans) -> str | None:
    """Finds the application: the service or project that recorded it, as a name fit for a path."""
    name = trace.find_attribute(*PROJECTS)
    if name is None or name.startswith("unknown_service"):
        return None
    return UNSAFE.sub("-", name).strip("-._")[:64] or None


def find_prompt_hash(trace: TraceSpans) -> str | None:
    """Finds the hash of the prompt's template, or computes it."""
    template = trace.get_text("template")
    return trace.get_text("prompt_hash") or (digest(template) if template else None)


def collect_versions(trace: TraceSpans) -> dict[str, str]:
    """Collects the versions of all spans; of the offered tools a hash of their definitions."""
    versions: dict[str, str] = {}
    for facts in reversed(trace.facts):
        versions |= facts.versions
        if tools := facts.fields.get("tools"):
            versions["tools"] = digest(tools, 12)
    service = trace.find_attribute("service.version")
    return {"service": service, **versions} if service else versions


def find_metadata_versions(metadata: Object) -> dict[str, str]:
    """Finds the versions in a team's own metadata: `index_version`, `retriever.version`."""
    matches = ((VERSION.fullmatch(key), value) for key, value in metadata.items())
    return {
        match[1]: str(value)[:200]
        for match, value in matches
        if match and type(value) in (str, int, float) and value != ""
    }


def collect_tags(every_facts: Sequence[SpanFacts]) -> list[str]:
    """Collects every tag once."""
    tags: dict[str, None] = {}
    for value in (facts.fields["tags"] for facts in every_facts if "tags" in facts.fields):
        items = list_items(value) or (value.split(",") if type(value) is str else [])
        tags |= dict.fromkeys(text for item in items if (text := to_text(item).strip()))
    return list(tags)


def collect_metadata(trace: TraceSpans, app: str | None) -> Object:
    """Collects what no other field holds.

    That is a team's own metadata, the root's unknown attributes, and the resource's.
    """
    metadata = describe_root(trace)
    for facts in reversed(trace.facts):
        metadata = {**metadata, **facts.metadata}
    root = trace.root
    if not root.parent_id:  # a span in place of a missing root is a step, which has them
        unknown = trace.root_facts.unknown
        metadata |= {key: value for key, value in unknown.items() if key not in metadata}
    resource = {key: value for key, value in root.resource.items() if key not in RESOURCE_FIELDS}
    service = root.resource.get("service.name")
    if type(service) is str and service != app:
        resource["service.name"] = service
    if resource:
        metadata["resource"] = resource
    if root.scope:
        metadata["scope"] = root.scope
    if root.parent_id:
        metadata[ROOT_STATE] = "missing"
    elif trace.root_facts.error:
        metadata["error"] = trace.root_facts.error
    if tools := trace.fields.get("tools"):
        metadata["tool_definitions"] = tools
    if tokens := count_other_tokens(trace.facts, trace.tree):
        metadata[TOKENS_OTHER] = tokens
    return metadata


def build_steps(trace: TraceSpans, answer: int | None, output: str) -> list[Object]:
    """Builds a step of every span but a bare root, then of tool calls that only messages hold."""
    answer_call = trace.facts[answer] if answer is not None else None
    content = TraceContent(output, find_shared_messages(trace, answer_call))
    root = None if trace.root.parent_id else trace.tree.root
    steps = [
        build_step(span, facts, content, is_answer=n == answer, is_root=n == root)
        for n, (span, facts) in enumerate(zip(trace.spans, trace.facts, strict=True))
        if n != trace.bare_root
    ]
    return [*steps, *(find_unrecorded_calls(answer_call, steps) if answer_call else ())]


def find_shared_messages(trace: TraceSpans, answer_call: SpanFacts | None) -> set[str]:
    """Finds the messages of the answering call that other calls may repeat, as canonical JSON."""
    if not answer_call:
        return set()
    others = (facts for facts in trace.facts if facts is not answer_call)
    if not any(facts.input_messages for facts in others):
        return set()
    return {to_canonical_text(message) for message in chat.as_json(answer_call.input_messages)}
