"""The rows of a report's causes: their fields and what each contains."""

from __future__ import annotations

from dataclasses import dataclass

from evals.reports.json_form import Change, Count, Share, absent_if


@dataclass(frozen=True, slots=True)
class ValueShare:
    """A value of a provenance field."""

    value: str
    share: Share
    """Of the traces."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A version against another one in the same nights and slices (Mantel-Haenszel)."""

    old: str
    new: str
    share: Share
    """Of tonight's answers that the new version gave."""
    nights: Count
    """In which both ran."""
    change: Change
    """The new version's rate minus the old one's."""
    low: Change
    """Lower end of its 95% interval."""
    high: Change
    """Upper end of the same."""
    p: Share
    """Two-sided, adjusted for the night's other comparisons (Holm)."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One candidate cause of a change."""

    dimension: str
    evaluator: str
    cause: str
    """A provenance field, `evaluator`, `gold` (its set was edited), `mix` (of the traffic), `slice`
    (new), or `unknown`."""
    before: tuple[ValueShare, ...]
    """Its most frequent values on the baseline's nights."""
    after: tuple[ValueShare, ...]
    """The same of this night."""
    words: str
    """The cause with its evidence."""
    same_night: VersionChange | None = absent_if(None)
    """Only where two versions ran in the same nights and the newer one is worse beyond chance."""

    @property
    def key(self) -> tuple[str, str]:
        """The dimension and evaluator of the change."""
        return (self.dimension, self.evaluator)
