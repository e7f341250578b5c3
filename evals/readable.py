"""Text and file names as a person may be shown them: one line, its hidden characters spelled out.

What a model may be shown is `untrusted`'s.
"""

from __future__ import annotations

import re

HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that command a terminal, break a line, reorder text, show nothing, or that no UTF-8
holds. The joiners of emoji and of some scripts are not among them."""
BYTE_RANGE = range(0xDC80, 0xDD00)
"""How Python holds a byte of a file's name that is not UTF-8."""


def make_readable(text: str) -> str:
    r"""A text on one line: a hidden character becomes `\n`, `\x1b` or `\u202e`."""
    return HIDDEN.sub(lambda found: escape_char(found[0]), text)


def make_name_readable(name: str) -> str:
    r"""A file's name or path as it may rest and be shown; no two files share one.

    A byte that is not UTF-8 becomes `\xe9`, and a backslash two.
    """
    return make_readable(name.replace("\\", "\\\\"))


def escape_char(char: str) -> str:
    """A character as an escape; a byte that is not UTF-8 and a character differ in theirs."""
    code = ord(char)
    if code in BYTE_RANGE:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return char.encode("unicode_escape").decode()
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
