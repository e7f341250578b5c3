"""One trace of the parts that several files tell of it, as one file with all its spans would.

Pure, and given the parts in the order in which their files were read. Which rows are parts of one
trace is `merging`'s to find; how a trace is made of spans, `importers.assembly`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from evals.privacy.redaction import REDACTED
from evals.records import Json, Trace, encode_canonical
from evals.traces.files.strict_json import to_canonical_text
from evals.traces.messages.payloads import extract_words, parse_quoted
from evals.traces.spans.assembly import ROOT_STATE

FORMATS = ("otlp", "otel-sdk", "phoenix", "langfuse", "langsmith")
"""Formats whose traces are made of spans with ids of their own, each in a row or a page."""
LENDING_KINDS = ("tool", "retrieval", "reranker", "embedding", "guardrail", "evaluator")
"""Kinds whose words stand for a trace's only where no part tells better."""
UNCOUNTED_KINDS = ("embedding", "reranker")
VOICE_FIELDS = ("messages", "model_requested", "model", "provider", "params", "finish_reason")
LEAD_FIELDS = (
    "session_id", "user_id", "prompt_name", "prompt_version", "prompt_hash", "git_commit",
    "latency_ms", "feedback",
)  # fmt: skip
INFERRED = "prompt_version_source"
EMPTY: tuple[Any, ...] = (None, "", (), {})
Step = dict[str, Any]


def select_versions(versions: Sequence[Trace]) -> list[int]:
    """Which versions the trace is made of: one that has every span before it corrects the others.

    A version said again adds nothing.
    """
    kept: list[int] = []
    for n, one in enumerate(versions):
        held = [versions[k] for k in kept]
        if any(one.content_hash == other.content_hash != "" for other in held):
            continue
        kept = [n] if covers_all(one, held) else [*kept, n]
    return kept


def covers_all(later: Trace, held: Sequence[Trace]) -> bool:
    """Whether a version tells the whole trace anew: it has all spans, and the root, if known."""
    if any(one.source_format != later.source_format for one in held):
        return True
    if is_half(later):
        return False
    known, own = {key for one in held for key in list_spans(one)}, list_spans(later)
    whole = own >= known and bool(known or not own)
    return whole and (has_root(later) or not any(map(has_root, held)))


def list_spans(trace: Trace) -> set[tuple[str, bool]]:
    """A trace's spans but for a bare root: each one's id, and whether more than logs tell of it."""
    steps = (step for step in select_objects(trace.steps) if step.get("span_id"))
    return {(step["span_id"], "ts" in step) for step in steps}


def has_root(trace: Trace) -> bool:
    """Whether a version has the trace's root, and not only log records."""
    timed = [known for _, known in list_spans(trace)]
    return trace.metadata.get(ROOT_STATE) != "missing" and (any(timed) or not timed)


def is_half(trace: Trace) -> bool:
    """Whether of a version's root only the beginning, or only the end, is told."""
    return trace.metadata.get(ROOT_STATE) in ("begun", "ended")


def select_objects(steps: Iterable[Any]) -> Iterator[Step]:
    """The steps that are objects, as all of ours are."""
    return (step for step in steps if type(step) is dict)


def has_inferred_prompt(trace: Trace) -> bool:
    """Whether a version's prompt is known by its system message alone."""
    return INFERRED in trace.metadata


class Fragments(NamedTuple):
    """The parts of one trace, and which of them is heard for what."""

    all: Sequence[Trace]
    """In the order in which they were read."""
    lead: Trace
    """The latest with the root, or else the latest."""
    voice: Trace | None
    """The one with the model's call that gave the answer; None where no part has a call."""
    output: str

    def rank(self) -> list[Trace]:
        """The parts by whom to believe: the lead, the voice, then a later one before an earlier."""
        first = [self.lead, *([self.voice] if self.voice else [])]
        rest = [one for one in reversed(self.all) if not any(one is known for known in first)]
        return [*first, *rest]

    def first_value(self, name: str) -> Any:
        """A field as the first part says it that does."""
        ranked = self.rank()
        if name in ("prompt_version", "prompt_hash"):
            ranked.sort(key=has_inferred_prompt)
        said = (getattr(part, name) for part in ranked)
        return next((value for value in said if value not in EMPTY), getattr(self.lead, name))

    def own_text(self, name: str, role: str) -> str:
        """A text in a part's own words, or else in those lent from what a step was given."""
        texts = [
            (getattr(p, name), is_lent(p, name, role)) for p in self.rank() if getattr(p, name)
        ]
        return next((text for text, _ in sorted(texts, key=lambda pair: pair[1])), "")


