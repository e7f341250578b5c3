"""Parses one line of JSON strictly: refuses what two parsers could read differently.

orjson parses; the slow, exact parser runs only where orjson may have hidden something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, NoReturn

import orjson

from evals.records import Json, encode_canonical

MAX_DEPTH = 200
TYPE_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
OPENS = ("{", "[")
SPACED = re.compile(rb'"[ \t\r\n]+:')
"""A key that ends before its colon."""
EXACT_FLOAT = 2.0**63
"""From this size on a float may have been an integer in the text."""
PLAIN = (1e-4, 1e16)
"""Between these every JSON writer formats a float without an exponent."""
NUMBERS = bytes(
    ord("0" if chr(byte) in "0123456789" else ":" if chr(byte) in ":,[- \t\r\n" else "x")
    for byte in range(256)
)
"""A table for `translate`: digits become 0, what may precede a number a colon."""
LONG_NUMBER = b":" + b"0" * 19
"""Every number that exceeds 64 bits is at least this long."""
SPACE = b" \t\r\n"
OTHERS = bytes(byte for byte in range(256) if byte not in b"{[")


class Refused(ValueError):
    """A row cannot become a trace; the arguments are a code and a sentence."""

    @property
    def code(self) -> str:
        """The stable code."""
        return self.args[0]

    @property
    def reason(self) -> str:
        """What was expected and what to do."""
        return self.args[1]


class Survey(NamedTuple):
    """What a walk over a parsed value counts."""

    keys: int
    depth: int
    plain: bool
    """Every float is written without an exponent."""
    huge: bool
    """A number may have been an integer too large for 64 bits."""


def parse_line(raw: bytes) -> dict[str, Json]:
    """Parses the JSON object of a line; numbers that JSON lacks or 64 bits do not hold are text.

    Raises:
        Refused: `not-json`, `not-utf8`, `not-an-object`, `too-deep`, `duplicate-key`.
    """
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        value = parse_odd_numbers(raw)
        if value is None:
            raise_refusal(raw, error)
        return value
    if type(value) is not dict:
        raise Refused(
            "not-an-object",
            f"The line is {name_type(value)}; expected one object in braces a line.",
        )
    if is_whole(raw, value):
        return value
    survey = survey_value(value)
    if survey.depth > MAX_DEPTH:
        raise refuse_depth()
    if hides_keys(raw, survey.keys):
        parse_exactly(raw, keep_numbers=True)
    if survey.huge and (exact := parse_odd_numbers(raw)):
        return exact
    return value


def parse_odd_numbers(raw: bytes) -> dict[str, Json] | None:
    """Parses an object with numbers that orjson cannot hold, as their text.

    Python's own parser knows NaN; None where the line is not readable for another reason.

    Raises:
        Refused: `too-deep` or `duplicate-key`.
    """
    try:
        value: Json = json.loads(
            raw,
            object_pairs_hook=check_unique_keys,
            parse_int=lambda text: text_unless_exact(text, parse_sized_int),
            parse_float=lambda text: text_unless_exact(text, parse_finite_float),
            parse_constant=str,
        )
        return value if type(value) is dict and is_encodable(value) else None
    except Refused:
        raise
    except RecursionError:
        raise refuse_depth() from None
    except ValueError:
        return None


def text_unless_exact(text: str, parse_number: Callable[[str], int | float]) -> int | float | str:
    """Returns a number; its text where it is not finite or does not fit 64 bits."""
    try:
        return parse_number(text)
    except Refused:
        return text


def is_encodable(value: dict[str, Json]) -> bool:
    """Whether every text of a value is UTF-8, and it does not nest too deep."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return survey_value(value).depth <= MAX_DEPTH


def parse_inner(text: str) -> Json:
    """Parses the list or object in a text as strictly; returns any other text unchanged."""
    if text[:1] not in OPENS:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    try:
        value: Json = orjson.loads(raw)
        if is_whole(raw, value):
            return value
        survey = survey_value([value])
        if survey.depth > MAX_DEPTH:
            return text
        if survey.huge or hides_keys(raw, survey.keys):
            parse_exactly(raw)
    except (orjson.JSONDecodeError, Refused):
        return text
    return value


def parse_envelope(raw: bytes) -> dict[str, Json]:
    """Parses the JSON object of a row whose reader checks depth and numbers itself.

    Raises:
        Refused: `not-json`, `not-utf8`, `not-an-object`, `too-deep`, `duplicate-key`.
    """
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise_refusal(raw, error)
    if type(value) is not dict:
        what = f"The line is {name_type(value)}; expected one object in braces a line."
        raise Refused("not-an-object", what)
    try:
        rewritten = orjson.dumps(value)
    except TypeError:  # nested deeper than orjson writes
        raise refuse_depth() from None
    if not is_same_text(raw, rewritten) and count_quotes(raw) != count_quotes(rewritten):
        parse_exactly(raw)
    return value


def to_canonical_text(value: Json) -> str:
    """Formats a value as canonical JSON text."""
    return encode_canonical(value).decode("utf-8", "surrogatepass")


def is_whole(raw: bytes, value: Json) -> bool:
    """Returns whether orjson certainly lost nothing of a text, without a walk over the value.

    Rewritten, a value has as many quotes as its text, unless two keys were equal.
    """
    if len(raw) > MAX_DEPTH and len(raw.translate(None, OTHERS)) > MAX_DEPTH:
        return False
    rewritten = orjson.dumps(value)
    if is_same_text(raw, rewritten):
        return True
    has_long_number = LONG_NUMBER in raw.translate(NUMBERS)
    return not has_long_number and count_quotes(raw) == count_quotes(rewritten)


