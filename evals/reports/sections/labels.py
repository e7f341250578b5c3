"""The labels of a night: how many count, and how many do not and why.

What labels mean is in `evals.evaluators.label_verdicts`.
"""

from __future__ import annotations

from evals.reports.row_counts import LabelCounts
from evals.reports.section import NightData, Parts, Section


def collect(night: NightData) -> LabelCounts:
    """Reads how many labels count."""
    return night.read_label_counts()


def build(given: LabelCounts, parts: Parts) -> LabelCounts:
    """Returns the counts."""
    del parts
    return given


def make_none(night: NightData) -> LabelCounts:
    """Returns the counts of a refused night."""
    del night
    return LabelCounts()


SECTION = Section[LabelCounts, LabelCounts](
    name="labels",
    about="How many labels the night's traces have, and which of them do not count.",
    part=LabelCounts,
    collect=collect,
    build=build,
    empty=make_none,
    default=LabelCounts(),
)