def merge_fragments(versions: Sequence[Trace]) -> Trace:
    """One trace of its parts."""
    parts = choose_voice(versions)
    steps = merge_steps(parts)
    voice = parts.voice
    told = {name: parts.first_value(name) for name in LEAD_FIELDS}
    told |= {name: parts.first_value(name) for name in VOICE_FIELDS}
    if voice and not is_half(voice) and any(known for _, known in list_spans(voice)):
        told |= {
            name: getattr(voice, name) for name in VOICE_FIELDS
        }  # a log does not know its model
    if voice:
        told["messages"] = voice.messages
    return dataclasses.replace(
        versions[-1],
        **told,
        **{name: sum_steps(parts, steps, name) for name in ("tokens_in", "tokens_out", "cost_usd")},
        ts=parts.lead.ts if has_root(parts.lead) else min(part.ts for part in versions),
        input=parts.own_text("input", "user"),
        output=parts.output,
        context=join_documents(steps) or parts.first_value("context"),
        steps=tuple(steps),
        versions=merge_maps(parts, "versions"),
        tags=tuple(dict.fromkeys(tag for part in parts.rank() for tag in part.tags)),
        metadata=merge_metadata(parts),
        turn=None,
    )


def choose_voice(versions: Sequence[Trace]) -> Fragments:
    """The parts with who leads and who answered."""
    lead = next((one for one in reversed(versions) if has_root(one)), versions[-1])
    calls = [
        (end_time(step), n) for n, one in enumerate(versions) for step in list_model_calls(one)
    ]
    own = lead.output if not is_lent(lead, "output", "assistant") else ""
    same = [n for n, one in enumerate(versions) if own and match_answer(own, one)]
    speaking = [n for _, n in sorted(calls) if any(list_answers(versions[n]))]
    asked = sorted((bool(versions[n].messages), end, n) for end, n in calls)
    voices = same or speaking or [n for *_, n in asked]
    voice = versions[voices[-1]] if voices else None
    if voice and not voice.messages and is_half(voice):
        asked_of = dataclasses.replace(voice, messages=find_messages(voice, versions))
        versions = [asked_of if one is voice else one for one in versions]
        lead, voice = asked_of if lead is voice else lead, asked_of
    parts = Fragments(versions, lead, voice, "")
    output = parts.own_text("output", "assistant")
    return parts._replace(output=(voice and match_answer(output, voice)) or output)


def find_messages(voice: Trace, versions: Sequence[Trace]) -> tuple[Any, ...]:
    """What a call was asked, as another version of it says that tells how it began."""
    calls = {step.get("span_id") for step in list_model_calls(voice)}
    same = (
        one for one in versions if calls & {step.get("span_id") for step in list_model_calls(one)}
    )
    return next((one.messages for one in same if one.messages), ())


def list_model_calls(trace: Trace) -> list[Step]:
    """The calls of a model among a part's steps."""
    return [step for step in select_objects(trace.steps) if step.get("kind") == "llm"]


def end_time(step: Step) -> float:
    """When a step ended, in milliseconds; 0 where that is not known."""
    try:
        return 1000 * datetime.fromisoformat(step["ts"]).timestamp() + step.get("latency_ms", 0)
    except (KeyError, TypeError, ValueError):
        return 0.0


def list_answers(part: Trace) -> set[str]:
    """What a part's calls answered in words; one without any said what the part says."""
    silent = any(
        step is silence for step in list_model_calls(part) for silence in list_silent_calls(part)
    )
    said = {step["output"] for step in list_model_calls(part) if step.get("output")}
    return said | ({part.output} if silent and part.output else set())


def match_answer(text: str, part: Trace) -> str | None:
    """The words in a text that a part's call answered with; None where it leads to none."""
    for said in sorted(list_answers(part)):
        words = extract_words(text, "assistant", said)
        if words.strip() == said.strip():
            return words
    return None


def list_silent_calls(part: Trace) -> list[Step]:
    """The calls whose words are the part's own and so stand there alone."""
    silent = [step for step in list_model_calls(part) if not step.get("output")]
    if not silent or is_lent(part, "output", "assistant"):
        return []
    return [step for step in silent if not step.get("tool_calls")]


def is_lent(part: Trace, name: str, role: str) -> bool:
    """Whether a part's input or output is but what a tool or the like was given or gave."""
    text = getattr(part, name)
    steps = [step for step in select_objects(part.steps) if step.get("kind") in LENDING_KINDS]
    plain = parse_quoted(text)  # steps hold what JSON says, texts how it was spelled
    alike = (text, plain if type(plain) is str else to_canonical_text(plain))
    return bool(text) and any(extract_words(step.get(name), role) in alike for step in steps)


