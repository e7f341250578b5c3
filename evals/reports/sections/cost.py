"""What the night's own answers cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from evals.reports.json_form import absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import Count, NightData, Parts, Section


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


def collect(night: NightData) -> Mapping[str, Any]:
    """What the night's ledger rows add up to."""
    return night.paid()


def build(given: Mapping[str, Any], parts: Parts) -> Cost:
    """Calls of a model without a price are no dollars; where all are, the sum is unknown, not 0."""
    del parts
    calls, unpriced = int(given.get("calls", 0)), int(given.get("unpriced", 0))
    is_unknown = unpriced and unpriced == calls
    return Cost(
        usd=None if is_unknown else round_figure(float(given.get("usd", 0.0))),
        calls=calls,
        tokens_in=int(given.get("tokens_in", 0)),
        tokens_out=int(given.get("tokens_out", 0)),
        unpriced=unpriced,
    )


def free(night: NightData) -> Cost:
    """A refused night asks nothing."""
    del night
    return Cost(usd=0.0, calls=0, tokens_in=0, tokens_out=0)


SECTION = Section[Mapping[str, Any], Cost](
    name="cost",
    about="The night's own paid answers.",
    part=Cost,
    collect=collect,
    build=build,
    empty=free,
    shown_if_refused=True,
)
