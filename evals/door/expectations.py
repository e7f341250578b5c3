"""What a valid trace is: Great Expectations over one night's staged rows of one application.

Says which rows pass. Where the others go, and whether a night is reported, is the caller's.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evals import specs
from evals.records import Json

if TYPE_CHECKING:
    import pandas

Severity = Literal["critical", "warning"]
MAX_ID = 256
EXAMPLES = 3
NUMBERS = ("tokens_in", "tokens_out", "latency_ms", "cost_usd")
ID = "trace_id"
UNIQUE = "trace_id_unique"


class Check(NamedTuple):
    """One expectation of every row."""

    name: str
    code: str
    """The reason code of a row that fails it."""
    severity: Severity
    """A row that fails a `critical` check is refused; a `warning` is only told."""
    reason: str
    """One sentence: what was expected and what to do."""
    expectation: str
    """The class of `great_expectations.expectations`."""
    arguments: Callable[[specs.App], dict[str, Any]]


class Staged(NamedTuple):
    """One night's rows."""

    frame: pandas.DataFrame
    order: list[int]
    """Positions in the order of file and line."""
    copies: set[int]
    """Positions of rows whose id and content a row before them has."""


class RefusedRow(NamedTuple):
    """A row that goes to quarantine."""

    row: int
    """Its position in the frame."""
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Validated:
    """What became of the rows; each position is in exactly one of the first three."""

    accepted: list[int]
    refused: list[RefusedRow]
    duplicates: list[int]
    """The same content under the same id as a row before it."""
    results: list[dict[str, Json]]
    """One dict a check: name, code, success, unexpected_count, element_count, severity,
    examples (trace ids), reason."""
    night_refused: str | None
    """Why the whole night is refused, where too many of its rows were."""


def present(column: str, name: str, code: str, reason: str) -> Check:
    """A check that a column is not null."""
    return Check(
        name,
        code,
        "critical",
        reason,
        "ExpectColumnValuesToNotBeNull",
        lambda _: {"column": column},
    )


def not_negative(column: str, code: str, words: str) -> Check:
    """A check that a number, where there is one, is at least zero."""
    return Check(
        f"{column}_not_negative",
        code,
        "critical",
        f"`{column}` is negative; expected {words}, or null where unknown.",
        "ExpectColumnValuesToBeBetween",
        lambda _: {"column": column, "min_value": 0},
    )


def no_longer(column: str, limit: Callable[[specs.Validation], int]) -> Check:
    """A check that a text is within the application's limit."""
    return Check(
        f"{column}_length",
        f"{column}-too-long",
        "critical",
        f"`{column}` is longer than the application allows; cut it, "
        f"or raise `validation.max_{column}_chars`.",
        "ExpectColumnValueLengthsToBeBetween",
        lambda app: {"column": column, "max_value": limit(app.validation)},
    )


def holds(column: str, name: str, code: str, severity: Severity, reason: str) -> Check:
    """A check that a derived column of truths is true."""
    return Check(
        name,
        code,
        severity,
        reason,
        "ExpectColumnValuesToBeInSet",
        lambda _: {"column": column, "value_set": [True]},
    )


CHECKS: tuple[Check, ...] = (
    present(ID, "trace_id_present", "no-trace-id", "The row has no `trace_id`; add one."),
    Check(
        "trace_id_length",
        "bad-trace-id",
        "critical",
        f"`trace_id` is empty or longer than {MAX_ID} characters; shorten it.",
        "ExpectColumnValueLengthsToBeBetween",
        lambda _: {"column": ID, "min_value": 1, "max_value": MAX_ID},
    ),
    Check(
        "trace_id_printable",
        "bad-trace-id",
        "critical",
        "`trace_id` holds a control character; give each request a printable id.",
        "ExpectColumnValuesToNotMatchRegex",
        lambda _: {"column": ID, "regex": r"[\x00-\x1f\x7f-\x9f]"},
    ),
    present("ts", "ts_present", "no-timestamp", "The row has no timestamp; map a column to `ts`."),
    Check(
        "ts_in_night",
        "wrong-night",
        "critical",
        "The timestamp is not within the night the row was staged for; import its file again.",
        "ExpectColumnPairValuesToBeEqual",
        lambda _: {
            "column_A": "ts_night",
            "column_B": "night",
            "ignore_row_if": "either_value_is_missing",
        },
    ),
    present("app", "app_present", "no-app", "The row names no application; add `app`."),
    Check(
        "app_named",
        "wrong-app",
        "critical",
        "The row belongs to another application; import its file again.",
        "ExpectColumnValuesToBeInSet",
        lambda app: {"column": "app", "value_set": [app.app]},
    ),
    present(
        "output", "output_present", "no-output", "The row has no `output`; export the answers."
    ),
    holds(
        "answered",
        "output_not_empty",
        "no-output",
        "critical",
        "`output` is empty and there are no steps; export the answers, or leave such rows out.",
    ),
    holds(
        "asked",
        "input_not_empty",
        "no-input",
        "warning",
        "`input` is empty: evaluators that read it have nothing to read.",
    ),
    no_longer("input", lambda limits: limits.max_input_chars),
    no_longer("output", lambda limits: limits.max_output_chars),
    not_negative("tokens_in", "negative-tokens", "a count of tokens"),
    not_negative("tokens_out", "negative-tokens", "a count of tokens"),
    not_negative("latency_ms", "negative-latency", "milliseconds"),
    not_negative("cost_usd", "negative-cost", "US dollars"),
    Check(
        UNIQUE,
        "conflicting-trace-id",
        "critical",
        "Another row of the night has this `trace_id` and other content, and was read first; "
        "give each request an id of its own.",
        "ExpectCompoundColumnsToBeUnique",
        lambda _: {"column_list": ["night", ID]},
    ),
)
"""In the order in which the first failure names a row's reason."""


