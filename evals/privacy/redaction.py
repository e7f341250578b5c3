"""What is personal, at the door: texts redacted, user ids hashed with a key, who was forgotten.

What a finding looks like is `detectors`'; reaching what already rests is `forget`'s.
"""

from __future__ import annotations

import dataclasses
import functools
import hmac
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from evals.privacy import detectors
from evals.records import GoldValue, Label, Refusal, Trace
from evals.specs import Catalog
from evals.storage.documents.redacted_kinds import remember_kinds
from evals.storage.documents.tombstones import Tombstones, read_tombstones
from evals.storage.documents.user_key import read_key_mark, read_or_make_key, write_key_mark
from evals.storage.lake import Lake, LakeError

KEY_VARIABLE = "ANDON_USER_KEY"
USER_PREFIX = "user-"
"""What a hashed user id begins with; an id of that form is not hashed again."""
HASHED = re.compile(r"(?:user|id)-[0-9a-f]{24}")
TEXTS = (
    "input", "output", "context", "messages", "steps", "feedback", "metadata", "tags", "params",
    "versions",
)  # fmt: skip
NAMES = (
    "model_requested", "model", "provider", "prompt_name", "prompt_version", "prompt_hash",
    "git_commit", "finish_reason", "source_file",
)  # fmt: skip
"""Words of few values: looked at once each, for secrets and addresses alone."""
PERSONAL = re.compile(r"@|^\+?\(?\d[\d ().-]{6,}$|^[A-Z]{2}\d{2}[A-Z0-9 ]{11,}$")
IMPERSONAL = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?"
    r"|(?=\d*[a-f])[0-9a-f]{16}(?:[0-9a-f]{16})?"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.ASCII,
)
"""Moments, and the ids that tracing draws: their digits are nobody's number."""
SHORT_TEXT = 64
"""Texts up to this length may be a moment or an id, and are remembered: most come again."""
SUFFIXES = 3
"""How many words behind dots a file's name may end in, as `.jsonl.gz`."""
SHORTEST_USER_ID = 8
"""A user id this long, with a digit or an @ in it, is also taken out of the texts around it."""
REDACTED = "redactions"
"""The metadata key that counts what was taken out of a trace, by kind."""
USER_ID = "user-id"
"""The kind of a user's own id, found in the texts around it."""


def user_key(lake: Lake) -> bytes:
    """The home's key for hashing ids: from the environment, or made once and kept beside the data.

    Raises:
        LakeError: the environment's key is not the one the home's ids were hashed with.
    """
    given = os.environ.get(KEY_VARIABLE)
    key = given.encode() if given else read_or_make_key(lake)
    known = read_key_mark(lake)
    mark = hash_with_key(key, "which key is this")[:16]
    if known is None:
        write_key_mark(lake, mark)
    elif known != mark:
        raise LakeError(
            f"{lake.home} was begun with another key for user ids; set {KEY_VARIABLE} to that one, "
            "or unset it to use the file `user_key` there"
        )
    return key


def hash_with_key(key: bytes, text: str) -> str:
    """A text's HMAC-SHA-256 in hex: the same for the same text, and nothing without the key."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


@functools.lru_cache(maxsize=64)
def build_redactor(kinds: tuple[str, ...]) -> Callable[[str], str]:
    """What takes personal data of some kinds, and secrets, out of a text."""
    clean = detectors.build_redactor((*kinds, *detectors.SECRET_KINDS))
    remembered = functools.lru_cache(maxsize=2**12)(clean)
    return lambda text: (remembered if len(text) <= SHORT_TEXT else clean)(text)


def is_clean(values: Iterable[Any], kinds: tuple[str, ...], user: tuple[str, str] | None) -> bool:
    """Whether nothing in some values is private.

    Short words mostly came before; all others are looked at as one text, and one by one only
    where that holds a hint.
    """
    user_id = user[0] if user else "\n"
    words = list(list_words(values, user_id))
    if user and any(user_id in word for word in words):
        return False
    clean = build_redactor(kinds)
    if any(clean(word) != word for word in words if len(word) <= SHORT_TEXT):
        return False
    rest = [word for word in words if len(word) > SHORT_TEXT]
    hints = detectors.build_screen((*kinds, *detectors.SECRET_KINDS))
    return not hints.suspects("\n".join(rest)) or all(clean(word) == word for word in rest)


def list_words(values: Iterable[Any], user_id: str) -> Iterator[str]:
    """Every text within some values that `Cleaning` would look at, but for those of nobody.

    A name such as `tokens_in` hints at a password, and is none over a number.
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
    """Whether a key says that a password is under it."""
    if len(key) > SHORT_TEXT:
        return detectors.PASSWORDS.search(key) is not None
    return short_key_names_password(key)


@functools.lru_cache(maxsize=2**12)
def short_key_names_password(key: str) -> bool:
    """Whether a short key does."""
    return detectors.PASSWORDS.search(key) is not None


