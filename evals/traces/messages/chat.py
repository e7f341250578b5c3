"""Chat messages of any provider or framework in one shape: OpenAI's, with text alone as content.

A message is `role`, `content` and, where there are any, `name`, `tool_calls` (`id`, `type`,
`function` of `name` and `arguments` as text), `tool_call_id` and `reasoning`. An image, a file or
a sound is a placeholder in the text that tells its type and size: its bytes are never kept.
Where a chat stands in a file is the format's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict, cast

from evals.records import Json
from evals.traces.files.strict_json import parse_inner as embedded
from evals.traces.files.strict_json import to_canonical_text

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
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,([A-Za-z0-9+/=_-]{64,})")
MAX_URI = 2048
PLAIN = ("user", "assistant", "system", "developer")


class FunctionCall(TypedDict):
    """Which function a tool call names, and its arguments as text."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """One call of a tool."""

    id: NotRequired[str]
    type: str
    function: FunctionCall


class Message(TypedDict):
    """One message of a chat in OpenAI's shape."""

    role: str
    content: str
    name: NotRequired[str]
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]
    reasoning: NotRequired[str]


Messages = list[Message]


class Chat(list[Json]):
    """Messages that are in the one shape already."""


def as_json(messages: Sequence[Message] | Sequence[ToolCall]) -> list[Json]:
    """The same messages or calls, typed as what a JSON parser returns."""
    return cast("list[Json]", messages)


@dataclass(slots=True)
class MessageParts:
    """What the parts of one message hold."""

    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: Messages = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)


def to_text(value: Json) -> str:
    """Text as it is, with inline data taken out; nothing as empty; any other value as JSON."""
    if value is None:
        return ""
    return remove_data(value if type(value) is str else to_canonical_text(value))


def remove_data(text: str) -> str:
    """Replaces inline base64 data in a text by placeholders."""
    if ";base64," not in text:
        return text
    return DATA_URL.sub(
        lambda found: make_placeholder(found[1].split("/")[0], found[1], found[2]), text
    )


def make_placeholder(kind: str, mime: Json = None, data: Json = None, where: Json = None) -> str:
    """Makes the placeholder of a picture, a sound or a file."""
    words = [kind if type(kind) is str and kind else "file"]
    if type(mime) is str and mime:
        words.append(mime[:100])
    if type(where) is str and where and not where.startswith("data:"):
        words.append(where[:MAX_URI])
    size = f", {len(data) * 3 // 4} bytes" if type(data) is str and data else ""
    return f"[{' '.join(words)}{size}]"


def make_tool_call(call_id: Json, name: Json, arguments: Json) -> ToolCall:
    """One call of a tool."""
    function: FunctionCall = {"name": to_text(name), "arguments": to_text(arguments)}
    if call_id in (None, ""):
        return {"type": "function", "function": function}
    return {"id": to_text(call_id), "type": "function", "function": function}


def make_tool_result(call_id: Json, content: Json, name: Json = None) -> Message:
    """What a tool gave back, as the message it is."""
    inner = read_parts(content) if type(content) is list else MessageParts([to_text(content)])
    found: Message = {"role": "tool", "content": "\n".join(inner.texts)}
    if call_id not in (None, ""):
        found["tool_call_id"] = to_text(call_id)
    if name not in (None, ""):
        found["name"] = to_text(name)
    return found


def read_messages(value: Json) -> Messages:
    """The messages of a list of them, of an object that holds one, or of either's JSON text.

    Empty where a value is no chat.
    """
    if type(value) is str:
        value = embedded(value)
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
    found: Messages = []
    for item in value:
        one = read_entry(item)
        if one is None:
            return []
        found += one
    return found


def read_entry(item: Json) -> Messages | None:
    """One entry of a chat as messages (several tools may answer in one); None where it is none."""
    if type(item) is str:
        item = embedded(item)
    if type(item) is not dict:
        return None
    role, content = item.get("role"), item.get("content")
    if type(role) is str and role in PLAIN and type(content) is str and is_bare(item, content):
        return [{"role": role, "content": remove_data(content)}]
    kwargs, names = item.get("kwargs"), item.get("id")
    if type(kwargs) is dict and type(names) is list:  # LangChain's dumps
        item = {"type": names[-1], **kwargs} if names else kwargs
    role = find_role(item)
    if role is None:
        return read_tool_entry(item)
    said = read_parts(item.get("parts", item.get("content")))
    for call in find_tool_calls(item):
        said.calls.append(call)
    if type(thought := item.get("reasoning_content", item.get("reasoning"))) is str and thought:
        said.reasoning.append(thought)
    return build_messages(role, said, item)


