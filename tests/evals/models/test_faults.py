"""Failures of a provider: each has a stable code, and the wait it asks for is read."""

import email.utils
import json
import time
from typing import Any

import pytest

from evals import models
from evals.models import Limits, ModelError
from evals.specs import ModelPin
from tests.evals.models import model_server as server
from tests.evals.models.scripts import REQUEST, run_script, script_completion, send_request

RETRYABLE = frozenset({"quota-exhausted", "not-authorised", "rate-limited", "server-error"})


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (301, {}, "redirected", False),
        (400, {}, "refused-request", False),
        (400, {"error": {"code": "context_length_exceeded"}}, "too-long", False),
        (400, {"error": {"param": "response_format"}}, "takes-no-schema", False),
        (400, {"error": {"param": "max_tokens"}}, "takes-no-parameter", False),
        (400, {"error": {"message": "logprobs are not supported"}}, "takes-no-logprobs", False),
        (400, {"error": {"code": "content_filter"}}, "content-filter", False),
        (401, {}, "not-authorised", True),
        (403, {}, "not-authorised", True),
        (404, {}, "no-such-endpoint", False),
        (404, {"error": {"code": "model_not_found"}}, "no-such-model", False),
        (408, {}, "server-error", True),
        (429, {}, "rate-limited", True),
        (429, {"error": {"code": "insufficient_quota"}}, "quota-exhausted", True),
        (500, {}, "server-error", True),
        (503, {}, "server-error", True),
    ],
)
def test_a_status_has_its_code(status: int, body: Any, code: str, retryable: bool) -> None:
    """A passing fault is retryable, any other is final, and each code has a description."""
    with pytest.raises(ModelError) as raised:
        run_script(lambda b, n: server.ServerReply(status, body, {"Location": "/elsewhere"}))
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert code in models.FAULTS


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "no-such-model", 'model "llama3" not found, try pulling it first'),  # Ollama
        (404, "no-such-model", "model 'qwen3:8b' not found"),
        (404, "no-such-model", "models/gemini-9 is not found for API version v1beta, or is not "
         "supported for generateContent."),
        (404, "no-such-model", "The model `m-1` does not exist or you do not have access to it."),
        (404, "no-such-model", "model: claude-9"),  # Anthropic
        (404, "no-such-model", "Model not found, inaccessible, and/or not deployed"),  # Fireworks
        (404, "no-such-model", "No endpoints found for m/m-1."),  # OpenRouter
        (400, "no-such-model", "m-1 is not a valid model ID"),
        (400, "no-such-model", 'Invalid model identifier "m-1". Please specify a valid '
         "downloaded model"),  # LM Studio
        (400, "no-such-model", "No models loaded. Please load a model in the developer page"),
        (400, "no-such-model", "Unable to access non-serverless model m-1."),  # Together
        (400, "no-such-model", "Invalid model: m-1"),  # Mistral
        (400, "no-such-model", "Model Not Exist"),  # DeepSeek
        (404, "no-such-endpoint", "Invalid URL (POST /chat/completions)"),
        (404, "no-such-endpoint", "The requested URL /model/m-1 was not found on this server."),
        (404, "no-such-endpoint", "File Not Found"),
        (400, "too-long", "the request exceeds the available context size, try increasing it"),
        (500, "too-long", "the request exceeds the available context size. try increasing the "
         "context size or enable context shift"),  # older llama.cpp
        (400, "too-long", "Requested tokens (2285) exceed context window of 2048"),
        (400, "too-long", "prompt is too long: 208656 tokens > 200000 maximum"),  # Anthropic
        (400, "too-long", "input length and `max_tokens` exceed context limit: 190000 + 21333 > "
         "200000, decrease input length or `max_tokens` and try again"),
        (413, "too-long", "Request exceeds the maximum size"),
        (400, "too-long", "The input token count (1200293) exceeds the maximum number of tokens "
         "allowed (1048576)."),  # Gemini
        (400, "too-long", "Unable to submit request because the input token count is 40000 but "
         "model only supports up to 32768."),
        (400, "too-long", "This model's maximum context length is 8192 tokens. However, you "
         "requested 8256 tokens (64 in the messages, 8192 in the completion)."),
        (400, "too-long", "'max_tokens' or 'max_completion_tokens' is too large: 64000. This "
         "model's maximum context length is 64001 tokens and your request has 24235 input "
         "tokens (64000 > 64001 - 24235)."),  # vLLM
        (400, "too-long", "max_tokens must be at least 1, got -186."),
        (400, "too-long", "Trying to keep the first 10136 tokens when context the overflows. "
         "However, the model is loaded with context length of only 7866 tokens"),  # LM Studio
        (422, "too-long", "Input validation error: `inputs` tokens + `max_new_tokens` must be "
         "<= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`"),  # TGI
        (400, "too-long", "This model's maximum prompt length is 131072 but the request contains "
         "537812 tokens."),  # xAI
        (400, "too-long", "Input is too long for requested model."),  # Bedrock
        (400, "too-long", "Your input exceeds the context window of this model."),
        (429, "too-long", "Request too large for m-1 on tokens per min (TPM): Limit 10000, "
         "Requested 12000."),
        (400, "max-tokens-too-large", "max_tokens is too large: 8192. This model supports at "
         "most 4096 completion tokens, whereas you provided 8192."),
        (400, "max-tokens-too-large", "max_tokens: 10000 > 4096, which is the maximum allowed "
         "number of output tokens for claude-3-5-sonnet-20240620"),
        (400, "max-tokens-too-large", "`max_completion_tokens` must be less than or equal to "
         "`40960`, the maximum value for it is less than the `context_window` for this model"),
        (400, "max-tokens-too-large", "Invalid max_tokens value, the valid range of max_tokens "
         "is [1, 8192]"),  # DeepSeek
        (400, "max-tokens-too-large", "Invalid 'max_output_tokens': integer above maximum value. "
         "Expected a value <= 16384, but got 99999 instead."),
        (400, "max-tokens-too-large", "Unable to submit request because it has a maxOutputTokens "
         "value of 65536 but the supported range is from 1 to 8193"),
        (400, "takes-no-parameter", "Unsupported parameter: 'max_tokens' is not supported with "
         "this model. Use 'max_completion_tokens' instead."),
        (400, "quota-exhausted", "Your credit balance is too low to access the Anthropic API."),
        (400, "not-authorised", "API key not valid. Please pass a valid API key."),  # Gemini
        (429, "rate-limited", "You exceeded your current quota, please check your plan"),
        (503, "server-error", "Loading model"),
    ],
)  # fmt: skip
def test_a_fault_is_known_by_the_words_of_its_server(status: int, code: str, message: str) -> None:
    """Each provider's sentence has its code, however its error body is built."""
    bodies: tuple[Any, ...] = (
        {"error": {"message": message, "type": "api_error", "param": None, "code": None}},
        {"type": "error", "error": {"type": "not_found_error", "message": message}},
        [{"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}],
        {"object": "error", "message": message, "type": "BadRequestError", "code": status},
    )
    for body in bodies:
        error = models.faults.error_from_status(status, {}, json.dumps(body).encode())
        assert error.code == code, body
        assert error.retryable is (code in RETRYABLE)
        assert code in models.FAULTS


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"code": 402, "message": "Insufficient credits"}, "quota-exhausted", True),
        ({"code": 502, "message": "Upstream error"}, "server-error", True),
        ({"code": 400, "message": "prompt is too long"}, "too-long", False),
        ("No models loaded.", "no-such-model", False),
        ({"code": "server_error", "message": "?"}, "malformed-response", True),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_error_with_status_200_has_its_code(
    error: Any, code: str, retryable: bool, api: str
) -> None:
    """Some servers send their error where an answer should be."""
    shape = models.choose_shape(ModelPin(name="m", model="m-1", api=api), models.Key(None))
    got = shape.parse_or_error(REQUEST, {"error": error})
    assert isinstance(got, ModelError)
    assert (got.code, got.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (server.ServerReply(fault="reset"), "connection"),
        (server.ServerReply(200, b"{" * 4000, fault="truncated"), "truncated-response"),
        (server.ServerReply(200, b"not json"), "malformed-response"),
        (server.ServerReply(200, b"[]"), "malformed-response"),
        (server.ServerReply(200, b"{}"), "malformed-response"),
        (server.ServerReply(200, b'{"choices": []}'), "malformed-response"),
        (server.ServerReply(200, b'{"choices"'), "malformed-response"),
        (server.ServerReply(200, b"\xff\xfe"), "malformed-response"),
        (server.ServerReply(delay_s=1.0), "timeout"),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_broken_response_is_a_retryable_error(
    reply: server.ServerReply, code: str, api: str
) -> None:
    """Resets, truncated and malformed responses and timeouts are never read as an answer."""
    with pytest.raises(ModelError) as raised:
        run_script(lambda b, n: reply, api=api, timeout_s=0.3)
    assert (raised.value.code, raised.value.retryable) == (code, True)
    assert code in models.FAULTS


def test_a_server_that_does_not_listen_is_a_connection_error() -> None:
    """A refused connection has the code `connection`."""
    with pytest.raises(ModelError, match="connection"):
        send_request(ModelPin(name="m", model="m-1", base_url="http://127.0.0.1:9/v1"))


def test_retry_after_is_read_in_every_form() -> None:
    """It is read as seconds, milliseconds or a date, the date by the server's own clock."""
    now = "Sun, 06 Nov 2026 08:49:37 GMT"
    for headers, wait in (
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "3", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Sun, 06 Nov 2026 08:49:47 GMT", "Date": now}, 10.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "999999999"}, 3600.0),
    ):
        error = models.faults.error_from_status(
            429, {k.lower(): v for k, v in headers.items()}, b""
        )
        assert error.wait_s == wait, headers
    soon = email.utils.formatdate(time.time() + 1000, usegmt=True)
    wait_by_own_clock = models.faults.error_from_status(429, {"retry-after": soon}, b"").wait_s
    assert wait_by_own_clock is not None, "without a Date header our own clock counts"
    assert 900 < wait_by_own_clock <= 1000


def test_rate_limits_come_with_answers_and_with_errors() -> None:
    """Counts are numbers, times are seconds, and a missing or malformed header is None."""
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-remaining-tokens": "29970",
        "x-ratelimit-reset-tokens": "6m1.5s",
        "x-ratelimit-limit-tokens": "rubbish",
    }
    allowed = Limits(500, 499, 0.12, None, 29970, 361.5)
    reply = run_script(
        lambda b, n: server.ServerReply(200, server.build_completion(b, "ok"), headers)
    )
    assert reply.limits == allowed
    assert run_script(script_completion("ok")).limits is None
    with pytest.raises(ModelError) as raised:
        run_script(lambda b, n: server.ServerReply(429, {}, {**headers, "Retry-After": "2"}))
    assert (raised.value.limits, raised.value.wait_s) == (allowed, 2.0)
