"""Puts spans under the span of their trace, for products that keep the trace apart from its spans.

`assembly` builds the trace.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from evals.traces.messages import exchanges
from evals.traces.spans.observations import EMPTY, unquote
from evals.traces.spans.spans import Span, merge_spans

TRACE = "trace"
"""The span id of a trace itself."""


class RootKeys(NamedTuple):
    """The attributes with which a product's converter describes spans."""

    input: str
    output: str
    kind: str
    bare: tuple[str, ...]
    """Kinds of spans that may represent the whole trace."""
    name: str
    """Holds the trace's name, where a span that is not bare represents the trace."""


def unite_under_root(spans: list[Span], keys: RootKeys) -> list[Span]:
    """Puts spans under the span of the trace itself, if the export has it.

    A single outermost span that only repeats the trace is merged with it.
    """
    roots = [span for span in spans if span.span_id == TRACE]
    if not roots:
        return spans
    root = functools.reduce(merge_spans, roots)
    others = [span for span in spans if span.span_id != TRACE]
    outermost = [span for span in others if span.parent_id in ("", TRACE)]
    if len(outermost) == 1 and is_same_as_trace(outermost[0], root, keys):
        single = outermost[0]
        merged = merge_with_trace(single, root, keys)
        return [merged if span is single else span for span in others]
    starts = [span.start for span in spans if span.start]
    ends = [span.end for span in others if span.end]
    root = root._replace(
        start=min(starts, default=None),
        end=max(ends, default=root.end),
        error=root.error or (outermost[0].error if len(outermost) == 1 else ""),
    )
    return [
        root,
        *(span if span.parent_id else span._replace(parent_id=TRACE) for span in others),
    ]


def merge_with_trace(span: Span, root: Span, keys: RootKeys) -> Span:
    """Merges the span of a trace with the only span below it, which repeats it."""
    attributes = {**span.attributes, **root.attributes}
    bare = span.attributes.get(keys.kind) in keys.bare
    if root.name not in ("", span.name) and not bare:
        attributes[keys.name] = root.name
    return span._replace(
        parent_id="",
        name=root.name if root.name and bare else span.name,
        attributes=attributes,
        resource={**span.resource, **root.resource},
        scope=span.scope or root.scope,
        error=span.error or root.error,
    )


def is_same_as_trace(span: Span, root: Span, keys: RootKeys) -> bool:
    """Whether a span only repeats the trace."""
    if span.error:
        return False
    pairs = [
        (span.attributes.get(keys.input), root.attributes.get(keys.input), exchanges.read_question),
        (span.attributes.get(keys.output), root.attributes.get(keys.output), exchanges.read_answer),
    ]
    return all(
        value in EMPTY
        or trace_value in EMPTY
        or extract(unquote(value)) == extract(unquote(trace_value))
        for value, trace_value, extract in pairs
    )
