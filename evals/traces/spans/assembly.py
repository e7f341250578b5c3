"""The spans of a trace as one row under canonical names, with its steps; or why it is none.

What an attribute means is told in `facts`, what a step holds in `steps`, what a field may hold in
`canonical`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evals.records import Json, digest
from evals.traces.files.strict_json import OPENS, Refused, to_canonical_text
from evals.traces.messages import chat, payloads
from evals.traces.spans.facts import Facts, list_items, read_facts
from evals.traces.spans.spans import Span, Tree, join_spans
from evals.traces.spans.steps import (
    build_step,
    find_answer_text,
    find_unrecorded_calls,
    measure_latency,
    to_iso,
)

KNOWN = ("service.name", "service.version", "vcs.ref.head.revision")
VERSION = re.compile(r"(?!prompt[._])(.{1,64})[._]version")
UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
PROJECTS = ("service.name", "openinference.project.name", "langsmith.project", "project.name")
COMMITS = (
    "vcs.ref.head.revision",
    "vcs.revision",
    "git.commit.sha",
    "langsmith.metadata.revision_id",
)
ROOT = "root"
"""The metadata key that says what is not known of a root: `missing`, or only half of it told."""
UNVOICED = ("embedding", "reranker")
"""Kinds of models that answer nobody."""
FOUND = ("retrieval", "reranker")


class TraceSpans:
    """The spans of one trace, understood and in order."""

    def __init__(self, spans: Sequence[Span], facts: list[Facts]) -> None:
        self.spans, self.facts, self.tree = spans, facts, Tree(spans)
        self.root, self.root_facts = spans[self.tree.root], facts[self.tree.root]
        depths = self.tree.depths
        order = sorted(range(len(facts)), key=depths.__getitem__)
        self.outward = [self.root_facts, *(facts[n] for n in order if n != self.tree.root)]
        """The root, then the spans nearest to it."""
        self.told: dict[str, Json] = {}
        """Every field, from the root or else from the first span that has it."""
        self.resource: dict[str, Json] = {}
        """The root's resource, or else the first that is not empty."""
        seen: set[int] = set()
        for span, one in zip(reversed(spans), reversed(facts), strict=True):
            self.told |= one.said
            if id(span.resource) not in seen:
                self.resource |= span.resource
                seen.add(id(span.resource))
        self.told |= self.root_facts.said
        self.resource |= self.root.resource
        bare = self.root_facts.kind in ("agent", "chain", "span")
        self.bare = self.tree.root if bare and not self.root.parent_id else None
        """The place of a root that is no step, for it is the trace itself."""

    def first(self, name: str) -> str | None:
        """A field as text, from the root or else from the first span that has it."""
        value = self.told.get(name)
        return None if value is None else chat.to_text(value) or None

    def recorded(self, *keys: str) -> str | None:
        """The first of some attributes that a resource has, or the root."""
        for place in (self.resource, self.root.attributes):
            for key in keys:
                if (value := place.get(key)) not in (None, ""):
                    return chat.to_text(value)
        return None


def read_trace(spans: Sequence[Span]) -> TraceSpans:
    """The spans of a trace, each once.

    Raises:
        Refused: `no-llm-span`.
    """
    ordered = join_spans(spans)
    facts = [read_facts(span) for span in ordered]
    if not any(one.is_llm_work for one in facts):
        raise Refused(
            "no-llm-span",
            "The trace has no span of a model, a tool, a retrieval or an agent; leave such traces "
            "out in the exporter, or instrument the application with GenAI conventions.",
        )
    return TraceSpans(ordered, facts)


def build_row(whole: TraceSpans, app: str | None = None) -> dict[str, Json]:
    """Builds the trace's row under canonical names, without unknown fields."""
    answer = find_answer(whole)
    voice = whole.facts[answer] if answer is not None else None
    output = find_output(whole, voice)
    messages = voice.asked if voice else chat.read_messages(whole.root_facts.said.get("input"))
    recorder = find_app(whole)
    metadata = collect_metadata(whole, recorder)
    found: dict[str, Json] = {
        "trace_id": whole.root.trace_id,
        "ts": to_iso(find_start(whole)),
        "app": recorder or app,
        "input": find_input(whole, messages),
        "output": output,
        "messages": chat.as_json(messages) or None,
        "context": join_passages(whole.facts),
        "steps": [*build_steps(whole, answer, output)],
        "latency_ms": measure_latency(whole.root),
        "git_commit": whole.recorded(*COMMITS),
        "prompt_name": whole.first("prompt_name"),
        "prompt_version": whole.first("prompt_version"),
        "prompt_hash": find_prompt_hash(whole),
        "session_id": whole.first("session_id"),
        "user_id": whole.first("user_id"),
        "versions": {**find_metadata_versions(metadata), **collect_versions(whole)},
        "tags": [*collect_tags(whole.facts)],
        "metadata": metadata,
        **describe_model(whole, voice),
        **sum_usage(whole),
    }
    return {key: value for key, value in found.items() if value is not None}


