"""Classifies a model's id: pinned, floating, or not verifiable by its name.

Looks at the id alone; whether answers came from that model is checked in each answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from evals.specs.models import ModelPin


class Pinned(NamedTuple):
    """The id names one model for ever."""

    reason: str


class Floating(NamedTuple):
    """The id is an alias: its model changes without notice."""

    reason: str
    instead: str | None = None
    """The pin to use instead, where one is known."""


class Unverifiable(NamedTuple):
    """The id does not show whether it may change."""

    reason: str


Promise = Pinned | Floating | Unverifiable

INSTEAD = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-3.5-turbo-16k": "gpt-3.5-turbo-16k-0613",
    "gpt-4": "gpt-4-0613",
    "gpt-4-32k": "gpt-4-32k-0613",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4-turbo-preview": "gpt-4-0125-preview",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-audio-preview": "gpt-4o-audio-preview-2025-06-03",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4o-mini-audio-preview": "gpt-4o-mini-audio-preview-2024-12-17",
    "gpt-4o-mini-search-preview": "gpt-4o-mini-search-preview-2025-03-11",
    "gpt-4o-search-preview": "gpt-4o-search-preview-2025-03-11",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5-pro": "gpt-5-pro-2025-10-06",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5.2": "gpt-5.2-2025-12-11",
    "gpt-5.2-pro": "gpt-5.2-pro-2025-12-11",
    "gpt-5.4-mini": "gpt-5.4-mini-2026-03-17",
    "gpt-5.4-nano": "gpt-5.4-nano-2026-03-17",
    "gpt-5.5": "gpt-5.5-2026-04-23",
    "gpt-5.5-pro": "gpt-5.5-pro-2026-04-23",
    "gpt-audio-mini": "gpt-audio-mini-2025-12-15",
    "computer-use-preview": "computer-use-preview-2025-03-11",
    "o1": "o1-2024-12-17",
    "o1-mini": "o1-mini-2024-09-12",
    "o1-preview": "o1-preview-2024-09-12",
    "o1-pro": "o1-pro-2025-03-19",
    "o3": "o3-2025-04-16",
    "o3-deep-research": "o3-deep-research-2025-06-26",
    "o3-mini": "o3-mini-2025-01-31",
    "o3-pro": "o3-pro-2025-06-10",
    "o4-mini": "o4-mini-2025-04-16",
    "o4-mini-deep-research": "o4-mini-deep-research-2025-06-26",
    "claude-3-haiku": "claude-3-haiku-20240307",
    "claude-3-5-haiku": "claude-3-5-haiku-20241022",
    "claude-3-5-sonnet": "claude-3-5-sonnet-20241022",
    "claude-3-7-sonnet": "claude-3-7-sonnet-20250219",
    "claude-opus-4": "claude-opus-4-20250514",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4": "claude-sonnet-4-20250514",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "gemini-1.5-flash": "gemini-1.5-flash-002",
    "gemini-1.5-pro": "gemini-1.5-pro-002",
    "gemini-2.0-flash": "gemini-2.0-flash-001",
    "gemini-2.0-flash-lite": "gemini-2.0-flash-lite-001",
}
"""Aliases, `-latest` left off, and a dated id of the same model."""

COMMIT = r"[0-9a-f]{40}"
OPENAI = r"(gpt-(?!oss)|chatgpt-|o\d(-|$)|codex-|computer-use-|davinci-|babbage-|text-|omni-)"
THINKS = r"(o\d(-|$)|gpt-([5-9]|\d\d)(?!-chat)|codex-)"
DATED = r"\d{4}-\d\d-\d\d"
CLAUDE = r"claude-[a-z]+-(?P<major>\d+)(-(?P<minor>\d{1,2}))?"


def classify(pin: ModelPin) -> Promise:
    """Classifies a pin's id, with the reason."""
    if pin.sha256:
        return Pinned("the weights' digest")
    if pin.revision:
        return classify_commit(pin.revision)
    name, at, revision = strip_prefix(pin.model).partition("@")
    if at and not name.startswith("claude-"):
        return classify_commit(revision)
    for family, classify_name in FAMILIES:
        if re.match(family, name):
            return classify_name(name + at + revision)
    return classify_unknown(pin)


def strip_prefix(model: str) -> str:
    """Removes a router's or a cloud's prefix before a known family's name."""
    name = re.sub(r"^([a-z-]+\.)?anthropic\.", "", model.rpartition("/")[2])
    is_family = any(re.match(family, name) for family, _ in FAMILIES)
    return name if is_family else model


