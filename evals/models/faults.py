"""How a call fails: every fault's code, in a sentence that says what to do.

A provider's own words never get out of here: an error body may repeat the key it was sent.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from evals.models.limits import limits_of, wait_of
from evals.models.protocol import ModelError

FAULTS = MappingProxyType(
    {
        "timeout": "no answer within the pin's `timeout_s`",
        "connection": "the server could not be reached, or hung up",
        "truncated-response": "the answer was cut short on its way",
        "malformed-response": "the answer is not what the API promises",
        "rate-limited": "HTTP 429: more was asked than the provider allows",
        "quota-exhausted": "the account's quota is used up; raise it with the provider",
        "not-authorised": "the key is not accepted; look at the pin's `api_key_env`",
        "server-error": "the provider had a fault of its own",
        "no-such-model": "the provider has no such model, or not for this key",
        "no-such-endpoint": "nothing answers there; look at the pin's `base_url` and `api`",
        "redirected": "the server sends elsewhere; name that address in `base_url`",
        "too-long": "the question is longer than the model reads; lower the judge's `max_chars`",
        "not-shown-whole": "longer than the judge's `max_chars`, and a judge must not pass what it "
        "was not shown; raise it, or set `too_long: cut`",
        "content-filter": "the provider's filter refused the question",
        "takes-no-schema": "the server takes no JSON schema; set `structured: false` in the pin",
        "takes-no-parameter": "the model refused a parameter; `reasoning` in the pin decides "
        "between `max_tokens` with a temperature and `max_completion_tokens` without",
        "takes-no-logprobs": "the model gives no token probabilities; use `mode: schema`",
        "refused-request": "the provider refused the question",
        "other-model": "another model answered than the pin names; where that is another name of "
        "the same, add it to the pin's `answers_as`",
        "model-refused": "the model declined to answer",
        "cut-short": "the answer ended at the judge's `max_tokens`; raise it",
        "unparseable": "the answer is not the JSON that was asked for",
        "two-verdicts": "the answer holds a pass and a fail",
        "batch-expired": "the batch ended before this was asked",
        "batch-cancelled": "the batch was cancelled before this was asked",
        "batch-refused": "the provider refused the batch's file; `andon batches list` says why",
        "batch-missing": "the batch gave no row for this",
        "batch-row-failed": "the provider had a fault of its own at this row of the batch",
        "no-probability": "neither yes nor no was among the likely tokens",
    }
)
"""Every code an answer can fail with, in words."""

MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("content-filter", ("content_filter", "content_policy", "responsibleaipolicy")),
    ("too-long", ("context_length", "context length", "maximum context", "too many tokens")),
    ("no-such-model", ("model_not_found", "deploymentnotfound", "does not exist")),
    ("takes-no-schema", ("response_format", "json_schema", "text.format")),
    ("takes-no-logprobs", ("logprobs",)),
    ("takes-no-parameter", ("max_tokens", "max_completion_tokens", "temperature", "seed")),
)
"""What an error body names, in the order in which it decides."""


def from_status(status: int, headers: Any, body: bytes) -> ModelError:
    """An HTTP status that is no success as a ModelError."""
    said = body[:4096].decode("utf-8", "replace").lower()
    code, retryable = coded(status, said)
    return ModelError(
        code,
        f"HTTP {status}",
        retryable=retryable,
        wait_s=wait_of(headers) if retryable else None,
        limits=limits_of(headers),
    )


def coded(status: int, said: str) -> tuple[str, bool]:
    """A status with what the body names: its code, and whether another time may do better."""
    if status == 429:
        return ("quota-exhausted" if "insufficient_quota" in said else "rate-limited"), True
    if status in (401, 403):
        return "not-authorised", True
    if status >= 500 or status in (408, 409, 425):
        return "server-error", True
    if status < 400:
        return "redirected", False
    named = next((code for code, marks in MARKS if any(mark in said for mark in marks)), None)
    if status == 404:
        return (named if named == "no-such-model" else "no-such-endpoint"), False
    return named or "refused-request", False


def from_openai(error: Exception) -> ModelError:
    """What the `openai` client raised, told the same way; raise it outside the handler."""
    import openai

    if isinstance(error, openai.APIStatusError):
        answer = error.response
        return from_status(error.status_code, answer.headers, answer.content)
    if isinstance(error, openai.APITimeoutError):
        return ModelError("timeout", "APITimeoutError", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        kind = type(error.__cause__ or error).__name__
        return ModelError("connection", kind, retryable=True)
    return ModelError("malformed-response", type(error).__name__, retryable=True)


def broken(error: Exception) -> ModelError:
    """A call that came to no status: its kind is told, its text is not."""
    import aiohttp

    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return ModelError("timeout", kind, retryable=True)
    if isinstance(error, aiohttp.ClientPayloadError):
        return ModelError("truncated-response", kind, retryable=True)
    if isinstance(error, aiohttp.ClientResponseError):
        return ModelError("malformed-response", kind, retryable=True)
    return ModelError("connection", kind, retryable=True)
