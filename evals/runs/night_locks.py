"""The evaluator versions each night is locked to, and which nights have work to do.

`storage.night_state` reads and writes the state of a night.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.peers import link_peers
from evals.records import digest
from evals.runs.outdated_labels import list_outdated_wordings
from evals.specs import Catalog, Evaluator
from evals.storage import night_state
from evals.storage.documents.batch_jobs import list_job_tags, read_job
from evals.storage.documents.blessed_baselines import find_baseline
from evals.storage.documents.evaluator_specs import read_evaluator, write_evaluator
from evals.storage.documents.incident_decisions import read_decisions
from evals.storage.documents.label_batches import read_batch_nights
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.storage.verdict_files import list_verdict_ids


class PendingNight(NamedTuple):
    """A night that has work to do, and why."""

    night: date
    reason: str


def lock_evaluators(lake: Lake, catalog: Catalog, night: date, app: str) -> tuple[Evaluator, ...]:
    """Returns the evaluators a night of an application is reported with; the first call locks them.

    A broken application has none: its night waits until the catalog is repaired.
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
    """Loads a night's locked versions, each with its sample as it was when they were locked.

    A model has the catalog's present address, as long as it is the same model.
    """
    from evals.runs.model_servers import locate_model

    state = night_state.read_state(lake, night)
    samples = state.samples.get(app, {})
    return link_peers(
        [
            locate_model(lake, catalog, read_evaluator(lake, name, app, version)).with_sampling(
                samples.get(name)
            )
            for name, version in sorted(state.evaluators[app].items())
        ]
    )


def move_lock(
    lake: Lake, catalog: Catalog, night: date, app: str, names: Iterable[str] | None = None
) -> tuple[Evaluator, ...]:
    """Moves a night's lock to the catalog's versions, of the named evaluators or of all.

    The lock of a broken application stays as it is.
    """
    if app in catalog.broken:
        return ()
    from evals.runs import model_servers, trained_models

    current = {e.name: e for e in model_servers.resolve_app(lake, catalog, app)}
    with lake.lock("night-lock", night.isoformat()):
        state = night_state.read_state(lake, night)
        versions, samples = dict(state.evaluators.get(app, {})), dict(state.samples.get(app, {}))
        chosen = set(current) | set(versions) if names is None else set(names)
        for name in chosen:
            if name in current:
                write_evaluator(lake, current[name])
                trained_models.keep_model(lake, catalog.root, current[name])
                versions[name] = current[name].version
                samples[name] = current[name].sampling()
            elif names is None:
                versions.pop(name, None)
                samples.pop(name, None)
        night_state.update_state(
            lake,
            night,
            evaluators={**state.evaluators, app: dict(sorted(versions.items()))},
            samples={**state.samples, app: dict(sorted(samples.items()))},
        )
    return load_locked_evaluators(lake, catalog, night, app)


def digest_inputs(lake: Lake, catalog: Catalog, night: date) -> str:
    """Returns a digest of everything a night's reports depend on.

    Its traces, labels, locked versions, the models available here, the batches that ended, what
    people decided on incidents, the baselines they blessed, and which evaluators have no scores.
    """
    from evals.models import why_unavailable
    from evals.runs.model_servers import locate_model

    state = night_state.read_state(lake, night)
    versions = state.evaluators
    availability = [
        (name, why_unavailable(pin))
        for app, locked in sorted(versions.items())
        for name, version in sorted(locked.items())
        if (pin := locate_model(lake, catalog, read_evaluator(lake, name, app, version)).pin)
    ]
    staged = night_state.list_staged_inputs(lake, night)
    labels = list_labels(lake, night)
    labels += list_outdated_wordings(lake, catalog, state.apps, night)
    ended = [batch.tag for batch in list_night_batches(lake, night) if not batch.is_out]
    decided = [
        [app, one.incident, one.night.isoformat(), one.action, one.by, one.reason]
        for app in sorted(state.apps)
        for one in read_decisions(lake, app)
        if one.night <= night
    ]
    blessed = [
        ["blessed", app, one.version, one.first.isoformat(), one.by, one.reason]
        for app in sorted(state.apps)
        if (one := find_baseline(lake, app, night))
    ]
    rest = (*ended, *decided, *list_unscored(lake, night, versions), *blessed)
    return digest([staged, labels, versions, state.samples or None, availability, *rest])


def list_labels(lake: Lake, night: date) -> list[str]:
    """Lists the batches of labels and the single verdicts that change a night."""
    batches = read_batch_nights(lake)
    names = sorted(name for name, nights in batches.items() if night in nights)
    return [*names, *list_verdict_ids(lake, night)]


def record_labels(lake: Lake, nights: Iterable[date], run_id: str) -> None:
    """Records which labels a run begins to score some nights with, before it reads them.

    Of a run that scores in several steps the first counts.
    """
    for night in nights:
        if run_id not in night_state.read_state(lake, night).labels:
            night_state.update_state(lake, night, labels={run_id: digest(list_labels(lake, night))})


