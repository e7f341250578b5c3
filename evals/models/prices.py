"""What a call costs under the price in force on a night.

Budgets are the runner's.
"""

from __future__ import annotations

from datetime import date

from evals.specs import ModelPin


def cost(
    pin: ModelPin,
    night: date,
    tokens_in: int,
    tokens_out: int,
    cached: int = 0,
    *,
    batch: bool = False,
) -> float:
    """US dollars of one call under the price in force that night; 0 when none is known.

    Args:
        pin: the model asked.
        night: whose price counts.
        tokens_in: read, those the provider had cached among them.
        tokens_out: written.
        cached: how many of `tokens_in` the provider had cached.
        batch: whether it was asked in a batch, which pays a part of everything.
    """
    price = pin.price_on(night)
    if price is None:
        return 0.0
    cached = min(cached, tokens_in)
    reused = price.input if price.cached is None else price.cached
    usd = (tokens_in - cached) * price.input + cached * reused + tokens_out * price.output
    return round(usd * (price.batch if batch else 1.0) / 1e6, 9)
