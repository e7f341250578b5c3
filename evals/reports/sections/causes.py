"""Candidate causes of a change: what else changed at the same time, with the evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from evals.readable import shorten_values
from evals.reports.cause_rows import Cause, ValueShare, VersionChange
from evals.reports.decide.blessed import find_size
from evals.reports.decide.gold_changes import GoldChange, find_gold_changes
from evals.reports.decide.mixes import LEAST
from evals.reports.decide.rows import (
    CauseRate,
    Covered,
    Rate,
    StratumCount,
    TraceCount,
    read_rows,
)
from evals.reports.decide.shifts import (
    CARRIER,
    EXPLAINS,
    Fields,
    Shift,
    Values,
    are_rivals,
    build_unscored_cell,
    describe_shift,
    find_shifts,
    list_top_shares,
    name_field,
    tally_fields,
)
from evals.reports.decide.version_effects import (
    SIGNIFICANT,
    Comparison,
    Sides,
    compare_versions,
    describe_replay,
)
from evals.reports.phrases import format_points, format_signed, format_whole_percent, round_figure
from evals.reports.result_rows import Mix, Result
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.reports.sections import results
from evals.reports.sections.changes import is_clear
from evals.statistics import Effect

VERSION_COLUMNS = re.compile(
    r"\b(model|model_requested|provider|prompt_name|prompt_version|prompt_hash|git_commit|versions)\b",
    re.IGNORECASE,
)
"""A slice by one of them is a version, not traffic."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The data from which causes are determined."""

    date: date
    history: tuple[Rate, ...]
    """Rates over all traces of the nights before."""
    rates: tuple[CauseRate, ...]
    """Verdicts by the values of provenance fields, of this night and the baseline's."""
    traces: tuple[TraceCount, ...]
    """This night's traces by the values of provenance fields."""
    earlier_traces: tuple[TraceCount, ...]
    strata: tuple[StratumCount, ...] = ()
    """Of this night and of the baseline's."""
    members: tuple[Rate, ...] = ()
    """This night's rates of slices by value that no earlier night had."""
    gold: tuple[GoldChange, ...] = ()


def collect(night: NightData) -> Facts:
    """Reads rates of the nights before, and provenance fields of both sides."""
    history = read_rows(Rate, night.read_rows_before("rpt_rates"))
    rates = [
        *night.read_rows_before("rpt_cause_rates"),
        *night.read_rows_tonight("rpt_cause_rates"),
    ]
    strata = [*night.read_rows_before("rpt_strata"), *night.read_rows_tonight("rpt_strata")]
    return Facts(
        date=night.date,
        history=tuple(
            row for row in history if row.slice == "all" and row.date and row.date < night.date
        ),
        rates=tuple(read_rows(CauseRate, rates)),
        traces=tuple(read_rows(TraceCount, night.read_rows_tonight("rpt_provenance"))),
        earlier_traces=tuple(read_rows(TraceCount, night.read_rows_before("rpt_provenance"))),
        strata=tuple(read_rows(StratumCount, strata)),
        members=tuple(list_new_members(night, history)),
        gold=find_gold_changes(
            read_rows(Covered, night.read_table_rows("coverage")),
            read_rows(Covered, night.read_table_rows_before("coverage")),
        ),
    )


def list_new_members(night: NightData, history: Sequence[Rate]) -> list[Rate]:
    """Lists tonight's rates of new values of the catalog's slices, except of versions."""
    names = {one.slice for one in night.slices if one.by and not VERSION_COLUMNS.search(one.by)}
    past = {row.slice for row in history if row.n}
    known = {slice.partition("=")[0] for slice in past}
    return [
        row
        for row in read_rows(Rate, night.read_rows_tonight("rpt_rates"))
        if row.slice not in past and row.slice.partition("=")[0] in names & known
    ]


def build(facts: Facts, parts: Parts) -> tuple[Cause, ...]:
    """Finds the candidate causes of each clear change, and evaluators that changed themselves.

    A version that is worse than another one of the same night is one without any change, too.
    """
    rows, causes = [row for row in parts[results.SECTION] if row.is_whole], list[Cause]()
    compared = compare_measured(rows, facts)
    for row in rows:
        past = [r for r in facts.history if r.identity[:2] == row.key and r.scored]
        own_dates = {r.date for r in past if r.identity == row.identity}
        if row.carried:
            own_dates = {r.date for r in past if r.evaluator_version == row.carried.before_version}
        found = list[Cause]()
        if row.mix:
            found.append(blame_mix(row, row.mix))
        own = [one for one in compared if one.identity == row.identity]
        if is_clear(row) and not is_explained_by_mix(row):
            found += explain_row(row, facts, own_dates, own)
        elif past and row.n and (row.carried or not own_dates):
            versions = Counter[str]()
            for r in past:
                versions[r.evaluator_version] += r.scored
            found.append(blame_evaluator(row, versions))
        causes += add_comparisons(row, found, own)
    return tuple(causes)


