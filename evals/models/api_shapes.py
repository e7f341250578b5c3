"""The two API shapes, chat completions and Responses: builds request bodies, parses answers.

Pure: live calls and batch files share the same bodies and the same parsing.
"""

from __future__ import annotations

import json

from evals.models.answer_fields import (
    LONGEST_NAME,
    parse_name,
    parse_unix_time,
    read_part,
    read_usage,
    require_list,
    require_object,
    require_text,
)
from evals.models.faults import error_from_body
from evals.models.message_texts import find_message_text, has_reasoning
from evals.models.probabilities import is_first_token, read_first_word, read_p_yes
from evals.models.protocol import Body, Key, ModelError, Reply, Request
from evals.records import Json
from evals.specs import ModelPin, Pinned, classify, is_reasoning

CANDIDATES = 20
"""Top log probabilities to request: the most any provider returns."""

FEWER_CANDIDATES = 5
"""Those to request where a server refuses so many: the most that older servers return."""

LIMITED_SERVERS: set[tuple[str | None, str]] = set()
"""Servers and models that refused `CANDIDATES`: each is asked for fewer. `evals.calls` stores
them."""

LEAST_TOKENS = 16
"""The smallest `max_output_tokens` that Responses accepts."""

SHORTEST_KEY = 8
HIDDEN = "[redacted:key]"
SERVER_TEXTS = ("text", "model", "fingerprint", "finish")
"""Fields of a reply whose text comes from the server."""

SCHEMA_INSTRUCTION = "Answer with one JSON object by this JSON schema, and with nothing else:"

SHAPE_ERRORS = (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError)
"""Exceptions that parsing an answer of another shape may raise."""


def choose_shape(pin: ModelPin, key: Key) -> Shape:
    """Chooses the shape of a pin's API; it redacts the key from answers that repeat it."""
    return Responses(pin, key) if pin.api == "responses" else Chat(pin, key)


class Shape:
    """One endpoint's format of requests and answers."""

    path: str

    def __init__(self, pin: ModelPin, key: Key) -> None:
        self.pin, self.key = pin, key
        self.model_name = pin.azure.deployment if pin.azure else pin.model
        self.is_reasoning = is_reasoning(pin)
        self.accepts_any_model = pin.pins == "record" and not isinstance(classify(pin), Pinned)
        self.accepted_models = {pin.model, *pin.answers_as}

    def build_body(self, request: Request) -> Body:
        """Builds the request body; see `Client.build_body`."""
        raise NotImplementedError

    @property
    def candidates(self) -> int:
        """How many log probabilities to request for each token."""
        is_limited = (self.pin.base_url, self.model_name) in LIMITED_SERVERS
        return FEWER_CANDIDATES if is_limited else CANDIDATES

    def lower_candidates(self, body: Body, code: str) -> bool:
        """Notes that a body was refused for its log probabilities; whether to ask for fewer."""
        if code != "takes-no-logprobs" or body.get("top_logprobs") != CANDIDATES:
            return False
        self.limit_candidates()
        return True

    def limit_candidates(self) -> None:
        """Notes that the server refuses so many log probabilities."""
        LIMITED_SERVERS.add((self.pin.base_url, self.model_name))

    def build_messages(self, request: Request) -> list[dict[str, str]]:
        """Returns the messages, with the schema in the text where the server takes none."""
        if request.schema is None or self.pin.structured:
            return list(request.messages)
        instruction = f"{SCHEMA_INSTRUCTION}\n{json.dumps(request.schema)}"
        first, *others = request.messages
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *others]

    def parse_reply(self, request: Request, answer: Json) -> Reply:
        """Parses an answer into a reply.

        Raises:
            SHAPE_ERRORS: when the answer has another shape.
        """
        raise NotImplementedError

    def parse_answer(self, request: Request, answer: Json) -> Reply:
        """Parses an answer; see `Client.parse_answer`."""
        reply = self.parse_or_error(request, answer)
        if isinstance(reply, ModelError):
            raise reply
        return reply

    def parse_or_error(self, request: Request, answer: Json) -> Reply | ModelError:
        """Parses an answer and returns the error instead of raising it."""
        try:
            reply = redact_key(self.parse_reply(request, answer), self.key.reveal())
        except SHAPE_ERRORS:
            error = error_from_body(answer)
            return error or ModelError("malformed-response", "it holds no answer", retryable=True)
        if not self.accepts_any_model and reply.model not in self.accepted_models:
            message = f"asked {self.pin.model}, answered {reply.model[:80]}"
            return ModelError("other-model", message, retryable=True, reply=reply)
        if reply.finish == "content_filter":
            return ModelError("content-filter", "cut by a filter", retryable=False, reply=reply)
        if reply.finish == "error":
            return ModelError("server-error", "it ended in an error", retryable=True, reply=reply)
        if reply.finish == "refusal":
            return ModelError("model-refused", "the model declined", retryable=False, reply=reply)
        return reply


