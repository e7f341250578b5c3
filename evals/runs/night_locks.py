"""The state of each night: its lock of evaluator versions, its accounting, its reports.

One small document a night, read without any heavy import; it decides whether there is work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from evals.records import digest
from evals.specs import Catalog, Evaluator
from evals.storage.lake import Lake

DAY = timedelta(days=1)
LEFT = "left"
"""Where it is kept which traces of a night stand in another."""


class Pending(NamedTuple):
    """A night that has to be worked on, and why."""

    night: date
    reason: str


class OpenNight(NamedTuple):
    """An application's night that was reported while rows might still come."""

    date: date
    app: str
    until: str
    """The moment from which it is final, in ISO form."""


def state(lake: Lake, night: date) -> dict[str, Any]:
    """What is known of a night; empty when it was never opened."""
    return lake.document("nights", f"{night.isoformat()}.json") or {}


def update(lake: Lake, night: date, **changes: Any) -> dict[str, Any]:
    """Changes a night's state; side-by-side runs of a night do not lose each other's changes."""
    with lake.lock("night", night.isoformat()):
        merged = {**state(lake, night), **changes}
        lake.write_document(merged, "nights", f"{night.isoformat()}.json")
    return merged


def locked(lake: Lake, catalog: Catalog, night: date, app: str) -> tuple[Evaluator, ...]:
    """The evaluators a night of an application is reported with; the first look locks them."""
    versions = state(lake, night).get("evaluators", {}).get(app)
    if versions is not None:
        return resolved(lake, catalog, night, app)
    return move(lake, catalog, night, app)


def resolved(lake: Lake, catalog: Catalog, night: date, app: str) -> tuple[Evaluator, ...]:
    """A night's locked versions, each with the sample it had when they were locked.

    A model is asked where the catalog now says it is served, as long as it is the same model.
    """
    known = state(lake, night)
    samples = known.get("samples", {}).get(app, {})
    return tuple(
        served(remembered(lake, name, app, version), catalog).sampling(samples.get(name))
        for name, version in sorted(known["evaluators"][app].items())
    )


def move(
    lake: Lake, catalog: Catalog, night: date, app: str, names: Iterable[str] | None = None
) -> tuple[Evaluator, ...]:
    """Moves a night's lock to the catalog's versions, of the named evaluators or of all."""
    from evals.evaluators import resolution

    current = {e.name: e for e in resolution.for_app(catalog, app)}
    with lake.lock("night-lock", night.isoformat()):
        held, samples = (state(lake, night).get(key, {}) for key in ("evaluators", "samples"))
        versions, looks = dict(held.get(app, {})), dict(samples.get(app, {}))
        chosen = set(current) | set(versions) if names is None else set(names)
        for name in chosen:
            if name in current:
                remember(lake, current[name])
                versions[name] = current[name].version
                looks[name] = current[name].look()
            elif names is None:
                versions.pop(name, None)
                looks.pop(name, None)
        update(
            lake,
            night,
            evaluators={**held, app: dict(sorted(versions.items()))},
            samples={**samples, app: dict(sorted(looks.items()))},
        )
    return resolved(lake, catalog, night, app)


def remember(lake: Lake, evaluator: Evaluator) -> None:
    """Keeps a version's whole specification, so that a late trace is scored under it."""
    parts = ("evaluators", f"{evaluator.name}@{evaluator.app}@{evaluator.version}.json")
    if lake.document(*parts) is None:
        lake.write_document(evaluator.model_dump(mode="json", by_alias=True), *parts)


def remembered(lake: Lake, name: str, app: str, version: str) -> Evaluator:
    """The specification of a version."""
    found = lake.document("evaluators", f"{name}@{app}@{version}.json")
    return Evaluator.model_validate(found)


def served(evaluator: Evaluator, catalog: Catalog) -> Evaluator:
    """The evaluator with its model where it is served now."""
    pin = evaluator.pin
    if pin is None:
        return evaluator
    return evaluator.model_copy(update={"pin": pin.served_as(catalog.models.get(pin.name))})


def seen(lake: Lake, catalog: Catalog, night: date) -> str:
    """A digest of everything a night's reports rest on: traces, labels, lock, models at hand."""
    from evals.models import unavailable_because

    known = state(lake, night)
    versions = known.get("evaluators", {})
    at_hand = [
        (name, unavailable_because(pin))
        for app, held in sorted(versions.items())
        for name, version in sorted(held.items())
        if (pin := served(remembered(lake, name, app, version), catalog).pin)
    ]
    staged = door_basis(lake, night)
    batches = lake.document("label_batches.json") or {}
    labels = sorted(name for name, nights in batches.items() if night.isoformat() in nights)
    over = [name for name, still in batches_of(lake, night) if not still]
    return digest([staged, labels, versions, known.get("samples"), at_hand, *over])


