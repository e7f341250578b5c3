"""One trace of the parts that several files tell of it, as one file with all its spans would.

Pure, and given the parts in the order in which their files were read. Which rows are parts of one
trace is `merging`'s to find; how a trace is made of spans, `importers.assembly`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from evals.privacy.redaction import REDACTED
from evals.records import Json, Trace, encode_canonical
from evals.traces.files.strict_json import to_canonical_text
from evals.traces.messages.payloads import extract_words, parse_quoted
from evals.traces.spans.assembly import ROOT_STATE

FORMATS = ("otlp", "otel-sdk", "phoenix", "langfuse", "langsmith")
"""Formats whose traces are made of spans with ids of their own, each in a row or a page."""
LENDING_KINDS = ("tool", "retrieval", "reranker", "embedding", "guardrail", "evaluator")
"""Kinds whose texts are used as a trace's input or output only if no fragment has better."""
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
    """Selects the versions a trace is merged from; one with every earlier span replaces the others.

    A repeated version adds nothing.
    """
    kept: list[int] = []
    for n, one in enumerate(versions):
        held = [versions[k] for k in kept]
        if any(one.content_hash == other.content_hash != "" for other in held):
            continue
        kept = [n] if covers_all(one, held) else [*kept, n]
    return kept


def covers_all(later: Trace, held: Sequence[Trace]) -> bool:
    """Whether a version has all spans of the earlier ones, and the root if they have it."""
    if any(one.source_format != later.source_format for one in held):
        return True
    if is_half(later):
        return False
    known, own = {key for one in held for key in list_spans(one)}, list_spans(later)
    whole = own >= known and bool(known or not own)
    return whole and (has_root(later) or not any(map(has_root, held)))


def list_spans(trace: Trace) -> set[tuple[str, bool]]:
    """Returns the ids of a trace's spans except a bare root, and whether each is timed."""
    steps = (step for step in select_objects(trace.steps) if step.get("span_id"))
    return {(step["span_id"], "ts" in step) for step in steps}


def has_root(trace: Trace) -> bool:
    """Whether a version has the trace's root, and not only log records."""
    timed = [known for _, known in list_spans(trace)]
    return trace.metadata.get(ROOT_STATE) != "missing" and (any(timed) or not timed)


def is_half(trace: Trace) -> bool:
    """Whether a version has only the beginning or only the end of its root."""
    return trace.metadata.get(ROOT_STATE) in ("begun", "ended")


def select_objects(steps: Iterable[Any]) -> Iterator[Step]:
    """Yields the steps that are objects."""
    return (cast("Step", step) for step in steps if type(step) is dict)


def has_inferred_prompt(trace: Trace) -> bool:
    """Whether a version's prompt is only inferred from its system message."""
    return INFERRED in trace.metadata


class Fragments(NamedTuple):
    """The fragments of one trace, and which of them is used for what."""

    all: Sequence[Trace]
    """In the order in which they were read."""
    lead: Trace
    """The latest with the root, or else the latest."""
    voice: Trace | None
    """The one with the model's call that gave the answer; None without a call."""
    output: str

    def rank_parts(self) -> list[Trace]:
        """Returns the fragments by precedence: the lead, the voice, then later before earlier."""
        first = [self.lead, *([self.voice] if self.voice else [])]
        rest = [one for one in reversed(self.all) if not any(one is known for known in first)]
        return [*first, *rest]

    def first_value(self, name: str) -> Any:
        """Returns a field of the first fragment that has it."""
        ranked = self.rank_parts()
        if name in ("prompt_version", "prompt_hash"):
            ranked.sort(key=has_inferred_prompt)
        values = (getattr(part, name) for part in ranked)
        return next((value for value in values if value not in EMPTY), getattr(self.lead, name))

    def own_text(self, name: str, role: str) -> str:
        """Returns a text of a fragment's own, or else one taken from a step."""
        texts = [
            (getattr(p, name), is_lent(p, name, role))
            for p in self.rank_parts()
            if getattr(p, name)
        ]
        return next((text for text, _ in sorted(texts, key=lambda pair: pair[1])), "")


def merge_fragments(versions: Sequence[Trace]) -> Trace:
    """Merges the versions of a trace."""
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
        tags=tuple(dict.fromkeys(tag for part in parts.rank_parts() for tag in part.tags)),
        metadata=merge_metadata(parts),
        turn=None,
    )


