"""Joins the chunks of a streamed answer to the response that was not streamed.

Reads the streams of OpenAI (chat completions, completions and Responses), Anthropic, Bedrock,
Cohere and Gemini. `bodies` describes the joined response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from evals.records import Json
from evals.traces.files.strict_json import parse_inner
from evals.traces.messages.parts import Object

EVENTS = ("data:", "event:", "id:", ":")
"""How the text of an event stream begins."""
TEXT_KEYS = ("outputText", "generation", "completion", "text")
"""Keys under which a chunk of Titan, Llama, Claude 2 and Cohere has the next piece of text."""


def join_chunks(chunks: Sequence[Json]) -> Object:
    """Joins the chunks of a stream to a response; empty if there are none."""
    objects = [chunk for chunk in chunks if type(chunk) is dict]
    for is_stream, join in JOINERS:
        if any(map(is_stream, objects)):
            return join(objects)
    return {}


def read_events(text: str) -> list[Json] | None:
    """Reads the JSON of a text of server-sent events; None where the text is none."""
    if not text.lstrip().startswith(EVENTS):
        return None
    data = (line[5:].strip() for line in text.splitlines() if line.startswith("data:"))
    return [event for event in map(parse_inner, data) if type(event) is dict]


def merge_chunks(chunks: list[Object]) -> Object:
    """Merges the keys of all chunks; a later value that is not null replaces an earlier one."""
    merged: Object = {}
    for chunk in chunks:
        merged |= {key: value for key, value in chunk.items() if value is not None}
    return merged


@dataclass(slots=True)
class StreamedCall:
    """A tool call, joined from the chunks of a stream."""

    call_id: Json = None
    name: Json = None
    arguments: str = ""

    def as_json(self) -> Json:
        """Returns the call in the form of a response that was not streamed."""
        return {"function": {"arguments": self.arguments, "name": self.name}, "id": self.call_id}


@dataclass(slots=True)
class StreamedMessage:
    """The message of a chat completion, joined from its deltas."""

    texts: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    calls: dict[str, StreamedCall] = field(default_factory=dict[str, StreamedCall])
    reason: Json = None

    def add_choice(self, choice: Object) -> None:
        """Adds the delta, or the text, of a chunk's choice."""
        delta = choice.get("delta")
        delta = delta if type(delta) is dict else {"content": choice.get("text")}
        self.texts += list_texts(delta, "content", "refusal")
        self.thoughts += list_texts(delta, "reasoning_content", "reasoning")
        add_calls(self.calls, delta.get("tool_calls"))
        self.reason = choice.get("finish_reason") or self.reason

    def as_json(self) -> Object:
        """Returns the choice in the form of a response that was not streamed."""
        message: Object = {"role": "assistant", "content": "".join(self.texts)}
        if self.thoughts:
            message["reasoning_content"] = "".join(self.thoughts)
        if self.calls:
            message["tool_calls"] = [call.as_json() for call in self.calls.values()]
        return {"message": message, "finish_reason": self.reason}


def list_texts(value: Object, *keys: str) -> list[str]:
    """Lists the texts under some keys."""
    return [text for key in keys if type(text := value.get(key)) is str]


def join_choices(chunks: list[Object]) -> Object:
    """Joins the chunks of a chat completion or a completion; of several choices the first."""
    message = StreamedMessage()
    for choice in list_items(chunks, "choices"):
        if choice.get("index") in (None, 0):
            message.add_choice(choice)
    with_choices = [chunk for chunk in chunks if type(chunk.get("choices")) is list]
    return {**merge_chunks(with_choices), "choices": [message.as_json()]}


def list_items(chunks: list[Object], key: str) -> Iterator[Object]:
    """Yields the objects that the chunks list under a key."""
    for chunk in chunks:
        items = chunk.get(key)
        yield from (item for item in (items if type(items) is list else ()) if type(item) is dict)


def add_calls(calls: dict[str, StreamedCall], deltas: Json) -> None:
    """Adds the tool call deltas of a chunk."""
    for delta in deltas if type(deltas) is list else ():
        if type(delta) is not dict or type(function := delta.get("function")) is not dict:
            continue
        call = calls.setdefault(str(delta.get("index")), StreamedCall())
        call.call_id = delta.get("id") or call.call_id
        call.name = function.get("name") or call.name
        arguments = function.get("arguments")
        call.arguments += arguments if type(arguments) is str else ""


def join_responses(chunks: list[Object]) -> Object:
    """Returns the last whole response in a stream of the Responses API or of Cohere."""
    whole = [response for c in chunks if type(response := c.get("response")) is dict]
    metrics = merge_chunks([pick_metrics(chunk) for chunk in chunks])
    return {**whole[-1], **metrics} if whole else join_texts(chunks)


def join_anthropic(chunks: list[Object]) -> Object:
    """Joins the events of Anthropic's Messages API."""
    message: Object = {"role": "assistant"}
    blocks: dict[str, Object] = {}
    usage: Object = {}
    for chunk in chunks:
        started, delta = chunk.get("message"), chunk.get("delta")
        delta = delta if type(delta) is dict else {}
        if type(started) is dict:
            message |= started
            usage |= get_object(started, "usage")
        usage |= drop_null(get_object(chunk, "usage"))
        if chunk.get("type") == "content_block_start":
            blocks[str(chunk.get("index"))] = dict(get_object(chunk, "content_block"))
        elif chunk.get("type") == "content_block_delta":
            add_block_delta(blocks.setdefault(str(chunk.get("index")), {"type": "text"}), delta)
        elif delta.get("stop_reason"):
            message["stop_reason"] = delta["stop_reason"]
        message |= pick_metrics(chunk)
    for block in blocks.values():
        if type(arguments := block.pop("partial_json", None)) is str and arguments:
            block["input"] = parse_inner(arguments)
    return {**message, "content": [*blocks.values()], "usage": usage}


