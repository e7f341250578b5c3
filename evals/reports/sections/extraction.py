"""Comparisons with gold part by part: precision, recall and F1 of each attribute and of all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from evals.reports.decide.rows import read_rows
from evals.reports.json_form import Count, Share
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.table_rows import PartRow

ANSWERED = "answered"
"""The one part of an abstention set: whether the question was answered."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its 95% interval, clustered by session."""

    value: Share
    low: Share
    high: Share
    """Wilson's interval with the effective number of parts: see `evals/statistics/ratios.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """How often one part is right, or all together."""

    part: str
    """Its name; empty: all together (`micro`), or the mean over the parts (`macro`)."""
    right: Count
    wrong: Count
    """Both have a value, and they differ."""
    missed: Count
    """Gold has a value, the answer none."""
    invented: Count
    """The answer has a value, gold none."""
    absent: Count
    """Neither has a value."""
    precision: Figure | None
    """right / (right + wrong + invented)."""
    recall: Figure | None
    """right / (right + wrong + missed)."""
    f1: Figure | None
    """2 right / (2 right + 2 wrong + missed + invented)."""
    specificity: Figure | None
    """absent / (absent + invented); of an abstention set, the unanswerable questions that were not
    answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """One evaluator's comparisons with gold, part by part."""

    dimension: str
    evaluator: str
    evaluator_version: str
    traces: Count
    """Answers that were compared."""
    sessions: Count
    micro: PartResult
    """All parts together; of a single part, the part itself."""
    macro: PartResult | None
    """The mean over the parts; null where there is a single one."""
    parts: tuple[PartResult, ...]

    @property
    def is_abstention(self) -> bool:
        """Whether it is about which questions were answered."""
        return [part.part for part in self.parts] == [ANSWERED]

    @property
    def is_one_sided(self) -> bool:
        """Whether an abstention set asks mostly one sort of questions."""
        row = self.micro
        sides = (row.right + row.missed, row.invented + row.absent)
        return self.is_abstention and min(sides) * 3 < sum(sides)


def collect(night: NightData) -> tuple[PartRow, ...]:
    """Reads the night's counts by part."""
    return tuple(read_rows(PartRow, night.read_table_rows("parts")))


def build(rows: Sequence[PartRow], parts: Parts) -> tuple[Extraction, ...]:
    """Returns one row for each evaluator that compares parts."""
    del parts
    grouped = itertools.groupby(
        sorted(rows, key=lambda row: row.identity), key=lambda row: row.identity
    )
    return tuple(build_extraction(list(group)) for _, group in grouped)


def build_extraction(rows: list[PartRow]) -> Extraction:
    """Returns an evaluator's comparisons as the report shows them."""
    own = tuple(show_part(row) for row in rows if row.level == "part")
    levels = {row.level: row for row in rows if row.level != "part"}
    whole = levels.get("micro", rows[0])
    return Extraction(
        dimension=whole.dimension,
        evaluator=whole.evaluator,
        evaluator_version=whole.evaluator_version,
        traces=whole.traces,
        sessions=whole.sessions,
        micro=show_part(whole),
        macro=show_part(levels["macro"]) if "macro" in levels else None,
        parts=own,
    )


def show_part(row: PartRow) -> PartResult:
    """Returns a row's counts and figures."""
    return PartResult(
        part=row.part,
        right=row.right,
        wrong=row.wrong,
        missed=row.missed,
        invented=row.invented,
        absent=row.absent,
        precision=show_figure(row.precision, row.precision_low, row.precision_high),
        recall=show_figure(row.recall, row.recall_low, row.recall_high),
        f1=show_figure(row.f1, row.f1_low, row.f1_high),
        specificity=show_figure(row.specificity, row.specificity_low, row.specificity_high),
    )


def show_figure(value: float | None, low: float | None, high: float | None) -> Figure | None:
    """Returns a figure, rounded; None where nothing was counted."""
    if value is None or low is None or high is None:
        return None
    return Figure(round_figure(value), round_figure(low), round_figure(high))


SECTION = Section[tuple[PartRow, ...], tuple[Extraction, ...]](
    name="extraction",
    about="Comparisons with gold part by part, with precision, recall and F1, micro and macro; "
    "of an abstention set, both kinds of error.",
    part=tuple[Extraction, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
)
