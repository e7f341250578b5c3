"""The spans of a trace as one row under canonical names, with its steps.

`facts` interprets attributes, `steps` builds steps; `canonical` checks what a field may hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from evals.records import AnswerStatus, Json, digest
from evals.traces.files.strict_json import to_canonical_text
from evals.traces.messages import chat
from evals.traces.messages.plain_text import to_text
from evals.traces.rows.statuses import TIMEOUT
from evals.traces.spans.facts import SpanFacts
from evals.traces.spans.openinference import list_items
from evals.traces.spans.steps import (
    TraceContent,
    build_step,
    find_unrecorded_calls,
    measure_span,
    to_iso,
)
from evals.traces.spans.trace_spans import TraceSpans
from evals.traces.spans.trace_texts import (
    check_answers,
    find_answer,
    find_input,
    find_messages,
    find_output,
    find_structured_input,
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


def build_row(trace: TraceSpans, app: str | None = None) -> Object:
    """Builds the trace's row under canonical names, without unknown fields.

    Args:
        trace: The spans.
        app: The application, where no span names one.

    Raises:
        Refused: `unreadable-answer`.
    """
    answer = find_answer(trace)
    answer_call = trace.facts[answer] if answer is not None else None
    output = find_output(trace, answer_call)
    if not output and not find_failure(trace):
        check_answers(trace, answer_call)
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
        "latency_ms": measure_latency(trace),
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


def measure_latency(trace: TraceSpans) -> float | None:
    """Measures the milliseconds of the root; without it, from the first start to the last end."""
    if trace.is_complete:
        return measure_span(trace.root.start, trace.root.end)
    starts = [span.start for span in trace.spans if span.start]
    return measure_span(min(starts, default=None), max(span.end or 0 for span in trace.spans))


def describe_model(trace: TraceSpans, answer_call: SpanFacts | None) -> Object:
    """Describes the model of the call that answered, or else of the first span that names one."""
    model: Object = {"params": answer_call.params or None} if answer_call else {}
    candidates = [f for f in trace.facts if f.kind not in NOT_GENERATIVE]
    for name in ("model_requested", "model", "provider", "finish_reason"):
        texts = (facts.get_text(name) for facts in ([answer_call] if answer_call else candidates))
        model[name] = next((text for text in texts if text is not None), None)
    return model


def describe_root(trace: TraceSpans) -> Object:
    """Describes a root that is no step: its name, and an input of several parts."""
    if trace.bare_root is None:
        return {}
    root: Object = {
        "name": trace.root.name,
        "input": find_structured_input(trace.root_facts.fields.get("input")),
    }
    return {key: value for key, value in root.items() if value}


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
