"""Error codes of failed calls, each with a sentence on what happened and what to do.

A provider's error text stays in here, because it may repeat the key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from evals.models.limits import parse_limits, parse_wait
from evals.models.protocol import ModelError
from evals.records import Json

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
        "too-long": "the question is longer than the model reads; lower the judge's `max_chars` "
        "or `max_tokens`, or enlarge the server's context",
        "max-tokens-too-large": "the judge's `max_tokens` is more than the model can answer with; "
        "lower it",
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
        "max-tokens-too-large",
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

OUTPUT_LIMIT = r"max_?(?:completion|output|new)?_?tokens"

CODES_BY_WORDS = {
    "content-filter": "content_filter|content_policy|responsibleaipolicy",
    "too-long": "context[_ ](?:length|size)|context (?:window|limit)|maximum context"
    "|maximum prompt length"
    "|too many tokens|reduce the length of|request[_ ]too[_ ]large"
    "|(?:prompt|input|string) (?:is )?too long|input token count"
    r"|range of input length|must have less than \d+ tokens|`inputs` tokens"
    "|max_tokens must be at least 1, got -",
    "max-tokens-too-large": rf"{OUTPUT_LIMIT}[^.]{{0,80}}"
    r"(?:too large|(?:>|\\u003e) \d|less than or equal to|above max|range)"
    rf"|range of {OUTPUT_LIMIT}|maximum tokens you requested",
    "no-such-model": "model_not_found|deploymentnotfound|model_not_available|invalid_model"
    "|does not exist|model not exist|invalid model|not a valid model|no models loaded"
    "|unable to access (?:non-serverless )?model|no endpoints found for|not found for api version"
    r"|model:?(?: [\"'`\\]*[\w./:@+-]+[\"'`\\]*,?)? (?:was |is )?not found"
    r'|"message": ?"model: ',
    "quota-exhausted": "credit balance is too low",
    "not-authorised": "api key not valid|api_key_invalid|invalid_api_key",
    "takes-no-schema": r"response_format|json_schema|text\.format",
    "takes-no-logprobs": "logprobs|top_n_tokens",
    "takes-no-parameter": "max_tokens|max_completion_tokens|temperature|seed",
}
"""Codes by words of an error body in lower case; the first match decides.

They are the words of OpenAI, Azure, Anthropic, Gemini, Bedrock, Groq, Mistral, DeepSeek, Together,
OpenRouter, vLLM, SGLang, TGI, llama.cpp, LM Studio and Ollama; `tests/evals/models/test_faults.py`
has an example of each.
"""

BODY_PATTERNS = tuple((code, re.compile(words)) for code, words in CODES_BY_WORDS.items())

RETRYABLE_NAMES = frozenset({"quota-exhausted", "not-authorised"})
"""Codes of an error body with which a call is retryable, as with the status meant for them."""


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


def error_from_body(answer: Json) -> ModelError | None:
    """Reads an error that came with status 200, as from OpenRouter; None where there is none."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return None
    text = json.dumps(error)[:4096].lower()
    status = error.get("code") if isinstance(error, dict) else None
    if isinstance(status, int) and 400 <= status < 600:
        code, retryable = classify_status(status, text)
        return ModelError(code, f"error {status} in an answer", retryable=retryable)
    code = find_named_code(text)
    if code is None:
        return None
    return ModelError(code, "an error in an answer", retryable=code in RETRYABLE_NAMES)


def classify_status(status: int, text: str) -> tuple[str, bool]:
    """Classifies a status by its error body: the code, and whether a retry may succeed."""
    if status == 429:
        return classify_rate_limit(text)
    if status in (401, 403):
        return "not-authorised", True
    if status == 402:
        return "quota-exhausted", True
    if status < 400:
        return "redirected", False
    named = find_named_code(text)
    if status >= 500 or status in (408, 409, 425):
        return (named, False) if named == "too-long" else ("server-error", True)
    if status == 404:
        return (named if named == "no-such-model" else "no-such-endpoint"), False
    if named is None:
        return ("too-long" if status == 413 else "refused-request"), False
    return named, named in RETRYABLE_NAMES


def classify_rate_limit(text: str) -> tuple[str, bool]:
    """Classifies status 429: more than a minute allows at all is no matter of waiting."""
    if "insufficient_quota" in text or "billing_hard_limit" in text:
        return "quota-exhausted", True
    return ("too-long", False) if "request too large" in text else ("rate-limited", True)


def find_named_code(text: str) -> str | None:
    """Finds the code that an error body names, in lower case; None where it names none."""
    return next((code for code, pattern in BODY_PATTERNS if pattern.search(text)), None)


def error_from_openai(error: Exception) -> ModelError:
    """Converts an `openai` or httpx exception into a ModelError; raise it outside the handler."""
    import httpx2
    import openai

    if isinstance(error, httpx2.TransportError):  # while a body is streamed
        is_late = isinstance(error, httpx2.TimeoutException)
        code = "timeout" if is_late else "truncated-response"
        return ModelError(code, type(error).__name__, retryable=True)
    if isinstance(error, openai.APIStatusError):
        answer = error.response
        return error_from_status(error.status_code, answer.headers, answer.content)
    if isinstance(error, openai.APITimeoutError):
        return ModelError("timeout", "APITimeoutError", retryable=True)
    if isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, ValueError):
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
