"""The words of an answer that a plain row holds in a wrapper, such as a chat's messages.

Which wrappers there are is `payloads`' business; products' formats remove theirs themselves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from evals.records import Json
from evals.traces.files.strict_json import OPENS
from evals.traces.messages import payloads

MARKS = re.compile(r'"(?:role|messages|type|choices|finish_reason|generations|kwargs)"')
"""Keys without one of which no text is a wrapper."""
PLAIN_FORMS = ("jsonl", "json", "csv", "parquet")
"""The formats of rows whose output may be wrapped."""


class WrappedAnswer(NamedTuple):
    """An answer without its wrapper, and what else the wrapper held."""

    words: str
    whole: Json
    """The wrapper, where it held further messages; else None."""


def unwrap_answer(text: str) -> WrappedAnswer | None:
    """Removes the wrapper of an answer; None where the text is none, and so the answer itself."""
    if text[:1] not in OPENS or not MARKS.search(text):
        return None
    value = payloads.parse_quoted(text)
    if payloads.unwrap_framework(value, "assistant") is None:
        return None
    words = payloads.extract_words(value, "assistant")
    several = type(value) is list and len(value) > 1
    return WrappedAnswer(words, value if several else None)
