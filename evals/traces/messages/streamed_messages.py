"""One message of a chat completion and its tool calls, joined from the deltas of a stream.

`chunks` finds the deltas in the chunks of each provider.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evals.records import Json
from evals.traces.files.strict_json import parse_inner
from evals.traces.messages.parts import Object, read_parts
from evals.traces.messages.plain_text import to_text


@dataclass(slots=True)
class StreamedCall:
    """A tool call, joined from the chunks of a stream."""

    index: Json = None
    call_id: Json = None
    name: Json = None
    arguments: str = ""

    def as_json(self) -> Json:
        """Returns the call in the form of a response that was not streamed."""
        return {"function": {"arguments": self.arguments, "name": self.name}, "id": self.call_id}

    def has_ended(self) -> bool:
        """Whether its arguments are a whole object, so that no more of them can come."""
        return type(parse_inner(self.arguments.strip())) is dict


@dataclass(slots=True)
class StreamedMessage:
    """The message of a chat completion, joined from its deltas."""

    texts: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    calls: list[StreamedCall] = field(default_factory=list[StreamedCall])
    reason: Json = None

    def add_choice(self, choice: Object) -> None:
        """Adds the delta, the message or the text of a chunk's choice."""
        delta = choice.get("delta") or choice.get("message")
        delta = delta if type(delta) is dict else {"content": choice.get("text")}
        self.texts += list_texts(delta, "content", "refusal")
        self.thoughts += list_texts(delta, "reasoning_content", "reasoning", "thinking")
        if type(content := delta.get("content")) is list:
            parts = read_parts(content)
            self.texts.append(parts.join_words())
            self.thoughts += parts.reasoning
        calls = delta.get("tool_calls")
        for call in calls if type(calls) is list else [{"function": delta.get("function_call")}]:
            if type(call) is dict and type(function := call.get("function")) is dict:
                self.add_call(call, function)
        self.reason = choice.get("finish_reason") or self.reason

    def as_json(self) -> Object:
        """Returns the choice in the form of a response that was not streamed."""
        message: Object = {"role": "assistant", "content": "".join(self.texts)}
        if self.thoughts:
            message["reasoning_content"] = "".join(self.thoughts)
        if self.calls:
            message["tool_calls"] = [call.as_json() for call in self.calls]
        return {"message": message, "finish_reason": self.reason}

    def add_call(self, delta: Object, function: Object) -> None:
        """Adds the delta of a tool call."""
        call = self.find_call(delta, function)
        if call is None:
            self.calls.append(call := StreamedCall(delta.get("index")))
        call.call_id = delta.get("id") or call.call_id
        call.name = function.get("name") or call.name
        arguments = function.get("arguments")
        call.arguments += to_text(arguments)

    def find_call(self, delta: Object, function: Object) -> StreamedCall | None:
        """Finds the call that a delta goes on; None where it begins another.

        Servers leave out the index, or give every call the same; then a name begins a call, unless
        it only repeats that of the call whose arguments still come.
        """
        index, call_id, name = delta.get("index"), delta.get("id"), function.get("name")
        call = next((each for each in reversed(self.calls) if each.index == index), None)
        if call is None or not name or not call.name:
            return call
        if call_id and call.call_id and call_id != call.call_id:
            return None
        return None if call.has_ended() and not call_id else call


def list_texts(value: Object, *keys: str) -> list[str]:
    """Lists the texts under some keys."""
    return [text for key in keys if type(text := value.get(key)) is str]
