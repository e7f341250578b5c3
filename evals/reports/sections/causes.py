"""Candidate causes of a change: what else changed at the same time, with the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from evals.readable import shorten_values
from evals.reports.decide.rows import CauseRate, Rate, TraceCount, read_rows
from evals.reports.decide.shifts import (
    CARRIER,
    Fields,
    Values,
    are_rivals,
    build_unscored_cell,
    describe_shift,
    find_shifts,
    list_top_shares,
    name_field,
    tally_fields,
)
from evals.reports.json_form import Share
from evals.reports.phrases import format_signed, format_whole_percent
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.reports.sections import results
from evals.reports.sections.changes import is_clear
from evals.reports.sections.results import Mix, Result


@dataclass(frozen=True, slots=True)
class ValueShare:
    """A value of a provenance field."""

    value: str
    share: Share
    """Of the traces."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One candidate cause of a change."""

    dimension: str
    evaluator: str
    cause: str
    """A provenance field, `evaluator`, `mix` (of the traffic), or `unknown`."""
    before: tuple[ValueShare, ...]
    """Its most frequent values on the baseline's nights."""
    after: tuple[ValueShare, ...]
    """The same of this night."""
    words: str
    """The cause with its evidence."""

    @property
    def key(self) -> tuple[str, str]:
        """The dimension and evaluator of the change."""
        return (self.dimension, self.evaluator)


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


def collect(night: NightData) -> Facts:
    """Reads rates of the nights before, and provenance fields of both sides."""
    history = read_rows(Rate, night.read_rows_before("rpt_rates"))
    rates = [
        *night.read_rows_before("rpt_cause_rates"),
        *night.read_rows_tonight("rpt_cause_rates"),
    ]
    return Facts(
        date=night.date,
        history=tuple(
            row for row in history if row.slice == "all" and row.date and row.date < night.date
        ),
        rates=tuple(read_rows(CauseRate, rates)),
        traces=tuple(read_rows(TraceCount, night.read_rows_tonight("rpt_provenance"))),
        earlier_traces=tuple(read_rows(TraceCount, night.read_rows_before("rpt_provenance"))),
    )


def build(facts: Facts, parts: Parts) -> tuple[Cause, ...]:
    """Finds the candidate causes of each clear change, and evaluators that changed themselves."""
    causes = list[Cause]()
    for row in parts[results.SECTION]:
        if not row.is_whole:
            continue
        past = [r for r in facts.history if r.identity[:2] == row.key and r.scored]
        own_dates = {r.date for r in past if r.identity == row.identity}
        if row.mix:
            causes.append(blame_mix(row, row.mix))
        if is_clear(row) and not is_explained_by_mix(row):
            causes += explain_change(row, *tally_sides(facts, row, own_dates))
        elif past and not own_dates and row.n:
            versions = Counter[str]()
            for r in past:
                versions[r.evaluator_version] += r.scored
            causes.append(blame_evaluator(row, versions))
    return tuple(causes)


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


def explain_change(row: Result, before: Fields, after: Fields) -> list[Cause]:
    """Finds the candidate causes of one change; `unknown` where no recorded field changed."""
    shifts = find_shifts(before, after, row.change or 0.0)
    if not shifts:
        text = "nothing that is recorded changed; read the failing answers"
        return [Cause(*row.key, "unknown", (), (), text)]
    return [
        Cause(
            *row.key,
            shift.field,
            build_value_shares(shift.before),
            build_value_shares(shift.after),
            describe_shift(shift, [name_field(s.field) for s in shifts if are_rivals(shift, s)]),
        )
        for shift in shifts
    ]


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
        "the evaluator itself changed, so its rates before and after are not compared",
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
