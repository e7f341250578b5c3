"""Metadata as Langfuse stores it: a team's own keys, and those that OpenTelemetry put there.

`facts` interprets the attributes in it.
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
"""Attributes that Langfuse also stores in columns."""


class SplitMetadata(NamedTuple):
    """Metadata, split into a team's own keys and what OpenTelemetry put in it."""

    custom: Object
    """A team's own keys."""
    attributes: Object
    resource: Object
    scope: str


NO_METADATA = SplitMetadata({}, {}, {}, "")


def split_metadata(metadata: Json) -> SplitMetadata:
    """Splits metadata into its parts."""
    parsed = parse_cached(metadata)
    if not parsed:
        return NO_METADATA
    if type(parsed) is not dict:
        return SplitMetadata({"metadata": parsed}, {}, {}, "")
    if OTEL_KEYS.isdisjoint(parsed):
        return SplitMetadata(parsed, {}, {}, "")
    custom = dict(parsed)
    attributes = parse_object(custom.pop("attributes", None))
    resource, scope = (
        parse_object(custom.pop("resourceAttributes", None)),
        parse_object(custom.pop("scope", None)),
    )
    remaining = {key: value for key, value in attributes.items() if not key.startswith(REPEATED)}
    return SplitMetadata(custom, remaining, resource, to_text(scope.get("name")))


OTEL_KEYS = frozenset(("attributes", "resourceAttributes", "scope"))
"""Keys of metadata under which Langfuse stores a span's OpenTelemetry data."""
