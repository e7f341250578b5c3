"""Checks of texts that need no right answer: personal data, secrets and the language.

A guardrail names one with its policy, a suite as an assertion. Detectors are in `evals.privacy`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from evals.evaluators import languages
from evals.evaluators.code_checks import Examples, Fields, Params, Result, text_check
from evals.evaluators.language_detection import MAX_READ, count_letters, join_prose, load_detector
from evals.privacy.detectors import PII_KINDS, SECRET_KINDS, build_redactor, find_all
from evals.records import Json, Outcome, Skip
from evals.specs import App


class Kinds(Params):
    """Params of `pii` and `secrets`."""

    known: ClassVar[tuple[str, ...]]
    """The kinds that the check can detect."""
    kinds: tuple[str, ...] = ()

    @field_validator("kinds")
    @classmethod
    def check_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Accepts only kinds that have a detector; none means all."""
        unknown = [kind for kind in kinds if kind not in cls.known]
        if unknown:
            raise ValueError(f"no kind {unknown[0]!r}; known: {', '.join(cls.known)}")
        return kinds or cls.known

    def chosen_kinds(self) -> tuple[str, ...]:
        """Returns the kinds to detect."""
        return self.kinds or self.known


class Pii(Kinds):
    """Params of `pii`."""

    known = PII_KINDS


class Secrets(Kinds):
    """Params of `secrets`."""

    known = SECRET_KINDS


class Language(Params):
    """Params of `language`."""

    expected: tuple[str, ...] = Field(
        default=(),
        description="languages by code or name (`en`, `en-US`, `English`); empty: skipped",
    )
    letters: int = Field(default=20, ge=1, description="shorter texts are skipped")
    confidence: float = Field(default=0.5, ge=0, le=1, description="below it the check is unsure")

    @field_validator("expected", mode="before")
    @classmethod
    def accept_one(cls, value: object) -> object:
        """Accepts one code in place of a list."""
        return (value,) if isinstance(value, str) else value

    @field_validator("expected")
    @classmethod
    def check_expected(cls, expected: tuple[str, ...]) -> tuple[str, ...]:
        """Accepts only languages that can be detected, each by the detector's code."""
        return tuple(dict.fromkeys(map(languages.read_language, expected)))


def redact_kinds(text: str, params: Kinds) -> str:
    """Replaces everything detected in a text by a mark."""
    return build_redactor(params.chosen_kinds())(text)


def find_kinds(fields: Fields, kinds: tuple[str, ...]) -> Outcome:
    """Passes where nothing is detected; the explanation names kind and place, never the value."""
    findings = [
        (name, finding) for name, text in fields.items() for finding in find_all(text, kinds)
    ]
    places = [f"{f.kind} in {name} at {f.start}–{f.end}" for name, f in findings[:5]]
    more = f" and {len(findings) - 5} more" if len(findings) > 5 else ""
    return Outcome(not findings, float(len(findings)), ", ".join(places) + more)


@text_check(
    "pii",
    behaviour=1,
    params=Pii,
    redact=redact_kinds,
    examples=Examples(
        passes={"output": "Write to our help desk."},
        fails={"output": "Write to ann@example.com."},
    ),
)
def pii(fields: Fields, params: Pii) -> Result:
    """No e-mail address, card, account, social security or phone number, or IP address."""
    return find_kinds(fields, params.chosen_kinds())


@text_check(
    "secrets",
    behaviour=2,
    params=Secrets,
    redact=redact_kinds,
    examples=Examples(
        passes={"output": "Set your key in the environment."},
        fails={"output": "Use the key AKIAIOSFODNN7EXAMPLQ."},
    ),
)
def secrets(fields: Fields, params: Secrets) -> Result:
    """No key, token or password."""
    return find_kinds(fields, params.chosen_kinds())


def expected_language(app: App) -> dict[str, Json]:
    """Returns the params for the language an application declares."""
    return {"expected": [app.language]} if app.language else {}


@text_check(
    "language",
    behaviour=1,
    params=Language,
    fill=expected_language,
    examples=Examples(
        params={"expected": ["en"]},
        passes={"output": "Your parcel arrives on Friday in the afternoon."},
        fails={"output": "Ihr Paket kommt am Freitag im Laufe des Nachmittags an."},
    ),
)
def language(fields: Fields, params: Language) -> Result:
    """The prose is in an expected language; value is the share of it judged to be."""
    if not params.expected:
        return Skip("no-expected-language")
    prose = join_prose(fields.values())[:MAX_READ]
    if count_letters(prose) < params.letters:
        whole = sum(sum(map(str.isalpha, text[:MAX_READ])) for text in fields.values())
        return Skip("not-prose" if whole >= params.letters else "too-short")
    guesses = {g["lang"]: min(float(g["score"]), 1.0) for g in load_detector().detect(prose, k=5)}
    best = max(guesses, key=lambda code: (guesses[code], code))
    if guesses[best] < params.confidence:
        return Skip("unsure")
    right = round(sum(guesses.get(code, 0.0) for code in params.expected), 4)
    if best in params.expected:
        return Outcome(True, right)
    wanted = " or ".join(params.expected)
    return Outcome(False, right, f"reads as {best} ({guesses[best]:.2f}), expected {wanted}")
