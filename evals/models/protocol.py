"""What is asked of a model, what comes back, and how a call fails.

No provider is spoken to here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class ModelError(Exception):
    """A call gave no answer."""

    def __init__(
        self, code: str, message: str, *, retryable: bool, wait_s: float | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retryable = retryable
        self.wait_s = wait_s
        """Seconds the provider asks to wait, when it says so."""


class Unavailable(Exception):
    """The model cannot be asked at all here: no key, no weights, or the wrong weights."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model."""

    messages: tuple[dict[str, str], ...]
    max_tokens: int
    temperature: float
    seed: int
    schema: dict[str, Any] | None = None
    """The JSON schema to answer by, or None."""
    yes_no: bool = False
    """Ask for token probabilities and read P(yes) from the first token."""


class Reply(NamedTuple):
    """What a model answered."""

    text: str
    probability: float | None
    model: str
    fingerprint: str | None
    created: int | None
    tokens_in: int
    tokens_out: int


class Client(Protocol):
    """Whatever can answer a request."""

    async def ask(self, request: Request) -> Reply:
        """One answer.

        Raises:
            ModelError: when there is none.
        """
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...
