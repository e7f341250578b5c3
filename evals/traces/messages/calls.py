"""One logged call of a model under a trace's canonical names, whatever provider answered it.

`bodies` and `exchanges` read the request and the response; the formats know where a log has them.
"""

from __future__ import annotations

import json

from evals.records import Json, digest
from evals.traces.files.lenient_json import is_broken_wrapper, parse_wrapper
from evals.traces.files.strict_json import Refused
from evals.traces.messages import exchanges
from evals.traces.messages.bodies import (
    count_tokens,
    find_usage,
    normalize_request,
    normalize_response,
)
from evals.traces.messages.chat import as_json
from evals.traces.messages.chunks import get_object, join_chunks, read_chunks, read_events
from evals.traces.messages.parts import Messages, Object, list_choices

REQUEST_METADATA = ("tools", "toolConfig", "previous_response_id", "modalities", "labels")
RESPONSE_METADATA = ("id", "error", "refusal", "trace", "promptFeedback", "stop_sequence")
"""Keys of a request and a response that have no field of their own."""


def decode_body(value: Json) -> Object:
    """Decodes a logged body: an object, its JSON, the chunks of a stream, or a stream's events."""
    if type(value) is str:
        events = read_events(value)
        parsed = parse_wrapper(value.strip()) if events is None else join_chunks(events)
        return {} if type(parsed) is str else decode_body(parsed)
    if type(value) is list:
        return join_chunks([chunk for item in value for chunk in read_chunks(item)])
    return value if type(value) is dict else {}


def decode_response(value: Json) -> Object:
    """Decodes the logged body of a response.

    Raises:
        Refused: `unreadable-answer`: it is JSON that is cut off or damaged.
    """
    body = decode_body(value)
    if not body and is_broken_wrapper(value):
        raise UNREADABLE
    return body


UNREADABLE = Refused(
    "unreadable-answer",
    "The answer is within JSON that is cut off or damaged; raise the limit on the length of logged "
    "texts (such as OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT), and export the trace again.",
)
"""The refusal of a call whose answer was recorded and cannot be read."""


def describe_call(request: Object, response: Object, problem: str | None = None) -> Object:
    """Describes a call: its chat, answer, steps, model, parameters, tokens and details.

    Args:
        request: the body of the request.
        response: the body of the response.
        problem: the error that the log has beside the response.
    """
    sent, got = normalize_request(request), normalize_response(response)
    fields = {**exchanges.describe_request(sent), **exchanges.describe_response(got)}
    usage = find_usage(response)
    fields |= count_tokens(usage) | exchanges.drop_missing({"finish_reason": find_block(response)})
    fingerprint = fields.pop("system_fingerprint", None)
    chat = exchanges.read_messages(sent)
    if not chat or chat[0].get("role") not in ("system", "developer"):
        chat = [*exchanges.read_system(got), *chat]
    replies = exchanges.read_messages(got)
    error = problem or describe_error(response.get("error"))
    name = "response" if type(response.get("output")) is list else "chat"
    tools = sent.get("tools") or sent.get("toolConfig")
    metadata = collect_metadata(request, response)
    metadata |= {"usage": usage} if usage else {}
    fields |= {
        "messages": as_json(chat),
        "output": exchanges.read_answer(got) if replies else None,
        "steps": build_steps(name, fields, replies, error),
        "user_id": find_user(request),
        "session_id": find_session(request),
        "versions": find_versions(fingerprint, tools),
        "metadata": metadata,
    }
    return fields


def find_session(request: Object) -> Json:
    """Returns the conversation that a request belongs to."""
    conversation = request.get("conversation")
    session = conversation.get("id") if type(conversation) is dict else conversation
    return session or get_object(request, "metadata").get("session_id")


def find_user(request: Object) -> Json:
    """Returns the user that a request names."""
    named = request.get("user") or request.get("safety_identifier")
    return named or get_object(request, "metadata").get("user_id")


def find_block(response: Object) -> str | None:
    """Finds why Gemini refused a prompt without any candidate."""
    feedback = response.get("promptFeedback", response.get("prompt_feedback"))
    if type(feedback) is not dict or response.get("candidates"):
        return None
    return exchanges.text_or_none(feedback.get("blockReason", feedback.get("block_reason")))


def describe_error(error: Json) -> str | None:
    """Describes an error: its code and message; None where there is none."""
    if type(error) is list and len(error) == 1:
        error = error[0]
    if not error:
        return None
    if type(error) is not dict:
        return error if type(error) is str else json.dumps(error)
    inner = error.get("error")
    if type(inner) is dict:
        return describe_error(inner)
    code = error.get("code") or error.get("type") or error.get("status")
    message = error.get("message")
    if type(message) is not str or not message:
        return json.dumps(error)
    return f"{code}: {message}" if type(code) in (str, int) else message


def describe_status(status: Json) -> str | None:
    """Describes an HTTP status that is an error; None for any other."""
    if type(status) is not int or status < 400:
        return None
    return f"HTTP {status} (timeout)" if status in (408, 504) else f"HTTP {status}"


def find_versions(fingerprint: Json, tools: Json) -> Object:
    """Returns the backend's fingerprint, and a hash of the offered tools' definitions."""
    versions = {"system_fingerprint": fingerprint, "tools": digest(tools, 12) if tools else None}
    return exchanges.drop_missing(versions)


def collect_metadata(request: Object, response: Object) -> Object:
    """Collects what a request and a response have without a field of its own."""
    metadata: Object = {}
    for source, names in ((request, REQUEST_METADATA), (response, RESPONSE_METADATA)):
        metadata |= {name: source[name] for name in names if source.get(name) not in (None, {})}
    if len(choices := list_choices(response.get("choices"))) > 1:
        metadata["choices"] = choices[1:]
    return metadata


def build_steps(name: str, fields: Object, replies: Messages, problem: str | None) -> list[Json]:
    """Builds the step of the call with its tool calls, and one for each tool the provider ran."""
    keys = ("model", "finish_reason", "tokens_in", "tokens_out")
    calls = [call for message in replies for call in message.get("tool_calls", ())]
    thoughts = [message["reasoning"] for message in replies if "reasoning" in message]
    step: Object = {"kind": "llm", "name": name}
    step |= {key: fields.get(key) for key in keys}
    step |= {"tool_calls": as_json(calls) or None, "reasoning": "\n".join(thoughts) or None}
    names = {call.get("id"): call["function"]["name"] for call in calls}
    results = [message for message in replies if message["role"] == "tool"]
    return [
        exchanges.drop_missing({**step, "error": problem}),
        *(
            exchanges.drop_missing(
                {
                    "kind": "tool",
                    "name": names.get(result.get("tool_call_id")),
                    "call_id": result.get("tool_call_id"),
                    "output": result["content"],
                }
            )
            for result in results
        ),
    ]