def find_start(whole: TraceSpans) -> int | None:
    """Finds the start of the root, or else of the first span or event with a time."""
    starts = (span.start for span in (whole.root, *whole.spans))
    events = (event.ts for span in whole.spans for event in span.events)
    return next((moment for moment in (*starts, *events) if moment), None)


def describe_model(whole: TraceSpans, voice: Facts | None) -> dict[str, Json]:
    """Describes the model of the call that answered, or else of the first span that names one."""
    found: dict[str, Json] = {"params": voice.params or None} if voice else {}
    heard = [voice] if voice else [f for f in whole.facts if f.kind not in UNVOICED]
    for name in ("model_requested", "model", "provider", "finish_reason"):
        told = (facts.text(name) for facts in heard)
        found[name] = next((text for text in told if text is not None), None)
    return found


def find_answer(whole: TraceSpans) -> int | None:
    """Finds the model's call that gave the trace's answer, or else the last with any output.

    A call inside another that answers alike is the one that was made.
    """
    calls = [n for n, facts in enumerate(whole.facts) if facts.kind == "llm"]
    if not calls:
        calls = [n for n, facts in enumerate(whole.facts) if facts.asked or facts.answered]
    if not calls:
        return None
    calls.sort(key=lambda n: (whole.spans[n].end or 0, whole.tree.depths[n]))
    root = whole.root_facts
    told = root.said.get("output")
    for n in reversed(calls):
        said = find_answer_text(whole.facts[n])
        if said and payloads.extract_words(told, "assistant", said).strip() == said.strip():
            return n
    return next((n for n in reversed(calls) if find_answer_text(whole.facts[n])), calls[-1])


def find_input(whole: TraceSpans, messages: chat.Messages) -> str | None:
    """Finds the question: from the outermost span that has an input, or the last user message."""
    question = payloads.find_last_content(messages, "user")
    for facts in whole.outward:
        if facts.kind == "llm" or facts.asked:
            found = payloads.find_last_content(facts.asked, "user")
        elif facts.kind in ("tool", *FOUND, "embedding") and question:
            continue
        else:
            found = extract_side(facts, "input", "user", question or "")
        if found:
            return found
    return question


def find_output(whole: TraceSpans, voice: Facts | None) -> str:
    """Finds the answer: from the outermost span that has an output, or from the model's call."""
    said = find_answer_text(voice) if voice else ""
    for facts in whole.outward:
        if facts.kind == "llm" and facts is not whole.root_facts:
            return said
        if facts.kind == "llm" or facts.answered:
            found = find_answer_text(facts)
        elif facts.kind in ("tool", *FOUND, "embedding", "guardrail", "evaluator") and voice:
            continue
        else:
            found = extract_side(facts, "output", "assistant", said)
        if found:
            return found
    return said


def extract_side(facts: Facts, side: str, role: str, known: str) -> str:
    """Extracts a span's input or output as text; text that is `known` is kept as it is.

    A logged request tells its question. Of a response only the answer that a model's call gave
    is believed: it may be an answer in an object's form. Plain text is never looked into.
    """
    told = facts.said.get(side)
    if facts.said.get(f"{side}_type") == "text/plain":
        return chat.to_text(told)
    found = payloads.extract_words(told, role, known)
    if found == known or not found.startswith(OPENS):
        return found
    last = payloads.find_last_words(told, role)
    if role == "user":
        return last or known or found
    return found if last != known else known


def describe_root(whole: TraceSpans) -> dict[str, Json]:
    """Describes a root that is no step: its name, and an input of several parts."""
    if whole.bare is None:
        return {}
    found = {
        "name": whole.root.name,
        "input": find_structured_input(whole.root_facts.said.get("input")),
    }
    return {key: value for key, value in found.items() if value}


def find_structured_input(value: Json) -> Json:
    """Finds an input that is an object with more than a user's message; None for any other."""
    plain = payloads.parse_quoted(value)
    if type(plain) is not dict or payloads.find_last_words(plain, "user") is not None:
        return None
    several = sum(value not in payloads.NOTHING for value in plain.values()) > 1
    return plain if several or payloads.extract_words(plain, "user").startswith(OPENS) else None


