"""What is asked of a model, what comes back, and how a call fails.

No provider is spoken to here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

from evals.specs import ModelPin


class Key:
    """A secret that does not print."""

    def __init__(self, text: str | None) -> None:
        self.reveal = lambda: text

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Key(…)"


class Limits(NamedTuple):
    """What a provider says it still allows, from its `x-ratelimit-*` headers; None: not said."""

    requests_limit: int | None = None
    requests_left: int | None = None
    requests_reset_s: float | None = None
    """Seconds until the requests are all allowed again."""
    tokens_limit: int | None = None
    tokens_left: int | None = None
    tokens_reset_s: float | None = None
    """Seconds until the tokens are all allowed again."""


class ModelError(Exception):
    """A call gave no answer."""

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
        """Seconds the provider asks to wait, when it says so."""
        self.limits = limits
        """What the provider still allows, when it says so."""
        self.reply = reply
        """What came although it is no answer: it names its model, and its tokens are charged."""


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
    tokens_cached: int = 0
    """Those of `tokens_in` the provider had cached, and charges less for."""
    finish: str | None = None
    """Why it ended, in the provider's word: `stop`, `length`, `content_filter`."""
    temperature: float | None = None
    """As it was sent; null where the model takes none."""
    seed: int | None = None
    """As it was sent; null where the API takes none."""
    limits: Limits | None = None
    """What the provider still allows, when it says so."""


class Client(Protocol):
    """Whatever can answer a request."""

    pin: ModelPin

    @property
    def path(self) -> str:
        """The endpoint asked, below the base URL: `/chat/completions` or `/responses`."""
        ...

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the endpoint takes it, over the wire or as a line of a batch file."""
        ...

    def read(self, request: Request, answer: Any) -> Reply:
        """The endpoint's answer, parsed from JSON, as a Reply.

        Raises:
            ModelError: when it holds no answer, or is from another model than the pin.
        """
        ...

    async def ask(self, request: Request, limit_s: float | None = None) -> Reply:
        """One answer, within so many seconds; the pin's `timeout_s` where nobody says.

        Raises:
            ModelError: when there is none.
        """
        ...

    async def ends(self) -> dict[str, date]:
        """The models of the provider's list that have a last day, with that day.

        Raises:
            ModelError: when the list cannot be read.
        """
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...
