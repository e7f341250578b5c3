"""What a valid night is, as data: expectations of every row, or of each source of a night.

Which columns there are to expect something of, and how it is checked, is the door's.
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
"""The expectations of Great Expectations that tell which rows fail them."""
ROW_COLUMNS = (
    "trace_id", "ts", "app", "night", "ts_night", "ahead_s", "zone_known", "input_chars",
    "output_chars", "context_chars", "answered", "asked", "tokens_in", "tokens_out", "latency_ms",
    "cost_usd", "model", "model_requested", "model_pinned", "provider", "prompt_version",
    "finish_reason", "session_id", "user_id", "unanswered_results", "source_format", "file",
)  # fmt: skip
"""What is known of every row; no column holds a text of a trace."""
SOURCE_COLUMNS = ("source", "rows", "volume_ratio", "nulls_rise", "nulls_rise_in")
"""What is known of each source of a night; `*` is all of them together."""
VARIABLES = ("app", "max_input_chars", "max_output_chars")
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


class Expectation(Spec):
    """One check at the door; of the same name as a shipped one, it changes what it says of it."""

    check: Name = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="its name")
    expect: str = Field(default="", description="a class of `great_expectations.expectations`")
    arguments: dict[str, Any] = Field(
        default={}, description="what the class takes; `$max_input_chars` is the application's"
    )
    over: Literal["rows", "sources"] = Field(
        default="rows", description="every row of a night, or each source of it"
    )
    severity: Literal["critical", "warning"] = Field(
        default="warning", description="critical: a row that fails is refused; warning: only told"
    )
    code: str = Field(default="", description="the reason code of a row that fails")
    reason: str = Field(default="", description="what was expected and what to do, in a sentence")
    mostly: float = Field(
        default=1.0, gt=0, le=1, description="the share of rows that must hold for it to pass"
    )
    apps: tuple[str, ...] = Field(default=(), description="empty: every application")
    off: bool = Field(default=False, description="leave it out")

    @model_validator(mode="after")
    def known(self) -> Expectation:
        """Names a class, columns and variables there are."""
        if self.expect and self.expect not in ROW_EXPECTATIONS:
            known = ", ".join(ROW_EXPECTATIONS)
            raise ValueError(f"no expectation {self.expect!r} that tells rows; known: {known}")
        if self.over == "sources" and self.severity == "critical":
            raise ValueError("a source is no row to refuse; its checks are warnings")
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
def shipped() -> tuple[Expectation, ...]:
    """What is expected of every trace unless a team says otherwise."""
    text = Path(__file__).with_name("expectations.yaml").read_text("utf-8")
    return ValidationSuite.model_validate(yaml.safe_load(text)).expectations


def merged(
    known: Iterable[Expectation], more: Iterable[Expectation], app: str | None
) -> tuple[Expectation, ...]:
    """Checks with those that change or join them; `app` leaves out what is not for it."""
    found = {check.check: check for check in known}
    for check in more:
        if app is not None and check.apps and app not in check.apps:
            continue
        before = found.get(check.check)
        said = {name: getattr(check, name) for name in check.model_fields_set}
        found[check.check] = before.model_copy(update=said) if before else check
    return tuple(
        check if check.code else check.model_copy(update={"code": check.check.replace("_", "-")})
        for check in found.values()
    )
