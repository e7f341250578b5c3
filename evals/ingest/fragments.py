"""Merges the fragments of one trace into the trace that a file with all its spans would give.

Pure; expects the fragments in the order in which their files were read. `fragment_merge` finds the
rows of a trace, `evals.traces.spans.assembly` builds traces from spans.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from evals.privacy.row_filter import REDACTED
from evals.records import AnswerStatus, Json, Trace, encode_canonical
from evals.traces.files.strict_json import parse_inner, to_canonical_text
from evals.traces.messages.payloads import extract_words, parse_quoted
from evals.traces.rows.statuses import derive_status
from evals.traces.rows.timestamps import parse_iso_text
from evals.traces.spans.assembly import ROOT_STATE
from evals.traces.spans.usage import TOKENS_OTHER

FORMATS = (
    *("otlp", "otel-sdk", "phoenix", "langfuse", "langsmith", "mlflow", "opik", "weave"),
    *("braintrust", "openai-agents", "grouped"),
)
"""Formats whose traces consist of spans with ids, each in a row or a page."""
LENDING_KINDS = ("tool", "retrieval", "reranker", "embedding", "guardrail", "evaluator")
"""Kinds whose texts are used as a trace's input or output only if no fragment has better."""
UNCOUNTED_KINDS = ("embedding", "reranker")
ANSWER_FIELDS = ("messages", "model_requested", "model", "provider", "params", "finish_reason")
LEAD_FIELDS = (
    "session_id", "user_id", "prompt_name", "prompt_version", "prompt_hash", "git_commit",
    "latency_ms", "feedback",
)  # fmt: skip
INFERRED = "prompt_version_source"
EMPTY: tuple[Any, ...] = (None, "", (), {})
Step = dict[str, Any]


def select_versions(versions: Sequence[Trace]) -> list[int]:
    """Selects the versions to merge; one with every earlier span replaces the others.

    A repeated version adds nothing.
    """
    selected: list[int] = []
    for n, version in enumerate(versions):
        earlier = [versions[k] for k in selected]
        if any(version.content_hash == other.content_hash != "" for other in earlier):
            continue
        selected = [n] if covers_all(version, earlier) else [*selected, n]
    return selected


def covers_all(later: Trace, earlier: Sequence[Trace]) -> bool:
    """Whether a version has all spans of the earlier ones, and the root if one of them has it."""
    if any(version.source_format != later.source_format for version in earlier):
        return True
    if is_half(later):
        return False
    earlier_spans = {key for version in earlier for key in list_spans(version)}
    spans = list_spans(later)
    has_all = spans >= earlier_spans and bool(earlier_spans or not spans)
    return has_all and (has_root(later) or not any(map(has_root, earlier)))


def list_spans(trace: Trace) -> set[tuple[str, bool]]:
    """Returns the ids of a trace's spans except a bare root, and whether each is timed."""
    steps = (step for step in select_objects(trace.steps) if step.get("span_id"))
    return {(step["span_id"], "ts" in step) for step in steps}


def has_root(trace: Trace) -> bool:
    """Whether a version has the trace's root, and not only log records."""
    timed = [is_timed for _, is_timed in list_spans(trace)]
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
    """The fragments of one trace, and which of them leads and which has the answer."""

    all: Sequence[Trace]
    """In the order in which they were read."""
    lead: Trace
    """The latest with the root, or else the latest."""
    answering: Trace | None
    """The one with the model's call that gave the answer; None without a call."""
    output: str

    def rank_parts(self) -> list[Trace]:
        """Returns the fragments by precedence: lead, answering, then later before earlier."""
        first = [self.lead, *([self.answering] if self.answering else [])]
        rest = [part for part in reversed(self.all) if not any(part is ranked for ranked in first)]
        return [*first, *rest]

    def get_first_value(self, name: str) -> Any:
        """Returns a field of the first fragment that has it."""
        ranked = self.rank_parts()
        if name in ("prompt_version", "prompt_hash"):
            ranked.sort(key=has_inferred_prompt)
        values = (getattr(part, name) for part in ranked)
        return next((value for value in values if value not in EMPTY), getattr(self.lead, name))

    def choose_text(self, name: str, role: str) -> str:
        """Returns a text that a fragment has itself, or else one taken from a step."""
        texts = [
            (getattr(p, name), is_lent(p, name, role))
            for p in self.rank_parts()
            if getattr(p, name)
        ]
        return next((text for text, _ in sorted(texts, key=lambda pair: pair[1])), "")


