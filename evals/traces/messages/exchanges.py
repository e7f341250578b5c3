"""Logged requests and responses, in the shapes of the providers and frameworks.

Reads OpenAI (chat completions and Responses), Anthropic, Gemini, LangChain and the Vercel AI SDK.
`chat` reads one message; the formats know where a log keeps request and response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from evals.records import Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.messages import chat
from evals.traces.messages.parts import Message, Messages, Object, list_choices, read_parts
from evals.traces.messages.plain_text import remove_data, to_text

MessageReader: TypeAlias = Callable[[Object], Messages]


def read_messages(value: Json) -> Messages:
    """Reads the chat of a logged input or output; empty where it holds none."""
    value = parse_wrapper(value) if type(value) is str else value
    if type(value) is dict:
        return read_object(value)
    if type(value) is not list:
        return []
    first = value[0] if len(value) == 1 else None
    items = first if type(first) is list else value
    return join_tool_calls([message for item in items for message in read_item(item)])


def read_object(value: Object) -> Messages:
    """Reads the chat of a request, a response, or one message."""
    if "role" in value and "content" in value:
        return read_item(value)
    for key, read in OBJECT_READERS.items():
        if value.get(key) and (messages := read(value)):
            return messages
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
    """Whether an item defines a tool; LangChain's tracing puts such among the messages."""
    content = item.get("content")
    return type(content) is dict and content.get("type") == "function" and "function" in content


def join_tool_calls(messages: Messages) -> Messages:
    """Joins consecutive messages that only call tools into one message."""
    joined: Messages = []
    for message in messages:
        calls = message.get("tool_calls")
        previous_calls = joined[-1].get("tool_calls") if joined else None
        same_role = previous_calls and joined[-1]["role"] == message["role"]
        if previous_calls and calls and same_role and not message["content"]:
            joined[-1]["tool_calls"] = [*previous_calls, *calls]
        else:
            joined.append(message)
    return joined


def make_list_reader(key: str, with_system: bool = True) -> MessageReader:
    """Makes a reader of the messages under a key, after the system's instructions."""

    def read_list(value: Object) -> Messages:
        items = value[key]
        if type(items) is not list:
            return []
        return [*(read_system(value) if with_system else ()), *read_messages(items)]

    return read_list


def make_text_or_list_reader(key: str, request_keys: tuple[str, ...] = ()) -> MessageReader:
    """Makes a reader of messages or of the user's text under a key.

    Text counts only where one of `request_keys` is there too and so shows that it is a request.
    """

    def read_text_or_list(value: Object) -> Messages:
        inner = value[key]
        is_request = not request_keys or any(name in value for name in request_keys)
        if type(inner) is str and is_request:
            return [*read_system(value), Message(role="user", content=inner)]
        return [*read_system(value), *read_messages(inner)] if type(inner) is list else []

    return read_text_or_list


def make_nested_reader(key: str, inner_key: str) -> MessageReader:
    """Makes a reader of the message under a second key of the first item listed under a key."""

    def read_nested(value: Object) -> Messages:
        items = value[key]
        while type(items) is list and items:
            items = list_choices(items)[0]
        return read_item(items.get(inner_key)) if type(items) is dict else []

    return read_nested


def read_first_choice(value: Object) -> Messages:
    """Reads the message of the first choice, or the text of a completion."""
    first = next(iter(list_choices(value["choices"])), None)
    if type(first) is not dict:
        return []
    if type(first.get("message")) is not dict and type(text := first.get("text")) is str:
        return [Message(role="assistant", content=remove_data(text))]
    return read_item(first.get("message"))


def make_message_reader(key: str) -> MessageReader:
    """Makes a reader of the one message under a key."""
    return lambda value: read_item(value[key])


def read_system(value: Object) -> Messages:
    """Reads the system's instructions that a request has beside its messages."""
    config = value.get("config")
    for holder in (value, config if type(config) is dict else {}):
        for key in ("system", "instructions", "system_instruction", "systemInstruction"):
            text = holder.get(key)
            text = text.get("parts") if type(text) is dict else text
            if text and type(text) in (str, list):
                return [Message(role="system", content=read_parts(text).join_lines())]
    return []


OBJECT_READERS: dict[str, MessageReader] = {
    "messages": make_list_reader("messages"),
    "contents": make_text_or_list_reader("contents"),
    "choices": read_first_choice,
    "candidates": make_nested_reader("candidates", "content"),
    "generations": make_nested_reader("generations", "message"),
    "output": make_list_reader("output", with_system=False),
    "new_message": make_message_reader("new_message"),
    "message": make_message_reader("message"),
    "input": make_text_or_list_reader("input", ("instructions", "model")),
    "prompt": make_text_or_list_reader("prompt"),
}
"""The reader of each key that identifies the shape of a logged object, the most specific first."""


def read_answer(value: Json) -> str | None:
    """Reads a logged answer as text; None where it is empty."""
    parsed = parse_wrapper(value) if type(value) is str else value
    if parsed is None or parsed == "":
        return None
    if messages := read_messages(parsed):
        return to_text(messages[-1].get("content"))
    if type(parsed) is dict:
        texts = find_texts(parsed, ANSWER_KEYS)
        if len(texts) == len(parsed) == 1:
            return texts[0]
    return to_text(value)


def read_question(value: Json) -> str | None:
    """Reads a logged input as text; None where it is empty."""
    parsed = parse_wrapper(value) if type(value) is str else value
    if parsed is None or parsed == "":
        return None
    questions = [message for message in read_messages(parsed) if message.get("role") == "user"]
    if questions:
        return to_text(questions[-1].get("content"))
    if type(parsed) is dict:
        texts = find_texts(parsed, QUESTION_KEYS)
        arguments = parsed.get("args")
        if len(texts) == 1:
            return texts[0]
        if type(arguments) is list and len(arguments) == 1 and type(arguments[0]) is str:
            return arguments[0]
    return to_text(value)


