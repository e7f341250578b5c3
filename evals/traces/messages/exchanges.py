"""A logged request and its response, in the shapes providers and frameworks have for them.

Reads OpenAI (chat completions and Responses), Anthropic, Gemini, LangChain and the Vercel AI SDK.
One message is `chat`'s; where a log keeps the two is the format's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evals.records import Json
from evals.traces.files.strict_json import parse_inner
from evals.traces.messages import chat
from evals.traces.messages.chat import Message, Messages

Object = dict[str, Json]


def read_messages(value: Json) -> Messages:
    """The chat that a logged input or output is; empty where it is none."""
    value = parse_inner(value) if type(value) is str else value
    if type(value) is dict:
        return read_object(value)
    if type(value) is not list:
        return []
    items = value[0] if len(value) == 1 and type(value[0]) is list else value
    return join_tool_calls([message for item in items for message in read_item(item)])


def read_object(value: Object) -> Messages:
    """The chat of a request, a response, or one message."""
    if "role" in value and "content" in value:
        return read_item(value)
    for key, read in OBJECTS.items():
        if value.get(key) and (found := read(value)):
            return found
    return read_item(value)


def read_item(item: Json) -> Messages:
    """Reads one item of a list: mostly one message, none where it is no message."""
    if type(item) is not dict or defines_tool(item):
        return []
    content = item.get("content")
    if type(content) is dict and type(content.get("parts")) is list:
        return read_item(content)
    extra = item.get("additional_kwargs")
    if type(extra) is dict and not item.get("tool_calls") and extra.get("tool_calls"):
        item = {**item, "tool_calls": extra["tool_calls"]}
    if "role" not in item and "toolName" in item:
        item = {"role": "assistant", "parts": [{**item, "type": "tool-call"}]}
    if type(item.get("message")) is dict and "role" not in item:
        return read_item(item["message"])
    return chat.read_entry(item) or []


def defines_tool(item: Object) -> bool:
    """Whether a message is a tool's definition, as LangChain's tracing puts it among them."""
    content = item.get("content")
    return type(content) is dict and content.get("type") == "function" and "function" in content


def join_tool_calls(found: Messages) -> Messages:
    """Calls of tools that follow each other without a word between are one message."""
    result: Messages = []
    for message in found:
        calls = message.get("tool_calls")
        known = result[-1].get("tool_calls") if result else None
        alike = known and result[-1]["role"] == message["role"]
        if known and calls and alike and not message["content"]:
            result[-1]["tool_calls"] = [*known, *calls]
        else:
            result.append(message)
    return result


def list_reader(key: str, beside: bool = True) -> Callable[[Object], Messages]:
    """Reads the messages under a key, the system's words before them."""

    def read(value: Object) -> Messages:
        items = value[key]
        if type(items) is not list:
            return []
        return [*(read_system(value) if beside else ()), *read_messages(items)]

    return read


def text_or_list_reader(key: str, needs: tuple[str, ...] = ()) -> Callable[[Object], Messages]:
    """Reads what may be the user's bare words, where other keys tell that it is a request."""

    def read(value: Object) -> Messages:
        said = value[key]
        if type(said) is str and (not needs or any(name in value for name in needs)):
            return [*read_system(value), Message(role="user", content=said)]
        return [*read_system(value), *read_messages(said)] if type(said) is list else []

    return read


def wrapped_reader(key: str, inside: str) -> Callable[[Object], Messages]:
    """Reads the message under a second key of the first item listed under the first."""

    def read(value: Object) -> Messages:
        items = value[key]
        while type(items) is list and items:
            items = items[0]
        return read_item(items.get(inside)) if type(items) is dict else []

    return read


def message_reader(key: str) -> Callable[[Object], Messages]:
    """Reads the message under a key."""
    return lambda value: read_item(value[key])


def read_system(value: Object) -> Messages:
    """The system's words where a request has them beside its messages."""
    config = value.get("config")
    for holder in (value, config if type(config) is dict else {}):
        for key in ("system", "instructions", "system_instruction", "systemInstruction"):
            said = holder.get(key)
            said = said.get("parts") if type(said) is dict else said
            if said and type(said) in (str, list):
                return [Message(role="system", content="\n".join(chat.read_parts(said).texts))]
    return []


OBJECTS: dict[str, Callable[[Object], Messages]] = {
    "messages": list_reader("messages"),
    "contents": text_or_list_reader("contents"),
    "choices": wrapped_reader("choices", "message"),
    "candidates": wrapped_reader("candidates", "content"),
    "generations": wrapped_reader("generations", "message"),
    "output": list_reader("output", beside=False),
    "new_message": message_reader("new_message"),
    "message": message_reader("message"),
    "input": text_or_list_reader("input", ("instructions", "model")),
    "prompt": text_or_list_reader("prompt"),
}
"""Keys that identify the shape of a logged object, the most specific first."""