def has_later_labels(lake: Lake, night: date) -> bool:
    """Whether labels came since the night's scoring began; no where that was not recorded."""
    before = night_state.read_state(lake, night).labels
    return bool(before) and digest(list_labels(lake, night)) not in before.values()


def list_unscored(
    lake: Lake, night: date, versions: Mapping[str, Mapping[str, str]]
) -> list[list[str]]:
    """Lists the locked evaluators, by application, that have no file of scores of a night."""
    scored = {path.stem for path in lake.list_files("scores", [night])}
    return [
        ["unscored", app, name]
        for app, locked in sorted(versions.items())
        for name, version in sorted(locked.items())
        if f"{name}@{app}@{version}" not in scored
    ]


class NightBatch(NamedTuple):
    """A batch that a night's answers come from."""

    tag: str
    is_out: bool
    """Whether its answers are still expected."""


def list_night_batches(lake: Lake, night: date) -> list[NightBatch]:
    """Lists the batches a night waits or waited for.

    Those submitted for it, and those of other nights that ask for the same answers.
    """
    awaited = night_state.read_state(lake, night).out
    jobs = (read_job(lake, tag) for tag in sorted({*list_job_tags(lake, night), *awaited}))
    return [NightBatch(job.tag, bool(job.keys)) for job in jobs if job]


def list_awaiting_nights(lake: Lake, batches: Iterable[str]) -> list[date]:
    """Lists the reported nights that wait for some batches, oldest first."""
    tags = set(batches)
    return [
        night
        for night in night_state.list_stored_nights(lake)
        if tags.intersection(night_state.read_state(lake, night).out)
    ]


def list_answer_versions(lake: Lake, night: date) -> set[str]:
    """Lists the answer versions a night is locked to."""
    locked = night_state.read_state(lake, night).evaluators
    versions = (
        read_evaluator(lake, name, app, version).answer_version
        for app, app_versions in locked.items()
        for name, version in app_versions.items()
    )
    return {version for version in versions if version}


def list_begun_nights(lake: Lake, catalog: Catalog, now: datetime) -> list[date]:
    """Lists the staged nights that have begun; rows with a future timestamp wait for their night.

    All nights of a demo have begun, since its calendar is simulated.
    """
    today = (now - timedelta(hours=catalog.day_begins)).date()
    return [night for night in lake.list_nights("staged") if night <= today or catalog.demo]


def find_pending_nights(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[PendingNight]:
    """Finds the nights with work to do, oldest first."""
    reasons = ((night, explain_pending(lake, catalog, night)) for night in nights)
    return [PendingNight(night, reason) for night, reason in reasons if reason]


def explain_pending(lake: Lake, catalog: Catalog, night: date) -> str | None:
    """Returns why a night has work to do; None where it has none."""
    state = night_state.read_state(lake, night)
    if mended := set(state.waiting) - set(catalog.broken):
        return f"the catalog of {', '.join(sorted(mended))} was mended"
    if state.seen is None:
        return "not reported yet"
    if state.admitted == "":
        return "its validation was not finished"
    if state.seen != digest_inputs(lake, catalog, night):
        return "traces, labels, evaluators or models changed"
    if state.awaits and not any(batch.is_out for batch in list_night_batches(lake, night)):
        return "its batches came back"
    if changed := list_changed_pins(lake, catalog, night):
        return f"calls of {', '.join(changed)} failed, and its pin was changed since"
    return "some calls failed and may pass now" if state.open else None


def list_changed_pins(lake: Lake, catalog: Catalog, night: date) -> list[str]:
    """Lists a night's judges with errors whose pin has changed since they were asked."""
    before = night_state.read_state(lake, night).failed
    if not before:
        return []
    now = {name: e.route for name, e in list_judges(lake, catalog, night)}
    changed = (name for name, route in before.items() if now.get(name, route) != route)
    return sorted({name.partition(" ")[2] for name in changed})


def find_failed_judges(lake: Lake, catalog: Catalog, night: date) -> dict[str, str]:
    """Finds the judges with errors in a night's scores; returns `NightState.failed`."""
    from evals.worklist.worklist import find_score_file

    return {
        name: evaluator.route
        for name, evaluator in list_judges(lake, catalog, night)
        if has_errors(find_score_file(lake, night, evaluator))
    }


def list_judges(lake: Lake, catalog: Catalog, night: date) -> Iterator[tuple[str, Evaluator]]:
    """Lists a night's locked judges, each as `APP NAME`."""
    for app in night_state.read_state(lake, night).evaluators:
        if app not in catalog.broken:
            for evaluator in load_locked_evaluators(lake, catalog, night, app):
                if evaluator.asks_model:
                    yield f"{app} {evaluator.name}", evaluator


def has_errors(path: Path) -> bool:
    """Whether a file of scores has errors."""
    batches = stream_rows(path, ("status",), ("status", ("error",))) if path.exists() else ()
    return any(batches)
