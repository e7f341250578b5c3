"""Text and file names made safe to show to people: one line, hidden characters escaped.

`evaluators.untrusted` does so for models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that command a terminal, break a line, reorder text, are invisible, or are not UTF-8.
The joiners of emoji and of some scripts are not among them."""
BYTE_RANGE = range(0xDC80, 0xDD00)
"""How Python represents a byte of a file's name that is not UTF-8."""


def make_readable(text: str) -> str:
    r"""Returns a text on one line: a hidden character becomes `\n`, `\x1b` or `\u202e`."""
    return HIDDEN.sub(lambda match: escape_char(match[0]), text)


def make_name_readable(name: str) -> str:
    r"""Returns a file's name or path to store and show; two files never get the same.

    A byte that is not UTF-8 becomes `\xe9`, and a backslash two.
    """
    return make_readable(name.replace("\\", "\\\\"))


def escape_char(char: str) -> str:
    """Returns the escape of a character; no character has that of a byte that is not UTF-8."""
    code = ord(char)
    if code in BYTE_RANGE:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return char.encode("unicode_escape").decode()
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def list_counts(counts: Mapping[str, int]) -> str:
    """Lists counts by kind, the largest first: `embedding (12), image (3)`."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{kind} ({count:,})" for kind, count in ordered)


MODEL_FIELDS = ("model", "model_requested")
"""Fields whose values are names of models."""
MODEL_PATH = re.compile(
    r"arn:|(?:^|/)(?:accounts|projects|publishers|locations|endpoints|models|deployments|"
    r"foundation-model|inference-profile)/"
)
"""What the long name of a model holds: a provider's resource, rather than a vendor's prefix."""
OPAQUE = re.compile(r"[0-9a-f-]*[0-9][0-9a-f-]*")
"""An id that names no model to a person."""


def shorten_model(name: str) -> str:
    """Shortens a provider's path of a model to its last part, `gemini-2.5-pro`.

    A bare id keeps the word before it, `endpoints/4711`; any other name is short.
    """
    if not MODEL_PATH.search(name):
        return name
    parts = [part for part in name.split("/") if part]
    count = 2 if len(parts) > 1 and OPAQUE.fullmatch(parts[-1]) else 1
    return "/".join(parts[-count:]) or name


def shorten_values(values: Iterable[str | None], field: str = MODEL_FIELDS[0]) -> dict[str, str]:
    """Returns how to show each value of a field: models short, unless two would look the same."""
    names = dict.fromkeys(value for value in values if value is not None)
    if field not in MODEL_FIELDS:
        return {name: name for name in names}
    counts = Counter(map(shorten_model, names))
    return {name: short if counts[short := shorten_model(name)] == 1 else name for name in names}
