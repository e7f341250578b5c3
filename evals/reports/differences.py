"""What differs between two versions of a night's report, with old and new values, in words.

Pure: reads two reports. Which versions a night has is in `storage`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from evals.records import Json, encode_canonical
from evals.reports import json_form
from evals.reports.phrases import format_whole_percent
from evals.reports.report import Report
from evals.reports.row_counts import Accounting
from evals.reports.sections import accounting, results, settings
from evals.reports.sections.settings import GateSettings

IDENTITY = (
    "dimension", "evaluator", "slice", "name", "field", "value", "model", "code", "status", "file",
    "seen", "rule", "attack", "family", "trace_id", "cause", "date", "kind",
)  # fmt: skip
"""Keys that name a row of a list; those that a row has make its name."""
LEAVES = ("sentence", "words", "reason", "reasons", "question", "explanation")
"""Keys with sentences that repeat figures."""
WORDED = ("version", "verdict", "accounting", "settings", "examples")
"""Keys of a body that have words of their own here, or are no figures."""


class Setting(NamedTuple):
    """A setting under its name, with the values it had."""

    name: str
    before: Json
    after: Json


def list_differences(before: Report, after: Report) -> list[str]:
    """Lists every difference in verdict, settings, data and figures, each with both values."""
    words = [*describe_verdict(before, after)]
    old, new = before[settings.SECTION], after[settings.SECTION]
    if old.gate is None and new.gate is not None:
        words.append("settings: the older version does not hold them")
    elif old != new:
        words += map(describe_setting, compare_settings(before, after))
    words += describe_evaluators(before, after)
    words += describe_counts(before, after)
    words += describe_figures(before, after)
    was, now = before[accounting.SECTION], after[accounting.SECTION]
    return [*words, describe_data(was, now)] if was != now else words


def describe_verdict(before: Report, after: Report) -> Iterator[str]:
    """Describes a changed verdict, and its reason where the gate's settings explain it."""
    was, now = ("refused" if one.is_refused else one.verdict for one in (before, after))
    if (was, before.gate.outcome) == (now, after.gate.outcome):
        return
    change = f"verdict: {was} → {now}"
    if before.gate.outcome != after.gate.outcome:
        change += f" (gate {before.gate.outcome} → {after.gate.outcome})"
    gate = [one for one in compare_settings(before, after) if one.name.startswith("gate.")]
    if gate and count_results(before) == count_results(after):
        how = describe_direction(before[settings.SECTION].gate, after[settings.SECTION].gate)
        change += f", because the gate was {how}: {'; '.join(map(describe_setting, gate))}"
    yield change


def describe_direction(before: GateSettings | None, after: GateSettings | None) -> str:
    """Describes whether a gate was loosened or tightened; `changed` where it is not clear."""
    if before is None or after is None:
        return "changed"
    looser = [after.max_drop - before.max_drop, before.alpha - after.alpha]
    if before.dimensions != after.dimensions or before.baseline_nights != after.baseline_nights:
        return "changed"
    if all(one >= 0 for one in looser):
        return "loosened"
    return "tightened" if all(one <= 0 for one in looser) else "changed"


def count_results(report: Report) -> dict[tuple[str, str, str, str], tuple[int, int, int, int]]:
    """Returns the counts of each row of all traces: what a gate decides from."""
    return {
        (*row.identity, row.slice): (row.passed, row.failed, row.errored, row.skipped)
        for row in report[results.SECTION]
        if row.is_whole
    }


def compare_settings(before: Report, after: Report) -> list[Setting]:
    """Lists the settings that differ."""
    old, new = (flatten(json_form.to_json(one[settings.SECTION]), "") for one in (before, after))
    names = [*old, *(name for name in new if name not in old)]
    pairs = (Setting(name, old.get(name), new.get(name)) for name in names)
    return [one for one in pairs if one.before != one.after]


def describe_setting(one: Setting) -> str:
    """Describes a changed setting: `gate.max_drop .25 → .5`, shares in percent."""
    return f"{one.name} {show_value(one.name, one.before)} → {show_value(one.name, one.after)}"


SHARES = ("max_drop", "target", "max_quarantined", "max_attack_success")


