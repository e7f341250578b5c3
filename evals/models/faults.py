"""Error codes of failed calls, each with a sentence on what happened and what to do.

A provider's error text stays in here, because it may repeat the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evals.models.limits import parse_limits, parse_wait
from evals.models.protocol import ModelError

FAULTS = MappingProxyType(
    {
        "timeout": "no answer within the pin's `timeout_s`",
        "connection": "the server could not be reached, or closed the connection; check that it "
        "runs, and the pin's `base_url`",
        "unknown-host": "the server's name is not known; check the pin's `base_url`, and DNS",
        "bad-certificate": "the server's certificate is not valid; check the pin's `base_url`, and "
        "the certificates of this machine",
        "web-page": "the server answers with a web page; check the pin's `base_url`",
        "provider-down": "the provider answered nothing for a while",
        "truncated-response": "the answer was cut off in transit",
        "malformed-response": "the answer is not what the API promises",
        "rate-limited": "HTTP 429: more was asked than the provider allows",
        "quota-exhausted": "the account's quota or credit is used up; raise it with the provider",
        "not-authorised": "the provider rejects the key; check the pin's `api_key_env`",
        "server-error": "the provider had an internal error",
        "no-such-model": "the provider has no such model, or not for this key",
        "no-such-endpoint": "no such endpoint; check the pin's `base_url` and `api`",
        "redirected": "the server redirects to another address; set it as `base_url`",
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
        "batch-expired": "the batch expired before this was asked",
        "batch-cancelled": "the batch was cancelled before this was asked",
        "batch-refused": "the provider refused the batch's file; `andon batches list` says why",
        "batch-missing": "the batch returned no row for this",
        "batch-row-failed": "the provider had an internal error at this row of the batch",
        "no-probability": "neither yes nor no was among the likely tokens",
    }
)
"""Every code an answer can fail with, explained."""

SETUP_CODES = frozenset(
    {
        "not-authorised",
        "quota-exhausted",
        "no-such-model",
        "no-such-endpoint",
        "redirected",
        "other-model",
        "takes-no-schema",
        "takes-no-parameter",
        "takes-no-logprobs",
    }
)
"""Codes with which every call fails until a person changes the pin, the account or the server:
each later run asks again, and a few in a row end the calls of a run."""

UNREACHABLE = frozenset({"connection", "unknown-host", "bad-certificate", "web-page"})
"""Codes of calls that did not reach the model's API."""

ASKED_AGAIN = SETUP_CODES | UNREACHABLE | {"too-long"}
"""Codes whose cause a person can remove: a call that failed so is repeated by later runs."""

WITHOUT_LIMIT = SETUP_CODES | UNREACHABLE | {"batch-refused"}
"""Codes of calls that any number of later runs repeats: they are free, and few in each run."""

BODY_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("content-filter", ("content_filter", "content_policy", "responsibleaipolicy")),
    ("too-long", ("context_length", "context length", "maximum context", "too many tokens")),
    ("no-such-model", ("model_not_found", "deploymentnotfound", "does not exist")),
    ("takes-no-schema", ("response_format", "json_schema", "text.format")),
    ("takes-no-logprobs", ("logprobs",)),
    ("takes-no-parameter", ("max_tokens", "max_completion_tokens", "temperature", "seed")),
)
"""Codes by the words in an error body; the first match decides."""


def error_from_status(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """Converts an HTTP error status into a ModelError."""
    text = body[:4096].decode("utf-8", "replace").lower()
    code, retryable = classify_status(status, text)
    return ModelError(
        code,
        f"HTTP {status}",
        retryable=retryable,
        wait_s=parse_wait(headers) if retryable else None,
        limits=parse_limits(headers),
    )


def classify_status(status: int, text: str) -> tuple[str, bool]:
    """Classifies a status by its error body: the code, and whether a retry may succeed."""
    if status == 429:
        return ("quota-exhausted" if "insufficient_quota" in text else "rate-limited"), True
    if status in (401, 403):
        return "not-authorised", True
    if status == 402:
        return "quota-exhausted", True
    if status >= 500 or status in (408, 409, 425):
        return "server-error", True
    if status < 400:
        return "redirected", False
    named = next((code for code, marks in BODY_MARKS if any(mark in text for mark in marks)), None)
    if status == 404:
        return (named if named == "no-such-model" else "no-such-endpoint"), False
    return named or "refused-request", False


def error_from_openai(error: Exception) -> ModelError:
    """Converts an `openai` exception into a ModelError; raise it outside the handler."""
    import openai

    if isinstance(error, openai.APIStatusError):
        answer = error.response
        return error_from_status(error.status_code, answer.headers, answer.content)
    if isinstance(error, openai.APITimeoutError):
        return ModelError("timeout", "APITimeoutError", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        kind = type(error.__cause__ or error).__name__
        return ModelError("connection", kind, retryable=True)
    return ModelError("malformed-response", type(error).__name__, retryable=True)


def error_from_exception(error: Exception) -> ModelError:
    """Converts a failed call without a status into a ModelError, without its text."""
    import aiohttp

    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return ModelError("timeout", kind, retryable=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ModelError("unknown-host", kind, retryable=True)
    if isinstance(error, aiohttp.ClientSSLError):
        return ModelError("bad-certificate", kind, retryable=True)
    if isinstance(error, aiohttp.ClientPayloadError):
        return ModelError("truncated-response", kind, retryable=True)
    if isinstance(error, aiohttp.ClientResponseError):
        return ModelError("malformed-response", kind, retryable=True)
    return ModelError("connection", kind, retryable=True)
