"""The question, the answer and the chat of a trace, found among its spans.

`payloads` extracts words from wrappers; `assembly` builds the row.
"""

from __future__ import annotations

from evals.records import Json
from evals.traces.files.lenient_json import is_broken_wrapper
from evals.traces.files.strict_json import OPENS
from evals.traces.messages import chat, payloads
from evals.traces.messages.calls import UNREADABLE
from evals.traces.messages.parts import Messages
from evals.traces.messages.plain_text import to_text
from evals.traces.spans.facts import SpanFacts
from evals.traces.spans.steps import join_answer
from evals.traces.spans.trace_spans import TraceSpans

INNER_KINDS = ("tool", "retrieval", "reranker", "embedding")
"""Kinds whose input and output are seldom the trace's own."""
INNER_OUTPUT_KINDS = (*INNER_KINDS, "guardrail", "evaluator")


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
    root_output = trace.facts[trace.last].fields.get("output")
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
    if question:
        return question
    texts = (facts.fields.get(name) for facts in trace.outermost_first for name in INPUT_FIELDS)
    return next((to_text(text) for text in texts if is_broken_wrapper(text)), None)


INPUT_FIELDS = ("input_messages", "input")


def find_output(trace: TraceSpans, answer_call: SpanFacts | None) -> str:
    """Finds the answer: from the outermost span that has an output, or from the model's call."""
    answer = join_answer(answer_call) if answer_call else ""
    first = trace.facts[trace.last]
    for facts in (first, *(facts for facts in trace.outermost_first if facts is not first)):
        if facts.kind == "llm" and facts is not first:
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


def find_messages(trace: TraceSpans, answer_call: SpanFacts | None) -> Messages:
    """Finds the trace's chat: what the answering call received, or else what the root did."""
    if answer_call and (answer_call.input_messages or answer_call.output_messages):
        return answer_call.input_messages
    if trace.root_facts.input_messages:  # the calls may record nothing, and their agent all
        return trace.root_facts.input_messages
    return [] if answer_call else chat.read_messages(trace.root_facts.fields.get("input"))


def find_structured_input(value: Json) -> Json:
    """Finds an input that is an object with more than a user's message; None for any other."""
    plain = payloads.parse_quoted(value)
    if type(plain) is not dict or payloads.find_last_words(plain, "user") is not None:
        return None
    has_several = sum(value not in payloads.EMPTY for value in plain.values()) > 1
    is_object = has_several or payloads.extract_words(plain, "user").startswith(OPENS)
    return plain if is_object else None


def check_answers(trace: TraceSpans, answer_call: SpanFacts | None) -> None:
    """Checks that a trace without an answer has recorded none that cannot be read.

    Raises:
        Refused: `unreadable-answer`.
    """
    for facts in filter(None, (trace.facts[trace.last], answer_call)):
        for name in ("output_messages", "output"):
            if is_broken_wrapper(facts.fields.get(name)):
                raise UNREADABLE
