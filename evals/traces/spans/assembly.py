"""The spans of a trace as one row under canonical names, with its steps; or why it is none.

What an attribute means is told in `facts`, what a step holds in `steps`, what a field may hold in
`canonical`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evals.records import Json, digest
from evals.traces.files.strict_json import OPENS, Refused, spelled
from evals.traces.messages import chat, payloads
from evals.traces.spans.facts import Facts, listed, read
from evals.traces.spans.spans import Span, Tree, joined
from evals.traces.spans.steps import iso, latency, spoken, step_of, told_calls

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
APPS = ("app", "openinference.project.name", "traceloop.association.properties.app")
ROOT = "root"
"""The metadata key that says what is not known of a root: `missing`, or only half of it told."""
UNVOICED = ("embedding", "reranker")
"""Kinds of models that answer nobody."""
FOUND = ("retrieval", "reranker")


class Whole:
    """The spans of one trace, understood and in order."""

    def __init__(self, spans: Sequence[Span], facts: list[Facts]) -> None:
        self.spans, self.facts, self.tree = spans, facts, Tree(spans)
        self.root, self.root_facts = spans[self.tree.root], facts[self.tree.root]
        depths = self.tree.depths
        order = sorted(range(len(facts)), key=depths.__getitem__)
        self.outward = [self.root_facts, *(facts[n] for n in order if n != self.tree.root)]
        """The root, then the spans nearest to it."""
        self.told: dict[str, Json] = {}
        """Every field as the root says it, or else the first span that does."""
        self.resource: dict[str, Json] = {}
        """What recorded it: the root's resource, or else the first that says something."""
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
        """A field as the root says it, or else the first span that does, as text."""
        value = self.told.get(name)
        return None if value is None else chat.text_of(value) or None

    def recorded(self, *keys: str) -> str | None:
        """The first of some attributes that a resource has, or the root."""
        for place in (self.resource, self.root.attributes):
            for key in keys:
                if (value := place.get(key)) not in (None, ""):
                    return chat.text_of(value)
        return None


def understood(spans: Sequence[Span]) -> Whole:
    """The spans of a trace, each once.

    Raises:
        Refused: `no-llm-span`.
    """
    ordered = joined(spans)
    facts = [read(span) for span in ordered]
    if not any(one.is_llm_work for one in facts):
        raise Refused(
            "no-llm-span",
            "The trace has no span of a model, a tool, a retrieval or an agent; leave such traces "
            "out in the exporter, or instrument the application with GenAI conventions.",
        )
    return Whole(ordered, facts)


def row_of(whole: Whole, app: str | None = None) -> dict[str, Json]:
    """The trace under canonical names; what no span says is absent."""
    answer = answering(whole)
    voice = whole.facts[answer] if answer is not None else None
    output = output_of(whole, voice)
    messages = voice.asked if voice else chat.messages_of(whole.root_facts.said.get("input"))
    recorder = app_of(whole)
    metadata = metadata_of(whole, recorder)
    found: dict[str, Json] = {
        "trace_id": whole.root.trace_id,
        "ts": iso(began(whole)),
        "app": recorder or app,
        "input": input_of(whole, messages),
        "output": output,
        "messages": chat.as_json(messages) or None,
        "context": context_of(whole.facts),
        "steps": [*steps_of(whole, answer, output)],
        "latency_ms": latency(whole.root),
        "git_commit": whole.recorded(*COMMITS),
        "prompt_name": whole.first("prompt_name"),
        "prompt_version": whole.first("prompt_version"),
        "prompt_hash": prompt_hash(whole),
        "session_id": whole.first("session_id"),
        "user_id": whole.first("user_id"),
        "versions": {**versions_in(metadata), **versions_of(whole)},
        "tags": [*tags_of(whole.facts)],
        "metadata": metadata,
        **told_by(whole, voice),
        **totals(whole),
    }
    return {key: value for key, value in found.items() if value is not None}


def began(whole: Whole) -> int | None:
    """When the root began, or else the first span or event that says when."""
    starts = (span.start for span in (whole.root, *whole.spans))
    events = (event.ts for span in whole.spans for event in span.events)
    return next((moment for moment in (*starts, *events) if moment), None)


def told_by(whole: Whole, voice: Facts | None) -> dict[str, Json]:
    """What the call that answered says of its model, or else the first span that does."""
    found: dict[str, Json] = {"params": voice.params or None} if voice else {}
    heard = [voice] if voice else [f for f in whole.facts if f.kind not in UNVOICED]
    for name in ("model_requested", "model", "provider", "finish_reason"):
        told = (facts.text(name) for facts in heard)
        found[name] = next((text for text in told if text is not None), None)
    return found


