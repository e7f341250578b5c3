"""Redacts texts and hashes user ids on import; refuses traces that were erased.

How personal data is detected is `detectors`'; erasing stored data is `erasure`'s.
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
from typing import NamedTuple, TypeAlias

from evals.privacy import detectors
from evals.records import GoldValue, Json, Label, Refusal, Trace
from evals.specs import Catalog
from evals.storage.documents.redacted_kinds import add_kinds
from evals.storage.documents.tombstones import Tombstones, read_tombstones
from evals.storage.documents.user_key import read_key_check, read_or_make_key, write_key_check
from evals.storage.lake import Lake, LakeError

KEY_VARIABLE = "ANDON_USER_KEY"
USER_PREFIX = "user-"
"""The prefix of a hashed user id; an id of that form is not hashed again."""
HASHED = re.compile(r"(?:user|id)-[0-9a-f]{24}")
TEXTS = (
    "input", "output", "context", "messages", "steps", "feedback", "metadata", "tags", "params",
    "versions",
)  # fmt: skip
NAMES = (
    "model_requested", "model", "provider", "prompt_name", "prompt_version", "prompt_hash",
    "git_commit", "finish_reason", "source_file",
)  # fmt: skip
"""Fields of few distinct values: checked once each, for secrets and e-mail addresses only."""
PERSONAL = re.compile(r"@|^\+?\(?\d[\d ().-]{6,}$|^[A-Z]{2}\d{2}[A-Z0-9 ]{11,}$")
IMPERSONAL = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?"
    r"|(?=\d*[a-f])[0-9a-f]{16}(?:[0-9a-f]{16})?"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.ASCII,
)
"""Timestamps and random tracing ids: their digits are not personal data."""
SHORT_TEXT = 64
"""Texts up to this length may be a timestamp or an id; they are cached, since most repeat."""
SUFFIXES = 3
"""How many suffixes a file name may have, as `.jsonl.gz` has two."""
SHORTEST_USER_ID = 8
"""A user id at least this long, with a digit or an @, is also replaced in the trace's texts."""
REDACTED = "redactions"
"""The metadata key that holds the number of redactions in a trace, by kind."""
USER_ID = "user-id"
"""The kind of a user's own id, found in the trace's texts."""
FieldValue: TypeAlias = Json | tuple[Json, ...]
"""The value of a trace's text field."""


class UserReplacement(NamedTuple):
    """A user id to replace in texts."""

    user_id: str
    hashed: str


def load_user_key(lake: Lake) -> bytes:
    """Returns the home's key for hashing ids: the environment's, or one created in the home once.

    Raises:
        LakeError: the environment's key is not the one the home's ids were hashed with.
    """
    given = os.environ.get(KEY_VARIABLE)
    key = given.encode() if given else read_or_make_key(lake)
    known = read_key_check(lake)
    mark = hash_with_key(key, "which key is this")[:16]
    if known is None:
        write_key_check(lake, mark)
    elif known != mark:
        raise LakeError(
            f"{lake.store.locate('.')} was begun with another key for user ids; set {KEY_VARIABLE} "
            "to that one, or unset it to use the file `user_key` there"
        )
    return key


