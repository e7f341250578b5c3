"""Promises of the model client: every failure has a stable code, and no secret is in it."""

import asyncio
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.models import ModelError, Reply, Request
from evals.specs import ModelPin, Price
from tests.evals import model_server as server

ASKED = Request(({"role": "user", "content": "?"},), 10, 0.0, 1)
SECRET = "sk-very-secret-0123456789"  # noqa: S105  invented


def ask(script: Any, request: Request = ASKED, timeout_s: float = 5) -> Reply:
    """One question to a server that follows a script."""
    with server.serving(script) as running:
        pin = ModelPin(name="m", model="m-1", base_url=running.url, timeout_s=timeout_s)

        async def once() -> Reply:
            client = models.OpenAIClient(pin, running.url, SECRET)
            try:
                return await client.ask(request)
            finally:
                await client.close()

        return asyncio.run(once())


def test_an_answer_comes_with_what_identifies_its_model() -> None:
    """Model, fingerprint, creation time and tokens are kept with the text."""
    reply = ask(lambda b, n: server.Said(200, server.completion(b, "ok", system_fingerprint="f")))
    assert reply == Reply("ok", None, "m-1", "f", 1, 10, 2, 0, "stop", 0.0, 1)


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "refused-request", False),
        (401, "not-authorised", True),
        (404, "refused-request", False),
        (429, "rate-limited", True),
        (500, "server-error", True),
        (503, "server-error", True),
    ],
)
def test_a_status_has_its_code(status: int, code: str, retryable: bool) -> None:
    """What may pass is tried again, what may not is final."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.Said(status, {"error": {"message": SECRET}}))
    assert (raised.value.code, raised.value.retryable) == (code, retryable)


def test_the_provider_s_words_stay_out_of_the_error() -> None:
    """An error that echoes the key does not carry it on."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.Said(401, {"error": {"message": f"bad key {SECRET}"}}))
    assert SECRET not in repr(raised.value) + str(raised.value.__cause__)
    assert raised.value.__suppress_context__


def test_a_request_to_wait_is_heard() -> None:
    """Retry-After is kept in seconds."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.Said(429, {}, {"Retry-After": "2.5"}))
    assert raised.value.wait_s == 2.5


def test_silence_is_a_timeout() -> None:
    """A server that hangs costs the pin's time and no more."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.Said(after_s=1.0), timeout_s=0.2)
    assert raised.value.code == "timeout"


@pytest.mark.parametrize("body", [b"not json", b"[]", b"{}", b'{"choices": []}', b'{"choices"'])
def test_a_malformed_answer_is_an_error(body: bytes) -> None:
    """What holds no answer is never read as one."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.Said(200, body))
    assert raised.value.code == "malformed-response"


def test_an_answer_from_another_model_is_refused() -> None:
    """An alias that answers with another model is an alarm, not a score."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.Said(200, server.completion(b, "ok", model="m-2")))
    assert (raised.value.code, raised.value.retryable) == ("other-model", False)
    assert raised.value.reply is not None
    assert (raised.value.reply.model, raised.value.reply.tokens_in) == ("m-2", 10)


def test_p_yes_is_read_from_the_first_token() -> None:
    """Yes and no in any spelling share the probability between them."""

    def script(body: dict[str, Any], seen: int) -> Any:
        top = [("Yes", 0.6), (" yes", 0.1), ("No", 0.1), ("Maybe", 0.2)]
        tokens = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in top]
        said = server.completion(body, "Yes")
        said["choices"][0]["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens}]}
        return server.Said(200, said)

    request = Request(ASKED.messages, 1, 0.0, 1, yes_no=True)
    probability = ask(script, request).probability
    assert probability == pytest.approx(0.7 / 0.8)


def test_a_cost_is_the_price_of_its_night() -> None:
    """A price change does not reprice the nights before it."""
    old = Price(since=date(2026, 1, 1), input=1, output=2)
    new = Price(since=date(2026, 10, 1), input=10, output=20)
    pin = ModelPin(name="m", model="m-1", prices=(new, old))
    assert models.cost(pin, date(2026, 9, 30), 1_000_000, 500_000) == 2.0
    assert models.cost(pin, date(2026, 10, 1), 1_000_000, 500_000) == 20.0
    assert models.cost(pin, date(2025, 1, 1), 1_000_000, 0) == 0.0


def test_a_model_without_its_key_is_unavailable_and_says_which() -> None:
    """The reason is a stable word, the message names the variable and not its value."""
    pin = ModelPin(name="m", model="m-1", api_key_env="ANDON_TEST_KEY")
    assert models.unavailable_because(pin, {}) == "no-key"
    assert models.unavailable_because(pin, {"ANDON_TEST_KEY": SECRET}) is None
    with pytest.raises(models.Unavailable, match="ANDON_TEST_KEY"):
        models.open_client(pin)


def test_weights_of_another_digest_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    """The pin of an embedded model is its file's digest."""
    package = tmp_path / "some_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "w.gguf").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    pin = ModelPin(
        name="m", provider="embedded", model="w.gguf", package="some_weights", sha256="0" * 64
    )
    with pytest.raises(models.Unavailable, match="not the pinned file"):
        models.weights(pin)
    digest = models.embedded.file_digest(package / "w.gguf")
    good = pin.model_copy(update={"sha256": digest})
    assert models.weights(good) == package / "w.gguf"
