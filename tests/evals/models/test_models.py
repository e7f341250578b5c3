"""Promises of the model client: every request shape works, every failure has a stable code."""

import asyncio
import math
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.models import ModelError, Reply, Request, api_shapes
from evals.specs import ModelPin
from tests.evals.models import model_server as server
from tests.evals.models.scripts import (
    BY_SCHEMA,
    REQUEST,
    YES_NO,
    Bodies,
    run_script,
    script_completion,
    script_response,
    send_request,
)


def test_a_reply_identifies_its_model() -> None:
    """Its text comes with model, fingerprint, creation time, tokens and the parameters sent."""
    reply = run_script(script_completion("ok", system_fingerprint="f"))
    assert reply == Reply("ok", None, "m-1", "f", 1, 10, 2, 0, "stop", 0.0, 1)


def test_cached_tokens_are_counted_apart() -> None:
    """A reply counts the tokens that the provider had cached, which cost less."""
    usage = {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 8}}
    assert run_script(script_completion("ok", usage=usage)).tokens_cached == 8
    assert run_script(script_response("ok"), api="responses").tokens_cached == 4


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_malformed_extra_field_is_dropped_alone(api: str) -> None:
    """A creation time or a fingerprint of another type is None, and the answer is used."""
    write_script = script_completion if api == "chat" else script_response
    for created in ("now", 10**40, -1, [1], {"a": 1}, None):
        odd = {"created": created, "created_at": created, "system_fingerprint": {"a": 1}}
        reply = run_script(write_script("ok", **odd), api=api)
        assert (reply.text, reply.created, reply.fingerprint) == ("ok", None, None)
    ended = server.build_completion({"model": "m-1"}, "ok")
    ended["choices"][0]["finish_reason"] = 7
    assert run_script(lambda b, n: server.ServerReply(200, ended)).finish is None


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("count", [-1, 10**30, "many", [3]])
def test_impossible_token_counts_count_as_none(api: str, count: Any) -> None:
    """No cost is computed from a negative, huge or non-numeric count; the answer itself counts."""
    write_script = script_completion if api == "chat" else script_response
    used = dict.fromkeys(("prompt_tokens", "input_tokens"), count)
    reply = run_script(write_script("ok", usage=used), api=api)
    assert (reply.text, reply.tokens_in, reply.has_usage) == ("ok", 0, False)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_key_that_the_server_repeats_is_redacted(api: str) -> None:
    """It is redacted in the answer, in the model's name and in the fingerprint."""
    key = "a-key-of-no-known-form"
    write_script = script_completion if api == "chat" else script_response
    script = write_script(f"you sent {key}", model=f"m {key}", system_fingerprint=key)
    with server.serve_script(script) as running:
        pin = ModelPin(name="m", model="m-1", base_url=running.url, api=api)
        with pytest.raises(ModelError, match="other-model") as raised:
            send_request(pin, key=key)
        assert running.requests[0].headers["authorization"] == f"Bearer {key}"
    assert raised.value.reply is not None
    assert raised.value.reply.text == "you sent [redacted:key]"
    assert key not in f"{raised.value} {raised.value.reply}"


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_answer_from_another_model_is_refused(api: str) -> None:
    """The error carries the reply, so that its cost is booked."""
    script = (
        script_completion("ok", model="m-2")
        if api == "chat"
        else script_response("ok", model="m-2")
    )
    with pytest.raises(ModelError) as raised:
        run_script(script, api=api)
    assert (raised.value.code, raised.value.retryable) == ("other-model", True)
    assert raised.value.reply is not None
    assert (raised.value.reply.model, raised.value.reply.tokens_in) == ("m-2", 10)


def test_a_declared_alias_is_the_same_model() -> None:
    """`answers_as` lists further names; `record` accepts any model that answers an alias."""
    assert run_script(script_completion("ok", model="m-2"), answers_as=("m-2",)).model == "m-2"
    assert run_script(script_completion("ok", model="m-9"), pins="record").model == "m-9"
    with pytest.raises(ModelError, match="other-model"):
        run_script(script_completion("ok", model="m-9"), pins="record", model="gpt-4.1-2025-04-14")