def validate(
    frame: pandas.DataFrame,
    app: specs.App,
    night: date,
    day_begins: int,
    refused_before: int = 0,
) -> Validated:
    """Sorts one night's rows of one application into accepted, refused and duplicate.

    `validate_nights` says what the arguments are, and costs as much for many nights.
    """
    return validate_nights({night: frame}, app, day_begins, {night: refused_before})[night]


def validate_nights(
    frames: Mapping[date, pandas.DataFrame],
    app: specs.App,
    day_begins: int,
    refused_before: Mapping[date, int] | None = None,
) -> dict[date, Validated]:
    """Each night's rows of one application, sorted into accepted, refused and duplicate.

    Great Expectations runs once over all of them: it costs about 0.15 s a run, however few rows.

    Args:
        frames: The lake's staged rows by the night they were staged for, columns as of
            `records.Trace`; an index is not used.
        app: Whose limits hold.
        day_begins: The hour of UTC at which a night begins.
        refused_before: Rows of a night and this application that were refused before, as
            unreadable; they count towards the share that refuses the night.
    """
    import pandas

    nights = {night: staged(frame) for night, frame in frames.items()}
    columns = [checked_columns(found, night, day_begins) for night, found in nights.items()]
    failing = failing_rows(pandas.concat(columns, ignore_index=True), app) if columns else {}
    before = refused_before or {}
    validated: dict[date, Validated] = {}
    start = 0
    for (night, found), checked in zip(nights.items(), columns, strict=True):
        rows = {
            name: [
                int(checked.index[row - start]) for row in failed if 0 <= row - start < len(checked)
            ]
            for name, failed in failing.items()
        }
        validated[night] = sorted_out(found, rows, app, before.get(night, 0))
        start += len(checked)
    return validated


def staged(frame: pandas.DataFrame) -> Staged:
    """A night's rows, ready to be checked."""
    frame = frame.reset_index(drop=True)
    order = frame.sort_values(["source_file", "source_line"], kind="stable").index.to_list()
    return Staged(frame, order, copies_in(frame, order))


def sorted_out(
    night: Staged, failing: dict[str, list[int]], app: specs.App, refused_before: int
) -> Validated:
    """A night's rows by what became of them; `failing` are the rows that fail each check."""
    ids, copies = night.frame[ID], night.copies
    reasons = first_reasons(failing, ids.to_list(), night.order)
    positions = range(len(ids))
    checked = len(ids) - len(copies)
    return Validated(
        accepted=[row for row in positions if row not in reasons and row not in copies],
        refused=[RefusedRow(row, *reasons[row]) for row in positions if row in reasons],
        duplicates=sorted(copies),
        results=[summary(check, failing.get(check.name, []), ids, checked) for check in CHECKS],
        night_refused=night_refusal(len(reasons) + refused_before, len(ids) + refused_before, app),
    )


def copies_in(frame: pandas.DataFrame, order: list[int]) -> set[int]:
    """Rows whose id and content hash a row read before them has; without a hash none is one."""
    ordered = frame.loc[order, [ID, "content_hash"]]
    known = ordered[ordered[ID].notna() & (ordered["content_hash"].fillna("") != "")]
    return set(known.index[known.duplicated()])