def merge_fragments(versions: Sequence[Trace]) -> Trace:
    """Merges the versions of a trace."""
    parts = arrange_fragments(versions)
    steps = merge_steps(parts)
    answering = parts.answering
    values = {name: parts.get_first_value(name) for name in LEAD_FIELDS}
    values |= {name: parts.get_first_value(name) for name in ANSWER_FIELDS}
    if (
        answering
        and not is_half(answering)
        and any(is_timed for _, is_timed in list_spans(answering))
    ):
        # not from a log record, which has no model
        values |= {name: getattr(answering, name) for name in ANSWER_FIELDS}
    if answering:
        values["messages"] = answering.messages
    whole = dataclasses.replace(
        versions[-1],
        **values,
        **{name: sum_steps(parts, steps, name) for name in ("tokens_in", "tokens_out", "cost_usd")},
        ts=parts.lead.ts if has_root(parts.lead) else min(part.ts for part in versions),
        input=parts.choose_text("input", "user"),
        output=parts.output,
        context=join_documents(steps) or parts.get_first_value("context"),
        steps=tuple(steps),
        versions=merge_maps(parts, "versions"),
        tags=tuple(dict.fromkeys(tag for part in parts.rank_parts() for tag in part.tags)),
        metadata=merge_metadata(parts) | count_other_tokens(parts, steps),
        turn=None,
    )
    return dataclasses.replace(whole, status=merge_status(parts, whole))


def merge_status(parts: Fragments, whole: Trace) -> AnswerStatus:
    """Derives the status of a merged trace; an error of its root counts whatever else succeeded."""
    failed = parts.lead.status if has_root(parts.lead) else None
    given = failed if failed in ("error", "timeout") and "error" in whole.metadata else None
    return derive_status(whole.output, whole.steps, whole.finish_reason, given)


def arrange_fragments(versions: Sequence[Trace]) -> Fragments:
    """Chooses the fragment that leads and the one that answered."""
    lead = next((version for version in reversed(versions) if has_root(version)), versions[-1])
    calls = [
        (compute_end_time(step), n)
        for n, version in enumerate(versions)
        for step in list_model_calls(version)
    ]
    lead_output = lead.output if not is_lent(lead, "output", "assistant") else ""
    matching = [
        n
        for n, version in enumerate(versions)
        if lead_output and match_answer(lead_output, version)
    ]
    with_text = [n for _, n in sorted(calls) if any(list_answers(versions[n]))]
    by_messages = sorted((bool(versions[n].messages), end, n) for end, n in calls)
    candidates = matching or with_text or [n for *_, n in by_messages]
    answering = versions[candidates[-1]] if candidates else None
    if answering and not answering.messages and is_half(answering):
        completed = dataclasses.replace(answering, messages=find_messages(answering, versions))
        versions = [completed if version is answering else version for version in versions]
        lead, answering = completed if lead is answering else lead, completed
    parts = Fragments(versions, lead, answering, "")
    output = parts.choose_text("output", "assistant")
    return parts._replace(output=(answering and match_answer(output, answering)) or output)


def find_messages(answering: Trace, versions: Sequence[Trace]) -> tuple[Any, ...]:
    """Returns a call's messages from another version that has its beginning."""
    calls = {step.get("span_id") for step in list_model_calls(answering)}
    others = (
        version
        for version in versions
        if calls & {step.get("span_id") for step in list_model_calls(version)}
    )
    return next((version.messages for version in others if version.messages), ())


def list_model_calls(trace: Trace) -> list[Step]:
    """Lists the model calls among a fragment's steps."""
    return [step for step in select_objects(trace.steps) if step.get("kind") == "llm"]


def compute_end_time(step: Step) -> float:
    """Returns when a step ended, in milliseconds; 0 if unknown."""
    try:
        return 1000 * parse_iso_text(step["ts"]).timestamp() + step.get("latency_ms", 0)
    except (KeyError, TypeError, ValueError):
        return 0.0


def list_answers(part: Trace) -> set[str]:
    """Returns the texts of a fragment's calls; a call without one has the fragment's output."""
    has_silent_call = any(
        step is silent_call
        for step in list_model_calls(part)
        for silent_call in list_silent_calls(part)
    )
    answers = {step["output"] for step in list_model_calls(part) if step.get("output")}
    return answers | ({part.output} if has_silent_call and part.output else set())


def match_answer(text: str, part: Trace) -> str | None:
    """Returns the text of a fragment's call within a text; None if there is none."""
    for answer in sorted(list_answers(part)):
        answered = extract_words(text, "assistant", answer)
        if answered.strip() == answer.strip():
            return answered
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
    parsed = parse_quoted(text, parse_inner)  # steps have parsed JSON, texts have it as written
    forms = (text, parsed if type(parsed) is str else to_canonical_text(parsed))
    return bool(text) and any(extract_words(step.get(name), role) in forms for step in steps)


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
            elif step.get("ts") or parts.answering in (None, part):
                loose[encode_canonical(step)] = step
    merged = [*by_id.values(), *(step for step in loose.values() if step.get("ts"))]
    merged.sort(key=lambda step: (not step.get("ts"), step.get("ts") or ""))
    tools = [step for step in merged if step.get("kind") == "tool"]
    done = {step.get("call_id") for step in tools} | {step.get("name") for step in tools}
    untimed = [step for step in loose.values() if not step.get("ts")]
    new = (s for s in untimed if s.get("call_id") not in done and s.get("name") not in done)
    return [*(shorten_step(step, parts) for step in merged), *new]