def read_answer(value: Json) -> str | None:
    """Reads a logged answer as text; None where it is empty."""
    told, value = value, parse_inner(value) if type(value) is str else value
    if value is None or value == "":
        return None
    if found := read_messages(value):
        return chat.to_text(found[-1].get("content"))
    if type(value) is dict:
        known = find_texts(value, ANSWERS)
        if len(known) == len(value) == 1:
            return known[0]
    return chat.to_text(told)


def read_question(value: Json) -> str | None:
    """Reads a logged input as text; None where it is empty."""
    told, value = value, parse_inner(value) if type(value) is str else value
    if value is None or value == "":
        return None
    said = [message for message in read_messages(value) if message.get("role") == "user"]
    if said:
        return chat.to_text(said[-1].get("content"))
    if type(value) is dict:
        known = find_texts(value, QUESTIONS)
        arguments = value.get("args")
        if len(known) == 1:
            return known[0]
        if type(arguments) is list and len(arguments) == 1 and type(arguments[0]) is str:
            return arguments[0]
    return chat.to_text(told)


def find_texts(value: Object, keys: tuple[str, ...]) -> list[str]:
    """The texts that an object has under some keys."""
    return [said for key in keys if type(said := value.get(key)) is str]


QUESTIONS = ("input", "question", "query", "prompt", "text", "user_input")
ANSWERS = ("output", "answer", "response", "result", "text", "completion", "content")
"""Keys under which an application keeps the words themselves; two of them together tell nothing."""


def describe_request(value: Json) -> Object:
    """Describes a request beside its messages: its model and parameters."""
    if type(value) is not dict:
        return {}
    params = {key: given for key, given in value.items() if key in PARAMS and given is not None}
    return drop_missing(
        {"model_requested": text_or_none(value.get("model")), "params": params or None}
    )


def describe_response(value: Json) -> Object:
    """Describes a response beside its message: model, tokens and finish reason."""
    value = parse_inner(value) if type(value) is str else value
    if type(value) is not dict:
        return {}
    value = unwrap_generation(value)
    meta = next((held for key in METAS if type(held := value.get(key)) is dict), {})
    usage = next(iter(find_usages(value, meta)), {})
    return drop_missing(
        {
            "model": text_or_none(
                value.get("model") or meta.get("model_name") or meta.get("model")
            ),
            "finish_reason": find_finish_reason(value) or text_or_none(meta.get("finish_reason")),
            "tokens_in": find_count(usage, "prompt_tokens", "input_tokens", "prompt_token_count"),
            "tokens_out": find_count(
                usage, "completion_tokens", "output_tokens", "candidates_token_count"
            ),
            "system_fingerprint": text_or_none(
                value.get("system_fingerprint") or meta.get("system_fingerprint")
            ),
        }
    )


def unwrap_generation(value: Object) -> Object:
    """Unwraps LangChain's first generation with its details; any other value as it is."""
    first: Json = value.get("generations")
    while type(first) is list and first:
        first = first[0]
    if type(first) is not dict:
        return value
    message = first.get("message")
    kwargs = message.get("kwargs", message) if type(message) is dict else None
    info = first.get("generation_info")
    info, kwargs = (held if type(held) is dict else {} for held in (info, kwargs))
    return {**value, **info, **kwargs}


METAS = ("response_metadata", "llm_output")


def find_usages(value: Object, meta: Object) -> list[Object]:
    """Finds the objects of a response that may hold token counts."""
    places = [value.get(key) for key in ("usage", "usage_metadata", "usageMetadata")]
    places += [meta.get("token_usage"), meta.get("usage"), meta.get("usage_metadata")]
    return [place for place in places if type(place) is dict and place]


def find_finish_reason(value: Object) -> str | None:
    """Why the answer ended, in the provider's word."""
    for key in ("choices", "candidates"):
        items = value.get(key)
        if type(items) is list and items and type(items[0]) is dict:
            reason = items[0].get("finish_reason", items[0].get("finishReason"))
            if type(reason) is dict:  # LangSmith's tracer for JavaScript keeps the last chunk
                reason = reason.get("finish_reason")
            return text_or_none(reason)
    details = value.get("incomplete_details")
    if type(details) is dict and details.get("reason"):
        return text_or_none(details["reason"])
    own = value.get("finish_reason") or value.get("stop_reason")
    return text_or_none(own) or ("stop" if value.get("status") == "completed" else None)


def find_count(usage: Object, *keys: str) -> int | None:
    """The first of some counts that is there."""
    return next((number for key in keys if type(number := usage.get(key)) is int), None)


def text_or_none(value: Json) -> str | None:
    """A text that is not empty, else None."""
    return value if type(value) is str and value else None


def drop_missing(value: dict[str, Any]) -> Object:
    """Without what is not known."""
    return {key: known for key, known in value.items() if known is not None}


PARAMS = frozenset(
    [
        *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "stop"),
        *("max_output_tokens", "frequency_penalty", "presence_penalty", "n", "logit_bias", "text"),
        *("logprobs", "top_logprobs", "response_format", "tool_choice", "parallel_tool_calls"),
        *("reasoning", "reasoning_effort", "service_tier", "stream", "truncation", "verbosity"),
    ]
)
"""Keys of a request that are parameters."""
