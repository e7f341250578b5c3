"""Asks a provider's moderation endpoint about one text, while a request waits for it.

What its answer means for an application is a guardrail's policy.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from evals.models.clients import read_key, why_unavailable
from evals.models.faults import error_from_openai
from evals.models.protocol import ModelError, Unavailable
from evals.specs import ModelPin

if TYPE_CHECKING:
    import openai


class Moderated(NamedTuple):
    """What the endpoint concludes of a text."""

    flagged: bool
    scores: dict[str, float]
    """By category, from 0 to 1."""


def open_moderation_client(pin: ModelPin) -> openai.OpenAI:
    """Opens the client of a pin, once a process; it keeps its connections.

    Raises:
        Unavailable: there is no key here.
    """
    if why_unavailable(pin):
        raise Unavailable("no-key", f"{pin.name}: set {pin.key_variable}")
    return build_client(pin.base_url, read_key(pin).reveal() or "none", pin.timeout_s)


@functools.lru_cache(maxsize=16)
def build_client(base_url: str | None, key: str, timeout_s: float) -> openai.OpenAI:
    """Builds a client that does not repeat a request: a user waits."""
    import openai

    return openai.OpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0)


def moderate(pin: ModelPin, text: str) -> Moderated:
    """Asks about a text; the request is not repeated.

    Raises:
        ModelError: the call failed, or the answer is not what the API promises.
        Unavailable: there is no key here.
    """
    client = open_moderation_client(pin)
    try:
        answer = client.moderations.create(model=pin.model, input=text)
        result = answer.results[0]
        scores = result.category_scores.model_dump(by_alias=True)
        numbers = {name: float(score) for name, score in scores.items() if score is not None}
        return Moderated(bool(result.flagged), numbers)
    except (IndexError, AttributeError, TypeError, ValueError):
        fault = ModelError("malformed-response", "no result", retryable=True)
    except Exception as error:
        fault = error_from_openai(error)
    raise fault  # without the library's error, which may repeat the text or the key
