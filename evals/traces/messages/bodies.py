"""Requests and responses of the providers' own APIs, in the shapes that `exchanges` reads.

Knows Bedrock (Converse, and the bodies of Anthropic, Nova, Titan, Llama, Mistral, Cohere and AI21),
Gemini and Cohere; OpenAI's and Anthropic's bodies are `exchanges`' own. `chunks` joins streams.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from evals.records import Json
from evals.traces.messages.chunks import METRICS, drop_null, get_object
from evals.traces.messages.parts import PLACEHOLDER, Object, list_choices
from evals.traces.messages.plain_text import make_placeholder
from evals.traces.messages.streamed_messages import list_texts

PARAM_NAMES = {
    "maxTokens": "max_tokens",
    "maxTokenCount": "max_tokens",
    "max_gen_len": "max_tokens",
    "max_tokens_to_sample": "max_tokens",
    "maxOutputTokens": "max_output_tokens",
    "topP": "top_p",
    "p": "top_p",
    "topK": "top_k",
    "k": "top_k",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "thinkingConfig": "reasoning",
    "thinking": "reasoning",
    "responseSchema": "response_format",
}
"""The parameters of other providers under OpenAI's names."""
CONFIGS = ("inferenceConfig", "textGenerationConfig", "generationConfig", "generation_config")
TURN = re.compile(
    r"\s*(?:\A|\n\n)(?P<claude>Human|Assistant):"
    r"|<\|start_header_id\|>(?P<llama>\w+)<\|end_header_id\|>"
    r"|\A(?P<titan>User): |\n(?P<titan_next>User|Bot):(?= |\Z)"
)
"""The beginning of a turn in a prompt of Claude 2, Llama 3 and Titan."""
TURN_ROLES = {"human": "user", "bot": "assistant"}
MARKS = re.compile(r"<\|(?:begin_of_text|eot_id|end_of_text)\|>")
INSTRUCTION = re.compile(r"\A\s*(?:<s>)?\s*\[INST\](?P<text>.*)\[/INST\]\s*\Z", re.DOTALL)
"""A prompt of Mistral's with one instruction."""


def normalize_request(body: Object) -> Object:
    """Returns a request with its chat under `messages` or `contents`, and OpenAI's parameters."""
    body = {**body, **read_params(body)}
    for key, read in REQUESTS.items():
        if key in body and (more := read(body)):
            return {name: value for name, value in body.items() if name != key} | more
    return body


def read_params(body: Object) -> Object:
    """Reads the parameters of a request under OpenAI's names."""
    config: Object = {}
    for key in CONFIGS:
        config |= get_object(body, key)
    return {PARAM_NAMES.get(key, key): value for key, value in config.items()} | {
        PARAM_NAMES[key]: value for key, value in body.items() if key in PARAM_NAMES
    }


def read_converse_chat(body: Object) -> Object:
    """Reads the messages of Converse and Nova; those of other APIs stay as they are."""
    messages = body.get("messages")
    system = body.get("system")
    return {
        "messages": [*map(convert_message, messages)] if type(messages) is list else messages,
        "system": [*map(convert_block, system)] if type(system) is list else system,
    }


def convert_message(message: Json) -> Json:
    """Converts the content blocks of a message."""
    if type(message) is not dict or type(blocks := message.get("content")) is not list:
        return message
    return {**message, "content": [part for block in blocks if (part := convert_block(block))]}


def convert_block(block: Json) -> Json:
    """Converts a content block of Converse to a typed part; a typed one stays as it is."""
    if type(block) is not dict or "type" in block:
        return block
    for key, convert in BLOCKS.items():
        if type(inner := block.get(key)) is dict:
            return convert(key, inner)
    return None if "cachePoint" in block else block


def convert_tool_use(_key: str, inner: Object) -> Json:
    """Converts a tool's call."""
    return {
        "type": "tool_use",
        "id": inner.get("toolUseId"),
        "name": inner.get("name"),
        "input": inner.get("input"),
    }


