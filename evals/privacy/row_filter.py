"""Filters imported rows: redacts texts, hashes user ids, refuses traces that were erased.

How a text is redacted is `redaction`'s; erasing stored data is `erasure`'s.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from evals.privacy import detectors
from evals.privacy.id_hashes import hash_tombstone, hash_with_key, load_user_key
from evals.privacy.redaction import (
    FieldValue,
    Redaction,
    UserReplacement,
    build_redactor,
    is_clean,
    name_without_secrets,
    redact_all,
)
from evals.records import GoldValue, Json, Label, Refusal, Trace
from evals.specs import Catalog
from evals.storage.documents.redacted_kinds import add_kinds
from evals.storage.documents.tombstones import Tombstones, read_tombstones
from evals.storage.lake import Lake

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
SHORTEST_USER_ID = 8
"""A user id at least this long, with a digit or an @, is also replaced in the trace's texts."""
REDACTED = "redactions"
"""The metadata key that holds the number of redactions in a trace, by kind."""


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
        declared = self.remembered.get(app) if broken.redact is None else broken.redact
        return detectors.PII_KINDS if declared is None else declared

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
        redact_words = build_redactor(some if app else some or detectors.PII_KINDS)
        return dataclasses.replace(
            label,
            subject_id=trace_id,
            annotator=self.hash_identity(label.annotator),
            dimension=name_without_secrets(label.dimension),
            verdict=Redaction(build_redactor(common)).redact_value(label.verdict),
            critique=redact_words(label.critique),
            tags=tuple(map(redact_words, label.tags)),
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
