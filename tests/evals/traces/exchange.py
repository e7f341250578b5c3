"""One exchange with a model, which the writers of `products` export in each format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ToolCall(NamedTuple):
    """A tool that the model called, and its result."""

    id: str
    name: str
    arguments: dict[str, Any]
    result: str


class Exchange(NamedTuple):
    """What an application knows of one request, which each product writes in its own format."""

    trace_id: str
    """32 hexadecimal digits."""
    app: str
    session: str
    user: str
    system: str
    question: str
    answer: str
    tool: ToolCall | None
    model_requested: str
    model: str
    """The model that answered."""
    tokens_in: int
    tokens_out: int
    cost: float
    start: datetime
    took_ms: int
    tags: tuple[str, ...]

    @property
    def end(self) -> datetime:
        """The end of the request."""
        return self.start + timedelta(milliseconds=self.took_ms)

    def chat(self) -> list[dict[str, Any]]:
        """The messages sent, as OpenAI's chat completions take them."""
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.question},
        ]
        if self.tool:
            function = {"name": self.tool.name, "arguments": json.dumps(self.tool.arguments)}
            call = {"id": self.tool.id, "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            back = {"role": "tool", "tool_call_id": self.tool.id, "content": self.tool.result}
            messages.append(back)
        return messages

    def reply(self) -> dict[str, Any]:
        """The message that answered."""
        return {"role": "assistant", "content": self.answer}


def complete_chat(exchange: Exchange) -> dict[str, Any]:
    """The response of a chat completion."""
    usage = {"prompt_tokens": exchange.tokens_in, "completion_tokens": exchange.tokens_out}
    choice = {"index": 0, "message": exchange.reply(), "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": exchange.model,
            "choices": [choice], "usage": usage}  # fmt: skip


def format_javascript_time(moment: datetime) -> str:
    """Formats a time as JavaScript does, with microseconds."""
    return moment.isoformat().replace("+00:00", "Z")


def format_naive_time(moment: datetime) -> str:
    """Formats a UTC time without its zone."""
    return moment.replace(tzinfo=None).isoformat()
