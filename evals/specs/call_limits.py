"""Limits of calls: a provider account's rates and hours, budgets, samples.

They are applied in `evals.calls` and `evals.worklist.sampling`.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from evals.specs.spec import NAME, Name, Spec

HOURS = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)(?: ([\w/+-]+))?")


class Ceiling(Spec):
    """The part of an account's limits that evaluation may use; the product has the rest."""

    share: float = Field(default=0.3, gt=0, le=1, description="the share of the limits it may use")
    requests_per_minute: float | None = Field(
        default=None, gt=0, description="the account's limit; null: as the provider reports it"
    )
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="the account's limit; null: as the provider reports it"
    )
    hours: str | None = Field(
        default=None,
        description="when it may send calls, such as `22:00-06:00 Europe/Berlin` [UTC]",
    )

    @field_validator("hours")
    @classmethod
    def check_hours(cls, value: str | None) -> str | None:
        """Refuses hours that cannot be parsed."""
        if value is not None:
            parse_hours(value)
        return value

    def is_open_at(self, now: datetime) -> bool:
        """Whether calls are allowed at a moment."""
        if self.hours is None:
            return True
        begin, end, zone = parse_hours(self.hours)
        at = now.astimezone(zone).time()
        return begin <= at < end if begin < end else at >= begin or at < end


def parse_hours(hours: str) -> tuple[time, time, ZoneInfo]:
    """Parses hours to begin, end and time zone."""
    match = HOURS.fullmatch(hours.strip())
    try:
        if match is None:
            raise ValueError
        begin, end = time.fromisoformat(match[1]), time.fromisoformat(match[2])
        return begin, end, ZoneInfo(match[3] or "UTC")
    except (ValueError, KeyError, OSError):
        expected = "expected hours such as `22:00-06:00` or `22:00-06:00 Europe/Berlin`"
        raise ValueError(f"{expected}, found {hours!r}") from None


class Budget(Spec):
    """The most that the calls of one day may cost, whatever nights they belong to."""

    usd_per_day: float | None = Field(default=None, ge=0, description="US dollars; null: no limit")
    calls_per_day: int | None = Field(default=None, ge=0, description="calls; null: no limit")


class Strata(Spec):
    """Groups of traces, each of which must be in the sample."""

    by: str = Field(description="a slice by name, or a SQL expression over a trace's columns")
    minimum: int = Field(default=30, ge=1, description="traces of each group, where it has them")


class Flagged(Spec):
    """Traces that a cheaper evaluator failed, which a dearer one looks at more often."""

    by: Name = Field(
        pattern=NAME, description="the dimension of the suite whose check is asked first"
    )
    rate: float = Field(default=1.0, gt=0, le=1, description="the share of traces that it failed")


class Sample(Spec):
    """Which traces a dimension evaluates; chosen by hash, so the same under every version."""

    rate: float = Field(default=1.0, gt=0, le=1, description="the share of traces")
    at_most: int | None = Field(default=None, ge=1, description="traces a night; null: no limit")
    strata: Strata | None = Field(default=None, description="groups that must not be missed")
    flagged: Flagged | None = Field(
        default=None,
        description="what another dimension failed, at a rate of its own; `rate` is that of all "
        "others. `plan` counts what is known to be failed",
    )
    draw: Name | None = Field(
        default=None,
        pattern=NAME,
        description="dimensions with one word here sample the same traces; null: its own",
    )

    @model_validator(mode="after")
    def check_groups(self) -> Self:
        """Refuses two ways to group the traces."""
        if self.strata and self.flagged:
            raise ValueError("`strata` and `flagged` both group the traces; keep one of them")
        return self

    @classmethod
    def of(cls, value: Sample | float | None) -> Sample:
        """Returns a sample; a rate alone is one too."""
        return cls(rate=value) if isinstance(value, int | float) else value or cls()


JUDGED = Sample(at_most=1000)
"""A judge's sample where its suite declares none: within 3 points of all traces, at 95%."""