def checked_columns(found: Staged, night: date, day_begins: int) -> pandas.DataFrame:
    """What the checks read and nothing else, with what they derive; copies are left out."""
    import pandas

    frame = found.frame.drop(index=list(found.copies))
    columns = frame[[ID, "app", "ts", "input", "output"]].copy()
    for name in NUMBERS:
        columns[name] = frame[name].astype("float64")
    begins = pandas.to_datetime(columns["ts"], utc=True) - timedelta(hours=day_begins)
    columns["ts_night"] = begins.dt.strftime("%Y-%m-%d")
    columns["night"] = night.isoformat()
    stepped = ~frame["steps"].fillna("[]").isin(["", "[]", "null"])
    columns["answered"] = (columns["output"].fillna("") != "") | stepped
    columns["asked"] = columns["input"].fillna("") != ""
    return columns


def failing_rows(columns: pandas.DataFrame, app: specs.App) -> dict[str, list[int]]:
    """The rows that fail each check, by its name.

    Raises:
        RuntimeError: an expectation could not be computed.
    """
    outcome = (
        batches()
        .get_batch(batch_parameters={"dataframe": columns})
        .validate(
            suite(app.app, app.validation.model_dump_json()),
            result_format={"result_format": "COMPLETE", "include_unexpected_rows": False},
        )
    )
    failing: dict[str, list[int]] = {}
    for result in outcome.results:
        name = result.expectation_config.meta["check"]
        if "unexpected_index_list" not in result.result:
            raise RuntimeError(f"the check {name} could not be computed: {result.exception_info}")
        failing[name] = [int(row) for row in result.result["unexpected_index_list"]]
    return failing


@functools.lru_cache(maxsize=64)
def suite(name: str, validation: str) -> Any:
    """The suite of an application; its limits are given as JSON."""
    gx = great_expectations()
    app = specs.App(app=name, validation=specs.Validation.model_validate_json(validation))
    return gx.ExpectationSuite(
        name=name,
        expectations=[
            getattr(gx.expectations, check.expectation)(
                **check.arguments(app), severity=check.severity, meta={"check": check.name}
            )
            for check in CHECKS
        ],
    )


def great_expectations() -> Any:
    """The library, imported where it is used (5 s), its telemetry off.

    It imports modules that Python has deprecated, which is no news to our users.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
    return great_expectations


@functools.lru_cache(maxsize=1)
def batches() -> Any:
    """An in-memory context that sends nothing home and draws no progress bars."""
    gx = great_expectations()
    context = gx.get_context(mode="ephemeral")
    bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    context.variables.progress_bars = bars
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset("traces")
    return asset.add_batch_definition_whole_dataframe("night")


def first_reasons(
    failing: dict[str, list[int]], ids: list[str], order: list[int]
) -> dict[int, tuple[str, str]]:
    """Code and reason of every refused row: those of the first critical check it fails.

    Of rows that share an id, the first that fails nothing else is kept; `failing` is left with
    the others.
    """
    reasons: dict[int, tuple[str, str]] = {}
    for check in CHECKS:
        if check.name == UNIQUE:
            failing[UNIQUE] = list(later(failing.get(UNIQUE, []), ids, order, reasons))
        if check.severity == "critical":
            for row in failing.get(check.name, []):
                reasons.setdefault(row, (check.code, check.reason))
    return reasons


def later(
    rows: list[int], ids: list[str], order: list[int], refused: dict[int, Any]
) -> Iterator[int]:
    """Rows whose id an earlier one has that was not refused."""
    kept: set[str] = set()
    shared = set(rows)
    for row in order:
        if row in shared and row not in refused:
            if ids[row] in kept:
                yield row
            kept.add(ids[row])


def summary(
    check: Check, rows: list[int], ids: pandas.Series[Any], elements: int
) -> dict[str, Json]:
    """A check's result as JSON."""
    return {
        "name": check.name,
        "code": check.code,
        "success": not rows,
        "unexpected_count": len(rows),
        "element_count": elements,
        "severity": check.severity,
        "examples": [str(value) for value in ids.loc[rows].dropna().iloc[:EXAMPLES]],
        "reason": check.reason,
    }


def night_refusal(refused: int, read: int, app: specs.App) -> str | None:
    """Why a night is refused, or None where few enough of its rows were."""
    limit = app.validation.max_quarantined
    if not read or refused / read <= limit:
        return None
    return (
        f"{refused} of {read} rows ({refused / read:.0%}) were refused, more than {limit:.0%}; "
        f"correct the export by the reasons in quarantine, "
        f"or raise `validation.max_quarantined` in apps/{app.app}.yaml."
    )
