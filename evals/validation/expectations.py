"""Checks the catalog's expectations with Great Expectations, over columns without texts.

Returns which rows fail which check. What becomes of the rows is decided in `row_outcomes`, of the
night in `admission`.
"""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from evals import specs
from evals.records import Json
from evals.specs.validation import COLUMN_ARGUMENTS
from evals.storage.documents.accounts import CheckResult

if TYPE_CHECKING:
    import pandas
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.expectations.expectation import Expectation

EXAMPLES = 3
Failing = dict[str, list[int]]
"""The positions of the rows that fail each check, by its name."""
ResultValue: TypeAlias = int | Sequence[int]
"""A part of a result: a count of rows, or their positions."""


class ExpectationConfiguration(Protocol):
    """An expectation as Great Expectations was given it."""

    meta: Mapping[str, str]


class ExpectationResult(Protocol):
    """A check's result as Great Expectations returns it."""

    expectation_config: ExpectationConfiguration
    result: Mapping[str, ResultValue]
    exception_info: dict[str, Json]


def find_failing(
    rows: pandas.DataFrame, checks: Sequence[specs.Expectation], app: specs.App
) -> Failing:
    """Returns the rows that fail each check.

    Great Expectations first counts them, once for all checks and nights (a run costs about
    0.1 s), then lists them for those checks that any row fails.

    Args:
        rows: Columns as of `specs.validation.ROW_COLUMNS` or `SOURCE_COLUMNS`.
        checks: All over the same columns.
        app: Whose limits apply.

    Raises:
        CatalogError: an expectation does not accept its arguments, or cannot be computed.
    """
    if not checks or rows.empty:
        return {check.check: [] for check in checks}
    counts = run_checks(rows, checks, app, "BASIC", "unexpected_count")
    some = [check for check in checks if counts[check.check]]
    lists = run_checks(rows, some, app, "COMPLETE", "unexpected_index_list") if some else {}
    return {check.check: list_positions(lists.get(check.check, ())) for check in checks}


def list_positions(value: ResultValue) -> list[int]:
    """Returns the positions in a result; none of a count."""
    return [] if isinstance(value, int) else list(map(int, value))


def run_checks(
    rows: pandas.DataFrame,
    checks: Sequence[specs.Expectation],
    app: specs.App,
    form: str,
    part: str,
) -> dict[str, ResultValue]:
    """Runs checks; returns a part of each one's result by the check's name.

    Args:
        rows: what is checked.
        checks: all over the same columns.
        app: whose limits apply.
        form: the library's result format.
        part: the key of the part within a result.
    """
    wanted = {name for check in checks for name in list_columns(check)}
    outcome = build_validator(rows[sorted(wanted)].reset_index(drop=True), form)(
        build_suite(app.app, app.validation.model_dump_json(), tuple(map(build_cache_key, checks)))
    )
    values: dict[str, ResultValue] = {}
    for result in cast("list[ExpectationResult]", outcome.results):
        name = result.expectation_config.meta["check"]
        if part not in result.result:
            why = list_exception_messages(result.exception_info)
            raise specs.CatalogError(f"validation: the check {name!r} cannot be computed: {why}")
        values[name] = result.result[part]
    return values


def build_validator(
    rows: pandas.DataFrame, form: str
) -> Callable[[ExpectationSuite], ExpectationSuiteValidationResult]:
    """Returns a function that validates a suite on some rows.

    `Batch.validate` would fingerprint them twice.
    """
    batch = build_batch_definition()
    from great_expectations.validator.v1_validator import Validator

    result_format = {"result_format": form, "include_unexpected_rows": False}
    validator = Validator(batch, result_format, batch_parameters={"dataframe": rows})
    return lambda suite: validator.validate_expectation_suite(suite)  # pyright: ignore[reportUnknownMemberType]  # another argument is untyped


def list_exception_messages(info: dict[str, Json]) -> list[Json]:
    """Lists the messages of a result's exceptions: it has either one, or one a metric."""
    exceptions = [info] if "exception_message" in info else list(info.values())
    return [error["exception_message"] for error in exceptions if isinstance(error, dict)]


def list_columns(check: specs.Expectation) -> list[str]:
    """Lists the columns a check reads."""
    given = [check.arguments[key] for key in COLUMN_ARGUMENTS if key in check.arguments]
    return [name for value in given for name in ([value] if isinstance(value, str) else value)]


def build_cache_key(check: specs.Expectation) -> str:
    """Returns a check as JSON, the key of the suites' cache."""
    return check.model_dump_json(include={"check", "expect", "arguments", "severity"})


@functools.lru_cache(maxsize=64)
def build_suite(name: str, validation: str, checks: tuple[str, ...]) -> ExpectationSuite:
    """Builds an application's suite of its limits and checks, given as JSON.

    Raises:
        CatalogError: an expectation does not accept its arguments.
    """
    gx = load_great_expectations()
    variables = {"app": name, **json.loads(validation)}
    built: list[Expectation] = []
    for check in map(json.loads, checks):
        arguments = {
            key: resolve_argument(value, variables) for key, value in check["arguments"].items()
        }
        about = {"severity": check["severity"], "meta": {"check": check["check"]}}
        try:
            built.append(getattr(gx.expectations, check["expect"])(**arguments, **about))
        except (ValueError, TypeError) as error:
            words = "; ".join(str(error).splitlines()[:3])
            raise specs.CatalogError(
                f"validation: {check['check']}: `arguments` do not fit {check['expect']}: {words}"
            ) from error
    return gx.ExpectationSuite(name=name, expectations=built)


def resolve_argument(value: Json, variables: Mapping[str, Json]) -> Json:
    """Replaces `$NAME` in an argument by the application's own limit."""
    if isinstance(value, list):
        return [resolve_argument(item, variables) for item in value]
    if isinstance(value, str) and value.startswith("$"):
        return variables.get(value[1:], value)
    return value


def load_great_expectations() -> ModuleType:
    """Imports the library where it is used (5 s), with its telemetry off.

    Hides its warnings about deprecated modules, which users cannot act on.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
    return great_expectations


@functools.lru_cache(maxsize=1)
def build_batch_definition() -> BatchDefinition[None]:
    """Builds a batch definition in memory, without telemetry and progress bars."""
    gx = load_great_expectations()
    context = gx.get_context(mode="ephemeral")
    bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    context.variables.progress_bars = bars
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset("traces")
    return cast("BatchDefinition[None]", asset.add_batch_definition_whole_dataframe("night"))


def summarize_check(
    check: specs.Expectation, rows: Sequence[int], ids: Sequence[str | None], elements: int
) -> CheckResult:
    """Returns a check's result: whether it passed, how many rows failed, some of their ids."""
    share = 1 - len(rows) / elements if elements else 1.0
    return {
        "name": check.check,
        "code": check.code,
        "success": share >= check.mostly if check.mostly < 1 else not rows,
        "unexpected_count": len(rows),
        "element_count": elements,
        "severity": check.severity,
        "examples": [str(ids[row]) for row in rows[:EXAMPLES] if ids[row] is not None],
        "reason": check.reason,
    }


def explain_refusal(refused: int, read: int, app: specs.App) -> str | None:
    """Returns why a night is refused; None if few enough of its rows were."""
    limit = app.validation.max_quarantined
    if not read or refused / read <= limit:
        return None
    return (
        f"{refused} of {read} rows ({refused / read:.0%}) were refused, more than {limit:.0%}; "
        f"correct the export by the reasons in quarantine, "
        f"or raise `validation.max_quarantined` in apps/{app.app}.yaml."
    )
