"""Redacts secrets and personal data in texts and JSON values.

How they are detected is `detectors`'; what is redacted of an imported row is `row_filter`'s.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from evals.privacy import detectors
from evals.records import Json

IMPERSONAL = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)?"
    r"|(?=\d*[a-f])[0-9a-f]{16}(?:[0-9a-f]{16})?"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.ASCII,
)
"""Timestamps and random tracing ids: their digits are not personal data."""
SHORT_TEXT = 64
"""Texts up to this length may be a timestamp or an id; they are cached, since most repeat."""
SUFFIXES = 3
"""How many suffixes a file name may have, as `.jsonl.gz` has two."""
USER_ID = "user-id"
"""The kind of a user's own id, found in the trace's texts."""
FieldValue: TypeAlias = Json | tuple[Json, ...]
"""The value of a trace's text field."""


class UserReplacement(NamedTuple):
    """A user id to replace in texts."""

    user_id: str
    hashed: str


@functools.lru_cache(maxsize=64)
def build_redactor(kinds: tuple[str, ...]) -> Callable[[str], str]:
    """Returns a function that redacts secrets and the given kinds of personal data in a text."""
    clean = detectors.build_redactor((*kinds, *detectors.SECRET_KINDS))
    cached = functools.lru_cache(maxsize=2**12)(clean)
    return lambda text: (cached if len(text) <= SHORT_TEXT else clean)(text)


def is_clean(
    values: Iterable[FieldValue], kinds: tuple[str, ...], user: UserReplacement | None
) -> bool:
    """Whether nothing in some values needs redaction.

    Short texts are mostly cached. All others are screened as one text, and one by one only where
    that matches a hint.
    """
    user_id = user.user_id if user else "\n"
    texts = list(list_words(values, user_id))
    if user and any(user_id in word for word in texts):
        return False
    clean = build_redactor(kinds)
    if any(clean(word) != word for word in texts if len(word) <= SHORT_TEXT):
        return False
    rest = [word for word in texts if len(word) > SHORT_TEXT]
    hints = detectors.build_screen((*kinds, *detectors.SECRET_KINDS))
    return not hints.match_kinds("\n".join(rest)) or all(clean(word) == word for word in rest)


def list_words(values: Iterable[FieldValue], user_id: str) -> Iterator[str]:
    """Yields every text within some values that `Redaction` would check.

    Leaves out timestamps and random ids, and keys such as `tokens_in` that suggest a password
    but have a number as their value.
    """
    waiting = list(values)
    for value in waiting:  # grows on the way
        if isinstance(value, str):
            if len(value) > SHORT_TEXT or not IMPERSONAL.fullmatch(value) or user_id in value:
                yield value
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, str):
                    yield key
                    if names_password(key):
                        yield f"{key}={item}"
                elif not is_plain_key(key):
                    yield key
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def names_password(key: str) -> bool:
    """Whether a key's name suggests that its value is a password."""
    if len(key) > SHORT_TEXT:
        return detectors.PASSWORDS.search(key) is not None
    return short_key_names_password(key)


@functools.lru_cache(maxsize=2**12)
def short_key_names_password(key: str) -> bool:
    """Whether a short key's name suggests a password; cached."""
    return detectors.PASSWORDS.search(key) is not None


def is_plain_key(key: str) -> bool:
    """Whether a key is a plain word, which needs no redaction."""
    return len(key) <= SHORT_TEXT and is_plain_word(key)


@functools.lru_cache(maxsize=2**12)
def is_plain_word(key: str) -> bool:
    """Whether a key has only lower-case letters, dots and underscores."""
    return key.replace("_", "").replace(".", "").isalpha() and key.isascii() and key.islower()


@functools.lru_cache(maxsize=4096)
def name_without_secrets(text: str) -> str:
    """Redacts secrets and e-mail addresses in a short name, such as a model's or a file's.

    Numbers are left: they are versions and dates. In a file name an e-mail address may be
    followed by suffixes.
    """
    if "@" not in text:
        return build_redactor(())(text)
    clean, suffix = build_redactor(("email",)), ""
    while "@" in (done := clean(text)) and "." in text and suffix.count(".") < SUFFIXES:
        text, _, last = text.rpartition(".")
        suffix = f".{last}{suffix}"
    return done + suffix


def redact_all(text: str) -> str:
    """Redacts secrets and every kind of personal data in a text of no particular application."""
    return build_redactor(detectors.PII_KINDS)(text)


def redact_answer(text: str | None) -> str | None:
    """Redacts secrets and personal data in a model's answer; JSON stays JSON."""
    if not text or redact_all(text) == text:
        return text
    try:
        return json.dumps(Redaction(redact_all).redact_value(json.loads(text)), ensure_ascii=False)
    except ValueError:
        return redact_all(text)


@dataclass
class Redaction:
    """The redaction of one row's values, which counts what it redacts."""

    redact: Callable[[str], str]
    user: UserReplacement | None = None
    counts: Counter[str] = field(default_factory=Counter[str])
    """Redactions by kind."""

    def redact_text(self, value: str) -> str:
        """Redacts a text and counts its redactions."""
        if self.user and self.user.user_id in value:
            value = value.replace(self.user.user_id, self.user.hashed)
            self.counts[USER_ID] += 1
        if len(value) <= SHORT_TEXT and IMPERSONAL.fullmatch(value):
            return value
        done = self.redact(value)
        if done is not value and done != value:
            before = Counter(detectors.MARK.findall(value))
            self.counts += Counter(detectors.MARK.findall(done)) - before
        return done

    def redact_value(self, value: Json) -> Json:
        """Redacts every text within a JSON value."""
        if isinstance(value, str):
            return self.redact_text(value)
        if isinstance(value, dict):
            return {
                self.redact_text(key): self.redact_entry(key, item) for key, item in value.items()
            }
        return [self.redact_value(item) for item in value] if isinstance(value, list) else value

    def redact_field(self, value: FieldValue) -> FieldValue:
        """Redacts every text within a trace's field."""
        if isinstance(value, tuple):
            return tuple(self.redact_value(item) for item in value)
        return self.redact_value(value)

    def redact_entry(self, key: str, item: Json) -> Json:
        """Redacts a value of an object; the key's name may show that it is a password."""
        if isinstance(item, str) and names_password(key):
            text = self.redact_text(f"{key}={item}")
            if text.startswith(f"{key}="):
                return text[len(key) + 1 :]
        return self.redact_value(item)
