"""Expectations of a night as data: of every row, or of each source.

They are checked in `evals.validation`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from evals.specs.spec import NAME, Name, Spec

ROW_EXPECTATIONS = (
    "ExpectColumnPairValuesAToBeGreaterThanB",
    "ExpectColumnPairValuesToBeEqual",
    "ExpectColumnPairValuesToBeInSet",
    "ExpectColumnValueLengthsToBeBetween",
    "ExpectColumnValueLengthsToEqual",
    "ExpectColumnValuesToBeBetween",
    "ExpectColumnValuesToBeInSet",
    "ExpectColumnValuesToBeNull",
    "ExpectColumnValuesToMatchRegex",
    "ExpectColumnValuesToMatchRegexList",
    "ExpectColumnValuesToNotBeInSet",
    "ExpectColumnValuesToNotBeNull",
    "ExpectColumnValuesToNotMatchRegex",
    "ExpectColumnValuesToNotMatchRegexList",
    "ExpectCompoundColumnsToBeUnique",
    "ExpectMulticolumnSumToEqual",
    "ExpectSelectColumnValuesToBeUniqueWithinRecord",
)
"""The expectations of Great Expectations that report which rows fail."""
ROW_COLUMNS = (
    "trace_id", "ts", "app", "night", "ts_night", "ahead_s", "zone_known", "input_chars",
    "output_chars", "context_chars", "answered", "asked", "tokens_in", "tokens_out", "latency_ms",
    "cost_usd", "model", "model_requested", "model_pinned", "provider", "prompt_version",
    "finish_reason", "session_id", "user_id", "unanswered_results", "source_format", "file",
    "status", "is_request",
)  # fmt: skip
"""The columns of a row; none contains a text of a trace."""
SOURCE_COLUMNS = ("source", "rows", "volume_ratio", "nulls_rise", "nulls_rise_in")
"""The columns of a source of a night; `*` is all of them together."""
VARIABLES = ("app", "max_input_chars", "max_output_chars")
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


class Expectation(Spec):
    """One check at ingest; with the name of a shipped one, it overrides the keys it declares."""

    check: Name = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="its name")
    expect: str = Field(default="", description="a class of `great_expectations.expectations`")
    arguments: dict[str, Any] = Field(
        default={}, description="what the class takes; `$max_input_chars` is the application's"
    )
    over: Literal["rows", "sources"] = Field(
        default="rows", description="every row of a night, or each source of it"
    )
    severity: Literal["critical", "warning"] = Field(
        default="warning",
        description="critical: a row that fails is refused; warning: only reported",
    )
    code: str = Field(default="", description="the reason code of a row that fails")
    reason: str = Field(default="", description="what was expected and what to do, in a sentence")
    mostly: float = Field(
        default=1.0, gt=0, le=1, description="the share of rows that must pass for it to pass"
    )
    apps: tuple[str, ...] = Field(default=(), description="empty: every application")
    off: bool = Field(default=False, description="leave it out")

    @model_validator(mode="after")
    def check_names(self) -> Expectation:
        """Refuses a class, a column, a variable or a pattern that does not exist or compile."""
        if self.expect and self.expect not in ROW_EXPECTATIONS:
            names = ", ".join(ROW_EXPECTATIONS)
            raise ValueError(f"no expectation {self.expect!r} that reports rows; known: {names}")
        if self.over == "sources" and self.severity == "critical":
            raise ValueError("only rows can be refused; checks of sources are warnings")
        columns = ROW_COLUMNS if self.over == "rows" else SOURCE_COLUMNS
        for key in COLUMN_ARGUMENTS:
            given = self.arguments.get(key, ())
            for name in [given] if isinstance(given, str) else given:
                if name not in columns:
                    raise ValueError(f"no column {name!r}; known: {', '.join(columns)}")
        for value in self.arguments.values():
            if isinstance(value, str) and value.startswith("$") and value[1:] not in VARIABLES:
                raise ValueError(f"no variable {value!r}; known: ${', $'.join(VARIABLES)}")
        for pattern in (self.arguments.get("regex", ""), *self.arguments.get("regex_list", ())):
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ValueError(
                    f"{str(pattern)[:60]!r} is no regular expression: {error}"
                ) from None
        return self


class ValidationSuite(Spec):
    """Checks a team adds or changes, in `validation/NAME.yaml`."""

    validation: Name = Field(pattern=NAME)
    expectations: tuple[Expectation, ...] = Field(default=(), description="in order")


@functools.cache
def shipped_expectations() -> tuple[Expectation, ...]:
    """Returns what is expected of every trace unless a team overrides it."""
    text = Path(__file__).with_name("expectations.yaml").read_text("utf-8")
    return ValidationSuite.model_validate(yaml.safe_load(text)).expectations


def merge_expectations(
    shipped: Iterable[Expectation], more: Iterable[Expectation], app: str | None
) -> tuple[Expectation, ...]:
    """Merges checks that override or add to the shipped ones; `app` keeps only its own."""
    checks = {check.check: check for check in shipped}
    for check in more:
        if app is not None and check.apps and app not in check.apps:
            continue
        before = checks.get(check.check)
        changes = {name: getattr(check, name) for name in check.model_fields_set}
        checks[check.check] = before.model_copy(update=changes) if before else check
    return tuple(
        check if check.code else check.model_copy(update={"code": check.check.replace("_", "-")})
        for check in checks.values()
    )
