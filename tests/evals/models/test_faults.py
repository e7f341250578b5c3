"""Failures of a provider: each has a stable code, and what it says of waiting is read."""

import email.utils
import time
from typing import Any

import pytest

from evals import models
from evals.models import Limits, ModelError
from evals.specs import ModelPin
from tests.evals.models import model_server as server
from tests.evals.models.scripts import run_script, script_completion, send_request


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