def batches_of(lake: Lake, night: date) -> list[tuple[str, bool]]:
    """The batches a night rests on by name, and whether each is still under way.

    Those handed in for it, and those of other nights that ask what it asks too.
    """
    own = {path.stem for path in (lake.home / "batches").glob(f"{night.isoformat()}-*.json")}
    names = sorted(own.union(state(lake, night).get("out", ())))
    found = [(name, lake.document("batches", f"{name}.json")) for name in names]
    return [(name, bool(ticket["keys"])) for name, ticket in found if ticket]


def awaiting(lake: Lake, batches: Iterable[str]) -> list[date]:
    """The reported nights that some batches were out for, oldest first."""
    asked = set(batches)
    return [
        night for night in reported(lake) if asked.intersection(state(lake, night).get("out", ()))
    ]


def versions_asked(lake: Lake, night: date) -> set[str]:
    """The answer versions a night is locked to."""
    held = state(lake, night).get("evaluators", {})
    found = (
        remembered(lake, name, app, version).answer_version
        for app, versions in held.items()
        for name, version in versions.items()
    )
    return {version for version in found if version}


def staged_names(lake: Lake, night: date) -> list[str]:
    """The inbox files a night may have rows of: its own, and those of turns carried over."""
    return sorted({file.stem.split(".")[0] for file in lake.files("staged", [night, night + DAY])})


def door_basis(lake: Lake, night: date) -> list[Any]:
    """The staged files of a night, the turns carried over its midnights, the traces that left."""
    staged = sorted(file.name for file in lake.files("staged", [night]))
    carried = [lake.document("sessions", f"{day}.json") for day in (night, night + DAY)]
    left = lake.document(LEFT, f"{night}.json")
    return [staged, *(found["digest"] for found in carried if found), *filter(None, [left])]


def as_admitted(lake: Lake, night: date) -> bool:
    """Whether a night's traces are what its staged rows make of them, nothing having come since."""
    return state(lake, night).get("door") == digest(door_basis(lake, night))


def reported(lake: Lake) -> list[date]:
    """The nights that have a state, oldest first."""
    return sorted(date.fromisoformat(path.stem) for path in (lake.home / "nights").glob("*.json"))


def provisional_until(lake: Lake, night: date, app: str, now: datetime) -> str | None:
    """Until when a night's report may still change by rows to come; None where it is final."""
    until = (state(lake, night).get("provisional") or {}).get(app)
    return until if until and now.isoformat() < until else None


def begun(lake: Lake, catalog: Catalog, now: datetime) -> list[date]:
    """The staged nights that have begun: rows of a clock that is ahead wait for theirs.

    A demo's calendar is simulated: all its nights have.
    """
    today = (now - timedelta(hours=catalog.day_begins)).date()
    return [night for night in lake.nights("staged") if night <= today or catalog.demo]


def open_nights(lake: Lake) -> list[OpenNight]:
    """The nights that carry the mark of a provisional one, oldest first."""
    return [
        OpenNight(night, app, until)
        for night in reported(lake)
        for app, until in sorted((state(lake, night).get("provisional") or {}).items())
    ]


def pending(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[Pending]:
    """The nights with something to do, oldest first."""
    found = []
    for night in nights:
        known = state(lake, night)
        if "seen" not in known:
            found.append(Pending(night, "not reported yet"))
        elif known.get("admitted") == "":
            found.append(Pending(night, "its validation was not finished"))
        elif known["seen"] != seen(lake, catalog, night):
            found.append(Pending(night, "traces, labels, evaluators or models changed"))
        elif known.get("awaits") and not any(still for _, still in batches_of(lake, night)):
            found.append(Pending(night, "its batches came back"))
        elif known.get("open"):
            found.append(Pending(night, "some calls failed and may pass now"))
    return found


def consecutive(nights: Sequence[date]) -> list[tuple[date, date]]:
    """Nights as ranges without a gap, oldest first."""
    ranges: list[tuple[date, date]] = []
    for night in sorted(nights):
        if ranges and (night - ranges[-1][1]).days == 1:
            ranges[-1] = (ranges[-1][0], night)
        else:
            ranges.append((night, night))
    return ranges
