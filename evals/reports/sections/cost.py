"""What the night's own answers cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from evals.reports.decide.rows import Paid
from evals.reports.json_form import Count, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Paid answers of the night."""

    usd: Annotated[float, Field(ge=0)] | None
    """US dollars; null where no call had a known price."""
    calls: Count
    tokens_in: Count
    tokens_out: Count
    unpriced: Count = absent_if(0)
    """Calls of models without a price in the catalog; only where there are some."""
    bounded: Count = absent_if(0)
    """Calls whose provider reported no usage: `usd` has the most they can cost; only where there
    are some."""


def collect(night: NightData) -> Paid:
    """Sums the night's ledger rows."""
    return night.sum_paid()


def build(paid: Paid, parts: Parts) -> Cost:
    """Counts calls without a price as 0 dollars; where no call has a price, the sum is unknown."""
    del parts
    is_unknown = paid.unpriced and paid.unpriced == paid.calls
    return Cost(
        usd=None if is_unknown else round_figure(paid.usd),
        calls=paid.calls,
        tokens_in=paid.tokens_in,
        tokens_out=paid.tokens_out,
        unpriced=paid.unpriced,
        bounded=paid.bounded,
    )


def build_for_refused(night: NightData) -> Cost:
    """Returns zeros: a refused night calls no model."""
    del night
    return Cost(usd=0.0, calls=0, tokens_in=0, tokens_out=0)


SECTION = Section[Paid, Cost](
    name="cost",
    about="The night's own paid answers.",
    part=Cost,
    collect=collect,
    build=build,
    empty=build_for_refused,
    shown_if_refused=True,
)