def add_block_delta(block: Object, delta: Object) -> None:
    """Adds a delta to a content block of Anthropic's."""
    for key in ("text", "thinking", "partial_json"):
        if type(more := delta.get(key)) is str:
            before = block.get(key)
            block[key] = f"{before if type(before) is str else ''}{more}"


def join_converse(chunks: list[Object]) -> Object:
    """Joins the events of Bedrock's ConverseStream, which Nova's own stream shares."""
    blocks: dict[str, Object] = {}
    joined: Object = {}
    for chunk in chunks:
        started, delta = (
            get_object(chunk, "contentBlockStart"),
            get_object(chunk, "contentBlockDelta"),
        )
        for event in (started, delta):
            block = blocks.setdefault(str(event.get("contentBlockIndex", 0)), {}) if event else {}
            add_converse_delta(block, {**get_object(event, "start"), **get_object(event, "delta")})
        joined |= drop_null(get_object(chunk, "messageStop"))
        joined |= drop_null(get_object(chunk, "metadata"))
        joined |= pick_metrics(chunk)
    message: Object = {"role": "assistant", "content": [*filter(None, blocks.values())]}
    return {**joined, "output": {"message": message}}


def add_converse_delta(block: Object, delta: Object) -> None:
    """Adds a delta to a content block of Converse."""
    if type(text := delta.get("text")) is str:
        before = block.get("text")
        block["text"] = f"{before if type(before) is str else ''}{text}"
    if type(tool := delta.get("toolUse")) is dict:
        use = get_object(block, "toolUse")
        arguments = "".join(list_texts(use, "input") + list_texts(tool, "input"))
        block["toolUse"] = {**use, **tool, "input": arguments}
    if type(thought := delta.get("reasoningContent")) is dict:
        before = get_object(get_object(block, "reasoningContent"), "reasoningText")
        texts = "".join(list_texts(before, "text") + list_texts(thought, "text"))
        block["reasoningContent"] = {"reasoningText": {"text": texts}}


def join_gemini(chunks: list[Object]) -> Object:
    """Joins the chunks of Gemini's streamGenerateContent; of several candidates the first."""
    parts: list[Json] = []
    candidate: Object = {}
    for item in list_items(chunks, "candidates"):
        if item.get("index") in (None, 0):
            found = get_object(item, "content").get("parts")
            for part in found if type(found) is list else ():
                add_gemini_part(parts, part)
            candidate |= drop_null(item)
    candidate["content"] = {"role": "model", "parts": parts}
    return {**merge_chunks(chunks), "candidates": [candidate]}


def add_gemini_part(parts: list[Json], part: Json) -> None:
    """Adds a part; its text goes on where the part before is of the same sort."""
    last = parts[-1] if parts else None
    if type(part) is dict and type(last) is dict and "text" in part and "text" in last:
        texts = list_texts(last, "text") + list_texts(part, "text")
        if len(texts) == 2 and last.get("thought") == part.get("thought"):
            parts[-1] = {**last, "text": "".join(texts)}
            return
    parts.append(part)


def join_outputs(chunks: list[Object]) -> Object:
    """Joins the chunks of Mistral's completions on Bedrock."""
    items = [*list_items(chunks, "outputs")]
    text = "".join(text for item in items for text in list_texts(item, "text"))
    return {**merge_chunks(chunks), "outputs": [{**merge_chunks(items), "text": text}]}


def join_texts(chunks: list[Object]) -> Object:
    """Joins chunks that have the next piece of the text under one key."""
    joined = merge_chunks(chunks)
    for key in TEXT_KEYS:
        if texts := [text for chunk in chunks for text in list_texts(chunk, key)]:
            joined[key] = "".join(texts)
    return joined


def pick_metrics(chunk: Object) -> Object:
    """Picks the counts that Bedrock adds to the last chunk."""
    return {METRICS: chunk[METRICS]} if type(chunk.get(METRICS)) is dict else {}


METRICS = "amazon-bedrock-invocationMetrics"


def get_object(value: Object, key: str) -> Object:
    """Returns the object under a key; an empty one where there is none."""
    return inner if type(inner := value.get(key)) is dict else {}


def drop_null(value: Object) -> Object:
    """Drops the keys whose value is null."""
    return {key: item for key, item in value.items() if item is not None}


def is_anthropic(chunk: Object) -> bool:
    """Whether a chunk is an event of Anthropic's Messages API."""
    return chunk.get("type") in ("message_start", "content_block_start", "content_block_delta")


def is_converse(chunk: Object) -> bool:
    """Whether a chunk is an event of ConverseStream."""
    return "contentBlockDelta" in chunk or "messageStop" in chunk


def is_text(chunk: Object) -> bool:
    """Whether a chunk has the next piece of the text, and is no message or part of one."""
    is_part = "role" in chunk or chunk.get("type") in ("text", "message")
    return not is_part and any(type(chunk.get(key)) is str for key in TEXT_KEYS)


IsStream = Callable[[Object], bool]
Join = Callable[[list[Object]], Object]
JOINERS: tuple[tuple[IsStream, Join], ...] = (
    (lambda chunk: type(chunk.get("response")) is dict, join_responses),
    (lambda chunk: type(chunk.get("choices")) is list, join_choices),
    (is_anthropic, join_anthropic),
    (is_converse, join_converse),
    (lambda chunk: type(chunk.get("candidates")) is list, join_gemini),
    (lambda chunk: type(chunk.get("outputs")) is list, join_outputs),
    (is_text, join_texts),
)
"""How to recognise a chunk of each provider's stream, and how to join such chunks."""