def choose_voice(versions: Sequence[Trace]) -> Fragments:
    """Chooses the fragment that leads and the one that answered."""
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
    """Returns a call's messages from another version that has its beginning."""
    calls = {step.get("span_id") for step in list_model_calls(voice)}
    same = (
        one for one in versions if calls & {step.get("span_id") for step in list_model_calls(one)}
    )
    return next((one.messages for one in same if one.messages), ())


def list_model_calls(trace: Trace) -> list[Step]:
    """Lists the model calls among a fragment's steps."""
    return [step for step in select_objects(trace.steps) if step.get("kind") == "llm"]


def end_time(step: Step) -> float:
    """Returns when a step ended, in milliseconds; 0 if unknown."""
    try:
        return 1000 * datetime.fromisoformat(step["ts"]).timestamp() + step.get("latency_ms", 0)
    except (KeyError, TypeError, ValueError):
        return 0.0


def list_answers(part: Trace) -> set[str]:
    """Returns the texts of a fragment's calls; a call without a text has the fragment's output."""
    silent = any(
        step is silence for step in list_model_calls(part) for silence in list_silent_calls(part)
    )
    said = {step["output"] for step in list_model_calls(part) if step.get("output")}
    return said | ({part.output} if silent and part.output else set())


def match_answer(text: str, part: Trace) -> str | None:
    """Returns the text of a fragment's call within a text; None if there is none."""
    for said in sorted(list_answers(part)):
        words = extract_words(text, "assistant", said)
        if words.strip() == said.strip():
            return words
    return None


def list_silent_calls(part: Trace) -> list[Step]:
    """Lists the calls without a text, whose answer is the fragment's output."""
    silent = [step for step in list_model_calls(part) if not step.get("output")]
    if not silent or is_lent(part, "output", "assistant"):
        return []
    return [step for step in silent if not step.get("tool_calls")]


def is_lent(part: Trace, name: str, role: str) -> bool:
    """Whether a fragment's input or output is only that of a tool or similar step."""
    text = getattr(part, name)
    steps = [step for step in select_objects(part.steps) if step.get("kind") in LENDING_KINDS]
    plain = parse_quoted(text)  # steps have parsed JSON, texts have it as written
    alike = (text, plain if type(plain) is str else to_canonical_text(plain))
    return bool(text) and any(extract_words(step.get(name), role) in alike for step in steps)


def merge_steps(parts: Fragments) -> list[Step]:
    """Merges steps by span in order of time, then the calls that only the answer's chat has.

    Of a span in several fragments, the later one and the one with its end take precedence.
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
    """Removes a step's default name and kind."""
    unnamed = {"name"} if step["name"] == step["kind"] else set[str]()
    unnamed |= {"kind"} if step["kind"] == "span" else set()
    return {key: value for key, value in step.items() if key not in unnamed}


def restore_steps(part: Trace, parts: Fragments) -> Iterator[Step]:
    """Yields a fragment's steps, its answer's with the fragment's output and messages."""
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
    """Removes from a call's step what the trace has itself."""
    messages = parts.voice.messages if parts.voice else ()
    known = {encode_canonical(message) for message in messages}
    found = dict(step)
    if "messages" in step:
        found["messages"] = [m for m in step["messages"] if encode_canonical(m) not in known]
    if step.get("kind") == "llm" and step.get("output") == parts.output:
        del found["output"]
    return {key: value for key, value in found.items() if value != []}


def sum_steps(parts: Fragments, steps: Sequence[Step], name: str) -> Any:
    """Sums a number over the innermost steps that have it; else returns a fragment's own."""
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
    """Joins the retrieved passages, each once; the reranker's choice if there is one."""
    with_documents = [step for step in steps if step.get("documents")]
    last = [step for step in with_documents if step.get("kind") == "reranker"]
    every = (document for step in last or with_documents for document in step["documents"])
    return "\n\n".join({one["content"]: None for one in every if one.get("content")}) or None


def merge_maps(parts: Fragments, name: str) -> dict[str, Any]:
    """Merges the maps of all fragments; the first that has a key decides."""
    found: dict[str, Any] = {}
    for part in reversed(parts.rank_parts()):
        found |= getattr(part, name)
    return found


def merge_metadata(parts: Fragments) -> dict[str, Any]:
    """Merges the fragments' metadata; the root is missing only if it is in none."""
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
    """Returns the number of redactions of a kind."""
    number = counts.get(kind)
    return number if type(number) is int else 0
