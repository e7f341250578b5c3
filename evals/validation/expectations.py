"""What the catalog expects of a night, checked with Great Expectations over columns without texts.

Says which rows fail which check. What becomes of them, and of the night, is `standing`'s and
`admission`'s.
"""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evals import specs
from evals.records import Json
from evals.specs.validation import COLUMN_ARGUMENTS

if TYPE_CHECKING:
    import pandas

EXAMPLES = 3
Failing = dict[str, list[int]]
"""The positions of the rows that fail each check, by its name."""


def find_failing(
    rows: pandas.DataFrame, checks: Sequence[specs.Expectation], app: specs.App
) -> Failing:
    """The rows that fail each check.

    Great Expectations counts them first, once for all checks and nights (a run costs about
    0.1 s), and lists them for those checks that any row fails.

    Args:
        rows: Columns as of `specs.validation.ROW_COLUMNS` or `SOURCE_COLUMNS`.
        checks: All over the same columns.
        app: Whose limits hold.

    Raises:
        CatalogError: an expectation cannot be made of its arguments, or cannot be computed.
    """
    if not checks or rows.empty:
        return {check.check: [] for check in checks}
    counts = run_checks(rows, checks, app, "BASIC", "unexpected_count")
    some = [check for check in checks if counts[check.check]]
    lists = run_checks(rows, some, app, "COMPLETE", "unexpected_index_list") if some else {}
    return {check.check: list(map(int, lists.get(check.check, ()))) for check in checks}


def run_checks(
    rows: pandas.DataFrame,
    checks: Sequence[specs.Expectation],
    app: specs.App,
    form: str,
    part: str,
) -> dict[str, Any]:
    """A part of each check's result, by the check's name; see `failing`.

    Args:
        rows: what is checked.
        checks: all over the same columns.
        app: whose limits hold.
        form: how much the library tells of a result.
        part: what is read of it.
    """
    wanted = {name for check in checks for name in list_columns(check)}
    outcome = build_validator(rows[sorted(wanted)].reset_index(drop=True), form)(
        build_suite(app.app, app.validation.model_dump_json(), tuple(map(build_cache_key, checks)))
    )
    found: dict[str, Any] = {}
    for result in outcome.results:
        name = result.expectation_config.meta["check"]
        if part not in result.result:
            why = [info["exception_message"] for info in list_exceptions(result.exception_info)]
            raise specs.CatalogError(f"validation: the check {name!r} cannot be computed: {why}")
        found[name] = result.result[part]
    return found


def build_validator(rows: pandas.DataFrame, form: str) -> Callable[[Any], Any]:
    """What validates a suite on some rows; `Batch.validate` would fingerprint them twice."""
    batch = build_batch_definition()
    from great_expectations.validator.v1_validator import Validator

    told: Any = {"result_format": form, "include_unexpected_rows": False}
    parameters = {"dataframe": rows}
    return Validator(batch, told, batch_parameters=parameters).validate_expectation_suite


def list_exceptions(info: Any) -> list[dict[str, Any]]:
    """What went wrong, which is told either once or by metric."""
    return [info] if "exception_message" in info else list(info.values())


def list_columns(check: specs.Expectation) -> list[str]:
    """The columns a check reads."""
    given = [check.arguments[key] for key in COLUMN_ARGUMENTS if key in check.arguments]
    return [name for value in given for name in ([value] if isinstance(value, str) else value)]


def build_cache_key(check: specs.Expectation) -> str:
    """A check as a key of the cache of suites."""
    return check.model_dump_json(include={"check", "expect", "arguments", "severity"})


@functools.lru_cache(maxsize=64)
def build_suite(name: str, validation: str, checks: tuple[str, ...]) -> Any:
    """The suite of an application; its limits and its checks are given as JSON.

    Raises:
        CatalogError: an expectation cannot be made of its arguments.
    """
    gx = load_great_expectations()
    variables = {"app": name, **json.loads(validation)}
    made = []
    for check in map(json.loads, checks):
        arguments = {
            key: resolve_argument(value, variables) for key, value in check["arguments"].items()
        }
        about = {"severity": check["severity"], "meta": {"check": check["check"]}}
        try:
            made.append(getattr(gx.expectations, check["expect"])(**arguments, **about))
        except (ValueError, TypeError) as error:
            words = "; ".join(str(error).splitlines()[:3])
            raise specs.CatalogError(
                f"validation: {check['check']}: `arguments` do not fit {check['expect']}: {words}"
            ) from error
    return gx.ExpectationSuite(name=name, expectations=made)


def resolve_argument(value: Json, variables: Mapping[str, Json]) -> Json:
    """An argument with the application's own limits in the place of `$NAME`."""
    if isinstance(value, list):
        return [resolve_argument(item, variables) for item in value]
    if isinstance(value, str) and value.startswith("$"):
        return variables.get(value[1:], value)
    return value


def load_great_expectations() -> Any:
    """The library, imported where it is used (5 s), its telemetry off.

    It imports modules that Python has deprecated, which is no news to our users.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
    return great_expectations


@functools.lru_cache(maxsize=1)
def build_batch_definition() -> Any:
    """An in-memory context that sends nothing home and draws no progress bars."""
    gx = load_great_expectations()
    context = gx.get_context(mode="ephemeral")
    bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    context.variables.progress_bars = bars
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset("traces")
    return asset.add_batch_definition_whole_dataframe("night")


def summarize_check(
    check: specs.Expectation, rows: Sequence[int], ids: Sequence[str | None], elements: int
) -> dict[str, Json]:
    """A check's result as JSON: whether it passed, how many rows failed it, some of their ids."""
    held = 1 - len(rows) / elements if elements else 1.0
    return {
        "name": check.check,
        "code": check.code,
        "success": held >= check.mostly if check.mostly < 1 else not rows,
        "unexpected_count": len(rows),
        "element_count": elements,
        "severity": check.severity,
        "examples": [str(ids[row]) for row in rows[:EXAMPLES] if ids[row] is not None],
        "reason": check.reason,
    }


def explain_refusal(refused: int, read: int, app: specs.App) -> str | None:
    """Why a night is refused, or None where few enough of its rows were."""
    limit = app.validation.max_quarantined
    if not read or refused / read <= limit:
        return None
    return (
        f"{refused} of {read} rows ({refused / read:.0%}) were refused, more than {limit:.0%}; "
        f"correct the export by the reasons in quarantine, "
        f"or raise `validation.max_quarantined` in apps/{app.app}.yaml."
    )
