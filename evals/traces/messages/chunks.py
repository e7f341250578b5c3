"""Joins the chunks of a streamed answer to the response that was not streamed.

Reads the streams of OpenAI, Anthropic, Bedrock, Cohere, Ollama and Gemini. `streamed_messages` and
`response_events` join OpenAI's messages; `bodies` describes the joined response.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from evals.records import Json
from evals.traces.files.lenient_json import parse_wrapper
from evals.traces.files.strict_json import parse_inner
from evals.traces.messages.parts import Object
from evals.traces.messages.response_events import is_response_event, join_response_events
from evals.traces.messages.streamed_messages import StreamedMessage, list_texts

EVENTS = ("data:", "event:", "id:", ":")
"""How the text of an event stream begins."""
LINE_END = re.compile(r"\r\n|\n|\r")
"""What ends a line of an event stream; other separators may be within its JSON."""
TEXT_KEYS = ("outputText", "generation", "completion", "text")
"""Keys under which a chunk of Titan, Llama, Claude 2 and Cohere has the next piece of text."""


def join_chunks(chunks: Sequence[Json]) -> Object:
    """Joins the chunks of a stream to a response; empty if there are none."""
    objects = [chunk for chunk in chunks if type(chunk) is dict]
    for is_stream, join in JOINERS:
        if any(map(is_stream, objects)):
            return join(objects)
    return {}


def read_chunks(item: Json) -> list[Json]:
    """Reads an item in the list of a stream: a chunk, its JSON, or the text of an event."""
    if type(item) is not str:
        return [item]
    events = read_events(item)
    return [parse_wrapper(item)] if events is None else events


def read_events(text: str) -> list[Json] | None:
    """Reads the JSON of a text of server-sent events; None where the text is none."""
    if not text.lstrip().startswith(EVENTS):
        return None
    lines = (line.strip() for line in LINE_END.split(text))
    data = (line[5:].strip() for line in lines if line.startswith("data:"))
    return [event for event in map(parse_wrapper, data) if type(event) is dict]


def merge_chunks(chunks: list[Object]) -> Object:
    """Merges the keys of all chunks; a later value that is not null replaces an earlier one."""
    merged: Object = {}
    for chunk in chunks:
        merged |= {key: value for key, value in chunk.items() if value is not None}
    return merged


def join_choices(chunks: list[Object]) -> Object:
    """Joins the chunks of a chat completion or a completion, each choice by itself."""
    with_choices = [chunk for chunk in chunks if type(chunk.get("choices")) is list]
    messages: list[Json] = []
    for choices in group_items(chunks, "choices"):
        message = StreamedMessage()
        for choice in choices:
            message.add_choice(choice)
        messages.append(message.as_json())
    return {**merge_chunks(with_choices), "choices": messages}


def group_items(chunks: list[Object], key: str) -> list[list[Object]]:
    """Groups the objects that the chunks list under a key by their index, or else their place."""
    groups: dict[int, list[Object]] = {}
    for chunk in chunks:
        items = chunk.get(key)
        for place, item in enumerate(items if type(items) is list else ()):
            if type(item) is dict:
                groups.setdefault(find_index(item, place), []).append(item)
    return [groups[index] for index in sorted(groups)]


def find_index(item: Object, place: int) -> int:
    """Returns the index of an item; its place in the list where it names none."""
    index = item.get("index")
    if type(index) is str and index.isdecimal() and len(index) < MAX_INDEX:
        return int(index)
    return index if type(index) is int else place


MAX_INDEX = 9
"""Digits of the longest index."""


def join_ollama(chunks: list[Object]) -> Object:
    """Joins the chunks of Ollama's own API."""
    message = StreamedMessage()
    for chunk in chunks:
        text: Object = {"content": chunk.get("response"), "reasoning": chunk.get("thinking")}
        delta = get_object(chunk, "message") or text
        message.add_choice({"delta": delta, "finish_reason": chunk.get("done_reason")})
    merged = merge_chunks(chunks)
    kept = {key: value for key, value in merged.items() if key not in ("message", "response")}
    return {**kept, "choices": [message.as_json()]}


def join_cohere(chunks: list[Object]) -> Object:
    """Joins the events of Cohere's second API."""
    message = StreamedMessage()
    ended: Object = {}
    for chunk in chunks:
        delta = get_object(chunk, "delta")
        part = get_object(delta, "message")
        content, call = get_object(part, "content"), part.get("tool_calls")
        words: Object = {"content": content.get("text"), "reasoning": content.get("thinking")}
        words["tool_calls"] = [{"index": chunk.get("index"), **call}] if type(call) is dict else []
        message.add_choice({"delta": words, "finish_reason": delta.get("finish_reason")})
        usage = get_object(delta, "usage")
        ended |= get_object(usage, "tokens") or get_object(usage, "billed_units")
    kept = {key: value for key, value in merge_chunks(chunks).items() if key == "id"}
    return {**kept, "choices": [message.as_json()], "usage": ended}


def join_responses(chunks: list[Object]) -> Object:
    """Returns the last whole response in a stream of Cohere's first API."""
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
        place = str(chunk.get("index", len(blocks)))
        if chunk.get("type") == "content_block_start":
            blocks[place] = dict(get_object(chunk, "content_block"))
        elif chunk.get("type") == "content_block_delta":
            place = place if "index" in chunk or not blocks else next(reversed(blocks))
            add_block_delta(blocks.setdefault(place, {"type": "text"}), delta)
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
    """Joins the chunks of Gemini's streamGenerateContent, each candidate by itself."""
    return {
        **merge_chunks(chunks),
        "candidates": [*map(join_candidate, group_items(chunks, "candidates"))],
    }


def join_candidate(items: list[Object]) -> Json:
    """Joins the parts of one candidate."""
    parts: list[Json] = []
    candidate: Object = {}
    for item in items:
        found = get_object(item, "content").get("parts")
        for part in found if type(found) is list else ():
            add_gemini_part(parts, part)
        candidate |= drop_null(item)
    candidate["content"] = {"role": "model", "parts": parts}
    return candidate


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
    groups = group_items(chunks, "outputs")
    items = groups[0] if groups else []
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


def is_ollama(chunk: Object) -> bool:
    """Whether a chunk is one of Ollama's own API."""
    return type(chunk.get("done")) is bool and ("message" in chunk or "response" in chunk)


def is_cohere(chunk: Object) -> bool:
    """Whether a chunk is an event of Cohere's second API."""
    return chunk.get("type") in ("message-start", "content-start", "content-delta", "message-end")


def is_text(chunk: Object) -> bool:
    """Whether a chunk has the next piece of the text, and is no message or part of one."""
    is_part = "role" in chunk or chunk.get("type") in ("text", "message")
    return not is_part and any(type(chunk.get(key)) is str for key in TEXT_KEYS)


IsStream = Callable[[Object], bool]
Join = Callable[[list[Object]], Object]
JOINERS: tuple[tuple[IsStream, Join], ...] = (
    (is_response_event, join_response_events),
    (lambda chunk: type(chunk.get("response")) is dict, join_responses),
    (lambda chunk: type(chunk.get("choices")) is list, join_choices),
    (is_anthropic, join_anthropic),
    (is_converse, join_converse),
    (is_ollama, join_ollama),
    (is_cohere, join_cohere),
    (lambda chunk: type(chunk.get("candidates")) is list, join_gemini),
    (lambda chunk: type(chunk.get("outputs")) is list, join_outputs),
    (is_text, join_texts),
)
"""How to recognise a chunk of each provider's stream, and how to join such chunks."""
