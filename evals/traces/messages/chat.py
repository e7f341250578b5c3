"""Chat messages of any provider or framework in one shape: OpenAI's, with text alone as content.

A message is `role`, `content` and, where there are any, `name`, `tool_calls` (`id`, `type`,
`function` of `name` and `arguments` as text), `tool_call_id` and `reasoning`. An image, a file or
a sound is a placeholder in the text with its type and size; its bytes are never kept.
Where in a file a chat is written is the format's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from evals.records import Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.messages.parts import (
    Message,
    MessageParts,
    Messages,
    Object,
    ToolCall,
    add_hosted_call,
    add_part,
    make_tool_call,
    make_tool_result,
    read_parts,
)
from evals.traces.messages.plain_text import remove_data

ROLES = {
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function": "tool",
    "humanmessage": "user",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "systemmessage": "system",
    "toolmessage": "tool",
    "functionmessage": "tool",
}
PLAIN_ROLES = ("user", "assistant", "system", "developer")


class Chat(list[Json]):
    """Messages that have this module's shape already."""


def as_json(messages: Sequence[Message] | Sequence[ToolCall]) -> list[Json]:
    """Returns the same messages or calls, typed as decoded JSON."""
    return cast("list[Json]", messages)


def read_messages(value: Json) -> Messages:
    """Reads the messages of a list, of an object that holds a list, or of either's JSON text.

    Returns an empty list where the value is no chat.
    """
    if type(value) is str:
        value = parse_wrapper(value)
    if type(value) is dict:
        inner, system = value.get("messages") or value.get("contents"), value.get("system")
        if type(inner) is list:
            head: list[Json] = [{"role": "system", "content": system}] if system else []
            value = [*head, *inner]
        else:
            value = [value]
    if type(value) is not list:
        return []
    if len(value) == 1 and type(value[0]) is list:  # LangChain sends batches
        value = value[0]
    messages: Messages = []
    for item in value:
        entry = read_entry(item)
        if entry is None:
            return []
        messages += entry
    return messages


def read_entry(item: Json) -> Messages | None:
    """Reads one entry of a chat: several messages where several tools answer in one entry.

    Returns None where the item is no entry of a chat.
    """
    if type(item) is str:
        item = parse_wrapper(item)
    if type(item) is not dict:
        return None
    role, content = item.get("role"), item.get("content")
    is_plain = role in PLAIN_ROLES and len(item) == 2
    if is_plain and type(role) is str and type(content) is str and content[:1] not in "[{":
        return [{"role": role, "content": remove_data(content)}]
    kwargs, names = item.get("kwargs"), item.get("id")
    if type(kwargs) is dict and type(names) is list:  # LangChain's dumps
        item = {"type": names[-1], **kwargs} if names else kwargs
    role = find_role(item)
    if role is None:
        return read_tool_entry(item)
    parts = read_parts(item.get("parts", item.get("content")))
    parts.calls += find_tool_calls(item)
    reasoning = item.get("reasoning_content", item.get("reasoning"))
    if type(reasoning) is str and reasoning:
        parts.reasoning.append(reasoning)
    return build_messages(role, parts, item)


def find_role(item: Object) -> str | None:
    """Finds a message's role in OpenAI's terms; None where it names none."""
    role = item.get("role")
    if type(role) is not str or not role:
        role = item.get("type")
        if type(role) is not str or role.lower() not in (*ROLES, "system", "tool"):
            return "assistant" if type(item.get("parts")) is list else None
    return ROLES.get(role.lower(), role.lower())


def read_tool_entry(item: Object) -> Messages | None:
    """Reads a tool call or result between messages, as the Responses API writes them."""
    parts = MessageParts()
    kind = item.get("type")
    if kind in ("function_call", "function_call_output", "reasoning"):
        add_part(parts, item)
    elif type(kind) is str and kind.endswith("_call"):
        add_hosted_call(parts, item, kind)
    else:
        return None
    if parts.calls or parts.reasoning:
        return build_messages("assistant", parts, {})
    return parts.results


def build_messages(role: str, parts: MessageParts, item: Object) -> Messages:
    """Builds the messages of one entry: its tool results first, then its own message."""
    results = parts.results
    is_prose = role not in ("system", "developer", "tool")
    text = parts.join_words() if is_prose else parts.join_lines()
    if role == "tool" and not results:
        call_id = item.get("tool_call_id", item.get("id"))
        return [make_tool_result(call_id, text, item.get("name"))]
    if results and not (text or parts.calls):
        return results
    if results and parts.calls and role == "assistant":  # the provider ran the tools itself
        calls: Message = {"role": role, "content": "", "tool_calls": parts.calls}
        rest = MessageParts(parts.texts, parts.joints, reasoning=parts.reasoning)
        answer = build_messages(role, rest, item) if text or parts.reasoning else []
        return [calls, *results, *answer]
    message: Message = {"role": role, "content": text}
    if type(name := item.get("name")) is str and name:
        message["name"] = name
    if parts.calls:
        message["tool_calls"] = parts.calls
    if parts.reasoning:
        message["reasoning"] = "\n".join(parts.reasoning)
    return [*results, message]


def find_tool_calls(item: Object) -> list[ToolCall]:
    """Finds the calls that a message has beside its content, in OpenAI's or LangChain's form."""
    calls: list[ToolCall] = []
    listed = item.get("tool_calls")
    if type(listed) is str:  # an attribute of an event
        listed = parse_wrapper(listed)
    for call in listed if type(listed) is list else ():
        if type(call) is dict:
            inner = call.get("function")
            inner = inner if type(inner) is dict else call
            arguments = inner.get("arguments", inner.get("args", inner.get("input")))
            calls.append(make_tool_call(call.get("id"), inner.get("name"), arguments))
    if type(legacy := item.get("function_call")) is dict:
        calls.append(make_tool_call(None, legacy.get("name"), legacy.get("arguments")))
    return calls