def drop_default_names(step: Step) -> Step:
    """Removes a step's default name and kind."""
    unnamed = {"name"} if step["name"] == step["kind"] else set[str]()
    unnamed |= {"kind"} if step["kind"] == "span" else set()
    return {key: value for key, value in step.items() if key not in unnamed}


def restore_steps(part: Trace, parts: Fragments) -> Iterator[Step]:
    """Yields a fragment's steps, its answer's with the fragment's output and messages."""
    silent = (
        [] if part is parts.answering and part.output == parts.output else list_silent_calls(part)
    )
    calls = [step for step in list_model_calls(part) if "messages" not in step]
    last_call = None if part is parts.answering else max(calls, key=compute_end_time, default=None)
    for step in select_objects(part.steps):
        restored: Step = {}
        if part.output and any(step is call for call in silent):
            restored["output"] = part.output
        if step is last_call and part.messages:
            restored["messages"] = list(part.messages)
        yield {**step, **restored}


def shorten_step(step: Step, parts: Fragments) -> Step:
    """Removes from a call's step what the trace has itself."""
    messages = parts.answering.messages if parts.answering else ()
    own = {encode_canonical(message) for message in messages}
    short = dict(step)
    if "messages" in step:
        short["messages"] = [m for m in step["messages"] if encode_canonical(m) not in own]
    if step.get("kind") == "llm" and step.get("output") == parts.output:
        del short["output"]
    return {key: value for key, value in short.items() if value != []}


def sum_steps(parts: Fragments, steps: Sequence[Step], name: str) -> Any:
    """Sums a number over the innermost steps that have it; without any, returns a fragment's."""
    kinds = UNCOUNTED_KINDS if name != "cost_usd" else ()
    counted = [step for step in steps if name in step and step.get("kind") not in kinds]
    if not counted:
        return parts.get_first_value(name)
    parents = {step.get("span_id"): step.get("parent_id") for step in steps}
    covered: set[Any] = set()
    for step in counted:
        parent = step.get("parent_id")
        while parent in parents and parent not in covered:
            covered.add(parent)
            parent = parents[parent]
    return sum(step[name] for step in counted if step.get("span_id") not in covered)


def count_other_tokens(parts: Fragments, steps: Sequence[Step]) -> dict[str, Json]:
    """Sums the tokens that are neither input nor output over the steps that have such."""
    counted = [{TOKENS_OTHER: 0, **step} if "tokens_in" in step else step for step in steps]
    if not any(step.get(TOKENS_OTHER) for step in counted):
        return {}
    return {TOKENS_OTHER: sum_steps(parts, counted, TOKENS_OTHER)}


def join_documents(steps: Sequence[Step]) -> str | None:
    """Joins the retrieved passages, each once; the reranker's choice if there is one."""
    with_documents = [step for step in steps if step.get("documents")]
    last = [step for step in with_documents if step.get("kind") == "reranker"]
    documents = (document for step in last or with_documents for document in step["documents"])
    return (
        "\n\n".join(
            {document["content"]: None for document in documents if document.get("content")}
        )
        or None
    )


def merge_maps(parts: Fragments, name: str) -> dict[str, Any]:
    """Merges the maps of all fragments; the first that has a key decides."""
    merged: dict[str, Any] = {}
    for part in reversed(parts.rank_parts()):
        merged |= getattr(part, name)
    return merged


def merge_metadata(parts: Fragments) -> dict[str, Any]:
    """Merges the fragments' metadata; the root is missing only if it is in none."""
    merged = merge_maps(parts, "metadata")
    roots = [part.metadata.get(ROOT_STATE) for part in parts.all if has_root(part)]
    if None in roots or len(set(map(encode_canonical, roots))) == 2:
        merged.pop(ROOT_STATE, None)
    if any(part.prompt_version and not has_inferred_prompt(part) for part in parts.all):
        merged.pop(INFERRED, None)
    redactions = [counts for p in parts.all if type(counts := p.metadata.get(REDACTED)) is dict]
    if redactions:
        kinds = sorted({kind for counts in redactions for kind in counts})
        merged[REDACTED] = {
            kind: max(get_count(counts, kind) for counts in redactions) for kind in kinds
        }
    return merged


def get_count(counts: dict[str, Json], kind: str) -> int:
    """Returns the number of redactions of a kind."""
    number = counts.get(kind)
    return number if type(number) is int else 0
