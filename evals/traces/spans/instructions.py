"""The instructions of an agent as the system message of its calls.

`gen_ai.system_instructions` may be on an agent's span alone; `facts` reads it of one span.
"""

from __future__ import annotations

from collections.abc import Sequence

from evals.traces.spans.facts import SpanFacts, add_instructions, read_instructions
from evals.traces.spans.spans import SpanTree


def inherit_instructions(every_facts: Sequence[SpanFacts], tree: SpanTree) -> None:
    """Gives the instructions that an agent's span holds to those of its calls that hold none."""
    if not any("system" in facts.fields for facts in every_facts):
        return
    for n, facts in enumerate(every_facts):
        if facts.kind == "llm" and (facts.input_messages or facts.output_messages):
            text = find_agent_instructions(every_facts, tree, n)
            facts.input_messages = add_instructions(facts.input_messages, text)


def find_agent_instructions(every_facts: Sequence[SpanFacts], tree: SpanTree, index: int) -> str:
    """Finds the instructions of the nearest agent around a span; empty where it has none."""
    while (index := tree.parents[index]) >= 0:
        facts = every_facts[index]
        if "system" in facts.fields or facts.kind == "agent":
            return read_instructions(facts.fields)
    return ""
