"""Checks by code: a named pure function of a subject and its params.

A team writes its own with `check` or `text_check`; the shipped ones are in
`checks/` and `text_checks`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import Field, field_validator

from evals.evaluators import comparisons, sql
from evals.evaluators.comparisons import Comparison, UnreadableJson
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import (
    NO_GOLD,
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    Finding,
    Params,
    Result,
    WrongDeclaration,
    own_params,
    params_problem,
)
from evals.records import Failure, Json, JsonLike, Trace, digest
from evals.specs import App, Evaluator, TraceField

__all__ = [
    "NO_GOLD", "CodeCheck", "Examples", "Fields", "JsonParams", "Params", "Result", "SqlParams",
    "TextCheck", "check", "quoted", "text_check",
]  # fmt: skip

P = TypeVar("P", bound=Params)
NO_TIME = datetime.fromtimestamp(0, UTC)
Fields = Mapping[str, str]
"""The texts a text check reads, by field: `input`, `context`, `output`, `steps`, `messages`."""


@dataclass(frozen=True)
class Examples:
    """Two small traces, one that passes a check and one that fails it: documentation and test."""

    passes: Mapping[str, JsonLike]
    """The fields of a trace by name."""
    fails: Mapping[str, JsonLike]
    params: Mapping[str, JsonLike] = field(default_factory=dict[str, JsonLike])
    """As a suite writes them."""
    gold: JsonLike = None

    def traces(self) -> tuple[Trace, Trace]:
        """Returns the two as traces."""
        return build_example(self.passes), build_example(self.fails)


def build_example(fields: Mapping[str, JsonLike]) -> Trace:
    """Builds a trace of some of its fields."""
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    return Trace(**{"trace_id": "example", "ts": NO_TIME, "app": "app", "output": "", **values})  # pyright: ignore[reportArgumentType]  names are checked at call


@dataclass(frozen=True)
class CodeCheck(EvaluatorByCode, Generic[P]):
    """A check that is a function of a trace, its params and gold."""

    name: str
    function: Callable[..., Result]
    params: type[P]  # pyright: ignore[reportIncompatibleVariableOverride]  it is frozen
    behaviour: int
    kind: str = "assertion"
    reads: tuple[TraceField, ...] = ("output",)
    needs_gold: bool = False
    needs_alignment: bool = False
    evaluates_unanswered: bool = False
    weak: str = ""
    examples: Examples | None = None
    compare_parts: Callable[[Trace, Any, Json], Comparison | None] | None = None

    def describe(self) -> str:
        """Returns the first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    def default_params(self, app: App) -> dict[str, Json]:
        """Returns the params that the application's own settings fill in."""
        return {}

    def check_reads(self, declared: Declaration) -> tuple[TraceField, ...]:
        """Returns the fields it reads; a guardrail cannot choose others."""
        if declared.reads not in (None, self.reads):
            fields = ", ".join(self.reads)
            raise WrongDeclaration(("reads",), f"`{self.name}` always reads {fields}; leave it out")
        return self.reads

    def check_params(self, params: Mapping[str, Json]) -> str | None:
        """Returns what is wrong with params, naming the key, or None."""
        problem = params_problem(self.params, params)
        return str(problem) if problem else None

    def configure(self, declared: Declaration) -> Configuration:
        """Checks the params and hashes them as they were declared."""
        params = {**self.default_params(declared.app), **declared.params}
        parts = {
            "check": self.name,
            "behaviour": str(self.behaviour),
            "params": digest(params),
        }
        return Configuration(self.check_reads(declared), parts, params)

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Reads the params once, and gold for each trace."""
        params = self.params.model_validate(own_params(evaluator))

        def evaluate_one(trace: Trace) -> tuple[Finding]:
            gold = references.gold_for(evaluator, trace)
            return (Finding(self.call(trace, params, gold, evaluator.reads)),)

        return evaluate_one

    def compare(
        self, evaluator: Evaluator, references: GoldAndLabels
    ) -> Callable[[Trace], Comparison | None] | None:
        """Returns the function that counts part by part, where the check has parts."""
        count = self.compare_parts
        if count is None:
            return None
        params = self.params.model_validate(own_params(evaluator))
        return lambda trace: count(trace, params, references.gold_for(evaluator, trace))

    def call(self, trace: Trace, params: P, gold: Json, reads: tuple[TraceField, ...]) -> Result:
        """Calls the function on one trace."""
        return self.function(trace, params, gold)

    def run(
        self,
        trace: Trace,
        params: Mapping[str, Json],
        gold: Json = None,
        reads: tuple[TraceField, ...] | None = None,
    ) -> Result:
        """Returns the result on one trace, with params as a suite writes them."""
        return self.call(trace, self.params.model_validate(dict(params)), gold, reads or self.reads)


@dataclass(frozen=True)
class TextCheck(CodeCheck[P]):
    """A check of the texts in the fields a guardrail names; its errors never repeat a text."""

    redact_text: Callable[[str, P], str] | None = None
    """Removes what makes a text fail; None where a check is about the text as a whole."""
    fill: Callable[[App], dict[str, Json]] | None = None

    def default_params(self, app: App) -> dict[str, Json]:
        """Returns the params that the application's own settings fill in."""
        return self.fill(app) if self.fill else {}

    def check_reads(self, declared: Declaration) -> tuple[TraceField, ...]:
        """Returns the fields a guardrail names."""
        return declared.reads or self.reads

    def call(self, trace: Trace, params: P, gold: Json, reads: tuple[TraceField, ...]) -> Result:
        """Calls the function on the fields of a trace."""
        return self.call_on_texts(fields_of(trace, reads), params)

    def call_on_texts(self, texts: Fields, params: P) -> Result:
        """Calls the function on some texts; a Failure names only the error's type."""
        try:
            return self.function(texts, params)
        except Exception as error:
            return Failure("check-error", f"{self.name}: {type(error).__name__}")

    def redact(self, text: str, params: Mapping[str, Json]) -> str | None:
        """Returns a text without what makes it fail."""
        return self.redact_text and self.redact_text(text, self.params.model_validate(params))

    def can_redact(self) -> bool:
        """Whether what makes a text fail can be removed from it."""
        return self.redact_text is not None


