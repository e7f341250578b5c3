"""Expiry dates of pins, from the catalog or from the provider's model list.

A list is fetched only by commands that go online anyway; the lake stores the last one read.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Literal, NamedTuple

from evals.models.clients import open_client
from evals.models.protocol import Client, ModelError, Unavailable
from evals.specs import ModelPin
from evals.storage.documents.model_lists import (
    ModelList,
    read_model_lists,
    replace_model_list,
)
from evals.storage.lake import Lake

FAIL_DAYS, WARN_DAYS = 30, 90


class Expiry(NamedTuple):
    """When a pin expires, relative to a day."""

    name: str
    model: str
    on: date
    """The last day it is served."""
    days_left: int
    """Days until then; negative when it has expired."""
    state: Literal["ok", "warn", "fail"]
    source: Literal["catalog", "provider"]

    def describe(self) -> str:
        """Describes the expiry in a sentence."""
        days = "1 day" if abs(self.days_left) == 1 else f"{abs(self.days_left)} days"
        when = f"ends in {days}" if self.days_left > 0 else f"ended {days} ago"
        when = when if self.days_left else "ends today"
        source = "the catalog" if self.source == "catalog" else "the provider's model list"
        return f"{self.model} {when}, on {self.on.isoformat()}, says {source}"


def find_expiry(pin: ModelPin, lists: Mapping[str, ModelList], today: date) -> Expiry | None:
    """Finds when a pin expires: the catalog's date, else the provider's; None when unknown."""
    on = pin.expires or lists.get(provider_address(pin), ModelList()).ends.get(pin.model)
    if on is None:
        return None
    left = (on - today).days
    state = "fail" if left < FAIL_DAYS else "warn" if left < WARN_DAYS else "ok"
    return Expiry(pin.name, pin.model, on, left, state, "catalog" if pin.expires else "provider")


def list_expiring(pins: Iterable[ModelPin], lake: Lake, today: date) -> list[Expiry]:
    """Lists the pins that expire within 90 days or have expired, the soonest first."""
    lists = read_model_lists(lake)
    expiries = (find_expiry(pin, lists, today) for pin in pins)
    return sorted((one for one in expiries if one and one.state != "ok"), key=lambda one: one.on)


def write_model_list(
    lake: Lake, pin: ModelPin, listed: Mapping[str, date | None], today: date
) -> None:
    """Stores a provider's list as fetched today; a model it does not name keeps its last day."""
    address = provider_address(pin)
    before = read_model_lists(lake).get(address, ModelList()).ends
    ends = {**before, **listed}
    known = {model: day for model, day in ends.items() if day is not None}
    replace_model_list(lake, address, ModelList(today, known))


def provider_address(pin: ModelPin) -> str:
    """Returns the address that identifies a provider's list."""
    return (pin.azure.endpoint if pin.azure else pin.base_url) or "openai"


def refresh_model_lists(lake: Lake, pins: Iterable[ModelPin], today: date) -> dict[str, str]:
    """Fetches the list of every provider available here; returns the codes of those that failed."""
    failed: dict[str, str] = {}
    served = {provider_address(pin): pin for pin in pins if pin.provider != "embedded"}
    for pin in served.values():
        try:
            asyncio.run(fetch_model_list(lake, open_client(pin), today))
        except ModelError as error:
            failed[pin.name] = error.code
        except Unavailable as error:
            failed[pin.name] = error.reason
    return failed


async def fetch_model_list(lake: Lake, client: Client, today: date) -> None:
    """Fetches one provider's list, stores it, and closes the client."""
    try:
        write_model_list(lake, client.pin, await client.list_expiries(), today)
    finally:
        await client.close()


async def refresh_model_list_daily(lake: Lake, client: Client, today: date) -> None:
    """Fetches a provider's list once a day while its client is open; Azure's has no dates.

    A failed attempt counts for the day too, so that it does not slow down every judge.
    """
    pin = client.pin
    own = pin.provider == "embedded" or pin.azure
    stored = read_model_lists(lake).get(provider_address(pin), ModelList())
    if own or today in (stored.read, stored.tried):
        return
    try:
        write_model_list(lake, pin, await client.list_expiries(), today)
    except ModelError:
        failed = dataclasses.replace(stored, tried=today)
        replace_model_list(lake, provider_address(pin), failed)
