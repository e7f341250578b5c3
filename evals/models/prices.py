"""Computes what a call costs under the price in force on a night.

Budgets belong to `evals.calls.day_budget`.
"""

from __future__ import annotations

from datetime import date

from evals.specs import ModelPin


def compute_cost(
    pin: ModelPin,
    night: date,
    tokens_in: int,
    tokens_out: int,
    cached: int = 0,
    *,
    batch: bool = False,
) -> float:
    """Computes the US dollars of one call; 0 when the pin has no known price.

    Args:
        pin: the model called.
        night: the night whose price applies.
        tokens_in: input tokens, including cached ones.
        tokens_out: output tokens.
        cached: how many of `tokens_in` the provider had cached.
        batch: whether it was part of a batch, which has a discount.
    """
    price = pin.price_on(night)
    if price is None:
        return 0.0
    cached = min(cached, tokens_in)
    reused = price.input if price.cached is None else price.cached
    usd = (tokens_in - cached) * price.input + cached * reused + tokens_out * price.output
    return round(usd * (price.batch if batch else 1.0) / 1e6, 9)
