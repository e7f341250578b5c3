"""What a check by code is: a pure function of a trace, its params and gold, under a name.

The checks themselves are in `assertions` and `references`; nothing here judges anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evals.evaluators import comparisons, sql
from evals.evaluators.comparisons import UnreadableJson
from evals.records import Failure, Outcome, Skip, Trace
from evals.specs import Reads

Result = Outcome | Failure | Skip
Function = Callable[[Trace, Mapping[str, Any], Any], Result]

NO_GOLD = Skip("no-gold")


class Params(BaseModel):
    """What a suite may set on a check: strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Scorer:
    """One registered check."""

    name: str
    kind: Literal["assertion", "reference"]
    reads: tuple[Reads, ...]
    behaviour: int
    """Raised whenever the same trace, params and gold would get another verdict."""
    function: Function
    params: type[Params]

    def check_params(self, params: Mapping[str, Any]) -> str | None:
        """What is wrong with a suite's params, naming the key; None where nothing is."""
        return problem(self.params, params)


SCORERS: dict[str, Scorer] = {}


def problem(kind: type[Params], params: Mapping[str, Any]) -> str | None:
    """The first thing a params model refuses, in one line."""
    try:
        kind.model_validate(dict(params))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "params"
        return f"{key}: {first['msg'].removeprefix('Value error, ')}"
    return None


def scorer(
    name: str,
    *,
    reads: tuple[Reads, ...] = ("output",),
    behaviour: int,
    params: type[Params],
    kind: Literal["assertion", "reference"] = "assertion",
) -> Callable[[Function], Function]:
    """Registers a function as a check that suites may name."""

    def register(function: Function) -> Function:
        SCORERS[name] = Scorer(name, kind, reads, behaviour, function, params)
        return function

    return register


def scorer_behaviour(name: str) -> int:
    """The behaviour number of a check, for its evaluator's version.

    Raises:
        KeyError: no check has this name.
    """
    return SCORERS[name].behaviour


def quoted(value: Any, limit: int = 80) -> str:
    """A value for an explanation: one line, cut, and always encodable."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


class JsonParams(Params):
    """Params of checks whose output is JSON."""

    allow_fence: bool = Field(default=False, description="whether a ```json fence is tolerated")

    def read(self, output: str) -> Any:
        """The output's value; raises UnreadableJson."""
        return comparisons.read_json(sql.unfenced(output) if self.allow_fence else output)

    def read_object(self, output: str) -> dict[str, Any]:
        """The output's JSON object; raises UnreadableJson where it is another value."""
        value = self.read(output)
        if not isinstance(value, dict):
            raise UnreadableJson("not an object")
        return value


class Sql(Params):
    """Params of checks whose output is SQL."""

    dialect: str | None = Field(default=None, description="a sqlglot dialect, such as `duckdb`")
    allow_fence: bool = Field(default=False, description="whether a ```sql fence is tolerated")

    @field_validator("dialect")
    @classmethod
    def is_known(cls, value: str | None) -> str | None:
        """Only a dialect the parser has is accepted."""
        if value is not None and not sql.known_dialect(value):
            raise ValueError(f"no SQL dialect {value!r}; try `duckdb`, `postgres` or `sqlite`")
        return value

    def text(self, output: str) -> str:
        """The SQL in an output."""
        return sql.unfenced(output) if self.allow_fence else output