def fields_of(trace: Trace, reads: tuple[TraceField, ...]) -> dict[str, str]:
    """Returns the texts of a trace by field; lists as JSON, absent fields left out."""
    texts: dict[str, str] = {}
    for name in reads:
        value = getattr(trace, name)
        if isinstance(value, str):
            texts[name] = value
        elif value:
            texts[name] = json.dumps(value, ensure_ascii=False, default=str)
    return texts


def check(
    name: str,
    *,
    behaviour: int,
    params: type[P] = Params,
    kind: str = "assertion",
    reads: tuple[TraceField, ...] = ("output",),
    needs_gold: bool = False,
    needs_alignment: bool = False,
    evaluates_unanswered: bool = False,
    weak: str = "",
    examples: Examples | None = None,
    compare: Callable[[Trace, P, Json], Comparison | None] | None = None,
) -> Callable[[Callable[[Trace, P, Json], Result]], CodeCheck[P]]:
    """Turns a function of a trace, its params and gold into an evaluator.

    Args:
        name: what a suite writes under the kind's key.
        behaviour: raised whenever the same trace, params and gold would get another verdict.
        params: what a suite may set.
        kind: the key under `check:` in a suite; a new word is a new kind.
        reads: the columns of a trace it looks at.
        needs_gold: whether it skips a trace without gold.
        needs_alignment: whether people have to agree with it before it may decide a night.
        evaluates_unanswered: whether it evaluates traces without an answer too.
        weak: why its verdict is a weak signal; empty where it is not.
        examples: a trace that passes and one that fails, for the documentation.
        compare: counts what is right and wrong, part by part; None for a trace without gold.
    """

    def make(function: Callable[[Trace, P, Json], Result]) -> CodeCheck[P]:
        return CodeCheck(
            name,
            function,
            params,
            behaviour,
            kind,
            reads,
            needs_gold,
            needs_alignment,
            evaluates_unanswered,
            weak,
            examples,
            compare,
        )

    return make


def text_check(
    name: str,
    *,
    behaviour: int,
    params: type[P] = Params,
    redact: Callable[[str, P], str] | None = None,
    fill: Callable[[App], dict[str, Json]] | None = None,
    weak: str = "",
    examples: Examples | None = None,
) -> Callable[[Callable[[Fields, P], Result]], TextCheck[P]]:
    """Turns a function of some texts and its params into an evaluator.

    Args:
        name: what a guardrail or a suite writes.
        behaviour: raised whenever the same texts and params would get another verdict.
        params: what a guardrail or a suite may set.
        redact: removes from a text what makes it fail.
        fill: params an application's own settings fill in.
        weak: why its verdict is a weak signal; empty where it is not.
        examples: a trace that passes and one that fails, for the documentation.
    """

    def make(function: Callable[[Fields, P], Result]) -> TextCheck[P]:
        return TextCheck(
            name,
            function,
            params,
            behaviour,
            weak=weak,
            examples=examples,
            redact_text=redact,
            fill=fill,
        )

    return make


def quoted(value: Json, limit: int = 80) -> str:
    """Returns a value for an explanation: one line, shortened, and always encodable."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


class JsonParams(Params):
    """Params of checks whose output is JSON."""

    allow_fence: bool = Field(default=False, description="whether a ```json fence is tolerated")

    def read(self, output: str) -> Json:
        """Returns the output's value; raises UnreadableJson."""
        return comparisons.read_json(sql.strip_fence(output) if self.allow_fence else output)

    def read_object(self, output: str) -> dict[str, Json]:
        """Returns the output's JSON object; raises UnreadableJson for any other value."""
        value = self.read(output)
        if not isinstance(value, dict):
            raise UnreadableJson("not an object")
        return value


class SqlParams(Params):
    """Params of checks whose output is SQL."""

    dialect: str | None = Field(default=None, description="a sqlglot dialect, such as `duckdb`")
    allow_fence: bool = Field(default=False, description="whether a ```sql fence is tolerated")

    @field_validator("dialect")
    @classmethod
    def check_dialect(cls, value: str | None) -> str | None:
        """Accepts only a dialect that the parser has."""
        if value is not None and not sql.has_dialect(value):
            raise ValueError(f"no SQL dialect {value!r}; try `duckdb`, `postgres` or `sqlite`")
        return value

    def sql_in(self, output: str) -> str:
        """Returns the SQL of an output."""
        return sql.strip_fence(output) if self.allow_fence else output
