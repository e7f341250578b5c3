"""Promises of the model client: every way to be asked works, every failure has a stable code."""

import asyncio
import email.utils
import math
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.models import Limits, ModelError, Reply, Request
from evals.specs import ModelPin, Price
from tests.evals.models import model_server as server

ASKED = Request(({"role": "user", "content": "?"},), 10, 0.0, 1)
YES_NO = Request(ASKED.messages, 1, 0.0, 1, yes_no=True)
BY_SCHEMA = Request(ASKED.messages, 10, 0.0, 1, schema={"type": "object"})
Bodies = list[dict[str, Any]]


def once(pin: ModelPin, request: Request = ASKED, key: str | None = "k") -> Reply:
    """One question to a pin's server."""

    async def asked() -> Reply:
        client = models.OpenAIClient(pin, pin.base_url, models.Key(key))
        try:
            return await client.ask(request)
        finally:
            await client.close()

    return asyncio.run(asked())


def ask(script: Any, request: Request = ASKED, seen: Bodies | None = None, **keys: Any) -> Reply:
    """One question to a server that follows a script."""
    with server.serve_script(script) as running:
        pin = ModelPin(**{"name": "m", "model": "m-1", "base_url": running.url, **keys})
        try:
            return once(pin, request)
        finally:
            (seen if seen is not None else []).extend(running.bodies)


def says(text: str | None, **changes: Any) -> Any:
    """A script of one chat completion."""
    return lambda body, n: server.ServerReply(200, server.build_completion(body, text, **changes))


def responds(text: str, **changes: Any) -> Any:
    """A script of one Response."""
    return lambda body, n: server.ServerReply(200, server.build_response(body, text, **changes))


def test_an_answer_comes_with_what_identifies_its_model() -> None:
    """Model, fingerprint, creation time, tokens and what was sent are kept with the text."""
    reply = ask(says("ok", system_fingerprint="f"))
    assert reply == Reply("ok", None, "m-1", "f", 1, 10, 2, 0, "stop", 0.0, 1)


def test_tokens_the_provider_had_cached_are_told_apart() -> None:
    """They are charged less, so they are counted."""
    usage = {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 8}}
    assert ask(says("ok", usage=usage)).tokens_cached == 8
    assert ask(responds("ok"), api="responses").tokens_cached == 4


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
    """What may pass is tried again, what may not is final, and each code has its sentence."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.ServerReply(status, body, {"Location": "/elsewhere"}))
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert code in models.FAULTS


@pytest.mark.parametrize(
    ("said", "code"),
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
def test_a_fault_of_any_kind_is_an_error_that_may_pass(
    said: server.ServerReply, code: str, api: str
) -> None:
    """Resets, cut answers, hangs and rubbish are never read as an answer."""
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: said, api=api, timeout_s=0.3)
    assert (raised.value.code, raised.value.retryable) == (code, True)
    assert code in models.FAULTS


def test_a_server_that_is_not_there_is_a_connection_that_failed() -> None:
    """Nothing listens, and that is said."""
    with pytest.raises(ModelError, match="connection"):
        once(ModelPin(name="m", model="m-1", base_url="http://127.0.0.1:9/v1"))


def test_a_request_to_wait_is_heard() -> None:
    """Seconds, milliseconds and a date are all understood; the date by the server's own clock."""
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
    untold = models.faults.error_from_status(429, {"retry-after": soon}, b"").wait_s
    assert untold is not None, "a server that tells no time means ours"
    assert 900 < untold <= 1000