def show_value(name: str, value: Json) -> str:
    """Shows a value; null as `none`, the share of a setting in percent."""
    if value is None:
        return "none"
    if name.rpartition(".")[2] in SHARES and isinstance(value, int | float):
        return format_whole_percent(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else encode_canonical(value).decode()


def describe_evaluators(before: Report, after: Report) -> Iterator[str]:
    """Describes rows of all traces that are new or gone, and evaluators that changed."""
    old, new = (
        {row.key: row for row in one[results.SECTION] if row.is_whole} for one in (before, after)
    )
    for key, row in new.items():
        name = f"{row.dimension} ({row.evaluator})"
        if key not in old:
            yield f"{name} is new"
        elif old[key].evaluator_version != row.evaluator_version:
            yield f"{name}: the evaluator changed"
    yield from (f"{d} ({e}) is gone" for d, e in old if (d, e) not in new)
    names = [{r.slice for r in one[results.SECTION]} - {"all"} for one in (before, after)]
    for words, slices in (("is new", names[1] - names[0]), ("is gone", names[0] - names[1])):
        yield from (f"slice {one} {words}" for one in sorted(slices))


COUNTS = ("passed", "failed", "errored", "skipped")


def describe_counts(before: Report, after: Report) -> Iterator[str]:
    """Describes the counts of rows of all traces that differ."""
    old = {row.key: row for row in before[results.SECTION] if row.is_whole}
    for row in after[results.SECTION]:
        if not row.is_whole or row.key not in old:
            continue
        for key in COUNTS:
            was, now = getattr(old[row.key], key), getattr(row, key)
            if was != now:
                yield f"{row.dimension} ({row.evaluator}): {key} {was} → {now}"


def describe_figures(before: Report, after: Report) -> Iterator[str]:
    """Describes every other difference of the bodies by its place; rows only one has are left out.

    Those rows are named as new or gone where they are dimensions or slices.
    """
    old, new = flatten_body(before), flatten_body(after)
    for name, was in old.items():
        if name in new and new[name] != was:
            yield f"{name}: {show_value('', was)} → {show_value('', new[name])}"
    lists = ("provenance.baseline", "agreement", "changes", "slices", "attacks", "alarms")
    for name in old.keys() ^ new.keys():
        if name.startswith(lists) and not name.startswith("slices"):
            yield f"{name}: {show_value('', old.get(name))} → {show_value('', new.get(name))}"


def flatten_body(report: Report) -> dict[str, Json]:
    """Returns the figures of a body by their place, without what has words of its own."""
    body = {key: value for key, value in report.to_json().items() if key not in WORDED}
    return {name: value for name, value in flatten(body, "").items() if not is_worded(name)}


def is_worded(place: str) -> bool:
    """Whether a figure is a count of a row of all traces, or the gate's outcome."""
    is_count = place.rpartition(".")[2] in (*COUNTS, "n")
    is_whole = place.startswith("results ") and " all " in place
    return (is_count and is_whole) or place.startswith("gate.")


def flatten(value: Json, place: str) -> dict[str, Json]:
    """Returns the leaves of a JSON value by place; rows of a list by what names them."""
    if isinstance(value, dict):
        inside = ((key, item) for key, item in value.items() if key not in LEAVES)
        return {
            name: leaf
            for key, item in inside
            for name, leaf in flatten(item, f"{place}.{key}" if place else key).items()
        }
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return {
            name: leaf
            for item in value
            for name, leaf in flatten(item, f"{place} {name_row(item)}").items()
        }
    return {place: value}


def name_row(row: Json) -> str:
    """Returns the name of a row of a list."""
    given: Mapping[str, Json] = row if isinstance(row, dict) else {}
    return " ".join(str(given[key]) for key in IDENTITY if given.get(key) not in (None, ""))


def describe_data(before: Accounting, after: Accounting) -> str:
    """Describes what changed in the traces: how many there are, which came late or corrected."""
    pairs = {
        "read": (before.read, after.read),
        "accepted": (before.accepted, after.accepted),
        "duplicate": (before.duplicate, after.duplicate),
        "quarantined": (before.quarantined, after.quarantined),
    }
    counts = [f"{key} {was} → {now}" for key, (was, now) in pairs.items() if was != now]
    fresh = [row for row in after.late if row not in before.late]
    counts += [f"{r.late} late, {r.corrected} corrected, read {r.seen}" for r in fresh]
    return f"data: the traces changed ({'; '.join(counts) or 'their checks'})"
