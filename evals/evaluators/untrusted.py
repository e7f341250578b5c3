"""Untrusted text as a model may be shown it: set apart, quoted, and with nothing hidden in it.

What is asked about the text, and how the answer is read, is the judges'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from evals.records import JsonLike, digest

BOUNDARY = 14
"""Letters of a boundary. A text that holds its own is a fixed point of SHA-256: 2^65 tries for
one question, whoever knows the prompt and all the rest, and it would still stand behind the mark
of a quotation. So the boundary needs no secret, and equal content has an equal question, which is
what the ledger goes by. Models read letters in half as many tokens as hexadecimal digits."""

HIDDEN = re.compile(
    "(?:[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]|[\ufe00-\ufe0f]{2})+"
)
"""Characters that show nothing or reorder what is shown, Unicode tags among them; a lone variation
selector and a joiner are how emoji and some scripts are written."""

CONTROL = re.compile(
    r"<\|[^<>\n]{0,40}\|>|<｜[^<>\n]{0,40}｜>|<</?SYS>>"
    r"|</?(?:s|bos|eos|pad|unk|mask|think|start_of_turn|end_of_turn|tool_call|tool_response)>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]",
    re.IGNORECASE,
)
"""What chat templates of open models mark turns with: a server may read it as a turn's end even
inside a message."""
HARMLESS = str.maketrans("<>[]", "‹›⁅⁆")

BREAKS = str.maketrans("\n\t", "  ")
QUOTE = "> "


def apart(shown: Mapping[str, str], key: JsonLike, limit: int) -> str:
    """Named texts, each between tags with a boundary none of them can hold, each line quoted.

    Args:
        shown: untrusted text by the name of its field.
        key: what else the boundary depends on, such as the instructions.
        limit: the most characters of a text; the middle of a longer one is left out, and the line
            that says so stands outside the quotation.
    """
    boundary = letters(digest([key, dict(shown)], 32))
    return "\n\n".join(
        f"<{name} {boundary}>\n{quoted(text, limit)}\n</{name} {boundary}>"
        for name, text in shown.items()
    )


def letters(digits: str) -> str:
    """Hexadecimal digits as letters of the same weight, the lowest of them."""
    number, found = int(digits, 16), ""
    for _ in range(BOUNDARY):
        number, letter = divmod(number, 26)
        found += chr(97 + letter)
    return found


def quoted(text: str, limit: int) -> str:
    """A text with every line quoted and nothing hidden, its middle left out where it is long."""
    clear = disarmed(text)
    if len(clear) <= limit:
        return lines(clear)
    half = limit // 2
    left_out = f"[… {len(clear) - 2 * half} characters left out …]"
    return f"{lines(clear[:half])}\n{left_out}\n{lines(clear[-half:])}"


def lines(text: str) -> str:
    """A text with each of its lines behind the mark of a quotation, whatever breaks its lines."""
    return "\n".join(QUOTE + line for line in text.splitlines() or [""])


def disarmed(text: str) -> str:
    """A text whose hidden characters are counted in its stead and whose control words are words."""
    if not plain(text):
        text = HIDDEN.sub(lambda found: f"‹{len(found[0])} hidden›", text)
    if "<" in text or "[" in text:  # every control word begins with one of them
        text = CONTROL.sub(lambda found: found[0].translate(HARMLESS), text)
    return text


def plain(text: str) -> bool:
    """Whether a text is printable ASCII in lines, which most are: told fifty times as fast."""
    return text.isascii() and text.translate(BREAKS).isprintable()