def join_passages(every: list[Facts]) -> str | None:
    """The passages that were retrieved, each once; a reranker's choice where there is one."""
    last = [facts for facts in every if facts.kind == "reranker" and facts.documents]
    passages = {
        content: None
        for facts in (last or every)
        for document in facts.documents
        if type(content := document.get("content")) is str and content
    }
    return "\n\n".join(passages) or None


def sum_usage(whole: TraceSpans) -> dict[str, Json]:
    """Sums tokens and cost over the innermost spans that have them: parents repeat children."""
    found: dict[str, Json] = {}
    models = [n for n, f in enumerate(whole.facts) if f.kind not in UNVOICED]
    for name, target in (("tokens_in",) * 2, ("tokens_out",) * 2, ("cost", "cost_usd")):
        places = range(len(whole.facts)) if name == "cost" else models
        telling = [n for n in places if getattr(whole.facts[n], name) is not None]
        covered = whole.tree.find_ancestors(telling) if len(telling) > 1 else ()
        parts = [getattr(whole.facts[n], name) for n in telling if n not in covered]
        if parts:
            found[target] = sum(parts)
    return found


def find_app(whole: TraceSpans) -> str | None:
    """The application: the service or project that recorded it, as a name that fits a path."""
    name = whole.recorded(*PROJECTS)
    if name is None or name.startswith("unknown_service"):
        return None
    return UNFIT.sub("-", name).strip("-._")[:64] or None


def find_prompt_hash(whole: TraceSpans) -> str | None:
    """Finds the hash of the prompt's template, or computes it."""
    told = whole.first("prompt_hash")
    template = whole.first("template")
    return told or (digest(template) if template else None)


def collect_versions(whole: TraceSpans) -> dict[str, str]:
    """Everything that ran in some version; the tools offered by a hash of their definitions."""
    found: dict[str, str] = {}
    for facts in reversed(whole.facts):
        found |= facts.versions
        if tools := facts.said.get("tools"):
            found["tools"] = digest(tools, 12)
    service = whole.recorded("service.version")
    return {"service": service, **found} if service else found


def find_metadata_versions(metadata: dict[str, Json]) -> dict[str, str]:
    """What a team's own metadata names a version of: `index_version`, `retriever.version`."""
    named = ((VERSION.fullmatch(key), value) for key, value in metadata.items())
    return {
        name[1]: str(value)[:200]
        for name, value in named
        if name and type(value) in (str, int, float) and value != ""
    }


def collect_tags(every: list[Facts]) -> list[str]:
    """Every tag once."""
    found: dict[str, None] = {}
    for told in (facts.said["tags"] for facts in every if "tags" in facts.said):
        parted = list_items(told) or (told.split(",") if type(told) is str else [])
        found |= dict.fromkeys(text for tag in parted if (text := chat.to_text(tag).strip()))
    return list(found)


def collect_metadata(whole: TraceSpans, app: str | None) -> dict[str, Json]:
    """What nobody else keeps: a team's own, the root's unknown attributes, the resource's."""
    found = describe_root(whole)
    for facts in reversed(whole.facts):
        found = {**found, **facts.metadata}
    root = whole.root_facts
    if not whole.root.parent_id:  # what only stands for a root is a step, and says it there
        found |= {key: value for key, value in root.rest.items() if key not in found}
    told = {key: value for key, value in whole.root.resource.items() if key not in KNOWN}
    service = whole.root.resource.get("service.name")
    if type(service) is str and service != app:
        told["service.name"] = service
    if told:
        found["resource"] = told
    if whole.root.scope:
        found["scope"] = whole.root.scope
    if whole.root.parent_id:
        found[ROOT] = "missing"
    elif root.error:
        found["error"] = root.error
    if tools := whole.told.get("tools"):
        found["tool_definitions"] = tools
    return found


def build_steps(whole: TraceSpans, answer: int | None, output: str) -> list[dict[str, Json]]:
    """Builds a step of every span but a bare root, then of tool calls that only messages hold."""
    voice = whole.facts[answer] if answer is not None else None
    several = voice and any(facts.asked for facts in whole.facts if facts is not voice)
    known = (
        {to_canonical_text(message) for message in chat.as_json(voice.asked)}
        if voice and several
        else set()
    )
    root = None if whole.root.parent_id else whole.tree.root
    steps = []
    for n, (span, facts) in enumerate(zip(whole.spans, whole.facts, strict=True)):
        if n == whole.bare:
            continue
        steps.append(build_step(span, facts, n == answer, n == root, known, output))
    if voice:
        steps += find_unrecorded_calls(voice, steps)
    return steps
