"""The parts of a message's content: text, reasoning, tool calls, tool results and media.

Defines the message records too, in OpenAI's shape. `chat` joins messages to chats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NotRequired, TypeAlias, TypedDict

from evals.records import Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.messages.plain_text import DATA_URL, make_placeholder, to_text


class FunctionCall(TypedDict):
    """The function that a tool call names, and its arguments as text."""

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


Messages: TypeAlias = list[Message]
Object: TypeAlias = dict[str, Json]


@dataclass(slots=True)
class MessageParts:
    """The parts of one message, by their sort."""

    texts: list[str] = field(default_factory=list[str])
    """Texts and placeholders, in order."""
    joints: set[int] = field(default_factory=set[int])
    """The indexes of texts that directly go on from the text before."""
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    results: Messages = field(default_factory=list[Message])
    reasoning: list[str] = field(default_factory=list[str])

    def join_words(self) -> str:
        """Joins the texts as they came; a line break is between one and anything else."""
        joined: list[str] = []
        for n, text in enumerate(self.texts):
            joined += [text] if n in self.joints or n == 0 else ["\n", text]
        return "".join(joined)

    def join_lines(self) -> str:
        """Joins the texts with line breaks, as instructions and tools' results are read."""
        return "\n".join(self.texts)


def make_tool_call(call_id: Json, name: Json, arguments: Json) -> ToolCall:
    """Makes one call of a tool; without an id where it is null or empty."""
    function: FunctionCall = {"name": to_text(name), "arguments": to_text(arguments)}
    if call_id in (None, ""):
        return {"type": "function", "function": function}
    return {"id": to_text(call_id), "type": "function", "function": function}


def make_tool_result(call_id: Json, content: Json, name: Json = None) -> Message:
    """Makes the message that carries a tool's result."""
    inner = read_parts(content) if type(content) is list else MessageParts([to_text(content)])
    message: Message = {"role": "tool", "content": inner.join_lines()}
    if call_id not in (None, ""):
        message["tool_call_id"] = to_text(call_id)
    if name not in (None, ""):
        message["name"] = to_text(name)
    return message


def read_parts(content: Json) -> MessageParts:
    """Reads the parts of a message's content, which may be quoted as JSON text."""
    parts = MessageParts()
    if type(content) is str and content[:1] in "[{":
        items = parse_wrapper(content)
        if type(items) is list and items and all(map(is_part, items)):
            content = items
    if type(content) is str:
        parts.texts += [to_text(content)] if content else []
        return parts
    goes_on = False
    for part in content if type(content) is list else [content]:
        before = len(parts.texts)
        if type(part) is dict:
            add_part(parts, part)
        elif part is not None and part != "":
            parts.texts.append(to_text(part))
        has_text = is_text(part)
        if has_text and goes_on and len(parts.texts) > before:
            parts.joints.add(before)
        goes_on = has_text
    return parts


def is_text(part: Json) -> bool:
    """Whether a part is a text of a speaker, and nothing else such as a tool's call or an image."""
    if type(part) is not dict:
        return part is None or type(part) is str
    return find_reader(part) is add_text and part.get("thought") is not True


def is_part(value: Json) -> bool:
    """Whether a value parsed from text is a message part, rather than JSON that someone wrote."""
    kind = value.get("type") if type(value) is dict else None
    return type(kind) is str and kind in READERS


def add_part(parts: MessageParts, part: Object) -> None:
    """Adds one part by its type; a part of unknown type is added as JSON text.

    A part whose type names reasoning in any framework's words is reasoning, whatever its keys are.
    """
    reader = find_reader(part)
    if reader is not None:
        reader(parts, part)
    else:
        parts.texts.append(to_text(part))


def find_reader(part: Object) -> PartReader | None:
    """Finds the reader of a part by its type, or by its keys; None where it is unknown."""
    kind = part.get("type")
    reader = READERS.get(kind) if type(kind) is str else None
    if reader is not None:
        return reader
    if is_reasoning(part):
        return add_reasoning
    return next((reader for key, reader in UNTYPED_READERS.items() if key in part), None)


def is_reasoning(part: Object) -> bool:
    """Whether a part of no known type is reasoning: by its type's name, or by its only key."""
    names = [part[key] for key in TYPE_KEYS if type(part.get(key)) is str]
    keys = part.keys() - BESIDE
    names += keys if len(keys) == 1 else ()
    return any(type(name) is str and REASONING.search(name) for name in names)


TYPE_KEYS = ("type", "kind", "$type", "part_kind", "__class__")
BESIDE = {"index", "id", "signature"}
"""Keys that may be beside the only key of a part."""
REASONING = re.compile(r"reasoning|thinking|thought", re.IGNORECASE)
"""Words for reasoning in the names of types, as in `text_reasoning` or `TextReasoningContent`."""


def add_text(parts: MessageParts, part: Object) -> None:
    """Adds a text part, under whichever key a framework writes it; Gemini marks thoughts so too."""
    if part.get("thought") is True:
        add_reasoning(parts, part)
        return
    value = part.get("text", part.get("content", part.get("refusal")))
    if type(value) is dict:
        value = value.get("value", value)
    if value not in (None, ""):
        parts.texts.append(to_text(value))


def add_reasoning(parts: MessageParts, part: Object) -> None:
    """Adds reasoning, which is no part of the answer."""
    value = find_reasoning(part)
    if value:
        inner = read_parts(value) if type(value) is list else MessageParts([to_text(value)])
        parts.reasoning.append("\n".join([*inner.texts, *inner.reasoning]))


def find_reasoning(part: Object) -> Json:
    """Finds the text or the parts of a reasoning part; None where only the provider can read it."""
    for key in REASONING_KEYS:
        value = part.get(key)
        if type(value) is dict:
            value = find_reasoning(value)
        if value:
            return value
    return None


