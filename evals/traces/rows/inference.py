"""Fills fields of a trace that follow from others: the question, and the version of the prompt.

`canonical` builds the trace.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TypedDict

from evals.records import Json, digest
from evals.traces.rows.fields import to_prose


class InferredValues(TypedDict):
    """The fields that `infer_missing` reads and fills."""

    input: str
    messages: tuple[Json, ...]
    prompt_version: str | None
    prompt_hash: str | None
    metadata: dict[str, Json]


def infer_missing(values: InferredValues) -> None:
    """Fills fields that follow from others: the question, and the version of the prompt."""
    if not values["input"] and values["messages"]:
        values["input"] = find_last_question(values["messages"])
    if values["prompt_version"] is None:
        infer_prompt(values)


def merge_metadata(metadata: dict[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """Adds keys to metadata; one whose name is taken becomes `row.NAME`."""
    result = dict(metadata)
    for key, value in extra.items():
        while key in result:
            key = f"row.{key}"
        result[key] = value
    return result


def find_last_question(messages: tuple[Json, ...]) -> str:
    """Returns the content of the user's last message, or an empty text."""
    for message in reversed(messages):
        if type(message) is dict and message.get("role") == "user":
            content = message.get("content")
            return "" if content is None else to_prose("content", content)
    return ""


CLOCK = re.compile(r"\d{4}-\d\d-\d\d|\d\d?:\d\d(?::\d\d)?")
"""Dates and times in a system message, which make no new version of a prompt."""


@functools.lru_cache(maxsize=256)
def hash_without_times(text: str) -> str:
    """Hashes a system message without its dates and times; cached, since applications have few."""
    return digest(CLOCK.sub("", text))


def infer_prompt(values: InferredValues) -> None:
    """Sets the prompt version by the hash of the template, or of the system message.

    Metadata records that it was inferred.
    """
    prompt_hash = values["prompt_hash"]
    if not prompt_hash:
        text = find_instructions(values["messages"])
        if not text:
            return
        prompt_hash = values["prompt_hash"] = hash_without_times(text)
    values["prompt_version"] = prompt_hash[:12]
    note = {"prompt_version_source": "inferred"}
    values["metadata"] = merge_metadata(values["metadata"], note)


def find_instructions(messages: tuple[Json, ...]) -> str:
    """Joins the system and developer messages at the head of a chat."""
    texts: list[str] = []
    for message in messages:
        if type(message) is not dict or message.get("role") not in ("system", "developer"):
            break
        content = message.get("content")
        texts += [] if content is None else [to_prose("content", content)]
    return "\n".join(texts)