def convert_tool_result(_key: str, inner: Object) -> Json:
    """Converts a tool's result."""
    content = inner.get("content")
    parts = [
        item["json"] if type(item) is dict and "json" in item else convert_block(item)
        for item in (content if type(content) is list else ())
    ]
    value: Json = parts[0] if len(parts) == 1 and type(content) is list else [*parts]
    if type(value) is dict and value.keys() == {"text"}:
        value = value["text"]
    return {"type": "tool_result", "tool_use_id": inner.get("toolUseId"), "content": value}


def convert_reasoning(_key: str, inner: Object) -> Json:
    """Converts reasoning; what the provider encrypted is left out."""
    text = get_object(inner, "reasoningText").get("text")
    return {"type": "reasoning", "text": text if type(text) is str else ""}


def convert_media(key: str, inner: Object) -> Json:
    """Converts an image, a document or a video to its placeholder."""
    source = get_object(inner, "source")
    uri = get_object(source, "s3Location").get("uri") or inner.get("name")
    return {
        "type": PLACEHOLDER,
        "text": make_placeholder(key, inner.get("format"), source.get("bytes"), uri),
    }


def convert_guarded(_key: str, inner: Object) -> Json:
    """Converts a text that a guardrail assesses."""
    return {"type": "text", "text": get_object(inner, "text").get("text")}


def convert_cited(_key: str, inner: Object) -> Json:
    """Converts a text with citations."""
    content = inner.get("content")
    items = [item for item in (content if type(content) is list else ()) if type(item) is dict]
    return {
        "type": "text",
        "text": "".join(text for item in items for text in list_texts(item, "text")),
    }


ConvertBlock = Callable[[str, Object], Json]
BLOCKS: dict[str, ConvertBlock] = {
    "toolUse": convert_tool_use,
    "toolResult": convert_tool_result,
    "reasoningContent": convert_reasoning,
    "guardContent": convert_guarded,
    "citationsContent": convert_cited,
    **dict.fromkeys(("image", "document", "video", "audio"), convert_media),
}
"""How to convert a block of Converse, by the key that names its sort."""


def read_prompt(body: Object) -> Object:
    """Reads the turns of a prompt that is one text."""
    for key in ("prompt", "inputText"):
        if type(text := body.get(key)) is str:
            return {"messages": [*split_turns(text)]}
    return {}


def split_turns(prompt: str) -> Iterator[Object]:
    """Splits a prompt into its turns; yields one of the user's where it has no marks of turns."""
    if match := INSTRUCTION.match(prompt):
        prompt = match["text"]
    turns = [*TURN.finditer(prompt)]
    if not turns:
        yield {"role": "user", "content": MARKS.sub("", prompt).strip()}
        return
    if before := MARKS.sub("", prompt[: turns[0].start()]).strip():
        yield {"role": "system", "content": before}
    ends = [turn.start() for turn in turns[1:]] + [len(prompt)]
    for turn, end in zip(turns, ends, strict=True):
        role = next(filter(None, turn.groups())).lower()
        text = MARKS.sub("", prompt[turn.end() : end]).strip()
        if text:
            yield {"role": TURN_ROLES.get(role, role), "content": text}


def read_cohere_chat(body: Object) -> Object:
    """Reads Cohere's chat: the history, then the message."""
    message, history = body.get("message"), body.get("chat_history")
    if type(message) is not str:
        return {}
    turns: list[Json] = []
    for turn in history if type(history) is list else ():
        if type(turn) is dict:
            role = str(turn.get("role")).lower().replace("chatbot", "assistant")
            turns.append({"role": role, "content": turn.get("message")})
    return {
        "messages": [*turns, {"role": "user", "content": message}],
        "system": body.get("preamble"),
    }