def test_what_the_provider_still_allows_comes_with_answers_and_with_errors() -> None:
    """Counts are numbers, times are seconds, and what is not said is not made up."""
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-remaining-tokens": "29970",
        "x-ratelimit-reset-tokens": "6m1.5s",
        "x-ratelimit-limit-tokens": "rubbish",
    }
    allowed = Limits(500, 499, 0.12, None, 29970, 361.5)
    reply = ask(lambda b, n: server.ServerReply(200, server.build_completion(b, "ok"), headers))
    assert reply.limits == allowed
    assert ask(says("ok")).limits is None
    with pytest.raises(ModelError) as raised:
        ask(lambda b, n: server.ServerReply(429, {}, {**headers, "Retry-After": "2"}))
    assert (raised.value.limits, raised.value.wait_s) == (allowed, 2.0)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_what_comes_along_is_kept_where_it_is_what_the_api_promises(api: str) -> None:
    """A moment or a fingerprint of another kind costs nothing but itself."""
    says_so = says if api == "chat" else responds
    for made in ("now", 10**40, -1, [1], {"a": 1}, None):
        odd = {"created": made, "created_at": made, "system_fingerprint": {"a": 1}}
        reply = ask(says_so("ok", **odd), api=api)
        assert (reply.text, reply.created, reply.fingerprint) == ("ok", None, None)
    ended = server.build_completion({"model": "m-1"}, "ok")
    ended["choices"][0]["finish_reason"] = 7
    assert ask(lambda b, n: server.ServerReply(200, ended)).finish is None


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("count", [-1, 10**30, "many", [3]])
def test_tokens_that_cannot_be_are_no_answer(api: str, count: Any) -> None:
    """What a call cost is booked by them: less than nothing, or without end, is not believed."""
    says_so = says if api == "chat" else responds
    used = dict.fromkeys(("prompt_tokens", "input_tokens"), count)
    with pytest.raises(ModelError, match="malformed-response"):
        ask(says_so("ok", usage=used), api=api)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_key_that_the_server_repeats_is_not_kept(api: str) -> None:
    """Not in the answer, nor in the model's name, nor in what came along."""
    key = "a-key-of-no-known-form"
    says_so = says if api == "chat" else responds
    script = says_so(f"you sent {key}", model=f"m {key}", system_fingerprint=key)
    with server.serve_script(script) as running:
        pin = ModelPin(name="m", model="m-1", base_url=running.url, api=api)
        with pytest.raises(ModelError, match="other-model") as raised:
            once(pin, key=key)
        assert running.requests[0].headers["authorization"] == f"Bearer {key}"
    assert raised.value.reply is not None
    assert raised.value.reply.text == "you sent [redacted:key]"
    assert key not in f"{raised.value} {raised.value.reply}"


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_answer_from_another_model_is_refused(api: str) -> None:
    """An alias that answers with another model is an alarm, and still says what it cost."""
    script = says("ok", model="m-2") if api == "chat" else responds("ok", model="m-2")
    with pytest.raises(ModelError) as raised:
        ask(script, api=api)
    assert (raised.value.code, raised.value.retryable) == ("other-model", True)
    assert raised.value.reply is not None
    assert (raised.value.reply.model, raised.value.reply.tokens_in) == ("m-2", 10)


def test_a_documented_other_name_is_the_same_model() -> None:
    """`answers_as` lists what else answers may name; `record` takes whoever answers an alias."""
    assert ask(says("ok", model="m-2"), answers_as=("m-2",)).model == "m-2"
    assert ask(says("ok", model="m-9"), pins="record").model == "m-9"
    with pytest.raises(ModelError, match="other-model"):
        ask(says("ok", model="m-9"), pins="record", model="gpt-4.1-2025-04-14")


def test_a_refusal_is_an_error_and_not_a_verdict() -> None:
    """A model that declines, or a filter that cuts, gives no answer that may pass later."""
    refused = server.build_completion({"model": "m-1"}, None)
    refused["choices"][0]["message"]["refusal"] = "I cannot"
    with pytest.raises(ModelError, match="model-refused"):
        ask(lambda b, n: server.ServerReply(200, refused))
    declined = server.build_response({"model": "m-1"}, "")
    declined["output"][1]["content"] = [{"type": "refusal", "refusal": "I cannot"}]
    with pytest.raises(ModelError, match="model-refused"):
        ask(lambda b, n: server.ServerReply(200, declined), api="responses")
    filtered = server.build_completion({"model": "m-1"}, None)
    filtered["choices"][0]["finish_reason"] = "content_filter"
    with pytest.raises(ModelError, match="content-filter"):
        ask(lambda b, n: server.ServerReply(200, filtered))


def test_an_answer_that_ran_out_of_tokens_says_so() -> None:
    """Why a text ended is kept, also where thinking left no word of it."""
    cut = server.build_completion({"model": "m-1"}, None)
    cut["choices"][0]["finish_reason"] = "length"
    assert ask(lambda b, n: server.ServerReply(200, cut))[0::8] == ("", "length")
    half = responds("{", status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert ask(half, api="responses").finish == "length"


def test_p_yes_is_read_from_the_first_token() -> None:
    """Yes and no in any spelling share the probability between them, in both shapes."""
    top = [("Yes", 0.6), (" yes", 0.1), ("No", 0.1), ("Maybe", 0.2)]
    tokens = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in top]
    first = [{**tokens[0], "top_logprobs": tokens}]
    chat = server.build_completion({"model": "m-1"}, "Yes")
    chat["choices"][0]["logprobs"] = {"content": first}
    said = server.build_response({"model": "m-1"}, "Yes")
    said["output"][1]["content"][0]["logprobs"] = first
    for api, body in (("chat", chat), ("responses", said)):
        reply = ask(lambda b, n, body=body: server.ServerReply(200, body), YES_NO, api=api)
        assert reply.probability == pytest.approx(0.7 / 0.8)


