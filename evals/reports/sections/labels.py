"""The labels of a night: how many count, and how many do not and why.

What labels mean is in `evals.evaluators.label_verdicts`.
"""

from __future__ import annotations

from dataclasses import dataclass

from evals.reports.decide.rows import Row
from evals.reports.json_form import Count
from evals.reports.section import NightData, Parts, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of the night's traces by what became of them, and those that wait."""

    labels: Count = 0
    """All labels of the night's traces: the sum of the next five."""
    counted: Count = 0
    """Labels that are votes."""
    corrected: Count = 0
    """Labels whose annotator labelled the same answer again."""
    outdated: Count = 0
    """Labels of an answer that was replaced since."""
    unmapped: Count = 0
    """Labels whose word the suite does not map; of judges and rules they are errors."""
    unknown_dimension: Count = 0
    """Labels on a dimension that the suite does not have."""
    traces: Count = 0
    """Traces with a label that counts."""
    waiting: Count = 0
    """Labels on the suite's dimensions whose trace had not arrived when this was reported."""


def collect(night: NightData) -> Row:
    """Reads how many labels count."""
    return night.read_label_counts()


def build(given: Row, parts: Parts) -> Labels:
    """Returns the counts."""
    del parts
    return Labels(**{name: int(str(n)) for name, n in given.items()})


def make_none(night: NightData) -> Labels:
    """Returns the counts of a refused night."""
    del night
    return Labels()


SECTION = Section[Row, Labels](
    name="labels",
    about="How many labels the night's traces have, and which of them do not count.",
    part=Labels,
    collect=collect,
    build=build,
    empty=make_none,
    default=Labels(),
)
