"""The counts of a night's rows and labels as a report has them.

Validation and `label_counts` count them; how the report lists them is in its sections.
"""

from __future__ import annotations

from dataclasses import dataclass

from evals.reports.json_form import Count, absent_if


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Rows quarantined for one reason."""

    code: str
    count: Count


@dataclass(frozen=True, slots=True)
class LateCount:
    """Traces read on one day after the night was first reported."""

    seen: str
    """The day."""
    late: Count
    corrected: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCount:
    """One inbox file with rows of the night; `read` is the sum of the other three here too."""

    file: str
    """Its path within the inbox."""
    sha: str
    """The first 16 hexadecimal digits of the SHA-256 of its bytes."""
    read: Count
    accepted: Count
    duplicate: Count
    quarantined: Count
    unplaced: Count = absent_if(0)
    """Rows of the file without a night or an application: in quarantine, counted in no night."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """The redactions of one rule."""

    rule: str
    traces: Count
    places: Count
    """How often, in all of them."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What was redacted in accepted traces before they were stored."""

    traces: Count
    """Those in which something was redacted."""
    rules: tuple[RuleCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Rows of the night: `read` = `accepted` + `duplicate` + `quarantined`."""

    read: Count
    accepted: Count
    duplicate: Count
    quarantined: Count
    reasons: tuple[ReasonCount, ...]
    """Why rows were quarantined."""
    corrected: Count = absent_if(0)
    """Duplicates whose content a later file replaced."""
    merged: Count = absent_if(0)
    """Duplicates that are parts of a trace a later file has more of."""
    late: tuple[LateCount, ...] = absent_if(())
    """Traces that came after the night was first reported, by day."""
    files: tuple[FileCount, ...] = absent_if(())
    """The inbox files that fed the night."""
    redacted: Redacted | None = absent_if(None)
    """What was redacted in accepted traces, by rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """The labels of the night's traces by what became of them, and those that wait."""

    labels: Count = 0
    """All labels of the night's traces: the sum of the next five, and of `earlier`."""
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
    earlier: Count = absent_if(0)
    """People's labels of an earlier wording of their question: they decide nothing."""
