"""Joins the events of OpenAI's Responses API to the response, also where the stream breaks off.

`chunks` recognises the streams and joins those of other APIs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evals.records import Json
from evals.traces.messages.parts import Object

CUT_OFF = "stream_cut_off"
"""Why an answer ended whose stream has no last event."""
UNFINISHED = ("in_progress", "queued")
DELTAS = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary_text",
    "response.reasoning_text.delta": "summary_text",
    "response.function_call_arguments.delta": "arguments",
}
"""What the text of an event goes on."""


def is_response_event(chunk: Object) -> bool:
    """Whether a chunk is an event of the Responses API."""
    kind = chunk.get("type")
    return type(kind) is str and kind.startswith("response.")


@dataclass(slots=True)
class StreamedItem:
    """An item of a response's output, joined from its events."""

    item: Object = field(default_factory=dict[str, Json])
    is_done: bool = False
    texts: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """The texts of its parts, by their type and index."""

    def as_json(self) -> Object:
        """Returns the item in the form of a response that was not streamed."""
        if self.is_done or not self.texts:
            return self.item
        parts: list[Json] = [
            {"type": kind, "refusal" if kind == "refusal" else "text": text}
            for (kind, _), text in self.texts.items()
        ]
        first = next(iter(self.texts))[0]
        if first == "arguments":
            return {"type": "function_call", **self.item, "arguments": "".join(self.texts.values())}
        if first == "summary_text":
            return {"type": "reasoning", **self.item, "summary": parts}
        return {"type": "message", "role": "assistant", **self.item, "content": parts}


def join_response_events(chunks: list[Object]) -> Object:
    """Returns the last whole response; of a stream that breaks off, what came until then."""
    whole = [response for c in chunks if type(response := c.get("response")) is dict]
    last = whole[-1] if whole else {}
    problem = next((c for c in chunks if c.get("type") == "error"), None)
    if problem is not None:
        last = {**last, "error": problem.get("error", problem)}
    if whole and last.get("status") not in UNFINISHED:
        return last
    items: dict[str, StreamedItem] = {}
    for chunk in chunks:
        add_event(items, chunk)
    output: list[Json] = [item.as_json() for item in items.values()]
    return {**last, "output": output, "finish_reason": CUT_OFF}


def add_event(items: dict[str, StreamedItem], chunk: Object) -> None:
    """Adds an event to the item it is about."""
    kind, whole, delta = chunk.get("type"), chunk.get("item"), chunk.get("delta")
    goes_on = DELTAS.get(kind) if type(kind) is str else None
    if goes_on is None and type(whole) is not dict:
        return
    item = items.setdefault(str(chunk.get("output_index")), StreamedItem())
    if type(whole) is dict:
        item.item, item.is_done = whole, kind == "response.output_item.done"
    elif goes_on and type(delta) is str:
        place = (goes_on, str(chunk.get("content_index", chunk.get("summary_index"))))
        item.texts[place] = item.texts.get(place, "") + delta