def find_texts(value: Object, keys: tuple[str, ...]) -> list[str]:
    """Lists the texts that an object has under some keys."""
    return [text for key in keys if type(text := value.get(key)) is str]


QUESTION_KEYS = ("input", "question", "query", "prompt", "text", "user_input")
ANSWER_KEYS = ("output", "answer", "response", "result", "text", "completion", "content")
"""Keys under which an application keeps plain text; with two of them the choice is unclear."""


def describe_request(value: Json) -> Object:
    """Describes a request beside its messages: its model and parameters."""
    if type(value) is not dict:
        return {}
    params: Object = {
        key: param for key, param in value.items() if key in PARAMS and param is not None
    }
    return drop_missing(
        {"model_requested": text_or_none(value.get("model")), "params": params or None}
    )


def describe_response(value: Json) -> Object:
    """Describes a response beside its message: model, tokens and finish reason."""
    value = parse_wrapper(value) if type(value) is str else value
    if type(value) is not dict:
        return {}
    value = unwrap_generation(value)
    meta = find_metadata(value)
    usage = find_usage(value, meta)
    return drop_missing(
        {
            "model": text_or_none(
                value.get("model") or meta.get("model_name") or meta.get("model")
            ),
            "finish_reason": find_finish_reason(value) or text_or_none(meta.get("finish_reason")),
            "tokens_in": find_count(usage, *SENT),
            "tokens_out": count_made(usage),
            "system_fingerprint": text_or_none(
                value.get("system_fingerprint") or meta.get("system_fingerprint")
            ),
        }
    )


def unwrap_generation(value: Object) -> Object:
    """Unwraps LangChain's first generation with its details; returns any other value as it is."""
    first: Json = value.get("generations")
    while type(first) is list and first:
        first = first[0]
    if type(first) is not dict:
        return value
    message = first.get("message")
    kwargs = message.get("kwargs", message) if type(message) is dict else None
    info = first.get("generation_info")
    return {
        **value,
        **(info if type(info) is dict else {}),
        **(kwargs if type(kwargs) is dict else {}),
    }


def find_metadata(value: Object) -> Object:
    """Finds the metadata of a response of LangChain; empty where it has none."""
    for key in ("response_metadata", "llm_output"):
        if type(meta := value.get(key)) is dict:
            return meta
    return {}


def find_usage(value: Object, meta: Object) -> Object:
    """Finds the token counts of a response; empty where it has none."""
    places = [value.get(key) for key in ("usage", "usage_metadata", "usageMetadata")]
    places += [meta.get("token_usage"), meta.get("usage"), meta.get("usage_metadata")]
    for place in places:
        if type(place) is dict and place:
            return place
    return {}


def find_finish_reason(value: Object) -> str | None:
    """Finds why the answer ended, in the provider's word."""
    for key in ("choices", "candidates"):
        first = next(iter(list_choices(value.get(key))), None)
        if type(first) is dict:
            reason = first.get("finish_reason", first.get("finishReason"))
            if type(reason) is dict:  # LangSmith's tracer for JavaScript keeps the last chunk
                reason = reason.get("finish_reason")
            return text_or_none(reason)
    details = value.get("incomplete_details")
    if type(details) is dict and details.get("reason"):
        return text_or_none(details["reason"])
    own = value.get("finish_reason") or value.get("stop_reason")
    return text_or_none(own) or ("stop" if value.get("status") == "completed" else None)


def find_total_tokens(value: Json) -> int | None:
    """Finds how many tokens a response used in all, those of no other count included."""
    if type(value) is not dict:
        return None
    value = unwrap_generation(value)
    usage = find_usage(value, find_metadata(value))
    return find_count(usage, "total_tokens", "total_token_count", "totalTokenCount")


def count_made(usage: Object) -> int | None:
    """Counts the tokens of an answer, those of Gemini's reasoning included."""
    if (made := find_count(usage, "completion_tokens", "output_tokens")) is not None:
        return made
    counts = [find_count(usage, *keys) for keys in MADE_APART]
    found = [count for count in counts if count is not None]
    return sum(found) if found else None


SENT = ("prompt_tokens", "input_tokens", "prompt_token_count", "promptTokenCount")
MADE_APART = (
    ("candidates_token_count", "candidatesTokenCount"),
    ("thoughts_token_count", "thoughtsTokenCount"),
)
"""Gemini's counts of an answer and of the reasoning before it."""


def find_count(usage: Object, *keys: str) -> int | None:
    """Finds the first integer under some keys."""
    return next((number for key in keys if type(number := usage.get(key)) is int), None)


def text_or_none(value: Json) -> str | None:
    """Returns a text that is not empty, else None."""
    return value if type(value) is str and value else None


def drop_missing(value: Mapping[str, Json]) -> Object:
    """Drops the keys whose value is null."""
    return {key: item for key, item in value.items() if item is not None}


PARAMS = frozenset(
    [
        *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "stop"),
        *("max_output_tokens", "frequency_penalty", "presence_penalty", "n", "logit_bias", "text"),
        *("logprobs", "top_logprobs", "response_format", "tool_choice", "parallel_tool_calls"),
        *("reasoning", "reasoning_effort", "service_tier", "stream", "truncation", "verbosity"),
    ]
)
"""Keys of a request that are parameters."""
