"""What a call costs under the price in force on a night.

Budgets are the runner's.
"""

from __future__ import annotations

from datetime import date

from evals.specs import ModelPin


def cost(pin: ModelPin, night: date, tokens_in: int, tokens_out: int) -> float:
    """US dollars of one call under the price in force that night; 0 when none is known."""
    price = pin.price_on(night)
    if price is None:
        return 0.0
    return round((tokens_in * price.input + tokens_out * price.output) / 1e6, 9)