def test_a_refusal_is_an_error_and_not_a_verdict() -> None:
    """A model that declines and a content filter have codes of their own."""
    refused = server.build_completion({"model": "m-1"}, None)
    refused["choices"][0]["message"]["refusal"] = "I cannot"
    with pytest.raises(ModelError, match="model-refused"):
        run_script(lambda b, n: server.ServerReply(200, refused))
    declined = server.build_response({"model": "m-1"}, "")
    declined["output"][1]["content"] = [{"type": "refusal", "refusal": "I cannot"}]
    with pytest.raises(ModelError, match="model-refused"):
        run_script(lambda b, n: server.ServerReply(200, declined), api="responses")
    filtered = server.build_completion({"model": "m-1"}, None)
    filtered["choices"][0]["finish_reason"] = "content_filter"
    with pytest.raises(ModelError, match="content-filter"):
        run_script(lambda b, n: server.ServerReply(200, filtered))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_huge_answer_is_not_read_to_its_end(encoding: str) -> None:
    """What a small compressed body expands to is bounded, and it is no answer."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    packed = b"".join([*(packer.compress(b" " * 2**20) for _ in range(200)), packer.flush()])
    headers = {"Content-Encoding": encoding}
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="malformed-response: it is too large"):
            run_script(lambda b, n: server.ServerReply(200, packed, headers))
        assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    finally:
        tracemalloc.stop()


def test_endless_headers_are_refused() -> None:
    """An answer with more headers than a server sends is malformed."""
    headers = {f"X-{n}": "x" for n in range(500)}
    with pytest.raises(ModelError, match="malformed-response"):
        run_script(lambda b, n: server.ServerReply(200, b"{}", headers))


def test_a_truncated_answer_has_its_finish_reason() -> None:
    """It is `length`, also where reasoning used all tokens and left no text."""
    cut = server.build_completion({"model": "m-1"}, None)
    cut["choices"][0]["finish_reason"] = "length"
    assert run_script(lambda b, n: server.ServerReply(200, cut))[0::8] == ("", "length")
    half = script_response(
        "{", status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    )
    assert run_script(half, api="responses").finish == "length"


def test_p_yes_is_read_from_the_first_token() -> None:
    """Yes and no in any case and spacing share the probability, in both APIs."""
    top = [("Yes", 0.6), (" yes", 0.1), ("No", 0.1), ("Maybe", 0.2)]
    tokens = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in top]
    first = [{**tokens[0], "top_logprobs": tokens}]
    chat = server.build_completion({"model": "m-1"}, "Yes")
    chat["choices"][0]["logprobs"] = {"content": first}
    response = server.build_response({"model": "m-1"}, "Yes")
    response["output"][1]["content"][0]["logprobs"] = first
    for api, body in (("chat", chat), ("responses", response)):
        reply = run_script(lambda b, n, body=body: server.ServerReply(200, body), YES_NO, api=api)
        assert reply.probability == pytest.approx(0.7 / 0.8)


def read_message(message: dict[str, Any], finish: str = "stop") -> Reply | ModelError:
    """Reads a chat completion with this message."""
    answer = server.build_completion({"model": "m-1"}, None)
    answer["choices"][0] |= {"message": message, "finish_reason": finish}
    shape = models.choose_shape(ModelPin(name="m", model="m-1"), models.Key(None))
    return shape.parse_or_error(REQUEST, answer)


def call_tool(*arguments: Any) -> list[dict[str, Any]]:
    """Returns tool calls with these arguments."""
    return [
        {"id": str(i), "type": "function", "function": {"name": "verdict", "arguments": a}}
        for i, a in enumerate(arguments)
    ]


TEXT_PART = {"type": "text", "text": '{"verdict":'}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [TEXT_PART, {"type": "text", "text": " 1}"}]}, '{"verdict": 1}'),
        ({"content": [THOUGHT, TEXT_PART]}, '{"verdict":'),
        ({"content": TEXT_PART}, '{"verdict":'),
        ({"content": ["a", "b"]}, "ab"),
        ({"content": None, "reasoning_content": "{}"}, "{}"),
        ({"content": "", "reasoning": "{}"}, "{}"),
        ({"reasoning_content": "{}"}, "{}"),
        ({"content": "{}", "reasoning_content": "Hm."}, "{}"),
        ({"content": "{}", "tool_calls": []}, "{}"),
        ({"content": "", "tool_calls": None}, ""),
        ({"content": None, "tool_calls": call_tool("{}")}, "{}"),
        ({"content": "I call it.", "tool_calls": call_tool("{}")}, "{}"),
        ({"content": '{"a": 1}', "tool_calls": call_tool("{}")}, '{"a": 1}\n{}'),
        ({"content": "", "tool_calls": call_tool("{1}", "{2}")}, "{1}\n{2}"),
        ({"content": "", "tool_calls": call_tool({"verdict": "pass"})}, '{"verdict": "pass"}'),
        ({"content": None, "function_call": {"name": "v", "arguments": "{}"}}, "{}"),
    ],
)
def test_the_text_of_a_message_is_read_in_every_form(message: dict[str, Any], text: str) -> None:
    """Parts are joined, and a tool call or misplaced reasoning is the text where there is none."""
    reply = read_message(message)
    assert isinstance(reply, Reply)
    assert reply.text == text


@pytest.mark.parametrize(
    "message",
    [
        {}, {"content": None}, {"content": None, "reasoning_content": None}, {"content": 1},
        {"content": [1]}, {"content": [{"type": "text"}]},
        {"content": [{"type": "text", "text": 1}]},
        {"content": None, "reasoning": {"a": 1}}, {"tool_calls": [1]}, {"tool_calls": {"a": 1}},
        {"content": None, "tool_calls": [{"function": {"name": "verdict"}}]},
    ],
)  # fmt: skip
def test_a_message_without_a_text_is_malformed(message: dict[str, Any]) -> None:
    """Nothing else is taken for an answer; at a limit of tokens it is empty instead."""
    error = read_message(message)
    assert isinstance(error, ModelError)
    assert (error.code, error.retryable) == ("malformed-response", True)


def test_reasoning_that_was_cut_is_no_answer() -> None:
    """At the limit of tokens the reasoning is no text, and an error in the middle is an error."""
    reply = read_message({"content": None, "reasoning_content": "Hm"}, "length")
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish) == ("", "length")
    broken = read_message({"content": "{"}, "error")
    assert isinstance(broken, ModelError)
    assert (broken.code, broken.retryable) == ("server-error", True)


CALL = {"type": "function_call", "name": "verdict", "arguments": "{}"}
REASONED = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "{}"}]}


@pytest.mark.parametrize("items", [[CALL], [{"type": "reasoning", "summary": []}, CALL],
                                   [REASONED], [{"type": "message", "content": "{}"}],
                                   [REASONED, {**REASONED, "type": "message", "content": [
                                       {"type": "text", "text": "{}"}]}]])  # fmt: skip
def test_the_text_of_a_response_is_read_in_every_form(items: list[dict[str, Any]]) -> None:
    """A function call or misplaced reasoning is the answer of a Response without a message."""
    reply = run_script(script_response("", output=items), api="responses")
    assert reply.text == "{}"


def build_candidates(**shares: float) -> list[dict[str, Any]]:
    """Builds the likely tokens of a position."""
    return [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]


@pytest.mark.parametrize(
    ("logprobs", "probability"),
    [
        ({"content": [{"top_logprobs": build_candidates(ĠYes=0.6, ĠNo=0.2)}]}, 0.75),
        ({"content": [{"top_logprobs": build_candidates(**{"▁yes.": 0.6, "ĊNo": 0.2})}]}, 0.75),
        ({"content": [{"token": "▁", "top_logprobs": build_candidates(a=1.0)},
                      {"token": "Yes", "top_logprobs": build_candidates(Yes=0.6, No=0.2)}]}, 0.75),
        ({"content": [{"token": "Hm", "top_logprobs": build_candidates(Hm=1.0)},
                      {"token": "Yes", "top_logprobs": build_candidates(Yes=1.0)}]}, None),
        ({"content": [{"token": "Yes", "top_logprobs": []}]}, None),
        ({"content": [{"token": "Yes", "top_logprobs": None}]}, None),
        ({"content": None, "tokens": ["Yes"], "top_logprobs": [
            {" Yes": math.log(0.6), " No": math.log(0.2)}]}, 0.75),
        ({"content": []}, None),
        (None, None),
    ],
)  # fmt: skip
def test_p_yes_is_read_from_the_tokens_of_every_tokenizer(
    logprobs: Any, probability: float | None
) -> None:
    """Marks of white space belong to no word, and a blank first token is passed over."""
    answer = server.build_completion({"model": "m-1"}, "Yes")
    answer["choices"][0]["logprobs"] = logprobs
    shape = models.choose_shape(ModelPin(name="m", model="m-1"), models.Key(None))
    reply = shape.parse_answer(YES_NO, answer)
    assert reply.probability == (probability and pytest.approx(probability))


@pytest.mark.parametrize(("first", "probability"), [("Hm", None), ("ĠYes", 0.75)])
def test_p_yes_is_not_read_from_the_reasoning(first: str, probability: float | None) -> None:
    """Where a server gives the tokens of the reasoning too, the first is none of the answer's."""
    answer = server.build_completion({"model": "m-1"}, "Yes")
    answer["choices"][0]["message"]["reasoning_content"] = "Hm."
    token = {"token": first, "top_logprobs": build_candidates(Yes=0.6, No=0.2)}
    answer["choices"][0]["logprobs"] = {"content": [token]}
    shape = models.choose_shape(ModelPin(name="m", model="m-1"), models.Key(None))
    reply = shape.parse_answer(YES_NO, answer)
    assert reply.probability == (probability and pytest.approx(probability))