def answering(whole: Whole) -> int | None:
    """The model's call that gave the trace's answer, or else the last that said anything.

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
        said = spoken(whole.facts[n])
        if said and payloads.words_of(told, "assistant", said).strip() == said.strip():
            return n
    return next((n for n in reversed(calls) if spoken(whole.facts[n])), calls[-1])


def input_of(whole: Whole, messages: chat.Messages) -> str | None:
    """What was asked: in the words of the outermost span that tells, or of the last question."""
    question = payloads.spoken(messages, "user")
    for facts in whole.outward:
        if facts.kind == "llm" or facts.asked:
            found = payloads.spoken(facts.asked, "user")
        elif facts.kind in ("tool", *FOUND, "embedding") and question:
            continue
        else:
            found = worded(facts, "input", "user", question or "")
        if found:
            return found
    return question


def output_of(whole: Whole, voice: Facts | None) -> str:
    """What was answered: in the words of the outermost span that tells, or of the model."""
    said = spoken(voice) if voice else ""
    for facts in whole.outward:
        if facts.kind == "llm" and facts is not whole.root_facts:
            return said
        if facts.kind == "llm" or facts.answered:
            found = spoken(facts)
        elif facts.kind in ("tool", *FOUND, "embedding", "guardrail", "evaluator") and voice:
            continue
        else:
            found = worded(facts, "output", "assistant", said)
        if found:
            return found
    return said


def worded(facts: Facts, side: str, role: str, known: str) -> str:
    """A span's input or output in words, what is `known` to have been said standing as it is.

    A logged request tells its question. Of a response only the answer that a model's call gave
    is believed: it may be an answer in an object's form. Plain text is never looked into.
    """
    told = facts.said.get(side)
    if facts.said.get(f"{side}_type") == "text/plain":
        return chat.text_of(told)
    found = payloads.words_of(told, role, known)
    if found == known or not found.startswith(OPENS):
        return found
    last = payloads.last_words(told, role)
    if role == "user":
        return last or known or found
    return found if last != known else known


def told_at_root(whole: Whole) -> dict[str, Json]:
    """What a root that is no step says and nothing else keeps: its name, an input of many parts."""
    if whole.bare is None:
        return {}
    found = {"name": whole.root.name, "input": structured(whole.root_facts.said.get("input"))}
    return {key: value for key, value in found.items() if value}


def structured(value: Json) -> Json:
    """An input in an object's form, that says more than a user's words; None for any other."""
    plain = payloads.unquoted(value)
    if type(plain) is not dict or payloads.last_words(plain, "user") is not None:
        return None
    several = sum(value not in payloads.NOTHING for value in plain.values()) > 1
    return plain if several or payloads.words_of(plain, "user").startswith(OPENS) else None


def context_of(every: list[Facts]) -> str | None:
    """The passages that were retrieved, each once; a reranker's choice where there is one."""
    last = [facts for facts in every if facts.kind == "reranker" and facts.documents]
    passages = {
        content: None
        for facts in (last or every)
        for document in facts.documents
        if type(content := document.get("content")) is str and content
    }
    return "\n\n".join(passages) or None


def totals(whole: Whole) -> dict[str, Json]:
    """Tokens and cost over the innermost spans that tell them: a parent repeats its children's."""
    found: dict[str, Json] = {}
    models = [n for n, f in enumerate(whole.facts) if f.kind not in UNVOICED]
    for name, target in (("tokens_in",) * 2, ("tokens_out",) * 2, ("cost", "cost_usd")):
        places = range(len(whole.facts)) if name == "cost" else models
        telling = [n for n in places if getattr(whole.facts[n], name) is not None]
        covered = whole.tree.around(telling) if len(telling) > 1 else ()
        parts = [getattr(whole.facts[n], name) for n in telling if n not in covered]
        if parts:
            found[target] = sum(parts)
    return found


def app_of(whole: Whole) -> str | None:
    """The application: the service or project that recorded it, as a name that fits a path."""
    name = whole.recorded(*PROJECTS)
    if name is None or name.startswith("unknown_service"):
        return None
    return UNFIT.sub("-", name).strip("-._")[:64] or None


def prompt_hash(whole: Whole) -> str | None:
    """The hash of the prompt's template, as told or made from it."""
    told = whole.first("prompt_hash")
    template = whole.first("template")
    return told or (digest(template) if template else None)


def versions_of(whole: Whole) -> dict[str, str]:
    """Everything that ran in some version; the tools offered by a hash of their definitions."""
    found: dict[str, str] = {}
    for facts in reversed(whole.facts):
        found |= facts.versions
        if tools := facts.said.get("tools"):
            found["tools"] = digest(tools, 12)
    service = whole.recorded("service.version")
    return {"service": service, **found} if service else found


def versions_in(metadata: dict[str, Json]) -> dict[str, str]:
    """What a team's own metadata names a version of: `index_version`, `retriever.version`."""
    named = ((VERSION.fullmatch(key), value) for key, value in metadata.items())
    return {
        name[1]: str(value)[:200]
        for name, value in named
        if name and type(value) in (str, int, float) and value != ""
    }


def tags_of(every: list[Facts]) -> list[str]:
    """Every tag once."""
    found: dict[str, None] = {}
    for told in (facts.said["tags"] for facts in every if "tags" in facts.said):
        parted = listed(told) or (told.split(",") if type(told) is str else [])
        found |= dict.fromkeys(text for tag in parted if (text := chat.text_of(tag).strip()))
    return list(found)


def metadata_of(whole: Whole, app: str | None) -> dict[str, Json]:
    """What nobody else keeps: a team's own, the root's unknown attributes, the resource's."""
    found = told_at_root(whole)
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


def steps_of(whole: Whole, answer: int | None, output: str) -> list[dict[str, Json]]:
    """Every span but a bare root as a step, in order of time; then calls only messages tell of."""
    voice = whole.facts[answer] if answer is not None else None
    several = voice and any(facts.asked for facts in whole.facts if facts is not voice)
    known = (
        {spelled(message) for message in chat.as_json(voice.asked)} if voice and several else set()
    )
    root = None if whole.root.parent_id else whole.tree.root
    steps = []
    for n, (span, facts) in enumerate(zip(whole.spans, whole.facts, strict=True)):
        if n == whole.bare:
            continue
        steps.append(step_of(span, facts, n == answer, n == root, known, output))
    if voice:
        steps += told_calls(voice, steps)
    return steps