def compare_measured(rows: Sequence[Result], facts: Facts) -> list[Comparison]:
    """Compares the versions of tonight by each row that decides and is measured."""
    ratios = {
        row.identity: measure_independent(row)
        for row in rows
        if row.decides and row.scored and row.verdict != "not measured"
    }
    return compare_versions(facts.strata, facts.date, ratios)


def measure_independent(row: Result) -> float:
    """Measures how many of a row's verdicts are independent, by the width of its interval."""
    if row.rate is None or row.low is None or row.high is None:
        return 1.0
    return min(1.0, find_size(row.rate, row.high - row.low) / row.scored)


def explain_row(
    row: Result, facts: Facts, dates: set[date | None], compared: Sequence[Comparison]
) -> list[Cause]:
    """Finds the candidate causes of a row's change: gold, new slices, what changed beside it."""
    members = [blame_gold(row, one) for one in facts.gold if one.identity == row.identity]
    members += [blame_member(row, one) for one in facts.members if is_cause(row, one)]
    strata = [one for one in facts.strata if one.identity == row.identity]
    sides = Sides(
        [one for one in strata if one.date in dates],
        [one for one in strata if one.date == facts.date],
        compared,
        measure_independent(row),
    )
    causes = explain_change(row, *tally_sides(facts, row, dates), sides)
    return [*members, *(one for one in causes if one.cause != "unknown" or not members)]


def is_cause(row: Result, member: Rate) -> bool:
    """Whether a new slice carries a good part of a row's fall."""
    if member.identity != row.identity or member.scored < LEAST or not row.change:
        return False
    rest = row.scored - member.scored
    if row.change > 0 or not rest:
        return False
    gap = member.passed / member.scored - (row.passed - member.passed) / rest
    return gap * member.scored / row.scored / row.change >= EXPLAINS


def blame_gold(row: Result, gold: GoldChange) -> Cause:
    """Returns an edited gold set as a cause."""
    before, after = ((ValueShare(version, 1.0),) for version in (gold.before, gold.after))
    text = "the gold set was edited, so answers are compared with other right answers than before"
    return Cause(*row.key, "gold", before, after, text)


def blame_member(row: Result, member: Rate) -> Cause:
    """Returns a new slice as a cause."""
    share = member.scored / row.scored
    others = (row.passed - member.passed) / (row.scored - member.scored)
    own, rest, part = map(format_whole_percent, (member.passed / member.scored, others, share))
    text = f"{member.slice} is new: {part} of the answers, {own} of them passed, {rest} of others"
    return Cause(*row.key, "slice", (), (ValueShare(member.slice, round(share, 6)),), text)


def add_comparisons(
    row: Result, found: Sequence[Cause], compared: Sequence[Comparison]
) -> list[Cause]:
    """Adds the versions that are worse than another one of the same night."""
    causes = list(found)
    for one in compared:
        if one.p >= SIGNIFICANT or one.effect.value >= 0:
            continue
        cause = build_comparison(row, one)
        same = [i for i, other in enumerate(causes) if other.cause == one.field]
        if same:
            old = causes[same[0]]
            causes[same[0]] = replace(
                old, words=f"{old.words}; {cause.words}", same_night=cause.same_night
            )
        else:
            causes = [other for other in causes if other.cause != "unknown"] + [cause]
    return causes


def build_comparison(row: Result, one: Comparison) -> Cause:
    """Returns a version that is worse than another one of the same night as a cause."""
    effect, share = one.effect, format_whole_percent(one.share)
    new, old = (value[:7] if one.field == CARRIER else value for value in (one.new, one.old))
    nights = "the same night" if one.nights == 1 else f"the same {one.nights} nights"
    text = (
        f"{name_field(one.field)} {new} is {format_points(effect.value, effect.low, effect.high)} "
        f"points against {old} in {nights} and slices, on {share} of tonight's answers"
    )
    figures = (effect.value, effect.low, effect.high, one.p)
    change = VersionChange(
        one.old, one.new, round_figure(one.share), one.nights, *map(round_figure, figures)
    )
    before, after = (
        (ValueShare(value, round(part, 6)),)
        for value, part in ((one.old, 1 - one.share), (one.new, one.share))
    )
    return Cause(*row.key, one.field, before, after, text, change)


def tally_sides(facts: Facts, row: Result, dates: set[date | None]) -> tuple[Fields, Fields]:
    """Tallies the provenance fields of a row's baseline and of tonight."""
    version = row.evaluator_version
    rates = [
        r
        for r in facts.rates
        if (r.dimension, r.evaluator) == row.key and r.evaluator_version in ("", version)
    ]
    before = tally_fields(
        (r for r in rates if r.date in dates),
        (r for r in facts.earlier_traces if r.date in dates),
    )
    after = tally_fields((r for r in rates if r.date == facts.date), facts.traces)
    return before, after


