"""Values as plain text; inline images, sounds and files become placeholders, never bytes.

Which values make up a message is `parts`' business.
"""

from __future__ import annotations

import re

from evals.records import Json
from evals.traces.files.strict_json import to_canonical_text

DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,([A-Za-z0-9+/=_-]{64,})")
MAX_URI = 2048


def to_text(value: Json) -> str:
    """Text without inline data; null as empty text; any other value as canonical JSON."""
    if value is None:
        return ""
    return remove_data(value if type(value) is str else to_canonical_text(value))


def remove_data(text: str) -> str:
    """Replaces inline base64 data in a text by placeholders."""
    if ";base64," not in text:
        return text
    return DATA_URL.sub(
        lambda match: make_placeholder(match[1].split("/")[0], match[1], match[2]), text
    )


def make_placeholder(kind: str, mime: Json = None, data: Json = None, uri: Json = None) -> str:
    """Makes the placeholder of an image, a sound or a file: its type, place and size in bytes."""
    words = [kind if type(kind) is str and kind else "file"]
    if type(mime) is str and mime:
        words.append(mime[:100])
    if type(uri) is str and uri and not uri.startswith("data:"):
        words.append(uri[:MAX_URI])
    size = f", {len(data) * 3 // 4} bytes" if type(data) is str and data else ""
    return f"[{' '.join(words)}{size}]"