class Chat(Shape):
    """Chat completions, which nearly every server implements."""

    path = "/chat/completions"

    def build_body(self, request: Request) -> Body:
        """See `Client.build_body`."""
        limit = "max_completion_tokens" if self.is_reasoning else "max_tokens"
        body: Body = {
            "model": self.model_name,
            "messages": self.build_messages(request),
            limit: request.max_tokens,
            "seed": request.seed,
        }
        if not self.is_reasoning:
            body["temperature"] = request.temperature
        if self.pin.reasoning_effort:
            body["reasoning_effort"] = self.pin.reasoning_effort
        if request.yes_no:
            body |= {"logprobs": True, "top_logprobs": self.candidates}
        if request.schema and self.pin.structured:
            schema = {"name": "verdict", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def parse_reply(self, request: Request, answer: Json) -> Reply:
        """See `Shape.parse_reply`."""
        top = require_object(answer)
        choice = require_object(require_list(top["choices"])[0])
        message = require_object(choice["message"])
        finish = "refusal" if message.get("refusal") else choice.get("finish_reason")
        text = message.get("content")
        if not text or type(text) is not str or message.get("tool_calls"):
            text = find_message_text(message, finish)
        usage = read_usage(top, "prompt_tokens", "completion_tokens")
        return Reply(
            text=text,
            probability=read_probability(choice, message, text) if request.yes_no else None,
            model=require_text(top["model"])[:LONGEST_NAME],
            fingerprint=parse_name(top.get("system_fingerprint")),
            created=parse_unix_time(top.get("created")),
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            tokens_cached=usage.tokens_cached,
            finish=parse_name(finish),
            temperature=None if self.is_reasoning else request.temperature,
            seed=request.seed,
        )


class Responses(Shape):
    """OpenAI's Responses, with storage on the provider's side turned off."""

    path = "/responses"

    def build_body(self, request: Request) -> Body:
        """See `Client.build_body`."""
        body: Body = {
            "model": self.model_name,
            "input": self.build_messages(request),
            "max_output_tokens": max(request.max_tokens, LEAST_TOKENS),
            "store": False,
        }
        if not self.is_reasoning:
            body["temperature"] = request.temperature
        if self.pin.reasoning_effort:
            body["reasoning"] = {"effort": self.pin.reasoning_effort}
        if request.yes_no:
            include = ["message.output_text.logprobs"]
            body |= {"include": include, "top_logprobs": self.candidates}
        if request.schema and self.pin.structured:
            schema = {"name": "verdict", "strict": True, "schema": request.schema}
            body["text"] = {"format": {"type": "json_schema", **schema}}
        return body

    def parse_reply(self, request: Request, answer: Json) -> Reply:
        """See `Shape.parse_reply`."""
        top = require_object(answer)
        items = [require_object(item) for item in require_list(top["output"])]
        parts = [part for item in items if item["type"] == "message" for part in list_parts(item)]
        texts = [part for part in parts if part["type"] in ("output_text", "text")]
        finish = read_finish(top, parts)
        text = "".join(require_text(part["text"]) for part in texts)
        if not text and finish == "stop":
            text = find_item_text(items)
        usage = read_usage(top, "input_tokens", "output_tokens")
        first = texts[0].get("logprobs") if request.yes_no and texts else None
        return Reply(
            text=text,
            probability=read_first_word(first) if first else None,
            model=require_text(top["model"])[:LONGEST_NAME],
            fingerprint=parse_name(top.get("system_fingerprint")),
            created=parse_unix_time(top.get("created_at")),
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            tokens_cached=usage.tokens_cached,
            finish=finish,
            temperature=None if self.is_reasoning else request.temperature,
            seed=None,
        )


def read_probability(choice: dict[str, Json], message: dict[str, Json], text: str) -> float | None:
    """Returns P(yes) of a chat's answer; None where its tokens are those of its reasoning."""
    logprobs = read_part(choice, "logprobs")
    if has_reasoning(message) and not is_first_token(logprobs, text):
        return None
    return read_p_yes(logprobs)


def list_parts(message: dict[str, Json]) -> list[dict[str, Json]]:
    """Lists the parts of a Response's message; some servers give a text in their place."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    return [require_object(part) for part in require_list(content)]


def find_item_text(items: list[dict[str, Json]]) -> str:
    """Returns the answer of a Response without a message: a tool call's arguments, or reasoning.

    Raises:
        ValueError: when it has neither.
    """
    calls = [require_text(item["arguments"]) for item in items if item["type"] == "function_call"]
    thoughts = [item for item in items if item["type"] == "reasoning" and item.get("content")]
    parts = [part for item in thoughts for part in list_parts(item)]
    text = "\n".join(calls or [require_text(part["text"]) for part in parts])
    if not text:
        raise ValueError
    return text


def read_finish(answer: dict[str, Json], parts: list[dict[str, Json]]) -> str:
    """Returns why a Response ended, as a finish reason of chat completions.

    Raises:
        ValueError: when it has not ended.
    """
    if any(part["type"] == "refusal" for part in parts):
        return "refusal"
    status = answer["status"]
    if status == "completed":
        return "stop"
    why = read_part(answer, "incomplete_details").get("reason")
    if status != "incomplete":
        raise ValueError(status)
    return "length" if why == "max_output_tokens" else str(why)[:40]


def redact_key(reply: Reply, secret: str | None) -> Reply:
    """Replaces a key that the server repeats in its texts; a key of a few letters is no secret."""
    if secret is None or len(secret) < SHORTEST_KEY:
        return reply
    texts = {field: getattr(reply, field) or "" for field in SERVER_TEXTS}
    leaks = {field: text for field, text in texts.items() if secret in text}
    if not leaks:
        return reply
    return reply._replace(**{field: text.replace(secret, HIDDEN) for field, text in leaks.items()})
