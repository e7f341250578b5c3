"""The base of every part of the catalog: frozen and strict about its keys.

Declares no particular part and reads no file.
"""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

NAME = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$"


Name = str


Reads = Literal["input", "context", "output", "steps", "messages", "status"]
"""The fields of a trace that a judge or a guardrail may be declared to read."""
TraceField = Reads | Literal["latency_ms", "tokens_in", "tokens_out", "cost_usd"]
"""The fields of a trace that evaluators read."""


class CatalogError(ValueError):
    """The catalog declares something Andon cannot use; each message names file, line and key."""

    def __init__(self, *messages: str) -> None:
        super().__init__(messages[0] if messages else "")
        self.messages = messages


class Spec(BaseModel):
    """A part of the catalog: frozen, and strict about unknown keys."""

    # Errors do not repeat the input: it may contain a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


S = TypeVar("S", bound=Spec)
