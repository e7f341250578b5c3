"""Until when a pin is served: as the catalog declares, or as the provider's model list last said.

A list is fetched only where somebody goes online on purpose; what it said is kept in the lake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal, NamedTuple

from evals.models.clients import open_client
from evals.models.protocol import Client, ModelError, Unavailable
from evals.specs import ModelPin
from evals.storage.lake import Lake

FAIL_DAYS, WARN_DAYS = 30, 90
DOCUMENT = "model_lists.json"


class Expiry(NamedTuple):
    """The end of a pin, as seen from a day."""

    name: str
    model: str
    on: date
    """The last day it is served."""
    left: int
    """Days until then; negative when it is over."""
    state: Literal["ok", "warn", "fail"]
    source: Literal["catalog", "provider"]

    def words(self) -> str:
        """In a sentence."""
        days = "1 day" if abs(self.left) == 1 else f"{abs(self.left)} days"
        when = f"ends in {days}" if self.left > 0 else f"ended {days} ago"
        when = when if self.left else "ends today"
        says = "the catalog" if self.source == "catalog" else "the provider's model list"
        return f"{self.model} {when}, on {self.on.isoformat()}, says {says}"


def expiry(pin: ModelPin, lists: Mapping[str, Any], today: date) -> Expiry | None:
    """When a pin ends, or None when nobody has said; what the catalog declares comes first."""
    listed = lists.get(address(pin), {}).get("ends", {}).get(pin.model)
    on = pin.expires or (date.fromisoformat(listed) if listed else None)
    if on is None:
        return None
    left = (on - today).days
    state = "fail" if left < FAIL_DAYS else "warn" if left < WARN_DAYS else "ok"
    return Expiry(pin.name, pin.model, on, left, state, "catalog" if pin.expires else "provider")


def expiring(pins: Iterable[ModelPin], lake: Lake, today: date) -> list[Expiry]:
    """The pins that end within 90 days or have ended, the soonest first."""
    lists = known_lists(lake)
    found = (expiry(pin, lists, today) for pin in pins)
    return sorted((one for one in found if one and one.state != "ok"), key=lambda one: one.on)


def known_lists(lake: Lake) -> dict[str, Any]:
    """What each provider's list last said: the day it was read, and the models that end."""
    return lake.document(DOCUMENT) or {}


def keep_list(lake: Lake, pin: ModelPin, ends: Mapping[str, date], today: date) -> None:
    """Remembers what a provider's list says today."""
    said = {"read": today.isoformat(), "ends": {m: d.isoformat() for m, d in sorted(ends.items())}}
    with lake.lock("model-lists"):
        lake.write_document({**known_lists(lake), address(pin): said}, DOCUMENT)


def address(pin: ModelPin) -> str:
    """Whose list it is: the server asked."""
    return (pin.azure.endpoint if pin.azure else pin.base_url) or "openai"


def refresh(lake: Lake, pins: Iterable[ModelPin], today: date) -> dict[str, str]:
    """Reads the list of every provider that can be asked here; the codes of those that failed."""
    failed = {}
    served = {address(pin): pin for pin in pins if pin.provider != "embedded"}
    for pin in served.values():
        try:
            asyncio.run(read_list(lake, open_client(pin), today))
        except ModelError as error:
            failed[pin.name] = error.code
        except Unavailable as error:
            failed[pin.name] = error.reason
    return failed


async def read_list(lake: Lake, client: Client, today: date) -> None:
    """Reads one provider's list, and gives the client back."""
    try:
        keep_list(lake, client.pin, await client.ends(), today)
    finally:
        await client.close()


async def keep_fresh(lake: Lake, client: Client, today: date) -> None:
    """Reads a provider's list once a day while its client is open anyway; Azure's tells no end.

    A list that could not be read is left for the day, too: it must not slow each judge down.
    """
    pin, day = client.pin, today.isoformat()
    own = pin.provider == "embedded" or pin.azure
    known = known_lists(lake).get(address(pin), {})
    if own or day in (known.get("read"), known.get("tried")):
        return
    try:
        keep_list(lake, pin, await client.ends(), today)
    except ModelError:
        with lake.lock("model-lists"):
            lake.write_document(
                {**known_lists(lake), address(pin): {**known, "tried": day}}, DOCUMENT
            )
