"""The client protocol: requests, replies, rate limits and errors.

Nothing here contacts a provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol, TypeAlias

from evals.records import Json, JsonLike
from evals.specs import ModelPin

Body: TypeAlias = dict[str, JsonLike]
"""The body of a request, before it is encoded."""


class Key:
    """A secret that does not print."""

    def __init__(self, text: str | None) -> None:
        self.reveal = lambda: text

    def __repr__(self) -> str:
        """Shows nothing of the secret."""
        return "Key(…)"


class Limits(NamedTuple):
    """Rate limits from a provider's `x-ratelimit-*` headers; None where one is missing."""

    requests_limit: int | None = None
    requests_left: int | None = None
    requests_reset_s: float | None = None
    """Seconds until the request limit is full again."""
    tokens_limit: int | None = None
    tokens_left: int | None = None
    tokens_reset_s: float | None = None
    """Seconds until the token limit is full again."""


class ModelError(Exception):
    """A call failed or returned no usable answer."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        wait_s: float | None = None,
        limits: Limits | None = None,
        reply: Reply | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retryable = retryable
        self.wait_s = wait_s
        """Seconds the provider asks to wait, if it does."""
        self.limits = limits
        """The provider's rate limits, if it sent them."""
        self.reply = reply
        """An unusable reply, whose tokens are charged all the same."""


class Unavailable(Exception):
    """The model is unavailable on this machine: no key, no weights, or the wrong weights."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a model."""

    messages: tuple[dict[str, str], ...]
    max_tokens: int
    temperature: float
    seed: int
    schema: dict[str, Json] | None = None
    """The JSON schema of the answer, or None."""
    yes_no: bool = False
    """Whether to request token probabilities and read P(yes) from the first token."""


class Reply(NamedTuple):
    """What a model answered."""

    text: str
    probability: float | None
    model: str
    fingerprint: str | None
    created: int | None
    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    """How many of `tokens_in` the provider had cached and charges less for."""
    finish: str | None = None
    """The provider's finish reason: `stop`, `length`, `content_filter`."""
    temperature: float | None = None
    """As sent; null where the model takes none."""
    seed: int | None = None
    """As sent; null where the API takes none."""
    limits: Limits | None = None
    """The provider's rate limits, if it sent them."""

    @property
    def has_usage(self) -> bool:
        """Whether the provider reported the tokens of both the question and the answer."""
        return self.tokens_in > 0 and (self.tokens_out > 0 or not self.text)


class Client(Protocol):
    """Anything that can answer a request."""

    pin: ModelPin

    @property
    def path(self) -> str:
        """The endpoint below the base URL: `/chat/completions` or `/responses`."""
        ...

    def build_body(self, request: Request) -> Body:
        """Builds the request body, for a live call or a line of a batch file."""
        ...

    def parse_answer(self, request: Request, answer: Json) -> Reply:
        """Parses the endpoint's answer, as decoded from JSON.

        Raises:
            ModelError: when it holds no answer, or comes from another model than the pin's.
        """
        ...

    async def ask(self, request: Request, limit_s: float | None = None) -> Reply:
        """Sends one request and returns its reply.

        Args:
            request: what to send.
            limit_s: the timeout in seconds; None: the pin's `timeout_s`.

        Raises:
            ModelError: when the call fails.
        """
        ...

    async def list_expiries(self) -> dict[str, date | None]:
        """Reads the models of the provider's list, each with its last day, if it has one.

        Raises:
            ModelError: when the list cannot be read.
        """
        ...

    async def close(self) -> None:
        """Closes all connections."""
        ...