def hash_with_key(key: bytes, text: str) -> str:
    """Returns a text's HMAC-SHA-256 in hex."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


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
    words = list(list_words(values, user_id))
    if user and any(user_id in word for word in words):
        return False
    clean = build_redactor(kinds)
    if any(clean(word) != word for word in words if len(word) <= SHORT_TEXT):
        return False
    rest = [word for word in words if len(word) > SHORT_TEXT]
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


@dataclass(frozen=True)
class PrivacyFilter:
    """The filter of every imported row: hashes ids, redacts texts, refuses erased traces."""

    catalog: Catalog
    key: bytes
    erased: Tombstones = field(default_factory=Tombstones)
    remembered: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The kinds that each application redacted when its catalog file was last valid."""

    @classmethod
    def load(cls, lake: Lake, catalog: Catalog) -> PrivacyFilter:
        """Loads the filter of a home, with its key and tombstones."""
        kinds = {app: spec.redact for app, spec in catalog.apps.items()}
        return cls(catalog, load_user_key(lake), read_tombstones(lake), add_kinds(lake, kinds))

    def list_redacted_kinds(self, app: str) -> tuple[str, ...]:
        """Lists the kinds of personal data an application redacts; if unknown, all."""
        broken = self.catalog.broken.get(app)
        if broken is None:
            return self.catalog.app(app).redact
        known = self.remembered.get(app) if broken.redact is None else broken.redact
        return detectors.PII_KINDS if known is None else known

    def filter_row(self, row: Trace | Refusal) -> Trace | Refusal:
        """Filters a row an importer read, so that it may be stored."""
        return self.filter_refusal(row) if isinstance(row, Refusal) else self.filter_trace(row)

    def filter_trace(self, trace: Trace) -> Trace | Refusal:
        """Redacts a trace, or returns its refusal if it was erased."""
        user = self.hash_user(trace.user_id)
        trace_id = self.hash_identity(trace.trace_id)
        if refused := self.find_refusal(trace, trace_id, user):
            return refused
        changed = self.redact_texts(trace, find_replacement(trace.user_id, user))
        for name in NAMES:
            word = getattr(trace, name)
            changed[name] = name_without_secrets(word) if word else word
        return dataclasses.replace(
            trace,
            **changed,
            trace_id=trace_id,
            user_id=user,
            session_id=trace.session_id and self.hash_identity(trace.session_id),
        )

    def redact_texts(self, trace: Trace, user: UserReplacement | None) -> dict[str, FieldValue]:
        """Returns a trace's redacted fields, with the counts in its metadata; {} if clean."""
        kinds = self.list_redacted_kinds(trace.app)
        texts: dict[str, FieldValue] = {name: getattr(trace, name) for name in TEXTS}
        if is_clean(texts.values(), kinds, user):
            return {}
        work = Redaction(build_redactor(kinds), user)
        changed = {name: work.redact_field(value) for name, value in texts.items()}
        metadata = changed["metadata"]
        if work.counts and isinstance(metadata, dict):
            changed["metadata"] = add_counts(metadata, work.counts)
        return changed

    def hash_user(self, user_id: str | None) -> str | None:
        """Returns a user's hashed id; None without a user."""
        if not user_id or HASHED.fullmatch(user_id):
            return user_id or None
        return USER_PREFIX + hash_with_key(self.key, user_id)[:24]

    def hash_identity(self, text: str) -> str:
        """Returns an id, hashed where it is itself personal data or a secret."""
        personal = PERSONAL.search(text) and redact_all(text) != text
        if personal or (detectors.may_be_key(text) and build_redactor(())(text) != text):
            return f"id-{hash_with_key(self.key, text)[:24]}"
        return text

    def filter_label(self, label: Label, app: str | None) -> Label | None:
        """Redacts a label; None if its trace was erased.

        Without a known application, the verdict is redacted of the kinds that all applications
        redact, the critique of those that any does.
        """
        trace_id = self.hash_identity(label.subject_id)
        if self.is_forgotten(trace_id):
            return None
        common, some = self.combine_kinds(app)
        return dataclasses.replace(
            label,
            subject_id=trace_id,
            annotator=self.hash_identity(label.annotator),
            dimension=name_without_secrets(label.dimension),
            verdict=Redaction(build_redactor(common)).redact_value(label.verdict),
            critique=build_redactor(some if app else some or detectors.PII_KINDS)(label.critique),
        )

    def filter_gold_value(self, gold: GoldValue, app: str | None) -> GoldValue | None:
        """Redacts a gold value as the output it is compared with; None if its trace was erased."""
        trace_id = self.hash_identity(gold.subject_id)
        if self.is_forgotten(trace_id):
            return None
        return dataclasses.replace(
            gold,
            subject_id=trace_id,
            dimension=name_without_secrets(gold.dimension),
            value=Redaction(build_redactor(self.combine_kinds(app)[0])).redact_value(gold.value),
            source=name_without_secrets(gold.source),
        )

    def combine_kinds(self, app: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Returns the kinds that every application redacts and those that any of them does."""
        declared = [app] if app else [*self.catalog.apps, *self.catalog.broken]
        every = [self.list_redacted_kinds(name) for name in declared]
        some = tuple(dict.fromkeys(kind for kinds in every for kind in kinds))
        return tuple(kind for kind in some if all(kind in kinds for kinds in every)), some

    def filter_refusal(self, row: Refusal) -> Refusal:
        """Redacts what is shown of a refused row; its bytes stay as they are."""
        trace_id = row.trace_id and self.hash_identity(row.trace_id)
        return dataclasses.replace(
            row,
            reason=redact_all(row.reason),
            trace_id=trace_id,
            source_file=name_without_secrets(row.source_file),
        )

    def find_refusal(self, trace: Trace, trace_id: str, user: str | None) -> Refusal | None:
        """Returns the refusal, without its bytes, of an erased trace or one of a deleted night."""
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
        """Whether a trace was erased."""
        return bool(self.erased.traces) and hash_tombstone(self.key, trace_id) in self.erased.traces


def hash_tombstone(key: bytes, trace_id: str) -> str:
    """Returns the tombstone of an erased trace's id."""
    return hash_with_key(key, f"forgotten {trace_id}")[:32]


def find_replacement(user_id: str | None, user: str | None) -> UserReplacement | None:
    """Returns the user id to replace in texts; None if it may be an ordinary word."""
    if not user_id or not user or user == user_id or len(user_id) < SHORTEST_USER_ID:
        return None
    odd = "@" in user_id or any(c.isdigit() for c in user_id)
    return UserReplacement(user_id, user) if odd else None


def add_counts(metadata: dict[str, Json], counts: Counter[str]) -> dict[str, Json]:
    """Adds the redactions of each kind to metadata; renames the row's own entry of that name."""
    renamed = {f"row.{REDACTED}": metadata[REDACTED]} if REDACTED in metadata else {}
    return {**metadata, **renamed, REDACTED: dict[str, Json](sorted(counts.items()))}
