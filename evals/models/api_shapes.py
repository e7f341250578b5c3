"""The two API shapes: how a question is written and an answer read, as chat or as Responses.

Pure: the same body goes over the wire or into a batch file, the same reading serves both.
"""

from __future__ import annotations

import json
import math
from typing import Any

from evals.models.protocol import Key, ModelError, Reply, Request
from evals.specs import ModelPin, Pinned, classify, reasons

CANDIDATES = 20
"""Likely tokens asked for: the most any provider gives."""

LEAST_TOKENS = 16
"""Responses refuses a shorter limit."""

SHORTEST_KEY = 8
HIDDEN = "[redacted:key]"
WORDS = ("text", "model", "fingerprint", "finish")
"""What of a reply is the server's own words."""

LONGEST_NAME = 200
"""Characters kept of a model's name, a fingerprint, a reason to end."""

FAR = 2**40
"""Above any count of tokens and any moment."""

BY_SCHEMA = "Answer with one JSON object by this JSON schema, and with nothing else:"

NO_SHAPE = (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError)
"""What reading an answer of another shape raises."""


def shape_of(pin: ModelPin, key: Key) -> Shape:
    """The shape a pin is asked in; an answer that repeats the key is read without it."""
    return Responses(pin, key) if pin.api == "responses" else Chat(pin, key)


class Shape:
    """An endpoint's way to be asked and to answer."""

    path: str

    def __init__(self, pin: ModelPin, key: Key) -> None:
        self.pin, self.key = pin, key
        self.asked = pin.azure.deployment if pin.azure else pin.model
        self.reasons = reasons(pin)
        self.any_model = pin.pins == "record" and not isinstance(classify(pin), Pinned)
        self.known = {pin.model, *pin.answers_as}

    def body(self, request: Request) -> dict[str, Any]:
        """See `Client.body`."""
        raise NotImplementedError

    def messages(self, request: Request) -> list[dict[str, str]]:
        """The question; where the server takes no schema, its shape is asked for in words."""
        if request.schema is None or self.pin.structured:
            return list(request.messages)
        words = f"{BY_SCHEMA}\n{json.dumps(request.schema)}"
        first, *others = request.messages
        return [{**first, "content": f"{first['content']}\n\n{words}"}, *others]

    def parts(self, request: Request, answer: Any) -> Reply:
        """The answer's parts; raises whatever its shape makes it raise."""
        raise NotImplementedError

    def read(self, request: Request, answer: Any) -> Reply:
        """See `Client.read`."""
        reply = self.told(request, answer)
        if isinstance(reply, ModelError):
            raise reply
        return reply

    def told(self, request: Request, answer: Any) -> Reply | ModelError:
        """The answer as a Reply, or why it is none."""
        try:
            reply = without(self.parts(request, answer), self.key.reveal())
        except NO_SHAPE:
            return ModelError("malformed-response", "no answer in it", retryable=True)
        if not self.any_model and reply.model not in self.known:
            said = f"asked {self.pin.model}, answered {reply.model[:80]}"
            return ModelError("other-model", said, retryable=True, reply=reply)
        if reply.finish == "content_filter":
            return ModelError("content-filter", "cut by a filter", retryable=False, reply=reply)
        if reply.finish == "refusal":
            return ModelError("model-refused", "it declined", retryable=False, reply=reply)
        return reply