REASONING_KEYS = (
    *("content", "text", "thinking", "summary", "reasoning", "thought", "reasoning_content"),
    *("reasoningContent", "reasoningText"),
)


def add_call(parts: MessageParts, part: Object) -> None:
    """Adds a tool call."""
    inner = part.get("functionCall", part.get("function_call"))
    part = inner if type(inner) is dict else part
    call_id = part.get("call_id", part.get("toolCallId", part.get("id")))
    name = part.get("name", part.get("toolName"))
    arguments = next((part[key] for key in ARGUMENT_KEYS if key in part), None)
    parts.calls.append(make_tool_call(call_id, name, arguments))


def add_hosted_call(parts: MessageParts, item: Object, kind: str) -> None:
    """Adds a tool that the provider ran itself: the Responses API has call and result in one."""
    call_id = item.get("id")
    inputs = {
        key: value
        for key, value in item.items()
        if key not in HOSTED_CALL_KEYS and key not in HOSTED_RESULT_KEYS
    }
    arguments = item.get("arguments", inputs)
    name = item.get("name", kind.removesuffix("_call"))
    parts.calls.append(make_tool_call(call_id, name, arguments))
    result = next((item[key] for key in HOSTED_RESULT_KEYS if item.get(key) is not None), None)
    if kind == "image_generation_call" and result is not None:
        result = make_placeholder("image", None, result)
    if result is not None:
        parts.results.append(make_tool_result(call_id, to_text(result)))


ARGUMENT_KEYS = ("arguments", "input", "args", "server_tool_call")
HOSTED_CALL_KEYS = ("id", "type", "status", "name")
HOSTED_RESULT_KEYS = ("output", "outputs", "results", "result")


def add_result(parts: MessageParts, part: Object) -> None:
    """Adds a tool's result."""
    inner = part.get("functionResponse", part.get("function_response"))
    part = inner if type(inner) is dict else part
    call_id = next((part[key] for key in CALL_ID_KEYS if part.get(key)), None)
    result = next((part[key] for key in RESULT_KEYS if key in part), None)
    if type(result) is dict and set(result) == {"type", "value"}:  # the Vercel AI SDK's wrapping
        result = result["value"]
    parts.results.append(make_tool_result(call_id, result, part.get("name", part.get("toolName"))))


CALL_ID_KEYS = ("tool_call_id", "tool_use_id", "call_id", "toolCallId", "id")
RESULT_KEYS = ("response", "result", "output", "content", "server_tool_call_response")


def add_media(parts: MessageParts, part: Object) -> None:
    """Adds the placeholder of an image, a sound or a file."""
    kind = to_text(part.get("modality")) or str(part.get("type") or "file")
    inner = next((value for key in MEDIA_KEYS if type(value := part.get(key)) is dict), part)
    mime = find_text(inner, MIME_KEYS)
    data = find_text(inner, DATA_KEYS)
    if data is not None and (match := DATA_URL.match(data)):
        mime, data = match[1], match[2]
    if data is not None and (len(data) < 12 or "://" in data[:12]):
        uri, data = data, None
    else:
        uri = find_text(inner, URI_KEYS)
    parts.texts.append(make_placeholder(MEDIA_KINDS.get(kind, kind), mime, data, uri))


def add_placeholder(parts: MessageParts, part: Object) -> None:
    """Adds a placeholder that was made already."""
    parts.texts.append(to_text(part.get("text")))


PLACEHOLDER = "andon_placeholder"
"""The type of a part with a placeholder, which no speaker wrote."""


def find_text(value: Object, keys: tuple[str, ...]) -> str | None:
    """Finds the first text under some keys."""
    return next((text for key in keys if type(text := value.get(key)) is str), None)


MEDIA_KEYS = (
    "image_url",
    "image",
    "source",
    "inlineData",
    "inline_data",
    "fileData",
    "input_audio",
    "file",
)
MIME_KEYS = ("mime_type", "mimeType", "mediaType", "media_type", "format")
DATA_KEYS = ("content", "data", "image", "image_url", "url", "file_data")
URI_KEYS = ("uri", "url", "file_id", "fileUri", "path", "image_url", "filename")
MEDIA_KINDS = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "blob": "file",
}
PartReader: TypeAlias = Callable[[MessageParts, Object], None]
READERS: dict[str, PartReader] = {
    **dict.fromkeys(("text", "input_text", "output_text", "refusal"), add_text),
    **dict.fromkeys(("reasoning", "thinking", "redacted_thinking", "compaction"), add_reasoning),
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
    PLACEHOLDER: add_placeholder,
}
"""The reader of each type of part."""
UNTYPED_READERS: dict[str, PartReader] = {
    "functionCall": add_call,
    "function_call": add_call,
    "functionResponse": add_result,
    "function_response": add_result,
    "inlineData": add_media,
    "inline_data": add_media,
    "fileData": add_media,
    "text": add_text,
}
"""The reader of a part without a type, as Gemini writes them, by the key that identifies it."""


def list_choices(value: Json, unwrap: Callable[[Json], Json] | None = None) -> list[Json]:
    """Lists the choices or candidates of a response by their index, where each names one.

    The first counts as the answer; some servers list them in the order in which they ended.
    `unwrap` removes what a convention wraps around each.
    """
    if type(value) is not list:
        return []
    plain = [unwrap(item) for item in value] if unwrap else value
    places = [item.get("index") if type(item) is dict else None for item in plain]
    order = [place for place in places if type(place) is int]
    if len(set(order)) < len(value):
        return value
    return [item for _, item in sorted(zip(order, value, strict=True), key=lambda pair: pair[0])]
