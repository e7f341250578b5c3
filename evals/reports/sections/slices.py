"""Slices that fail more than the rest: one half of the sessions proposes, the other confirms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from evals.reports.json_form import Change, Count, Share, absent_if, from_json
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.reports.sections import results
from evals.reports.sections.examples import Example
from evals.slices.findings import Finding, NightCount, SliceSearch, join_predicates
from evals.statistics import holm, wilson_interval

SHOWN = 20
ALPHA = 0.05
NIGHTS = 90
"""Nights over which the error rate is promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceTerm:
    """One attribute of a slice."""

    attribute: str
    value: str
    """Empty where traces are in it or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceNight:
    """A night's rows of a slice, of the half that confirms."""

    night: date
    n: Count
    passed: Count
    rate: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class WorseSlice:
    """A slice that fails more than the rest."""

    dimension: str
    evaluator: str
    slice: str
    n: Count
    """Rows with a verdict, in the half of the sessions that confirms; rates are of that half."""
    rate: Share
    low: Share
    """Lower end of the rate's 95% interval."""
    high: Share
    """Upper end of the same."""
    parent_rate: Share
    """The rate of the parent."""
    excess: Change
    """`parent_rate` − `rate`."""
    q: Share
    """p adjusted for all slices that were proposed (Holm)."""
    weighted: bool = absent_if(False)
    """Only where traces came into the sample unequally: the rates are weighted."""
    terms: tuple[SliceTerm, ...] = absent_if(())
    """One or two attributes; none in reports of before slices were searched."""
    definition: str = absent_if("")
    """SQL that holds for its traces."""
    parent: str = absent_if("all")
    """`all` for a slice of one attribute; for a pair the worse of its two attributes."""
    rest_rate: Share | None = absent_if(None)
    """The rate of all other rows."""
    rest_n: Count = absent_if(0)
    size: Count = absent_if(0)
    """Rows with a verdict, of both halves."""
    share: Share = absent_if(0.0)
    """Of all rows."""
    level: Share = absent_if(0.0)
    """The largest `q` that confirms: .05 over 90 nights, more after slices were confirmed."""
    nights: Count = absent_if(0)
    """Nights that were read, this one the last."""
    keywords: tuple[str, ...] = absent_if(())
    """Words that mark its inputs, each in at least five of them."""
    trend: tuple[SliceNight, ...] = absent_if(())
    examples: tuple[Example, ...] = absent_if(())
    """Up to three failing answers, redacted, their texts shortened to 600 characters."""
    line: str = absent_if("")
    """The line of `slices.yaml` that keeps it."""
    kept_as: str = absent_if("")
    """Its name, where `slices.yaml` has it."""


def collect(night: NightData) -> SliceSearch:
    """Searches the slices of the night."""
    return night.search_slices()


def build(search: SliceSearch, parts: Parts) -> tuple[WorseSlice, ...]:
    """Confirms slices of the rows that decide (Holm), worst first.

    The level is that of Javanmard and Montanari's LOND (2018) with 90 equal shares: .05 is spread
    over the nights, and each confirmed slice of late adds a share.
    """
    deciding = {row.identity for row in parts[results.SECTION] if row.decides and row.is_whole}
    proposed = [one for one in search.findings if tuple(one.scored) in deciding]
    level = min(ALPHA, ALPHA * (1 + search.confirmed_before) / NIGHTS)
    adjusted = holm([one.p for one in proposed])
    worse = [
        build_worse_slice(one, q, level, len(search.nights))
        for one, q in zip(proposed, adjusted, strict=True)
        if q <= level and one.part.rate < one.around.rate
    ]
    worse.sort(key=lambda s: (-s.excess, s.dimension, s.evaluator, s.slice))
    return tuple(worse[:SHOWN])


def build_worse_slice(found: Finding, q: float, level: float, nights: int) -> WorseSlice:
    """Returns a slice as the report shows it."""
    low, high = found.part.interval()
    return WorseSlice(
        dimension=found.scored.dimension,
        evaluator=found.scored.evaluator,
        slice=found.kept_as or " and ".join(term.name for term in found.terms),
        n=found.part.n,
        rate=round_figure(found.part.rate),
        low=round_figure(low),
        high=round_figure(high),
        parent_rate=round_figure(found.around.rate),
        excess=round_figure(found.around.rate - found.part.rate),
        q=round_figure(q),
        weighted=found.is_weighted,
        terms=tuple(SliceTerm(attribute=t.attribute, value=t.value) for t in found.terms),
        definition=join_predicates(found.terms),
        parent=found.parent,
        rest_rate=round_figure(found.rest.rate) if found.rest.n else None,
        rest_n=found.rest.n,
        size=found.size,
        share=round_figure(found.share),
        level=round_figure(level),
        nights=nights,
        keywords=found.keywords,
        trend=tuple(map(build_slice_night, found.nights)),
        examples=tuple(from_json(Example, row) for row in found.examples),
        line=found.line,
        kept_as=found.kept_as,
    )


def build_slice_night(counted: NightCount) -> SliceNight:
    """Returns a night of a slice as the report shows it."""
    low, high = wilson_interval(counted.passed, counted.n)
    rate = counted.passed / counted.n
    return SliceNight(
        night=counted.night, n=counted.n, passed=counted.passed,
        rate=round_figure(rate), low=round_figure(low), high=round_figure(high),
    )  # fmt: skip


SECTION = Section[SliceSearch, tuple[WorseSlice, ...]](
    name="slices",
    about="Slices of one or two attributes that fail more than the rest: at least 20 scored in "
    "each half of the sessions, proposed by one half (false discovery rate .1) and confirmed by "
    "the other (Holm), worst first.",
    part=tuple[WorseSlice, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION,),
)