def is_bare(item: dict[str, Json], content: str) -> bool:
    """Whether a message holds nothing but a role and text that is no JSON."""
    return len(item) == 2 and content[:1] not in "[{"


def find_role(item: dict[str, Json]) -> str | None:
    """Finds a message's role in OpenAI's terms; None where it names none."""
    role = item.get("role")
    if type(role) is not str or not role:
        role = item.get("type")
        if type(role) is not str or role.lower() not in (*ROLES, "system", "tool"):
            return "assistant" if type(item.get("parts")) is list else None
    return ROLES.get(role.lower(), role.lower())


def read_tool_entry(item: dict[str, Json]) -> Messages | None:
    """Reads a tool call or result between messages, as the Responses API writes them."""
    said = MessageParts()
    kind = item.get("type")
    if kind in ("function_call", "function_call_output", "reasoning"):
        add_part(said, item)
    elif type(kind) is str and kind.endswith("_call"):
        add_hosted(said, item)
    else:
        return None
    return build_messages("assistant", said, {}) if said.calls or said.reasoning else said.results


def build_messages(role: str, said: MessageParts, item: dict[str, Json]) -> Messages:
    """The messages that one entry's parts make."""
    answers = said.results
    text = "\n".join(said.texts)
    if role == "tool" and not answers:
        call_id = item.get("tool_call_id", item.get("id"))
        return [make_tool_result(call_id, text, item.get("name"))]
    if answers and not (text or said.calls):
        return answers
    if answers and said.calls and role == "assistant":  # the provider ran them itself
        calls: Message = {"role": role, "content": "", "tool_calls": said.calls}
        rest = MessageParts(said.texts, [], [], said.reasoning)
        return [
            calls,
            *answers,
            *(build_messages(role, rest, item) if text or said.reasoning else ()),
        ]
    found: Message = {"role": role, "content": text}
    if type(name := item.get("name")) is str and name:
        found["name"] = name
    if said.calls:
        found["tool_calls"] = said.calls
    if said.reasoning:
        found["reasoning"] = "\n".join(said.reasoning)
    return [*answers, found]


def find_tool_calls(item: dict[str, Json]) -> list[ToolCall]:
    """The calls a message carries beside its content, in OpenAI's or LangChain's form."""
    found: list[ToolCall] = []
    listed = item.get("tool_calls")
    listed = embedded(listed) if type(listed) is str else listed  # an event's attribute is text
    for call in listed if type(listed) is list else ():
        if type(call) is dict:
            inner = call.get("function")
            inner = inner if type(inner) is dict else call
            arguments = inner.get("arguments", inner.get("args", inner.get("input")))
            found.append(make_tool_call(call.get("id"), inner.get("name"), arguments))
    if type(old := item.get("function_call")) is dict:
        found.append(make_tool_call(None, old.get("name"), old.get("arguments")))
    return found


def read_parts(content: Json) -> MessageParts:
    """The parts of a message's content."""
    said = MessageParts()
    if type(content) is str and content[:1] in "[{":
        parts = embedded(content)
        if type(parts) is list and parts and all(map(is_part, parts)):
            content = parts
    for part in content if type(content) is list else [content]:
        if type(part) is dict:
            add_part(said, part)
        elif part is not None and part != "":
            said.texts.append(to_text(part))
    return said


def is_part(value: Json) -> bool:
    """Whether a value read out of a text is a part of a message, and not JSON somebody said."""
    kind = value.get("type") if type(value) is dict else None
    return type(kind) is str and kind in PARTS


def add_part(said: MessageParts, part: dict[str, Any]) -> None:
    """One part, by its type; a type nobody knows is kept as JSON."""
    kind = part.get("type")
    reader = PARTS.get(kind) if type(kind) is str else None
    if reader is not None:
        reader(said, part)
        return
    for key, reader in UNTYPED.items():
        if key in part:
            reader(said, part)
            return
    said.texts.append(to_text(part))


def add_text(said: MessageParts, part: dict[str, Any]) -> None:
    """Text, wherever a framework puts it; what Gemini calls a thought is one."""
    if part.get("thought") is True:
        add_thought(said, part)
        return
    value = part.get("text", part.get("content", part.get("refusal")))
    if type(value) is dict:
        value = value.get("value", value)
    if value not in (None, ""):
        said.texts.append(to_text(value))


def add_thought(said: MessageParts, part: dict[str, Any]) -> None:
    """Reasoning is kept apart: nobody was answered with it."""
    value = part.get("content", part.get("text", part.get("thinking", part.get("summary"))))
    if value:
        texts = read_parts(value).texts if type(value) is list else [to_text(value)]
        said.reasoning.append("\n".join(texts))


