"""Metadata as Langfuse keeps it: what a team wrote beside, and what OpenTelemetry put there.

What the attributes in it mean is told in `facts`.
"""

from __future__ import annotations

from typing import NamedTuple

from evals.records import Json
from evals.traces.spans.observations import Object, parse_cached, parse_object, to_text

REPEATED = (
    *("input.value", "output.value", "gen_ai.prompt", "gen_ai.completion", "llm.input_messages"),
    *("llm.output_messages", "gen_ai.input.messages", "gen_ai.output.messages", "events"),
    *(
        "langfuse.trace.",
        "langfuse.observation.",
        "all_messages_events",
        "pydantic_ai.all_messages",
    ),
)
"""Attributes that Langfuse moves to columns of its own."""


class SplitMetadata(NamedTuple):
    """Metadata, and what OpenTelemetry put in it."""

    own: Object
    attributes: Object
    resource: Object
    scope: str


NOTHING = SplitMetadata({}, {}, {}, "")


def split_metadata(metadata: Json) -> SplitMetadata:
    """Metadata in its parts."""
    told = parse_cached(metadata)
    if not told:
        return NOTHING
    if type(told) is not dict:
        return SplitMetadata({"metadata": told}, {}, {}, "")
    if SDK.isdisjoint(told):
        return SplitMetadata(told, {}, {}, "")
    own = dict(told)
    attributes = parse_object(own.pop("attributes", None))
    resource, scope = (
        parse_object(own.pop("resourceAttributes", None)),
        parse_object(own.pop("scope", None)),
    )
    kept = {key: value for key, value in attributes.items() if not key.startswith(REPEATED)}
    return SplitMetadata(own, kept, resource, to_text(scope.get("name")))


SDK = frozenset(("attributes", "resourceAttributes", "scope"))
"""Keys of metadata under which Langfuse keeps what OpenTelemetry says of a span."""
