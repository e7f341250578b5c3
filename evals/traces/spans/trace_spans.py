"""The spans of one trace, interpreted: its root, its fields and the order to look for them.

`trace_texts` finds the question and the answer among them; `assembly` builds the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from evals.records import Json
from evals.traces.files.strict_json import Refused
from evals.traces.messages.plain_text import to_text
from evals.traces.spans.facts import SpanFacts, read_facts
from evals.traces.spans.instructions import inherit_instructions
from evals.traces.spans.spans import Span, SpanTree, join_spans

Object: TypeAlias = dict[str, Json]


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
        self.last = self.tree.root if self.is_complete else self.find_last()
        """The index of the root; where it is missing, of the outermost span that ends last."""
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

    @property
    def is_complete(self) -> bool:
        """Whether the trace has its root, and no span in its place."""
        return not self.root.parent_id

    def find_last(self) -> int:
        """Finds the outermost span that ends last: the answer of a trace without its root."""
        tops = [n for n, parent in enumerate(self.tree.parents) if parent < 0]
        return max(tops, key=lambda n: (self.spans[n].end or 0, n))

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