def read_gemini_chat(body: Object) -> Object:
    """Reads Gemini's contents; one without a role is the user's."""
    contents = body.get("contents")
    listed = contents if type(contents) is list else [contents] if type(contents) is dict else []
    turns: list[Json] = [
        {"role": "user", **turn} if type(turn) is dict else turn for turn in listed
    ]
    return {"contents": turns} if turns else {}


ReadRequest = Callable[[Object], Object]
REQUESTS: dict[str, ReadRequest] = {
    "messages": read_converse_chat,
    "contents": read_gemini_chat,
    "prompt": read_prompt,
    "inputText": read_prompt,
    "message": read_cohere_chat,
}
"""How to read a request, by the key that identifies its shape, the most specific first."""


def normalize_response(body: Object) -> Object:
    """Returns a response as one with a message, with choices or with candidates."""
    for key, read in RESPONSES.items():
        if key in body and (more := read(body)):
            return {**body, **more}
    return body


def read_converse_answer(body: Object) -> Object:
    """Reads the answer of Converse and Nova; that of the Responses API stays as it is."""
    message = get_object(get_object(body, "output"), "message")
    if not message:
        return {}
    return answer_with(convert_message(message), body.get("stopReason"))


def read_anthropic_answer(body: Object) -> Object:
    """Reads an answer of Anthropic's, whose content is at the top."""
    return {"finish_reason": body["stop_reason"]} if "content" in body else {}


def read_choices(body: Object) -> Object:
    """Reads choices whose reason to end has another name, as Mistral's on Bedrock."""
    first = next(iter(list_choices(body["choices"])), None)
    if type(first) is not dict or first.get("finish_reason") or "stop_reason" not in first:
        return {}
    return {"choices": [{**first, "finish_reason": first["stop_reason"]}]}


def read_cohere_answer(body: Object) -> Object:
    """Reads an answer of Cohere's: text, or a message."""
    message = body.get("message")
    if type(message) is dict:
        return answer_with(convert_message(message), body.get("finish_reason"))
    return answer_with(body.get("text"), body.get("finish_reason"))


def make_text_reader(key: str, reason: str) -> ReadRequest:
    """Makes a reader of an answer that is the text under a key."""
    return lambda body: answer_with(body.get(key), body.get(reason))


def make_item_reader(key: str, text: str, reason: str) -> ReadRequest:
    """Makes a reader of an answer that is the text of the first item under a key."""

    def read_item(body: Object) -> Object:
        items = body[key]
        first = items[0] if type(items) is list and items else None
        if type(first) is not dict:
            return {}
        ended = first.get(reason)
        ended = ended.get("reason") if type(ended) is dict else ended
        data = get_object(first, "data")
        return answer_with(data.get(text) if data else first.get(text), ended)

    return read_item


def answer_with(message: Json, reason: Json) -> Object:
    """Makes the response with one message, or its text; empty where there is none."""
    if type(message) is str:
        message = {"role": "assistant", "content": message}
    if type(message) is not dict:
        return {}
    return {"choices": [{"message": message, "finish_reason": reason}], "finish_reason": reason}


RESPONSES: dict[str, ReadRequest] = {
    "choices": read_choices,
    "output": read_converse_answer,
    "stop_reason": read_anthropic_answer,
    "results": make_item_reader("results", "outputText", "completionReason"),
    "outputText": make_text_reader("outputText", "completionReason"),
    "generation": make_text_reader("generation", "stop_reason"),
    "completion": make_text_reader("completion", "stop_reason"),
    "completions": make_item_reader("completions", "text", "finishReason"),
    "outputs": make_item_reader("outputs", "text", "stop_reason"),
    "generations": make_item_reader("generations", "text", "finish_reason"),
    "text": read_cohere_answer,
    "message": read_cohere_answer,
}
"""How to read a response, by the key that identifies its shape, the most specific first."""


