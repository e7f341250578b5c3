"""The nouns of the domain: frozen records, and the canonical form in which they are hashed.

No behaviour lives here; the code that builds a record decides what is in it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol, TypeAlias, cast

import orjson

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
"""A value as a JSON parser returns it: narrow it with `type(value) is dict` or `is list`."""

JsonLike: TypeAlias = (
    bool | int | float | str | Sequence["JsonLike"] | Mapping[str, "JsonLike"] | None
)
"""A value that can be written as JSON: tuples, typed records and read-only mappings included."""

Kind: TypeAlias = str
"""`assertion`, `reference`, `judge`, `guardrail`, a kind of a team's own, or `recorded`: a verdict
someone else gave, found in the data."""

Subject = Literal["trace", "session", "pair"]
"""What a score or a label is about: one trace, a whole session, or two answers side by side."""

Origin = Literal["production", "replay", "experiment", "anchor"]
"""Why something was scored or labelled; production figures count `production` alone."""

Verdict = Literal["pass", "fail"]

Status = Literal["scored", "error", "skipped"]
"""Failed, skipped and zero are three things: only a `scored` row has a verdict."""

AnswerStatus = Literal["ok", "error", "timeout", "cut_off", "empty", "filtered"]
"""How a request ended: `ok` where it was answered; `cut_off` by a limit of tokens and `filtered` by
a content filter may have a text; `empty`: it ended well and answered nothing."""

AnnotatorKind = Literal["human", "adjudicated", "judge", "rule"]

LabelStatus = Literal["given", "deferred", "withdrawn"]
"""Whether a label is a vote. A person who defers gives none, and one who withdraws a label takes
it back: what it had replaced is current again."""


def encode_canonical(value: JsonLike) -> bytes:
    """Encodes a value as canonical JSON: sorted keys, no spaces, UTF-8, no NaN.

    Uses orjson, which is five times faster, where its output is the same.
    """
    if type(value) in (dict, list, tuple):
        if not value:
            return b"{}" if type(value) is dict else b"[]"
        with contextlib.suppress(TypeError):  # half a surrogate pair, a key that is no text
            text = orjson.dumps(value, option=CANONICAL_OPTIONS)
            if b"null" not in text and not compile_exponents().search(text):  # NaN would be null
                return text
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def encode_each(values: Sequence[JsonLike]) -> list[bytes]:
    """Encodes many values as canonical JSON; checks all together for floats."""
    try:
        texts = [orjson.dumps(value, option=CANONICAL_OPTIONS) for value in values]
    except TypeError:
        return list(map(encode_canonical, values))
    together = b"\n".join(texts)
    if b"null" in together or compile_exponents().search(together):
        return list(map(encode_canonical, values))
    return texts


CANONICAL_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


class BytesPattern(Protocol):
    """A compiled pattern."""

    def search(self, text: bytes, /) -> object | None:
        """The first match, or None."""
        ...


@functools.cache
def compile_exponents() -> BytesPattern:
    """Compiles the pattern of floats that orjson and Python may write differently."""
    import re2  # pyright: ignore[reportMissingTypeStubs]

    pattern = rb"[:,\[]-?(?:0\.0000|\d+(?:\.\d+)?e)"
    compiled = re2.compile(pattern)  # pyright: ignore[reportUnknownMemberType]
    return cast("BytesPattern", compiled)


def digest(value: JsonLike, length: int = 16) -> str:
    """The first `length` hex digits of the SHA-256 of a value's canonical form."""
    return hashlib.sha256(encode_canonical(value)).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class Trace:
    """One request to an application with all its steps."""

    trace_id: str
    ts: datetime
    """When the request began, in UTC."""
    app: str
    output: str
    """What the application answered; empty when it answered nothing."""
    input: str = ""
    """What the user asked."""
    session_id: str | None = None
    user_id: str | None = None
    messages: tuple[Json, ...] = ()
    """The chat as sent, oldest first: dicts with `role` and `content`."""
    context: str | None = None
    """The passages or document the answer should rest on."""
    steps: tuple[Json, ...] = ()
    """Tool calls, retrievals, models' calls and what else was done, in order: dicts of a `kind`."""
    model_requested: str | None = None
    model: str | None = None
    """The model that answered."""
    provider: str | None = None
    params: dict[str, Json] = field(default_factory=dict[str, Json])
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None
    git_commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])
    """Retriever, index, tools, flags: each a possible cause of a change."""
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    latency_ms: float | None = None
    cost_usd: float | None = None
    feedback: tuple[Json, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: dict[str, Json] = field(default_factory=dict[str, Json])
    source_format: str = ""
    source_file: str = ""
    source_line: int = 0
    content_hash: str = ""
    """Hash of everything but where it was read from: two equal traces are one."""
    turn: int | None = None
    """Which turn of its session, from 1, set at validation; null where the session has only one."""
    status: AnswerStatus = "ok"
    """How the request ended, derived at import; `ok` in traces imported before it was."""

    @property
    def has_answer(self) -> bool:
        """Whether there is an answer to evaluate: of one that was cut off, what was delivered."""
        if self.status in ("cut_off", "filtered"):
            return bool(self.output.strip())
        return self.status == "ok"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that did not become a trace, stored so that it can be replayed."""

    source_file: str
    source_line: int
    """1-based; 0 when the file itself could not be read."""
    code: str
    """A short stable word, such as `not-json` or `no-timestamp`."""
    reason: str
    """One sentence: what was expected and what to do."""
    raw: bytes
    """The row's first 64 KiB, unchanged."""
    app: str | None = None
    night: date | None = None
    trace_id: str | None = None
    file_sha: str = ""
    """The beginning of its file's SHA-256, which identifies the file."""


@dataclass(frozen=True, slots=True)
class NonAnswer:
    """A row of a log that is no answer by its kind, such as an embedding: counted, not stored."""

    source_line: int
    """The row of the file, from 1."""
    kind: str
    """What it is, in lower case: `embedding`, `image`, `entry without text`."""


@dataclass(frozen=True, slots=True)
class LastTurn:
    """The last turn of a session."""

    trace_id: str
    session_id: str
    """The trace's own id where it has no session."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluator found in one trace."""

    passed: bool
    value: float | None = None
    """A graded score beside the verdict, where there is one: a probability, a share, a count."""
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An evaluator gave no verdict. Never a score."""

    code: str
    """A short stable word, such as `timeout` or `no-gold`."""
    message: str = ""
    retryable: bool = False
    """Whether another run may succeed."""


@dataclass(frozen=True, slots=True)
class Skip:
    """An evaluator did not apply, or its model was unavailable."""

    reason: str
    """A short stable word, such as `no-gold`, `no-model` or `budget`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One paid answer of a model: one row per content × answer_version."""

    content_key: str
    answer_version: str
    evaluator: str
    night: date
    """The night that paid for it."""
    app: str
    text: str | None
    """The model's answer; null when the call failed."""
    probability: float | None
    """P(yes) from token probabilities, where requested."""
    code: str | None
    """Why there is no text: an error code, or null."""
    retryable: bool
    attempts: int
    model: str
    """The model as pinned."""
    model_answered: str | None
    fingerprint: str | None
    created: int | None
    """Unix seconds, as the provider reports them."""
    tokens_in: int
    tokens_out: int
    cost_usd: float
    tokens_cached: int = 0
    """Those of `tokens_in` the provider had cached, and charged less for."""
    finish: str | None = None
    """Why the text ended, in the provider's word."""
    temperature: float | None = None
    """As it was sent; null where the model takes none, or nothing was answered."""
    seed: int | None = None
    chars: int = 0
    """Characters sent: with `tokens_in` they predict what the next question costs."""
    batch: str | None = None
    """The batch it came from, at a batch's price; null: it was asked live."""
    route: str = ""
    """A digest of the pin's settings when it was asked, see `Evaluator.route`; empty: unknown."""
    cost_is_bound: bool = False
    """Whether `cost_usd` is the most it may have cost, since the provider reported no usage."""


@dataclass(frozen=True, slots=True)
class Score:
    """One row per subject × evaluator_version."""

    trace_id: str
    night: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    kind: Kind
    status: Status
    verdict: Verdict | None
    value: float | None
    explanation: str
    code: str | None
    """The error's code or the reason it was skipped."""
    retryable: bool = False
    content_key: str | None = None
    """Joins the answer it was derived from; null for evaluators that make no call."""
    answer_version: str | None = None
    inclusion: float = 1.0
    """The probability with which its subject came into the sample."""
    subject: Subject = "trace"
    subject_id: str | None = None
    """Of a session or a pair, whose `trace_id` is its last trace's; null: the trace itself."""
    origin: Origin = "production"


@dataclass(frozen=True, slots=True)
class Label:
    """What a person, a recorded judge or a rule judged of one subject on one dimension."""

    subject_id: str
    """The trace's id, or the session's or pair's."""
    dimension: str
    verdict: Json
    """In the annotator's own vocabulary; the suite maps it to pass and fail."""
    annotator: str
    annotator_kind: AnnotatorKind
    critique: str = ""
    """Why, in the annotator's words."""
    answer: str = ""
    """Digest of the answer it was given for; empty: any answer of the trace."""
    subject: Subject = "trace"
    origin: Origin = "production"
    rubric_version: str | None = None
    """Which wording of the question was answered; null: not recorded."""
    time: datetime | None = None
    """When it was given, in UTC; null: not recorded."""
    seconds_spent: float | None = None
    sampling_probability: float | None = None
    """The probability with which its subject was sampled; null: picked by hand, or not recorded."""
    supersedes: str | None = None
    """The id of the label it replaces."""
    tags: tuple[str, ...] = ()
    """What went wrong, in the words of the team's taxonomy."""
    status: LabelStatus = "given"
    id: str = ""
    """Names it; the label store derives it from the content where it is empty."""


@dataclass(frozen=True, slots=True)
class GoldValue:
    """The right answer of one subject on one dimension, which answers are compared with."""

    subject_id: str
    dimension: str
    value: Json
    source: str = ""
    """Where it comes from, such as the file that brought it."""
    subject: Subject = "trace"


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """What a guardrail's score means under its policy: an action, or none."""

    trace_id: str
    night: date
    app: str
    guardrail: str
    evaluator_version: str
    tripped: bool
    action: str
    severity: str
    explanation: str
    subject: Subject = "trace"
    subject_id: str | None = None
    """Of a session or a pair; null: the trace itself."""
    origin: Origin = "production"