def is_same_text(raw: bytes, rewritten: bytes) -> bool:
    """Returns whether two JSON texts differ in space alone, so that no key was lost.

    Space within strings is ignored too: it changes keys, and not their number.
    """
    return raw == rewritten or raw.translate(None, SPACE) == rewritten.translate(None, SPACE)


def count_quotes(text: bytes) -> int:
    """Counts the quotes that begin or end a string: those without a backslash."""
    if b"\\" not in text:
        return text.count(b'"')
    text = text.replace(b"\\\\", b"")
    return text.count(b'"') - text.count(b'\\"')


def name_type(value: Json) -> str:
    """Names the JSON type of a value, for a message."""
    if value is None or type(value) is bool:
        return json.dumps(value)
    return TYPE_NAMES.get(type(value), "a number")


def survey_value(value: Json) -> Survey:
    """Counts keys and levels, and checks every float."""
    keys, depth, plain, huge = 0, 0, True, False
    level: list[list[Json] | dict[str, Json]] = []
    if type(value) is dict or type(value) is list:
        level.append(value)
    while level and depth <= MAX_DEPTH:
        depth += 1
        below: list[list[Json] | dict[str, Json]] = []
        for container in level:
            items: Iterable[Json] = container
            if type(container) is dict:
                keys += len(container)
                items = container.values()
            for item in items:
                if type(item) is str:
                    continue
                if type(item) is dict or type(item) is list:
                    below.append(item)
                elif type(item) is float:
                    size = abs(item)
                    plain = plain and (PLAIN[0] <= size < PLAIN[1] or size == 0)
                    huge = huge or size >= EXACT_FLOAT
        level = below
    return Survey(keys, depth, plain, huge)


def hides_keys(raw: bytes, keys: int) -> bool:
    r"""Returns whether the line may contain more keys than were parsed: two equal ones.

    A key ends in `":`, which inside a string can only be `\":`. Rarer forms (a space before the
    colon, a backslash at the key's end) make the count unreliable, and return True.
    """
    return (
        raw.count(b'":') - raw.count(b'\\":') != keys
        or SPACED.search(raw) is not None
        or b'\\\\":' in raw
    )


def count_keys(block: bytes, lines: Sequence[bytes]) -> list[int]:
    r"""Counts the keys in each line; -1 where the count is unreliable, as for `hides_keys`.

    `block` is the text of all lines, joined by newlines.
    """
    import numpy as np

    ends = np.cumsum([len(line) + 1 for line in lines])
    text = np.frombuffer(block, np.uint8)
    colons = np.flatnonzero(text == ord(":"))
    last, second, third = (text[np.maximum(colons - back, 0)] for back in (1, 2, 3))
    quoted, escaped = last == ord('"'), second == ord("\\")
    keys = quoted & ~escaped
    odd = (last == ord(" ")) | (last == ord("\t")) | (last == ord("\r"))
    odd |= quoted & escaped & (third == ord("\\"))
    of_line = np.searchsorted(ends, colons, side="right")
    counts = np.bincount(of_line[keys], minlength=len(lines))
    counts[of_line[odd]] = -1
    return counts.tolist()


def raise_refusal(raw: bytes, error: ValueError) -> NoReturn:
    """Raises the refusal that best explains why orjson did not read a line."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Refused(
            "not-utf8",
            f"Byte {problem.start} of the line is not UTF-8; write the file as UTF-8, or name its "
            "`encoding` in the mapping.",
        ) from None
    if "surrogate" in str(error):
        raise Refused(
            "not-utf8", "A string holds half a surrogate pair; write whole characters."
        ) from None
    parse_exactly(raw)
    what = str(error).split(": line", 1)[0]
    raise Refused(
        "not-json", f"The line is not JSON ({what}); correct it, or export one object a line."
    ) from None


def parse_exactly(raw: bytes, *, keep_numbers: bool = False) -> None:
    """Parses a line with the exact parser, which detects what orjson accepts or does not explain.

    Args:
        raw: the line.
        keep_numbers: whether numbers that JSON lacks or 64 bits do not hold are accepted.

    Raises:
        Refused: `too-deep`, `bad-number` or `duplicate-key`; other faults are ignored.
    """
    try:
        json.loads(
            raw,
            object_pairs_hook=check_unique_keys,
            parse_int=str if keep_numbers else parse_sized_int,
            parse_float=str if keep_numbers else parse_finite_float,
            parse_constant=str if keep_numbers else refuse_constant,
        )
    except Refused:
        raise
    except RecursionError:
        raise refuse_depth() from None
    except ValueError:
        return


def check_unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Builds an object; refuses duplicate keys."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise Refused("duplicate-key", "A key stands twice in one object; keep one of them.")
    return value


def parse_sized_int(text: str) -> int:
    """Parses an integer that fits 64 bits."""
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise refuse_number(text)
    return int(text)


def parse_finite_float(text: str) -> float:
    """Parses a finite float."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise refuse_number(text)
    return number


def refuse_constant(text: str) -> NoReturn:
    """Refuses NaN and the infinities, which are not JSON."""
    raise refuse_number(text)


def refuse_number(text: str) -> Refused:
    """Makes the refusal of a number that fits no column."""
    return Refused(
        "bad-number",
        f"The number {text[:40]} is not a finite 64-bit one; write null, or quote it as a string.",
    )


def refuse_depth() -> Refused:
    """Makes the refusal of a value that nests too deep."""
    return Refused(
        "too-deep", f"The row nests deeper than {MAX_DEPTH} levels; flatten it, or quote the part."
    )
