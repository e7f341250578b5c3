"""What calls cost."""

from datetime import date

from evals import models
from evals.specs import ModelPin, Price


def test_a_cost_is_the_price_of_its_night() -> None:
    """A price change does not reprice the nights before it."""
    old = Price(since=date(2026, 1, 1), input=1, output=2)
    new = Price(since=date(2026, 10, 1), input=10, output=20)
    pin = ModelPin(name="m", model="m-1", prices=(new, old))
    assert models.compute_cost(pin, date(2026, 9, 30), 1_000_000, 500_000) == 2.0
    assert models.compute_cost(pin, date(2026, 10, 1), 1_000_000, 500_000) == 20.0
    assert models.compute_cost(pin, date(2025, 1, 1), 1_000_000, 0) == 0.0


def test_cached_tokens_and_batches_cost_less() -> None:
    """A batch costs half of everything; cached tokens cost their own price where there is one."""
    price = Price(since=date(2026, 1, 1), input=10, output=20, cached=1)
    pin, night = ModelPin(name="m", model="m-1", prices=(price,)), date(2026, 2, 1)
    assert models.compute_cost(pin, night, 1_000_000, 0, cached=400_000) == 6.4
    assert models.compute_cost(pin, night, 1_000_000, 100_000, cached=400_000, batch=True) == 4.2
    plain = pin.model_copy(update={"prices": (price.model_copy(update={"cached": None}),)})
    assert models.compute_cost(plain, night, 1_000_000, 0, cached=400_000) == 10.0