def test_each_endpoint_is_asked_in_its_own_words() -> None:
    """Schema, seed, temperature and limits stand where chat and Responses look for them."""
    seen: Bodies = []
    ask(says("ok"), BY_SCHEMA, seen)
    ask(responds("ok"), BY_SCHEMA, seen, api="responses")
    chat, said = seen
    assert (chat["max_tokens"], chat["temperature"], chat["seed"]) == (10, 0.0, 1)
    assert chat["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (said["max_output_tokens"], said["temperature"], said["store"]) == (16, 0.0, False)
    assert said["text"]["format"]["schema"] == {"type": "object"}
    assert "seed" not in said
    assert said["input"] == chat["messages"]


def test_a_model_that_thinks_is_asked_without_a_temperature() -> None:
    """Told by its id or in the pin; what was not sent is not recorded as sent."""
    seen: Bodies = []
    reply = ask(says("ok"), ASKED, seen, model="gpt-5-2025-08-07", reasoning_effort="low")
    assert (seen[0]["max_completion_tokens"], seen[0]["reasoning_effort"]) == (10, "low")
    assert not {"max_tokens", "temperature"} & set(seen[0])
    assert (reply.temperature, reply.seed) == (None, 1)
    ask(responds("ok"), ASKED, seen, reasoning=True, reasoning_effort="low", api="responses")
    assert seen[1]["reasoning"] == {"effort": "low"}
    assert "temperature" not in seen[1]


def test_a_server_without_schemas_is_not_sent_one() -> None:
    """`structured: false` leaves the shape to the words of the question."""
    seen: Bodies = []
    ask(says("ok"), BY_SCHEMA, seen, structured=False)
    ask(responds("ok"), BY_SCHEMA, seen, structured=False, api="responses")
    assert "response_format" not in seen[0]
    assert "text" not in seen[1]


@pytest.mark.parametrize(
    ("api", "path"),
    [
        ("chat", "/openai/deployments/judge/chat/completions?api-version=2025-04-01"),
        ("responses", "/openai/responses?api-version=2025-04-01"),
    ],
)
def test_a_deployment_on_azure_is_asked_where_azure_expects_it(api: str, path: str) -> None:
    """The deployment stands in the address, the key in `api-key`, the model in the answer."""
    shape = server.build_completion if api == "chat" else server.build_response
    base = "gpt-4.1-mini-2025-04-14"
    with server.serve_script(
        lambda b, n: server.ServerReply(200, shape(b, "ok", model=base))
    ) as running:
        where = {
            "endpoint": running.url.removesuffix("/v1"),
            "deployment": "judge",
            "api_version": "2025-04-01",
        }
        pin = ModelPin.model_validate({"name": "m", "model": base, "azure": where, "api": api})
        assert once(pin, key="azure-key").model == base
        assert running.requests[0].path == path
        assert running.requests[0].headers["api-key"] == "azure-key"
        assert running.bodies[0]["model"] == "judge"


def test_a_key_goes_to_its_own_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's key is not sent to another server; a pin names the variable of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("OTHER_KEY", " sk-other\n")
    with server.serve_script(says("ok")) as running:
        pin = ModelPin(name="m", model="m-1", base_url=running.url)

        async def both() -> None:
            for one in (pin, pin.model_copy(update={"api_key_env": "OTHER_KEY"})):
                client = models.open_client(one)
                await client.ask(ASKED)
                await client.close()

        asyncio.run(both())
        sent = [asked.headers.get("authorization") for asked in running.requests]
        assert sent == [None, "Bearer sk-other"]


def test_text_no_server_reads_is_still_asked_about() -> None:
    """Half a surrogate pair in a trace costs that character, not the answer."""
    seen: Bodies = []
    broken = Request(({"role": "user", "content": "a\ud800b"},), 10, 0.0, 1)
    assert ask(says("ok"), broken, seen).text == "ok"
    assert seen[0]["messages"][0]["content"] == "a?b"


def test_a_cost_is_the_price_of_its_night() -> None:
    """A price change does not reprice the nights before it."""
    old = Price(since=date(2026, 1, 1), input=1, output=2)
    new = Price(since=date(2026, 10, 1), input=10, output=20)
    pin = ModelPin(name="m", model="m-1", prices=(new, old))
    assert models.compute_cost(pin, date(2026, 9, 30), 1_000_000, 500_000) == 2.0
    assert models.compute_cost(pin, date(2026, 10, 1), 1_000_000, 500_000) == 20.0
    assert models.compute_cost(pin, date(2025, 1, 1), 1_000_000, 0) == 0.0


def test_cached_tokens_and_batches_cost_less() -> None:
    """A batch pays its part of everything; cached tokens pay their own price where one is told."""
    price = Price(since=date(2026, 1, 1), input=10, output=20, cached=1)
    pin, night = ModelPin(name="m", model="m-1", prices=(price,)), date(2026, 2, 1)
    assert models.compute_cost(pin, night, 1_000_000, 0, cached=400_000) == 6.4
    assert models.compute_cost(pin, night, 1_000_000, 100_000, cached=400_000, batch=True) == 4.2
    plain = pin.model_copy(update={"prices": (price.model_copy(update={"cached": None}),)})
    assert models.compute_cost(plain, night, 1_000_000, 0, cached=400_000) == 10.0


def test_a_model_without_its_key_is_unavailable_and_says_which() -> None:
    """The reason is a stable word, the message names the variable and not its value."""
    pin = ModelPin(name="m", model="m-1", api_key_env="ANDON_TEST_KEY")
    assert models.why_unavailable(pin, {}) == "no-key"
    assert models.why_unavailable(pin, {"ANDON_TEST_KEY": "k"}) is None
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
        models.find_weights(pin)
    digest = models.embedded.hash_file(package / "w.gguf")
    good = pin.model_copy(update={"sha256": digest})
    assert models.find_weights(good) == package / "w.gguf"