def classify_commit(revision: str) -> Promise:
    """Classifies a revision of open weights: a commit is fixed, a branch or tag moves."""
    if re.fullmatch(COMMIT, revision):
        return Pinned("a commit of its weights")
    return Floating(f"{revision[:40]} is a branch or tag; name the commit, 40 hex digits")


def floating_alias(name: str, reason: str) -> Floating:
    """Returns an alias, with the pin to use instead where one is known."""
    return Floating(reason, INSTEAD.get(re.sub(r"[-@](latest|default)$", "", name)))


def classify_openai(name: str) -> Promise:
    """A date pins; an undated id is an alias before 5.6, and not verifiable from then on."""
    if re.search(rf"-{DATED}$", name):
        return Pinned("a dated id")
    if re.search(r"-(0[1-9]|1[0-2])([0-2]\d|3[01])(-[a-z]+)?$", name):
        return Pinned("a dated id of the old kind")
    if name.endswith("-latest"):
        return floating_alias(name, "`-latest` moves to each new model")
    version = re.match(r"gpt-(\d+)(?:\.(\d+))?", name)
    if version and (int(version[1]), int(version[2] or 0)) >= (5, 6):
        return Unverifiable("ids from 5.6 on have no date and are not documented as fixed")
    if re.match(r"gpt-(?!audio)[a-z]", name):
        return Unverifiable("an id without a version or a date is not documented as fixed")
    return floating_alias(name, "an undated id is an alias")


def classify_fine_tune(name: str) -> Promise:
    """A fine-tune's weights do not change."""
    return Pinned("a fine-tune keeps its weights")


def classify_claude(name: str) -> Promise:
    """Dated up to 4.5; from 4.6 on the dateless id is documented as fixed."""
    name = re.sub(r"-v\d(:\d+)?$", "", name)
    if re.search(r"[-@]20\d{6}$", name):
        return Pinned("a dated id")
    if re.search(r"[-@](latest|default)$", name):
        return floating_alias(name, "it moves to each new model")
    whole = re.fullmatch(CLAUDE, name)
    if whole and (int(whole["major"]), int(whole["minor"] or 0)) >= (4, 6):
        return Pinned("from 4.6 on Claude's ids are fixed without a date")
    return floating_alias(name, "before 4.6 an undated id is an alias")


def classify_gemini(name: str) -> Promise:
    """A numbered release or a dated preview pins."""
    if re.search(r"-\d{3}$", name):
        return Pinned("a numbered release")
    if re.search(r"-(preview|exp)(-[a-z-]+)?-\d\d-?(\d\d|\d{4})$", name):
        return Pinned("a dated preview")
    return floating_alias(name, "an id without its release number is an alias")


def classify_mistral(name: str) -> Promise:
    """The year and month of a release pin."""
    if re.search(r"-2\d(0[1-9]|1[0-2])$", name):
        return Pinned("a dated id")
    return Floating("an undated id is an alias")


FAMILIES = (
    (r"ft:", classify_fine_tune),
    (OPENAI, classify_openai),
    (r"claude-", classify_claude),
    (r"gemini-", classify_gemini),
    (
        r"(open-)?(mistral|ministral|mixtral|codestral|pixtral|magistral|devstral)-",
        classify_mistral,
    ),
)


def classify_unknown(pin: ModelPin) -> Promise:
    """Classifies a name of no known family, such as that of a private server or a deployment."""
    if re.search(r"[-:]latest$", pin.model):
        return Floating("`latest` moves to each new model")
    if pin.base_url and re.search(r"[a-z0-9]:[\w.-]+$", pin.model):
        return Floating("a tag moves; name the weights' digest in `sha256`")
    if pin.azure:
        return Unverifiable("a deployment's name does not say which model it serves")
    return Unverifiable("its server's own name for it; `sha256` or `revision` would pin it")


def is_reasoning(pin: ModelPin) -> bool:
    """Whether the model thinks before it answers, as declared or by its id."""
    return (
        bool(re.match(THINKS, strip_prefix(pin.model))) if pin.reasoning is None else pin.reasoning
    )


def find_refusal(pin: ModelPin) -> str | None:
    """Returns why the pin's policy refuses its id and what to do, or None."""
    promise = classify(pin)
    if pin.pins == "record" or not isinstance(promise, Floating):
        return None
    pinned = f"use {promise.instead}" if promise.instead else "name a fixed one"
    return (
        f"{pin.model!r} is not pinned: {promise.reason}; {pinned}, "
        "or set `pins: record` to run it and stamp every report"
    )
