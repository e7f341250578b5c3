"""The two API shapes, chat completions and Responses: builds request bodies, parses answers.

Pure: live calls and batch files share the same bodies and the same parsing.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from evals.models.protocol import Body, Key, ModelError, Reply, Request
from evals.records import Json
from evals.specs import ModelPin, Pinned, classify, is_reasoning

CANDIDATES = 20
"""Top log probabilities to request: the most any provider returns."""

LEAST_TOKENS = 16
"""The smallest `max_output_tokens` that Responses accepts."""

CACHED = "cached_tokens"
"""The field that counts cached input tokens, in both shapes."""

SHORTEST_KEY = 8
HIDDEN = "[redacted:key]"
SERVER_TEXTS = ("text", "model", "fingerprint", "finish")
"""Fields of a reply whose text comes from the server."""

LONGEST_NAME = 200
"""Characters kept of a model's name, a fingerprint, a finish reason."""

LARGEST_COUNT = 2**40
"""An upper bound for token counts and Unix times."""

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
            return ModelError("malformed-response", "it holds no answer", retryable=True)
        if not self.accepts_any_model and reply.model not in self.accepted_models:
            message = f"asked {self.pin.model}, answered {reply.model[:80]}"
            return ModelError("other-model", message, retryable=True, reply=reply)
        if reply.finish == "content_filter":
            return ModelError("content-filter", "cut by a filter", retryable=False, reply=reply)
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
            body |= {"logprobs": True, "top_logprobs": CANDIDATES}
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
        if text is None and finish in ("length", "content_filter", "refusal"):
            text = ""
        usage = read_usage(top, "prompt_tokens", "completion_tokens")
        logprobs = read_part(choice, "logprobs").get("content") if request.yes_no else None
        return Reply(
            text=require_text(text),
            probability=read_p_yes(logprobs),
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
            body |= {"include": include, "top_logprobs": CANDIDATES}
        if request.schema and self.pin.structured:
            schema = {"name": "verdict", "strict": True, "schema": request.schema}
            body["text"] = {"format": {"type": "json_schema", **schema}}
        return body

    def parse_reply(self, request: Request, answer: Json) -> Reply:
        """See `Shape.parse_reply`."""
        top = require_object(answer)
        parts = [
            require_object(part)
            for item in map(require_object, require_list(top["output"]))
            if item["type"] == "message"
            for part in require_list(item["content"])
        ]
        texts = [part for part in parts if part["type"] == "output_text"]
        finish = read_finish(top, parts)
        if not texts and finish == "stop":
            raise ValueError
        usage = read_usage(top, "input_tokens", "output_tokens")
        first = texts[0].get("logprobs") if request.yes_no and texts else None
        return Reply(
            text="".join(require_text(part["text"]) for part in texts),
            probability=read_p_yes(first),
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


def require_text(value: Json) -> str:
    """Returns the value if it is text.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, str):
        raise TypeError
    return value


def require_object(value: Json) -> dict[str, Json]:
    """Returns the value if it is a JSON object.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, dict):
        raise TypeError
    return value


def require_list(value: Json) -> list[Json]:
    """Returns the value if it is a JSON array.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, list):
        raise TypeError
    return value


def redact_key(reply: Reply, secret: str | None) -> Reply:
    """Replaces a key that the server repeats in its texts; a key of a few letters is no secret."""
    if secret is None or len(secret) < SHORTEST_KEY:
        return reply
    texts = {field: getattr(reply, field) or "" for field in SERVER_TEXTS}
    leaks = {field: text for field, text in texts.items() if secret in text}
    if not leaks:
        return reply
    return reply._replace(**{field: text.replace(secret, HIDDEN) for field, text in leaks.items()})


def parse_name(value: Json) -> str | None:
    """Returns the text of a short field; None for anything but text."""
    return value[:LONGEST_NAME] if isinstance(value, str) else None


def parse_unix_time(value: Json) -> int | None:
    """Returns Unix seconds; None for anything that is no plausible time."""
    return int(value) if isinstance(value, int | float) and 0 < value < LARGEST_COUNT else None


def parse_tokens(value: Json) -> int:
    """Returns a count of tokens, 0 where there is none; costs are computed from it.

    Raises:
        TypeError: when it is an array or an object.
        ValueError: when it is no plausible count.
    """
    if not value:
        return 0
    if type(value) is not int:
        if isinstance(value, list | dict):
            raise TypeError
        value = int(value)
    if not 0 <= value < LARGEST_COUNT:
        raise ValueError
    return value


class Usage(NamedTuple):
    """The tokens of a question and its answer; 0 where the provider reports none."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0


def read_usage(answer: dict[str, Json], read: str, written: str) -> Usage:
    """Reads the tokens of an answer.

    Raises:
        SHAPE_ERRORS: when a count is implausible.
    """
    usage = read_part(answer, "usage")
    cached = read_part(usage, f"{read}_details").get(CACHED)
    return Usage(*map(parse_tokens, (usage.get(read), usage.get(written), cached)))


def read_part(answer: dict[str, Json], name: str) -> dict[str, Json]:
    """Returns an optional part of an answer; empty where it is missing or null."""
    part = answer.get(name)
    return require_object(part) if part else {}


def read_p_yes(logprobs: Json) -> float | None:
    """Returns P(yes) of an answer's first token; None where there are no log probabilities."""
    if not logprobs:
        return None
    return compute_p_yes(require_object(require_list(logprobs)[0])["top_logprobs"])


def compute_p_yes(candidates: Json) -> float | None:
    """Computes P(yes) / (P(yes) + P(no)) from the first token's candidates.

    None when neither word is among them.
    """
    mass = {"yes": 0.0, "no": 0.0}
    for candidate in map(require_object, require_list(candidates)):
        word = require_text(candidate["token"]).strip().lower().strip(".,\"'")
        if word in mass:
            logprob = candidate["logprob"]
            if not isinstance(logprob, int | float):
                raise TypeError
            mass[word] += math.exp(min(logprob, 0.0))
    total = sum(mass.values())
    return mass["yes"] / total if total else None
