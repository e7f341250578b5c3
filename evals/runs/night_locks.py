"""The evaluator versions each night is locked to, and which nights have work to do.

What is known of a night rests in `storage.night_state`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from evals.records import digest
from evals.specs import Catalog, Evaluator
from evals.storage import night_state
from evals.storage.documents.batch_jobs import list_job_tags, read_job
from evals.storage.documents.evaluator_specs import read_evaluator, write_evaluator
from evals.storage.documents.label_batches import read_label_batches
from evals.storage.lake import Lake


class PendingNight(NamedTuple):
    """A night that has to be worked on, and why."""

    night: date
    reason: str


def lock_evaluators(lake: Lake, catalog: Catalog, night: date, app: str) -> tuple[Evaluator, ...]:
    """The evaluators a night of an application is reported with; the first look locks them.

    A broken application has none: its night waits.
    """
    if app in catalog.broken:
        return ()
    versions = night_state.read_state(lake, night).evaluators.get(app)
    if versions is not None:
        return load_locked_evaluators(lake, catalog, night, app)
    return move_lock(lake, catalog, night, app)


def load_locked_evaluators(
    lake: Lake, catalog: Catalog, night: date, app: str
) -> tuple[Evaluator, ...]:
    """A night's locked versions, each with the sample it had when they were locked.

    A model is asked where the catalog now says it is served, as long as it is the same model.
    """
    known = night_state.read_state(lake, night)
    samples = known.samples.get(app, {})
    return tuple(
        locate_model(read_evaluator(lake, name, app, version), catalog).with_sampling(
            samples.get(name)
        )
        for name, version in sorted(known.evaluators[app].items())
    )


def move_lock(
    lake: Lake, catalog: Catalog, night: date, app: str, names: Iterable[str] | None = None
) -> tuple[Evaluator, ...]:
    """Moves a night's lock to the catalog's versions, of the named evaluators or of all.

    A broken application's stays as it is.
    """
    if app in catalog.broken:
        return ()
    from evals.evaluators import resolution

    current = {e.name: e for e in resolution.resolve_app(catalog, app)}
    with lake.lock("night-lock", night.isoformat()):
        known = night_state.read_state(lake, night)
        versions, looks = dict(known.evaluators.get(app, {})), dict(known.samples.get(app, {}))
        chosen = set(current) | set(versions) if names is None else set(names)
        for name in chosen:
            if name in current:
                write_evaluator(lake, current[name])
                versions[name] = current[name].version
                looks[name] = current[name].sampling()
            elif names is None:
                versions.pop(name, None)
                looks.pop(name, None)
        night_state.update_state(
            lake,
            night,
            evaluators={**known.evaluators, app: dict(sorted(versions.items()))},
            samples={**known.samples, app: dict(sorted(looks.items()))},
        )
    return load_locked_evaluators(lake, catalog, night, app)


def locate_model(evaluator: Evaluator, catalog: Catalog) -> Evaluator:
    """The evaluator with its model where it is served now."""
    pin = evaluator.pin
    if pin is None:
        return evaluator
    return evaluator.model_copy(update={"pin": pin.served_as(catalog.models.get(pin.name))})


def digest_inputs(lake: Lake, catalog: Catalog, night: date) -> str:
    """A digest of everything a night's reports rest on: traces, labels, lock, models at hand."""
    from evals.models import why_unavailable

    known = night_state.read_state(lake, night)
    versions = known.evaluators
    at_hand = [
        (name, why_unavailable(pin))
        for app, held in sorted(versions.items())
        for name, version in sorted(held.items())
        if (pin := locate_model(read_evaluator(lake, name, app, version), catalog).pin)
    ]
    staged = night_state.door_basis(lake, night)
    batches = read_label_batches(lake)
    labels = sorted(name for name, nights in batches.items() if night in nights)
    over = [name for name, still in list_night_batches(lake, night) if not still]
    return digest([staged, labels, versions, known.samples or None, at_hand, *over])


def list_night_batches(lake: Lake, night: date) -> list[tuple[str, bool]]:
    """The batches a night rests on by name, and whether each is still under way.

    Those handed in for it, and those of other nights that ask what it asks too.
    """
    awaited = night_state.read_state(lake, night).out
    jobs = (read_job(lake, tag) for tag in sorted({*list_job_tags(lake, night), *awaited}))
    return [(job.tag, bool(job.keys)) for job in jobs if job]


def list_awaiting_nights(lake: Lake, batches: Iterable[str]) -> list[date]:
    """The reported nights that some batches were out for, oldest first."""
    asked = set(batches)
    return [
        night
        for night in night_state.reported(lake)
        if asked.intersection(night_state.read_state(lake, night).out)
    ]


def list_answer_versions(lake: Lake, night: date) -> set[str]:
    """The answer versions a night is locked to."""
    held = night_state.read_state(lake, night).evaluators
    found = (
        read_evaluator(lake, name, app, version).answer_version
        for app, versions in held.items()
        for name, version in versions.items()
    )
    return {version for version in found if version}


def list_begun_nights(lake: Lake, catalog: Catalog, now: datetime) -> list[date]:
    """The staged nights that have begun: rows of a clock that is ahead wait for theirs.

    A demo's calendar is simulated: all its nights have.
    """
    today = (now - timedelta(hours=catalog.day_begins)).date()
    return [night for night in lake.nights("staged") if night <= today or catalog.demo]


def find_pending_nights(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[PendingNight]:
    """The nights with something to do, oldest first."""
    found = []
    for night in nights:
        known = night_state.read_state(lake, night)
        if mended := set(known.waiting) - set(catalog.broken):
            found.append(
                PendingNight(night, f"the catalog of {', '.join(sorted(mended))} was mended")
            )
        elif known.seen is None:
            found.append(PendingNight(night, "not reported yet"))
        elif known.admitted == "":
            found.append(PendingNight(night, "its validation was not finished"))
        elif known.seen != digest_inputs(lake, catalog, night):
            found.append(PendingNight(night, "traces, labels, evaluators or models changed"))
        elif known.awaits and not any(still for _, still in list_night_batches(lake, night)):
            found.append(PendingNight(night, "its batches came back"))
        elif known.open:
            found.append(PendingNight(night, "some calls failed and may pass now"))
    return found