class Chat(Shape):
    """Chat completions: what nearly every server speaks."""

    path = "/chat/completions"

    def body(self, request: Request) -> dict[str, Any]:
        """See `Client.body`."""
        limit = "max_completion_tokens" if self.reasons else "max_tokens"
        body: dict[str, Any] = {
            "model": self.asked,
            "messages": self.messages(request),
            limit: request.max_tokens,
            "seed": request.seed,
        }
        if not self.reasons:
            body["temperature"] = request.temperature
        if self.pin.reasoning_effort:
            body["reasoning_effort"] = self.pin.reasoning_effort
        if request.yes_no:
            body |= {"logprobs": True, "top_logprobs": CANDIDATES}
        if request.schema and self.pin.structured:
            schema = {"name": "verdict", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def parts(self, request: Request, answer: Any) -> Reply:
        """See `Shape.parts`."""
        choice = answer["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        finish = "refusal" if message.get("refusal") else finish
        text = message.get("content")
        if text is None and finish in ("length", "content_filter", "refusal"):
            text = ""
        usage = answer.get("usage") or {}
        said = (choice.get("logprobs") or {}).get("content") if request.yes_no else None
        return Reply(
            text=checked(text),
            probability=p_yes(said[0]["top_logprobs"]) if said else None,
            model=checked(answer["model"])[:LONGEST_NAME],
            fingerprint=name(answer.get("system_fingerprint")),
            created=moment(answer.get("created")),
            tokens_in=tokens(usage.get("prompt_tokens")),
            tokens_out=tokens(usage.get("completion_tokens")),
            tokens_cached=cached(usage.get("prompt_tokens_details")),
            finish=name(finish),
            temperature=None if self.reasons else request.temperature,
            seed=request.seed,
        )


class Responses(Shape):
    """OpenAI's Responses; nothing is kept on the provider's side."""

    path = "/responses"

    def body(self, request: Request) -> dict[str, Any]:
        """See `Client.body`."""
        body: dict[str, Any] = {
            "model": self.asked,
            "input": self.messages(request),
            "max_output_tokens": max(request.max_tokens, LEAST_TOKENS),
            "store": False,
        }
        if not self.reasons:
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

    def parts(self, request: Request, answer: Any) -> Reply:
        """See `Shape.parts`."""
        said = [
            part
            for item in answer["output"]
            if item["type"] == "message"
            for part in item["content"]
        ]
        texts = [part for part in said if part["type"] == "output_text"]
        finish = ended(answer, said)
        if not texts and finish == "stop":
            raise ValueError
        usage = answer.get("usage") or {}
        first = texts[0].get("logprobs") if request.yes_no and texts else None
        return Reply(
            text=checked("".join(part["text"] for part in texts)),
            probability=p_yes(first[0]["top_logprobs"]) if first else None,
            model=checked(answer["model"])[:LONGEST_NAME],
            fingerprint=name(answer.get("system_fingerprint")),
            created=moment(answer.get("created_at")),
            tokens_in=tokens(usage.get("input_tokens")),
            tokens_out=tokens(usage.get("output_tokens")),
            tokens_cached=cached(usage.get("input_tokens_details")),
            finish=finish,
            temperature=None if self.reasons else request.temperature,
            seed=None,
        )


def ended(answer: Any, said: list[Any]) -> str:
    """Why a Response ended, in the words of chat completions.

    Raises:
        ValueError: when it is not over.
    """
    if any(part["type"] == "refusal" for part in said):
        return "refusal"
    status = answer["status"]
    if status == "completed":
        return "stop"
    why = (answer.get("incomplete_details") or {}).get("reason")
    if status != "incomplete":
        raise ValueError(status)
    return "length" if why == "max_output_tokens" else str(why)[:40]


def checked(text: Any) -> str:
    """The text, if it is one."""
    if not isinstance(text, str):
        raise TypeError
    return text


def without(reply: Reply, secret: str | None) -> Reply:
    """A reply in which nothing repeats a secret; a word of a few letters is none."""
    if secret is None or len(secret) < SHORTEST_KEY:
        return reply
    said = {word: getattr(reply, word) or "" for word in WORDS}
    told = {word: text for word, text in said.items() if secret in text}
    return reply._replace(**{word: text.replace(secret, HIDDEN) for word, text in told.items()})


def name(said: Any) -> str | None:
    """A word that came along with the answer; None for anything else."""
    return said[:LONGEST_NAME] if isinstance(said, str) else None


def moment(said: Any) -> int | None:
    """Unix seconds; None for what is no moment."""
    return int(said) if isinstance(said, int | float) and 0 < said < FAR else None


def tokens(said: Any) -> int:
    """A count of tokens, 0 where none is told: money rests on it.

    Raises:
        ValueError: when it cannot be one.
    """
    number = int(said or 0)
    if not 0 <= number < FAR:
        raise ValueError
    return number


def cached(details: Any) -> int:
    """The input tokens that the provider had cached."""
    return tokens((details or {}).get("cached_tokens"))


def p_yes(candidates: Any) -> float | None:
    """P(yes) / (P(yes) + P(no)) over the first token's candidates; None when neither is there."""
    mass = {"yes": 0.0, "no": 0.0}
    for candidate in candidates:
        word = candidate["token"].strip().lower().strip(".,\"'")
        if word in mass:
            mass[word] += math.exp(min(candidate["logprob"], 0.0))
    total = sum(mass.values())
    return mass["yes"] / total if total else None
