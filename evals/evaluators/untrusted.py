"""Untrusted text made safe for a prompt: quoted inside a boundary, hidden characters removed.

The question about the text, and the parsing of the answer, are in `judges`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from evals.records import JsonLike, digest

BOUNDARY = 14
"""Letters of a boundary. A text that contains its own boundary is a fixed point of SHA-256: it
takes 2^65 tries for one question, even with full knowledge of the prompt, and each of its lines
would still begin with the quotation mark. So the boundary needs no secret, and equal content has
an equal question, which is the ledger's key. Letters take half the tokens of hex digits."""

HIDDEN = re.compile(
    "(?:[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]|[\ufe00-\ufe0f]{2})+"
)
"""Characters that are invisible or reorder the text, Unicode tags among them; a lone variation
selector and a joiner are how emoji and some scripts are written."""

CONTROL = re.compile(
    r"<\|[^<>\n]{0,40}\|>|<｜[^<>\n]{0,40}｜>|<</?SYS>>"
    r"|</?(?:s|bos|eos|pad|unk|mask|think|start_of_turn|end_of_turn|tool_call|tool_response)>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]",
    re.IGNORECASE,
)
"""Marks of turns in the chat templates of open models: a server may read one as the end of a turn
even inside a message."""
HARMLESS = str.maketrans("<>[]", "‹›⁅⁆")

BREAKS = str.maketrans("\n\t", "  ")
QUOTE = "> "


def quote_texts(texts: Mapping[str, str], key: JsonLike, limit: int) -> str:
    """Quotes each named text between tags with a boundary that none of them can contain.

    Args:
        texts: untrusted text by the name of its field.
        key: what else the boundary depends on, such as the instructions.
        limit: the most characters of a text; the middle of a longer one is left out, and an
            unquoted line marks the gap.
    """
    boundary = encode_letters(digest([key, dict(texts)], 32))
    return "\n\n".join(
        f"<{name} {boundary}>\n{quote_text(text, limit)}\n</{name} {boundary}>"
        for name, text in texts.items()
    )


def encode_letters(digits: str) -> str:
    """Encodes the lowest bits of hexadecimal digits as letters."""
    number, letters = int(digits, 16), ""
    for _ in range(BOUNDARY):
        number, letter = divmod(number, 26)
        letters += chr(97 + letter)
    return letters


def quote_text(text: str, limit: int) -> str:
    """Quotes every line, neutralizes hidden characters, and cuts the middle of a long text."""
    clear = neutralize(text)
    if len(clear) <= limit:
        return quote_lines(clear)
    half = limit // 2
    left_out = f"[… {len(clear) - 2 * half} characters left out …]"
    return f"{quote_lines(clear[:half])}\n{left_out}\n{quote_lines(clear[-half:])}"


def quote_lines(text: str) -> str:
    """Puts the quotation mark before each line, whatever character breaks the lines."""
    return "\n".join(QUOTE + line for line in text.splitlines() or [""])


def neutralize(text: str) -> str:
    """Replaces hidden characters by their count, and the brackets of control words."""
    if not is_plain(text):
        text = HIDDEN.sub(lambda match: f"‹{len(match[0])} hidden›", text)
    if "<" in text or "[" in text:  # every control word begins with one of them
        text = CONTROL.sub(lambda match: match[0].translate(HARMLESS), text)
    return text


def is_plain(text: str) -> bool:
    """Whether a text is printable ASCII, as most are: fifty times as fast as the pattern."""
    return text.isascii() and text.translate(BREAKS).isprintable()