def is_plain_key(key: str) -> bool:
    """Whether a key is a word or two, which alone say nothing."""
    return len(key) <= SHORT_TEXT and is_plain_word(key)


@functools.lru_cache(maxsize=2**12)
def is_plain_word(key: str) -> bool:
    """Whether a key is made of small letters, dots and underscores alone."""
    return key.replace("_", "").replace(".", "").isalpha() and key.isascii() and key.islower()


@functools.lru_cache(maxsize=4096)
def name_without_secrets(text: str) -> str:
    """A short word, such as a model's name, without secrets, nor anybody's address.

    Its digits are versions and dates: no number is looked for. An address in a file's name is
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
    """A text without secrets and any kind of personal data: for words that are nobody's data."""
    return build_redactor(detectors.PII_KINDS)(text)


def redact_answer(text: str | None) -> str | None:
    """What a model said, without secrets and personal data; JSON stays JSON."""
    if not text or redact_all(text) == text:
        return text
    try:
        return json.dumps(Cleaner(redact_all).clean_value(json.loads(text)), ensure_ascii=False)
    except ValueError:
        return redact_all(text)


@dataclass
class Cleaner:
    """One value being cleaned: what its texts are put through, and what was taken out."""

    clean: Callable[[str], str]
    user: tuple[str, str] | None = None
    """A user id to take out of texts, and what stands for it."""
    counts: Counter[str] = field(default_factory=Counter)

    def clean_text(self, value: str) -> str:
        """A text without what it should not have."""
        if self.user and self.user[0] in value:
            value = value.replace(*self.user)
            self.counts[USER_ID] += 1
        if len(value) <= SHORT_TEXT and IMPERSONAL.fullmatch(value):
            return value
        done = self.clean(value)
        if done is not value and done != value:
            before = Counter(detectors.MARK.findall(value))
            self.counts += Counter(detectors.MARK.findall(done)) - before
        return done

    def clean_value(self, value: Any) -> Any:
        """Any JSON value with every text in it cleaned."""
        if isinstance(value, str):
            return self.clean_text(value)
        if isinstance(value, dict):
            return {
                self.clean_text(key): self.clean_entry(key, item) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return type(value)(self.clean_value(item) for item in value)
        return value

    def clean_entry(self, key: str, item: Any) -> Any:
        """A value under its key: what is called a password is read as one."""
        if isinstance(item, str) and names_password(key):
            said = self.clean_text(f"{key}={item}")
            if said.startswith(f"{key}="):
                return said[len(key) + 1 :]
        return self.clean_value(item)


@dataclass(frozen=True)
class PrivacyFilter:
    """What every row passes before it rests: ids hashed, texts redacted, the forgotten refused."""

    catalog: Catalog
    key: bytes
    erased: Tombstones = field(default_factory=Tombstones)
    remembered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The kinds that applications redacted when their files could last be read."""

    @classmethod
    def load(cls, lake: Lake, catalog: Catalog) -> PrivacyFilter:
        """The door of a home, with its key."""
        kinds = {app: spec.redact for app, spec in catalog.apps.items()}
        return cls(catalog, user_key(lake), read_tombstones(lake), remember_kinds(lake, kinds))

    def redacted_kinds(self, app: str) -> tuple[str, ...]:
        """The kinds of personal data an application redacts; every kind, where nobody knows."""
        broken = self.catalog.broken.get(app)
        if broken is None:
            return self.catalog.app(app).redact
        known = self.remembered.get(app) if broken.redact is None else broken.redact
        return detectors.PII_KINDS if known is None else known

    def filter_row(self, row: Trace | Refusal) -> Trace | Refusal:
        """What an importer read, as it may rest."""
        return self.filter_refusal(row) if isinstance(row, Refusal) else self.filter_trace(row)

    def filter_trace(self, trace: Trace) -> Trace | Refusal:
        """The trace as it may rest, or its refusal where it may not.

        A content hash is keyed too: it was made of the text before redaction, which could
        otherwise be guessed from it.
        """
        user = self.hash_user(trace.user_id)
        trace_id = self.hash_identity(trace.trace_id)
        if refused := self.find_refusal(trace, trace_id, user):
            return refused
        changed = self.clean_texts(trace, find_replacement(trace.user_id, user))
        for name in NAMES:
            word = getattr(trace, name)
            changed[name] = name_without_secrets(word) if word else word
        return dataclasses.replace(
            trace,
            **changed,
            trace_id=trace_id,
            user_id=user,
            session_id=trace.session_id and self.hash_identity(trace.session_id),
            content_hash=trace.content_hash and hash_with_key(self.key, trace.content_hash)[:32],
        )

    def clean_texts(self, trace: Trace, user: tuple[str, str] | None) -> dict[str, Any]:
        """The texts of a trace that change, and what was taken out of them."""
        kinds = self.redacted_kinds(trace.app)
        texts = {name: getattr(trace, name) for name in TEXTS}
        if is_clean(texts.values(), kinds, user):
            return {}
        work = Cleaner(build_redactor(kinds), user)
        changed = {name: work.clean_value(value) for name, value in texts.items()}
        if work.counts:
            changed["metadata"] = add_counts(changed["metadata"], work.counts)
        return changed

    def hash_user(self, user_id: str | None) -> str | None:
        """The hashed id of a user: the same user, the same hash, and no way back."""
        if not user_id or HASHED.fullmatch(user_id):
            return user_id or None
        return USER_PREFIX + hash_with_key(self.key, user_id)[:24]

    def hash_identity(self, text: str) -> str:
        """An id as it is, or hashed where it is itself somebody's address or a secret."""
        personal = PERSONAL.search(text) and redact_all(text) != text
        if personal or (detectors.may_be_key(text) and build_redactor(())(text) != text):
            return f"id-{hash_with_key(self.key, text)[:24]}"
        return text

    def filter_label(self, label: Label, app: str | None) -> Label | None:
        """The label as it may rest, or None where its trace was forgotten.

        Where the application is not known the verdict is cleaned only of what every application
        takes out, the critique of what any does.
        """
        trace_id = self.hash_identity(label.subject_id)
        if self.is_forgotten(trace_id):
            return None
        common, some = self.kinds(app)
        return dataclasses.replace(
            label,
            subject_id=trace_id,
            annotator=self.hash_identity(label.annotator),
            dimension=name_without_secrets(label.dimension),
            verdict=Cleaner(build_redactor(common)).clean_value(label.verdict),
            critique=build_redactor(some if app else some or detectors.PII_KINDS)(label.critique),
        )

    def gold_value(self, gold: GoldValue, app: str | None) -> GoldValue | None:
        """The gold value as it may rest, cleaned as the output it is compared with is."""
        trace_id = self.hash_identity(gold.subject_id)
        if self.is_forgotten(trace_id):
            return None
        return dataclasses.replace(
            gold,
            subject_id=trace_id,
            dimension=name_without_secrets(gold.dimension),
            value=Cleaner(build_redactor(self.kinds(app)[0])).clean_value(gold.value),
            source=name_without_secrets(gold.source),
        )

    def kinds(self, app: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The kinds of personal data that all of some applications take out, and that any does."""
        declared = [app] if app else [*self.catalog.apps, *self.catalog.broken]
        every = [self.redacted_kinds(name) for name in declared]
        some = tuple(dict.fromkeys(kind for kinds in every for kind in kinds))
        return tuple(kind for kind in some if all(kind in kinds for kinds in every)), some

    def filter_refusal(self, row: Refusal) -> Refusal:
        """A refused row: its bytes stay as found, what is shown of it says nothing personal."""
        trace_id = row.trace_id and self.hash_identity(row.trace_id)
        named = {"trace_id": trace_id, "source_file": name_without_secrets(row.source_file)}
        return dataclasses.replace(row, reason=redact_all(row.reason), **named)

    def find_refusal(self, trace: Trace, trace_id: str, user: str | None) -> Refusal | None:
        """The refusal of a trace that was forgotten, or whose night has gone; nothing is kept."""
        about = (trace.source_file, trace.source_line)
        until = self.erased.users.get(user) if user else None
        if self.is_forgotten(trace_id) or (until and trace.ts <= until):
            reason = "This trace was forgotten at someone's wish; it is not taken in again."
            return Refusal(*about, "forgotten", reason, b"")
        night = (trace.ts - timedelta(hours=self.catalog.day_begins)).date()
        if night in self.erased.nights:
            reason = "Its night is older than `retention.traces_days` and is closed; leave it out."
            return Refusal(*about, "expired", reason, b"")
        return None

    def is_forgotten(self, trace_id: str) -> bool:
        """Whether a trace was forgotten."""
        return bool(self.erased.traces) and hash_tombstone(self.key, trace_id) in self.erased.traces


def hash_tombstone(key: bytes, trace_id: str) -> str:
    """What is remembered of a forgotten trace's id."""
    return hash_with_key(key, f"forgotten {trace_id}")[:32]


def find_replacement(user_id: str | None, user: str | None) -> tuple[str, str] | None:
    """The pair to replace in texts, where the id is long and odd enough to be nobody's word."""
    if not user_id or not user or user == user_id or len(user_id) < SHORTEST_USER_ID:
        return None
    odd = "@" in user_id or any(c.isdigit() for c in user_id)
    return (user_id, user) if odd else None


def add_counts(metadata: dict[str, Any], taken: Counter[str]) -> dict[str, Any]:
    """Metadata that says how much of which kind was taken out; a name already there is kept."""
    kept = {f"row.{REDACTED}": metadata[REDACTED]} if REDACTED in metadata else {}
    return {**metadata, **kept, REDACTED: dict(sorted(taken.items()))}
