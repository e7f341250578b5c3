"""Metadata as Langfuse keeps it: what a team wrote beside, and what OpenTelemetry put there.

What the attributes in it mean is told in `facts`.
"""

from __future__ import annotations

from typing import NamedTuple

from evals.records import Json
from evals.traces.spans.observations import Object, keyed, known, worded

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
"""Attributes that Langfuse has read: their values stand in its own columns."""


class Parted(NamedTuple):
    """Metadata, and what OpenTelemetry put in it."""

    own: Object
    attributes: Object
    resource: Object
    scope: str


NOTHING = Parted({}, {}, {}, "")


def parted(metadata: Json) -> Parted:
    """Metadata in its parts."""
    told = known(metadata)
    if not told:
        return NOTHING
    if type(told) is not dict:
        return Parted({"metadata": told}, {}, {}, "")
    if SDK.isdisjoint(told):
        return Parted(told, {}, {}, "")
    own = dict(told)
    attributes = keyed(own.pop("attributes", None))
    resource, scope = keyed(own.pop("resourceAttributes", None)), keyed(own.pop("scope", None))
    kept = {key: value for key, value in attributes.items() if not key.startswith(REPEATED)}
    return Parted(own, kept, resource, worded(scope.get("name")))


SDK = frozenset(("attributes", "resourceAttributes", "scope"))
"""Keys of metadata under which Langfuse keeps what OpenTelemetry says of a span."""