def add_call(said: MessageParts, part: dict[str, Any]) -> None:
    """A tool is called."""
    inner = part.get("functionCall", part.get("function_call"))
    part = inner if type(inner) is dict else part
    call_id = part.get("call_id", part.get("toolCallId", part.get("id")))
    name = part.get("name", part.get("toolName"))
    arguments = next((part[key] for key in ARGUMENTS if key in part), None)
    said.calls.append(make_tool_call(call_id, name, arguments))


def add_hosted(said: MessageParts, item: dict[str, Any]) -> None:
    """Adds a tool that the provider ran itself; the Responses API has call and result in one."""
    kind, call_id = item["type"], item.get("id")
    told = {key: value for key, value in item.items() if key not in (*ABOUT, *GIVEN)}
    arguments = item.get("arguments", told)
    said.calls.append(
        make_tool_call(call_id, item.get("name", kind.removesuffix("_call")), arguments)
    )
    given = next((item[key] for key in GIVEN if item.get(key) is not None), None)
    if kind == "image_generation_call" and given is not None:
        given = make_placeholder("image", None, given)
    if given is not None:
        said.results.append(make_tool_result(call_id, to_text(given)))


ARGUMENTS = ("arguments", "input", "args", "server_tool_call")
ABOUT, GIVEN = ("id", "type", "status", "name"), ("output", "outputs", "results", "result")


def add_result(said: MessageParts, part: dict[str, Any]) -> None:
    """A tool answers."""
    inner = part.get("functionResponse", part.get("function_response"))
    part = inner if type(inner) is dict else part
    keys = ("tool_call_id", "tool_use_id", "call_id", "toolCallId", "id")
    call_id = next((part[key] for key in keys if part.get(key)), None)
    answers = ("response", "result", "output", "content", "server_tool_call_response")
    given = next((part[key] for key in answers if key in part), None)
    if type(given) is dict and set(given) == {"type", "value"}:  # the Vercel AI SDK's wrapping
        given = given["value"]
    said.results.append(make_tool_result(call_id, given, part.get("name", part.get("toolName"))))


def add_media(said: MessageParts, part: dict[str, Any]) -> None:
    """A picture, a sound or a file: a placeholder."""
    kind = to_text(part.get("modality")) or str(part.get("type") or "file")
    inner = next((part[key] for key in MEDIA if type(part.get(key)) is dict), part)
    mime = next((inner[key] for key in MIMES if type(inner.get(key)) is str), None)
    given = next((inner[key] for key in DATA if type(inner.get(key)) is str), None)
    if type(given) is str and (found := DATA_URL.match(given)):
        mime, given = found[1], found[2]
    if type(given) is str and (len(given) < 12 or "://" in given[:12]):
        where, given = given, None
    else:
        where = next((inner[key] for key in WHERE if type(inner.get(key)) is str), None)
    said.texts.append(make_placeholder(KINDS.get(kind, kind), mime, given, where))


MEDIA = (
    "image_url",
    "image",
    "source",
    "inlineData",
    "inline_data",
    "fileData",
    "input_audio",
    "file",
)
MIMES = ("mime_type", "mimeType", "mediaType", "media_type", "format")
DATA = ("content", "data", "image", "image_url", "url", "file_data")
WHERE = ("uri", "url", "file_id", "fileUri", "path", "image_url", "filename")
KINDS = {"image_url": "image", "input_image": "image", "input_audio": "audio", "blob": "file"}
Reader = Callable[[MessageParts, dict[str, Any]], None]
PARTS: dict[str, Reader] = {
    **dict.fromkeys(("text", "input_text", "output_text", "refusal"), add_text),
    **dict.fromkeys(("reasoning", "thinking", "redacted_thinking", "compaction"), add_thought),
    **dict.fromkeys(("tool_call", "tool-call", "tool_use", "function_call"), add_call),
    **dict.fromkeys(("server_tool_call", "server_tool_use", "mcp_tool_use"), add_call),
    **dict.fromkeys(
        ("tool_call_response", "tool-result", "tool_result", "function_call_output"), add_result
    ),
    **dict.fromkeys(("server_tool_call_response", "mcp_tool_result"), add_result),
    **dict.fromkeys(("web_search_tool_result", "code_execution_tool_result"), add_result),
    **dict.fromkeys(
        ("image", "image_url", "input_image", "audio", "input_audio", "video"), add_media
    ),
    **dict.fromkeys(("blob", "file", "uri", "document"), add_media),
}
UNTYPED: dict[str, Reader] = {
    "functionCall": add_call,
    "function_call": add_call,
    "functionResponse": add_result,
    "function_response": add_result,
    "inlineData": add_media,
    "inline_data": add_media,
    "fileData": add_media,
    "text": add_text,
}
"""Parts without a type, as Gemini writes them, by a key that tells."""
