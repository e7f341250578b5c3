"""Slices that fail more than the rest of the night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from evals.reports.decide.measurements import count_row, weigh_row
from evals.reports.decide.rows import Identity, Rate, read_rows
from evals.reports.json_form import Change, Count, Share, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.reports.sections import results
from evals.statistics import Proportion, benjamini_hochberg, slice_test

SMALLEST = 20
FALSE_DISCOVERIES = 0.05
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WorseSlice:
    """A slice that fails more than the rest."""

    dimension: str
    evaluator: str
    slice: str
    n: Count
    """Rows with a verdict."""
    rate: Share
    low: Share
    """Lower end of the rate's 95% interval."""
    high: Share
    """Upper end of the same."""
    parent_rate: Share
    """The rate of the whole."""
    excess: Change
    """`parent_rate` − `rate`."""
    q: Share
    """p adjusted for all slices tested (Benjamini-Hochberg)."""
    weighted: bool = absent_if(False)
    """Only where traces came into the sample unequally: the rates are weighted."""


class Tested(NamedTuple):
    """A slice beside its whole."""

    row: Rate
    part: Proportion
    whole: Proportion
    p: float


def collect(night: NightData) -> list[Rate]:
    """Reads tonight's rates."""
    return read_rows(Rate, night.read_rows_tonight("rpt_rates"))


def build(rates: list[Rate], parts: Parts) -> tuple[WorseSlice, ...]:
    """Finds slices that fail more than the rest, worst first (false discovery rate .05)."""
    deciding = {row.identity for row in parts[results.SECTION] if row.decides}
    tested = compare_slices(rates, deciding)
    adjusted = benjamini_hochberg([item.p for item in tested])
    worse = [
        build_worse_slice(item, q)
        for item, q in zip(tested, adjusted, strict=True)
        if q <= FALSE_DISCOVERIES and item.part.rate < item.whole.rate
    ]
    worse.sort(key=lambda s: (-s.excess, s.dimension, s.evaluator, s.slice))
    return tuple(worse[:SHOWN])


def compare_slices(rates: list[Rate], deciding: set[Identity]) -> list[Tested]:
    """Tests each slice of the rows that decide, if it is large enough and not the whole."""
    wholes = {row.identity: row for row in rates if row.slice == "all"}
    tested = list[Tested]()
    for row in rates:
        if row.slice == "all" or row.identity not in deciding.intersection(wholes):
            continue
        around = wholes[row.identity]
        if around.is_weighted and weigh_row(around).weights:
            part, whole = weigh_row(row), weigh_row(around)
        else:
            part, whole = count_row(row), count_row(around)
        if SMALLEST <= part.n < whole.n:
            tested.append(Tested(row, part, whole, slice_test(part, whole)))
    return tested


def build_worse_slice(tested: Tested, q: float) -> WorseSlice:
    """Returns a tested slice as the report shows it."""
    row, part, whole, _ = tested
    low, high = part.interval()
    return WorseSlice(
        dimension=row.dimension,
        evaluator=row.evaluator,
        slice=row.slice,
        n=part.n,
        rate=part.rate,
        low=round_figure(low),
        high=round_figure(high),
        parent_rate=whole.rate,
        excess=round_figure(whole.rate - part.rate),
        q=round_figure(q),
        weighted=bool(whole.weights),
    )


SECTION = Section[list[Rate], tuple[WorseSlice, ...]](
    name="slices",
    about="Slices that fail more than the rest, at least 20 scored, false discovery rate .05, "
    "worst first.",
    part=tuple[WorseSlice, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION,),
)
