"""How much may be asked: ceilings of a provider's account, hours, budgets, samples.

What is done under them is told in `evals.calls` and `evals.worklist.sampling`.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from evals.specs.spec import Spec

HOURS = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)(?: ([\w/+-]+))?")


class Ceiling(Spec):
    """What of an account's limits the evaluation may use; the rest is the product's."""

    share: float = Field(default=0.3, gt=0, le=1, description="the share of the limits it may use")
    requests_per_minute: float | None = Field(
        default=None, gt=0, description="the account's limit; null: as the provider says"
    )
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="the account's limit; null: as the provider says"
    )
    hours: str | None = Field(
        default=None, description="when it may ask, such as `22:00-06:00 Europe/Berlin` [UTC]"
    )

    @field_validator("hours")
    @classmethod
    def readable(cls, value: str | None) -> str | None:
        """Hours that cannot be read are refused before a night rests on them."""
        if value is not None:
            span(value)
        return value

    def open_at(self, now: datetime) -> bool:
        """Whether asking is allowed at a moment."""
        if self.hours is None:
            return True
        begin, end, zone = span(self.hours)
        at = now.astimezone(zone).time()
        return begin <= at < end if begin < end else at >= begin or at < end


def span(hours: str) -> tuple[time, time, ZoneInfo]:
    """Hours as written: from, to, and the zone they are meant in."""
    found = HOURS.fullmatch(hours.strip())
    try:
        if found is None:
            raise ValueError
        begin, end = time.fromisoformat(found[1]), time.fromisoformat(found[2])
        return begin, end, ZoneInfo(found[3] or "UTC")
    except (ValueError, KeyError, OSError):
        expected = "expected hours such as `22:00-06:00` or `22:00-06:00 Europe/Berlin`"
        raise ValueError(f"{expected}, found {hours!r}") from None


class Budget(Spec):
    """The most that may be spent on a day of asking, whatever nights it is asked for."""

    usd_per_day: float | None = Field(default=None, ge=0, description="US dollars; null: no limit")
    calls_per_day: int | None = Field(default=None, ge=0, description="calls; null: no limit")


class Strata(Spec):
    """Groups of traces of which each has to be seen."""

    by: str = Field(description="a slice by name, or a SQL expression over a trace's columns")
    minimum: int = Field(default=30, ge=1, description="traces of each group, where it has them")


class Sample(Spec):
    """Which traces a dimension looks at; chosen by hash, so the same under every version."""

    rate: float = Field(default=1.0, gt=0, le=1, description="the share of traces")
    at_most: int | None = Field(default=None, ge=1, description="traces a night; null: no limit")
    strata: Strata | None = Field(default=None, description="groups that must not be missed")

    @classmethod
    def of(cls, value: Sample | float | None) -> Sample:
        """A rate alone is a sample too."""
        return cls(rate=value) if isinstance(value, int | float) else value or cls()


JUDGED = Sample(at_most=1000)
"""What a judge looks at where its suite says nothing: within 3 points of all, at 95%."""
