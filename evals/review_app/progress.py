"""How far a reader is, in words, and how fast: from the seconds stored in labels.

Nothing is stored here.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evals.evaluators.label_verdicts import is_from_people
from evals.records import Label

RECENT = 50
"""The last labels from which the time left is estimated."""


def describe_progress(done: int, total: int, seconds: float | None, what: str = "judged") -> str:
    """Describes progress: `12 of 100 judged, about 20 minutes left`.

    Args:
        done: the questions that were answered.
        total: all of them.
        seconds: a verdict takes so long; None: not measured yet.
        what: what was done.
    """
    counted = f"{done:,} of {total:,} {what}"
    if done >= total:
        return f"{counted}, nothing left"
    if seconds is None:
        return counted
    return f"{counted}, {describe_duration((total - done) * seconds)} left"


def describe_duration(seconds: float) -> str:
    """Describes a duration in the unit that suits it."""
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    hours = round(seconds / 3600)
    return f"about {hours:,} hour{'s' if hours > 1 else ''}"


def estimate_seconds(labels: Sequence[Label]) -> float | None:
    """Estimates the seconds a verdict takes: the median of an annotator's last ones."""
    return estimate_pace([one.seconds_spent for one in labels])


def estimate_pace(spent: Sequence[float | None]) -> float | None:
    """Estimates the seconds that one of a kind takes: the median of the last that were timed."""
    seconds = [one for one in spent if one][-RECENT:]
    return statistics.median(seconds) if seconds else None


def compute_hourly(labels: Iterable[Label]) -> float | None:
    """Computes verdicts in an hour of work, from the seconds of those that were timed."""
    seconds = [spent for one in labels if (spent := one.seconds_spent)]
    return 3600 * len(seconds) / sum(seconds) if seconds else None


class Pace(NamedTuple):
    """How much a person judged, and how fast."""

    annotator: str
    verdicts: int
    hourly: float | None
    """Verdicts in an hour of work; None where no seconds were stored."""

    def describe(self) -> str:
        """Describes it in a sentence."""
        count = f"{self.verdicts:,} verdict{'s' if self.verdicts != 1 else ''}"
        pace = f", about {self.hourly:,.0f} an hour of work" if self.hourly else ""
        return f"{self.annotator}: {count}{pace}"


def list_paces(labels: Iterable[Label]) -> list[Pace]:
    """Lists the people whose verdicts were timed, by name."""
    by_annotator: dict[str, list[Label]] = {}
    for label in labels:
        if label.seconds_spent and is_from_people(label):
            by_annotator.setdefault(label.annotator, []).append(label)
    return [Pace(name, len(own), compute_hourly(own)) for name, own in sorted(by_annotator.items())]
