"""Fields of a decoded answer, checked for their type and their size.

What the fields of an API mean is in `api_shapes`.
"""

from __future__ import annotations

from typing import NamedTuple

from evals.records import Json

LONGEST_NAME = 200
"""Characters kept of a model's name, a fingerprint, a finish reason."""

LARGEST_COUNT = 2**40
"""An upper bound for token counts and Unix times."""

CACHED = "cached_tokens"
"""The field that counts cached input tokens, in both shapes."""


def require_text(value: Json) -> str:
    """Returns the value if it is text.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, str):
        raise TypeError
    return value


def require_object(value: Json) -> dict[str, Json]:
    """Returns the value if it is a JSON object.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, dict):
        raise TypeError
    return value


def require_list(value: Json) -> list[Json]:
    """Returns the value if it is a JSON array.

    Raises:
        TypeError: when it is not.
    """
    if not isinstance(value, list):
        raise TypeError
    return value


def parse_name(value: Json) -> str | None:
    """Returns the text of a short field; None for anything but text."""
    return value[:LONGEST_NAME] if isinstance(value, str) else None


def parse_unix_time(value: Json) -> int | None:
    """Returns Unix seconds; None for anything that is no plausible time."""
    return int(value) if isinstance(value, int | float) and 0 < value < LARGEST_COUNT else None


def parse_tokens(value: Json) -> int:
    """Returns a count of tokens, 0 where there is none; costs are computed from it.

    Raises:
        TypeError: when it is an array or an object.
        ValueError: when it is no plausible count.
    """
    if not value:
        return 0
    if type(value) is not int:
        if isinstance(value, list | dict):
            raise TypeError
        value = int(value)
    if not 0 <= value < LARGEST_COUNT:
        raise ValueError
    return value


def read_part(answer: dict[str, Json], name: str) -> dict[str, Json]:
    """Returns an optional part of an answer; empty where it is missing or null."""
    part = answer.get(name)
    return require_object(part) if part else {}


class Usage(NamedTuple):
    """The tokens of a question and its answer; 0 where the provider reports none."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0


def read_usage(answer: dict[str, Json], read: str, written: str) -> Usage:
    """Reads the tokens of an answer; none where a count is implausible, so that it costs its most.

    The answer itself is paid and counts.
    """
    try:
        usage = read_part(answer, "usage")
        cached = read_part(usage, f"{read}_details").get(CACHED)
        return Usage(*map(parse_tokens, (usage.get(read), usage.get(written), cached)))
    except (TypeError, ValueError, OverflowError):
        return Usage()