def explain_change(row: Result, before: Fields, after: Fields, sides: Sides) -> list[Cause]:
    """Finds the candidate causes of one change; `unknown` where no recorded field changed."""
    change = row.change or 0.0
    met = find_shifts(before, after, change)
    shifts = [shift for shift in met if not sides.exonerates(shift, change)]
    if not shifts:
        text = "nothing that is recorded changed; read the failing answers"
        if met:
            names = " and ".join(name_field(shift.field) for shift in met)
            text = f"{names} changed and did not fall with it; read the failing answers"
        return [Cause(*row.key, "unknown", (), (), text)]
    separated = sides.separate(shifts)
    if separated:
        kept = [s for s in shifts if is_blamed(separated.get(s.field), change)]
        shifts = kept or shifts
    return [
        Cause(
            *row.key,
            shift.field,
            build_value_shares(shift.before),
            build_value_shares(shift.after),
            describe_cause(shift, shifts, separated),
        )
        for shift in shifts
    ]


def is_blamed(effect: Effect | None, change: float) -> bool:
    """Whether a version moved the rate the same way as the change, as far as is known."""
    return effect is None or effect.value * change > 0


def describe_cause(
    shift: Shift, shifts: Sequence[Shift], separated: Mapping[str, Effect] | None
) -> str:
    """Describes a shift, by itself where answers tell it apart from what changed with it."""
    effect = separated.get(shift.field) if separated else None
    if effect is not None:
        points = format_points(effect.value, effect.low, effect.high)
        return f"{describe_shift(shift, ())}; by itself {points} points, the others unchanged"
    rivals = [one for one in shifts if are_rivals(shift, one)]
    text = describe_shift(shift, [name_field(one.field) for one in rivals])
    return text + "".join(f"; {describe_replay(shift, one)}" for one in rivals[:1])


def is_explained_by_mix(row: Result) -> bool:
    """Whether the mix did most of a change that is no slip: then no version is a cause of it."""
    if row.mix is None or row.verdict == "slipped":
        return False
    return abs(row.mix.change) >= abs(row.mix.rate)


def blame_mix(row: Result, mix: Mix) -> Cause:
    """Returns the mix of the traffic as a cause, with the stratum that did most of it."""
    name = mix.stratum or "(small slices)"
    points, rest = (format_signed(part, 0) for part in (mix.change, mix.rate))
    before, after = (
        (ValueShare(name, round(share, 6)),) for share in (mix.share_before, mix.share_after)
    )
    text = (
        f"the mix of the traffic alone made {points} points: {name} is "
        f"{format_whole_percent(mix.share_after)} of the answers, before "
        f"{format_whole_percent(mix.share_before)}; the answers themselves made {rest}"
    )
    return Cause(*row.key, "mix", before, after, text)


def blame_evaluator(row: Result, versions: Mapping[str, int]) -> Cause:
    """Returns the evaluator itself as the cause: rates of its versions are not comparable.

    Args:
        row: the result of the evaluator.
        versions: the versions it was reported with before, with their scored rows.
    """
    return Cause(
        *row.key,
        "evaluator",
        build_value_shares({version: build_unscored_cell(n) for version, n in versions.items()}),
        (ValueShare(row.evaluator_version, 1.0),),
        f"the evaluator itself changed: {row.carried.words}"
        if row.carried
        else "the evaluator itself changed, so its rates before and after are not compared",
    )


def build_value_shares(values: Values) -> tuple[ValueShare, ...]:
    """Returns the most frequent values with their shares."""
    return tuple(ValueShare(*pair) for pair in list_top_shares(values))


def shorten_causes(causes: Iterable[Cause]) -> str:
    """Shortens the causes of one change for a headline, such as `prompt v3`."""
    every, parts = list(causes), list[str]()
    for cause in [c for c in every if c.cause != CARRIER] or every:
        if cause.cause == "mix":
            parts.append("the mix of traffic")
            continue
        if cause.cause in {"unknown", "evaluator"}:
            return f"cause {cause.cause}"
        before = {item.value: item.share for item in cause.before}
        gain = {item.value: item.share - before.get(item.value, 0) for item in cause.after}
        value = min(gain, key=lambda v: (-gain[v], v))
        shown = shorten_values({**before, **gain}, cause.cause)[value]
        parts.append(f"{name_field(cause.cause)} {value[:7] if cause.cause == CARRIER else shown}")
    return " and ".join(parts)


SECTION = Section[Facts, tuple[Cause, ...]](
    name="causes",
    about="For each clear change, what else changed at the same time, with the evidence.",
    part=tuple[Cause, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION,),
    has_fragment=False,
)