@pytest.mark.parametrize(
    ("most", "sent", "code"), [(20, [20, 20], None), (5, [20, 5, 5], None),
                               (0, [20, 5, 5], "takes-no-logprobs")],
)  # fmt: skip
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_server_that_refuses_twenty_log_probabilities_is_asked_for_five(
    api: str, most: int, sent: list[int], code: str | None
) -> None:
    """The next question asks for five at once, and a server that gives none is asked no further."""

    def answer(body: dict[str, Any], n: int) -> server.ServerReply:
        if body["top_logprobs"] > most:
            words = f"Invalid value for 'top_logprobs': must be less than or equal to {most}."
            return server.ServerReply(400, {"error": {"message": words}})
        build = server.build_completion if api == "chat" else server.build_response
        return server.ServerReply(200, build(body, "Yes"))

    with server.serve_script(answer) as running:
        pin = ModelPin(name="m", model="m-1", base_url=running.url, api=api)  # type: ignore[arg-type]
        for _ in range(2):
            if code is None:
                assert send_request(pin, YES_NO).text == "Yes"
            else:
                with pytest.raises(ModelError, match=code):
                    send_request(pin, YES_NO)
    assert [body["top_logprobs"] for body in running.bodies] == sent
    api_shapes.LIMITED_SERVERS.clear()