def merge_steps(parts: Fragments) -> list[Step]:
    """Every step once, by its span, in order of time; then calls only the answer's chat tells of.

    Of a span that several parts tell, the later is believed, and who tells its end.
    """
    by_id: dict[str, Step] = {}
    loose: dict[bytes, Step] = {}
    for part in sorted(parts.all, key=lambda part: part.metadata.get(ROOT_STATE) == "ended"):
        for step in restore_steps(part, parts):
            if step.get("span_id"):
                earlier = by_id.get(step["span_id"])
                by_id[step["span_id"]] = (
                    {**earlier, **drop_default_names(step)} if earlier else step
                )
            elif step.get("ts") or parts.voice in (None, part):
                loose[encode_canonical(step)] = step
    found = [*by_id.values(), *(step for step in loose.values() if step.get("ts"))]
    found.sort(key=lambda step: (not step.get("ts"), step.get("ts") or ""))
    tools = [step for step in found if step.get("kind") == "tool"]
    done = {step.get("call_id") for step in tools} | {step.get("name") for step in tools}
    told = [step for step in loose.values() if not step.get("ts")]
    fresh = (s for s in told if s.get("call_id") not in done and s.get("name") not in done)
    return [*(shorten_step(step, parts) for step in found), *fresh]


def drop_default_names(step: Step) -> Step:
    """A step without the words that stand where a span names neither itself nor its work."""
    unnamed = {"name"} if step["name"] == step["kind"] else set[str]()
    unnamed |= {"kind"} if step["kind"] == "span" else set()
    return {key: value for key, value in step.items() if key not in unnamed}


def restore_steps(part: Trace, parts: Fragments) -> Iterator[Step]:
    """A part's steps, its own answer's with the words and messages that stood in the trace."""
    own = [] if part is parts.voice and part.output == parts.output else list_silent_calls(part)
    calls = [step for step in list_model_calls(part) if "messages" not in step]
    asked = None if part is parts.voice else max(calls, key=end_time, default=None)
    for step in select_objects(part.steps):
        more: Step = {}
        if part.output and any(step is one for one in own):
            more["output"] = part.output
        if step is asked and part.messages:
            more["messages"] = list(part.messages)
        yield {**step, **more}


def shorten_step(step: Step, parts: Fragments) -> Step:
    """A call's step without what the trace says itself."""
    known = (
        {encode_canonical(message) for message in parts.voice.messages} if parts.voice else set()
    )
    found = dict(step)
    if "messages" in step:
        found["messages"] = [m for m in step["messages"] if encode_canonical(m) not in known]
    if step.get("kind") == "llm" and step.get("output") == parts.output:
        del found["output"]
    return {key: value for key, value in found.items() if value != []}


def sum_steps(parts: Fragments, steps: Sequence[Step], name: str) -> Any:
    """A sum over the innermost steps that tell; what no step tells is as a part says it."""
    kinds = UNCOUNTED_KINDS if name != "cost_usd" else ()
    telling = [step for step in steps if name in step and step.get("kind") not in kinds]
    if not telling:
        return parts.first_value(name)
    parents = {step.get("span_id"): step.get("parent_id") for step in steps}
    covered: set[Any] = set()
    for step in telling:
        above = step.get("parent_id")
        while above in parents and above not in covered:
            covered.add(above)
            above = parents[above]
    return sum(step[name] for step in telling if step.get("span_id") not in covered)


def join_documents(steps: Sequence[Step]) -> str | None:
    """The passages that were retrieved, each once; a reranker's choice where there is one."""
    with_documents = [step for step in steps if step.get("documents")]
    last = [step for step in with_documents if step.get("kind") == "reranker"]
    every = (document for step in last or with_documents for document in step["documents"])
    return "\n\n".join({one["content"]: None for one in every if one.get("content")}) or None


def merge_maps(parts: Fragments, name: str) -> dict[str, Any]:
    """What any part says under a name, as the first says it that does."""
    found: dict[str, Any] = {}
    for part in reversed(parts.rank()):
        found |= getattr(part, name)
    return found


def merge_metadata(parts: Fragments) -> dict[str, Any]:
    """The parts' metadata; the root is missing only where it is in none."""
    found = merge_maps(parts, "metadata")
    roots = [part.metadata.get(ROOT_STATE) for part in parts.all if has_root(part)]
    if None in roots or len(set(map(encode_canonical, roots))) == 2:
        found.pop(ROOT_STATE, None)
    if any(part.prompt_version and not has_inferred_prompt(part) for part in parts.all):
        found.pop(INFERRED, None)
    taken = [noted for p in parts.all if type(noted := p.metadata.get(REDACTED)) is dict]
    if taken:
        kinds = sorted({kind for one in taken for kind in one})
        found[REDACTED] = {kind: max(count_of(one, kind) for one in taken) for kind in kinds}
    return found


def count_of(counts: dict[str, Json], kind: str) -> int:
    """How many passages of a kind were redacted."""
    number = counts.get(kind)
    return number if type(number) is int else 0
