"""The rates that changed beyond their interval."""

from __future__ import annotations

from dataclasses import dataclass

from evals.reports.decide.verdicts import Word
from evals.reports.json_form import Change as Difference
from evals.reports.json_form import Share, absent_if
from evals.reports.result_rows import Result
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.reports.sections import results


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rate against the baseline's."""

    dimension: str
    evaluator: str
    slice: str
    before: Share
    """The baseline's rate."""
    after: Share
    """This night's."""
    change: Difference
    low: Difference
    """Lower end of the interval of the change at the gate's `alpha`."""
    high: Difference
    """Upper end of the same."""
    p: Share | None
    """Two-sided, not adjusted."""
    verdict: Word
    weighted: bool = absent_if(False)
    """Only where traces came into the sample unequally: the rates are weighted."""

    @property
    def key(self) -> tuple[str, str]:
        """The dimension and evaluator of the row."""
        return (self.dimension, self.evaluator)


def is_clear(row: Result) -> bool:
    """Whether a row that is measured changed beyond its interval."""
    if row.change_low is None or row.change_high is None or row.verdict == "not measured":
        return False
    return row.change_low > 0 or row.change_high < 0


def collect(night: NightData) -> None:
    """Reads nothing: changes are taken from the results."""
    del night


def build(given: None, parts: Parts) -> tuple[Change, ...]:
    """Returns the rates whose change has an interval that excludes 0."""
    del given
    return tuple(build_change(row) for row in parts[results.SECTION] if is_clear(row))


def build_change(row: Result) -> Change:
    """Returns a result as a change."""
    if (
        row.baseline is None
        or row.change is None
        or row.change_low is None
        or row.change_high is None
        or row.compared_rate.rate is None
    ):
        raise ValueError(f"{row.dimension} ({row.evaluator}) has no baseline to differ from")
    return Change(
        dimension=row.dimension,
        evaluator=row.evaluator,
        slice=row.slice,
        before=row.baseline.rate,
        after=row.compared_rate.rate,
        change=row.change,
        low=row.change_low,
        high=row.change_high,
        p=row.p,
        verdict=row.verdict,
        weighted=row.weighted is not None or row.baseline.weighted,
    )


SECTION = Section[None, tuple[Change, ...]](
    name="changes",
    about="Rows whose change has an interval that excludes 0.",
    part=tuple[Change, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION,),
)
