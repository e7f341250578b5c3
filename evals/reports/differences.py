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
DECISION = ("action", "by", "night")
"""Keys that name a person's decision on an incident."""
LEAVES = ("sentence", "words", "reason", "reasons", "question", "explanation")
"""Keys with sentences that repeat figures."""
WORDED = ("version", "verdict", "accounting", "settings", "examples")
"""Keys of a body that have words of their own here, or are no figures."""


GROUPS = ("verdict", "settings", "versions", "figures", "traces")
"""What a difference may be of, in the order in which they are shown."""


class Difference(NamedTuple):
    """One difference between two versions of a report."""

    group: str
    """One of `GROUPS`."""
    text: str
    """In words, with both values."""


class Setting(NamedTuple):
    """A setting under its name, with the values it had."""

    name: str
    before: Json
    after: Json


def list_differences(before: Report, after: Report) -> list[Difference]:
    """Lists every difference in verdict, settings, versions, figures and traces, by group."""
    return [
        Difference(group, text)
        for group, texts in zip(
            GROUPS,
            (
                describe_verdict(before, after),
                describe_settings(before, after),
                describe_versions(before, after),
                describe_figures(before, after),
                describe_traces(before[accounting.SECTION], after[accounting.SECTION]),
            ),
            strict=True,
        )
        for text in texts
    ]


def describe_settings(before: Report, after: Report) -> Iterator[str]:
    """Describes the settings that differ, or that the older version has none."""
    if before[settings.SECTION].gate is None and after[settings.SECTION].gate is not None:
        yield "the older version does not hold the settings"
        return
    yield from map(describe_setting, compare_settings(before, after))


def describe_versions(before: Report, after: Report) -> Iterator[str]:
    """Describes changed evaluators, rows that are new or gone, and what is in the provenance."""
    yield from describe_evaluators(before, after)
    yield from (text for place, text in compare_bodies(before, after) if is_version(place))


def describe_figures(before: Report, after: Report) -> Iterator[str]:
    """Describes the counts of all traces that differ, then every other figure by its place."""
    yield from describe_counts(before, after)
    yield from (text for place, text in compare_bodies(before, after) if not is_version(place))


def is_version(place: str) -> bool:
    """Whether a place of a body has the version or the origin of a figure, and no figure."""
    return place.startswith("provenance") or place.rpartition(".")[2].endswith("version")


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
    looser = [
        after.max_drop - before.max_drop,
        before.alpha - after.alpha,
        after.min_answers - before.min_answers,
    ]
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


def describe_setting(setting: Setting) -> str:
    """Describes a changed setting: `gate.max_drop .25 → .5`, shares in percent."""
    before, after = (show_value(setting.name, value) for value in (setting.before, setting.after))
    return f"{setting.name} {before} → {after}"


SHARES = ("max_drop", "min_coverage", "target", "max_quarantined", "max_attack_success")


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
            was = old[key].evaluator_version
            yield f"{name}: the evaluator changed, {was} → {row.evaluator_version}"
    yield from (f"{d} ({e}) is gone" for d, e in old if (d, e) not in new)
    names = [{r.slice for r in one[results.SECTION]} - {"all"} for one in (before, after)]
    for change, slices in (("is new", names[1] - names[0]), ("is gone", names[0] - names[1])):
        yield from (f"slice {one} {change}" for one in sorted(slices))


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


def compare_bodies(before: Report, after: Report) -> Iterator[tuple[str, str]]:
    """Yields the place of every other difference, with its words; rows only one has are left out.

    Those rows are named as new or gone where they are dimensions or slices.
    """
    old, new = flatten_body(before), flatten_body(after)
    for name in [*old, *(name for name in new if name not in old)]:
        was, now = old.get(name), new.get(name)
        shows = (name in old and name in new) or is_shown_alone(name)
        if shows and (None if was == [] else was) != (None if now == [] else now):
            yield name, f"{name}: {show_value('', was)} → {show_value('', now)}"


COUNTED = ("agreement", "changes", "attacks")
"""Lists whose rows are named by their figures, not by the keys that identify them."""
LISTS = ("provenance.baseline", "alarms", *COUNTED)
"""Lists whose rows are shown if only one of the bodies has them."""


def is_shown_alone(place: str) -> bool:
    """Whether a value is shown that only one of the bodies has."""
    key = place.rpartition(".")[2]
    if place.startswith("incidents.") and " " in place and key == DECISION[0]:
        return True
    repeats_name = place.startswith(COUNTED) and key in IDENTITY
    return place.startswith(LISTS) and not repeats_name


def flatten_body(report: Report) -> dict[str, Json]:
    """Returns the figures of a body by their place, without what has words of its own."""
    body = {key: value for key, value in report.to_json().items() if key not in WORDED}
    return {name: value for name, value in flatten(body, "").items() if not is_worded(name)}


def is_worded(place: str) -> bool:
    """Whether a figure is a count of a row of all traces, its evaluator, or the gate's outcome."""
    key = place.rpartition(".")[2]
    if place.startswith("results ") and key == "evaluator_version":
        return True
    is_count = key in (*COUNTS, "n")
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
    if given.keys() >= {*DECISION}:
        return " ".join(str(given[key]) for key in DECISION)
    return " ".join(str(given[key]) for key in IDENTITY if given.get(key) not in (None, ""))


def describe_traces(before: Accounting, after: Accounting) -> Iterator[str]:
    """Describes what changed in the traces: how many there are, which came late or corrected."""
    if before == after:
        return
    counts = [
        f"{key} {was} → {now}"
        for key in ("read", "accepted", "duplicate", "quarantined")
        if (was := getattr(before, key)) != (now := getattr(after, key))
    ]
    fresh = [row for row in after.late if row not in before.late]
    counts += [f"{r.late} late, {r.corrected} corrected, read {r.seen}" for r in fresh]
    yield from counts or ["the checks of the traces changed"]