def test_each_api_gets_its_own_parameters() -> None:
    """Schema, seed, temperature and limits are where chat and Responses expect them."""
    seen: Bodies = []
    run_script(script_completion("ok"), BY_SCHEMA, seen)
    run_script(script_response("ok"), BY_SCHEMA, seen, api="responses")
    chat, response = seen
    assert (chat["max_tokens"], chat["temperature"], chat["seed"]) == (10, 0.0, 1)
    assert chat["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (response["max_output_tokens"], response["temperature"], response["store"]) == (
        16,
        0.0,
        False,
    )
    assert response["text"]["format"]["schema"] == {"type": "object"}
    assert "seed" not in response
    assert response["input"] == chat["messages"]


def test_a_reasoning_model_gets_no_temperature() -> None:
    """It is recognised by its id or by its pin, and a parameter not sent is not recorded."""
    seen: Bodies = []
    reply = run_script(
        script_completion("ok"), REQUEST, seen, model="gpt-5-2025-08-07", reasoning_effort="low"
    )
    assert (seen[0]["max_completion_tokens"], seen[0]["reasoning_effort"]) == (10, "low")
    assert not {"max_tokens", "temperature"} & set(seen[0])
    assert (reply.temperature, reply.seed) == (None, 1)
    run_script(
        script_response("ok"),
        REQUEST,
        seen,
        reasoning=True,
        reasoning_effort="low",
        api="responses",
    )
    assert seen[1]["reasoning"] == {"effort": "low"}
    assert "temperature" not in seen[1]


def test_a_server_without_schemas_gets_none() -> None:
    """`structured: false` sends no response format."""
    seen: Bodies = []
    run_script(script_completion("ok"), BY_SCHEMA, seen, structured=False)
    run_script(script_response("ok"), BY_SCHEMA, seen, structured=False, api="responses")
    assert "response_format" not in seen[0]
    assert "text" not in seen[1]


@pytest.mark.parametrize(
    ("api", "path"),
    [
        ("chat", "/openai/deployments/judge/chat/completions?api-version=2025-04-01"),
        ("responses", "/openai/responses?api-version=2025-04-01"),
    ],
)
def test_an_azure_deployment_is_called_at_azures_address(api: str, path: str) -> None:
    """The deployment is in the path, the key in `api-key`, the model in the answer."""
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
        assert send_request(pin, key="azure-key").model == base
        assert running.requests[0].path == path
        assert running.requests[0].headers["api-key"] == "azure-key"
        assert running.bodies[0]["model"] == "judge"


def test_a_key_goes_to_its_own_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's key is not sent to another server; a pin names the variable of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("OTHER_KEY", " sk-other\n")
    with server.serve_script(script_completion("ok")) as running:
        pin = ModelPin(name="m", model="m-1", base_url=running.url)

        async def send_both() -> None:
            for server_pin in (pin, pin.model_copy(update={"api_key_env": "OTHER_KEY"})):
                client = models.open_client(server_pin)
                await client.ask(REQUEST)
                await client.close()

        asyncio.run(send_both())
        sent = [request_header.headers.get("authorization") for request_header in running.requests]
        assert sent == [None, "Bearer sk-other"]


def test_text_that_is_not_utf_8_is_still_sent() -> None:
    """Half a surrogate pair in a trace loses that character, not the answer."""
    seen: Bodies = []
    broken = Request(({"role": "user", "content": "a\ud800b"},), 10, 0.0, 1)
    assert run_script(script_completion("ok"), broken, seen).text == "ok"
    assert seen[0]["messages"][0]["content"] == "a?b"


def test_a_model_without_its_key_is_unavailable_and_names_it() -> None:
    """The reason is a stable code, and the message names the variable."""
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