def find_usage(body: Object) -> Object:
    """Finds the token counts of a response; empty where it has none."""
    usage: Object = {}
    for key in ("usage", "usageMetadata", "usage_metadata", METRICS):
        usage |= drop_null(get_object(body, key))
    counts = {key: body[key] for key in (*INPUT_COUNTS, *OUTPUT_COUNTS) if key in body}
    results = body.get("results")
    for item in results if type(results) is list else ():
        counts |= {"tokenCount": item.get("tokenCount")} if type(item) is dict else {}
    return usage | drop_null(counts) or get_object(get_object(body, "meta"), "billed_units")


def count_tokens(usage: Object) -> Object:
    """Counts a response's tokens, those of the cache and of reasoning included."""
    sent, made = find_count(usage, INPUT_COUNTS), find_count(usage, OUTPUT_COUNTS)
    if sent is not None and "prompt_tokens" not in usage:
        sent += sum_counts(usage, SENT_APART)
    if "completion_tokens" not in usage and (apart := sum_counts(usage, MADE_APART)):
        made = (made or 0) + apart
    return drop_null({"tokens_in": sent, "tokens_out": made})


def find_count(usage: Object, keys: tuple[str, ...]) -> int | None:
    """Finds the first count under some keys."""
    return next((number for key in keys if type(number := usage.get(key)) is int), None)


def sum_counts(usage: Object, keys: tuple[str, ...]) -> int:
    """Sums the counts under some keys."""
    return sum(number for key in keys if type(number := usage.get(key)) is int)


INPUT_COUNTS = (
    *("prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount", "prompt_token_count"),
    *("inputTextTokenCount", "inputTokenCount", "prompt_eval_count"),
)
OUTPUT_COUNTS = (
    *("completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount"),
    *("candidates_token_count", "generation_token_count", "totalOutputTextTokenCount"),
    *("outputTokenCount", "tokenCount", "eval_count"),
)
SENT_APART = (
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
    *("cacheReadInputTokens", "cacheWriteInputTokens", "toolUsePromptTokenCount"),
)
"""Counts of Anthropic, Bedrock and Gemini that their count of the input leaves out."""
MADE_APART = ("thoughtsTokenCount", "thoughts_token_count")
"""Gemini's count of reasoning, which its count of the output leaves out."""
OTHER_KINDS: dict[str, tuple[str, ...]] = {
    "embedding": ("embed",),
    "image": ("image", "dall-e", "imagen", "stability.", "canvas", "image_generation"),
    "video": ("video", "nova-reel", "veo-"),
    "rerank": ("rerank",),
    "audio": ("transcri", "speech", "whisper", "tts-", "audio_"),
    "moderation": ("moderation",),
}
"""Words in the names of operations and models that give no answer in words."""


def find_other_kind(response: Object, *names: Json) -> str | None:
    """Finds what a call is that gives no answer in words; None where it may give one.

    Args:
        response: its response, which decides where it is known.
        names: its operation, model or path.
    """
    data = response.get("data")
    first = data[0] if type(data) is list and data and type(data[0]) is dict else response
    for kind, keys in RESULT_KEYS.items():
        if any(key in first for key in keys):
            return kind
    if any(response.get(key) for key in (*RESPONSES, "candidates", "content")):
        return None
    words = " ".join(name.lower() for name in names if type(name) is str)
    return next(
        (kind for kind, hints in OTHER_KINDS.items() if any(hint in words for hint in hints)), None
    )


def is_model_call(request: Object, response: Object) -> bool:
    """Whether a request or a response has the shape of a model's API, rather than of any other."""
    asked = ("messages", "contents", "prompt", "input", "inputText")
    answered = ("choices", "candidates", "output", "content", "stop_reason", "usage")
    return not request.keys().isdisjoint(asked) or not response.keys().isdisjoint(answered)


RESULT_KEYS = {
    "embedding": ("embedding", "embeddings", "embeddingsByType"),
    "image": ("b64_json", "artifacts", "images", "revised_prompt"),
}
