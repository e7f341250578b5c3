"""The state of each night: its locked evaluator versions, its accounting, its reports.

One small document per night, read without any heavy import. `runs.night_locks` decides which
evaluators a night is locked to and whether it is due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypedDict, Unpack

from evals.records import JsonLike, digest
from evals.storage.damage import report
from evals.storage.documents.accounts import Account
from evals.storage.documents.carried_turns import read_carried
from evals.storage.documents.departures import read_departures
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake

DAY = timedelta(days=1)
RECENT_RATES, RECENT_REPORTS = timedelta(days=28), timedelta(days=14)
"""How far back the sections of a report read, other than the incidents and the baseline."""
FOLDER = "nights"


class ProvisionalNight(NamedTuple):
    """An application's night whose report may still change, since rows may still arrive."""

    date: date
    app: str
    until: str
    """The time from which it is final, in ISO form."""


@dataclass(frozen=True)
class NightState:
    """The stored state of a night; fields that were never set have their defaults."""

    admitted: str | None = None
    """A digest of its validation's inputs; empty: it was interrupted; None: never validated."""
    staged: str | None = None
    """A digest of the staged rows that were admitted."""
    rows: str | None = None
    """A digest of the outcomes of its rows."""
    apps: Mapping[str, Account] = field(default_factory=dict[str, Account])
    """The account of each application's rows, as a report's `accounting` section has it."""
    evaluators: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )
    """The locked versions by application and evaluator."""
    samples: Mapping[str, Mapping[str, dict[str, Any]]] = field(
        default_factory=dict[str, Mapping[str, dict[str, Any]]]
    )
    """The sampling rule of each locked evaluator, by application; see `Evaluator.look`."""
    reports: Mapping[str, str] = field(default_factory=dict[str, str])
    """The current version of each application's report."""
    seen: str | None = None
    """A digest of its reports' inputs; empty: it is due again; None: it has no report."""
    rates: str | None = None
    """A digest of the rates that the incidents of later nights depend on; None: not known."""
    history: str | None = None
    """A digest of the rates of the nights before, as its report read them; None: not known."""
    app_rates: Mapping[str, str] = field(default_factory=dict[str, str])
    """The same as `rates`, of each application alone."""
    app_histories: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """What the report of each application depends on of the nights before: an `AppHistory`."""
    open: bool = False
    """Whether some calls failed and can be repeated."""
    awaits: int = 0
    """Answers expected from batches."""
    out: tuple[str, ...] = ()
    """The batches that may have them."""
    on_time: tuple[str, ...] | None = None
    """The inbox files its first report was made from; None: it has no report."""
    provisional: Mapping[str, str] = field(default_factory=dict[str, str])
    """The time, in ISO form, from which each application's report is final."""
    waiting: tuple[str, ...] = ()
    """Applications that have rows in it and wait until their catalog files are repaired."""
    failed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Judges with errors, as `APP NAME`, and the settings they were asked with: `Answer.route`."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """A digest of the labels that its scoring began with, by the run; empty: not recorded."""


class NightChanges(TypedDict, total=False):
    """Fields of a night's state to change."""

    admitted: str | None
    staged: str | None
    rows: str | None
    apps: Mapping[str, Account]
    evaluators: Mapping[str, Mapping[str, str]]
    samples: Mapping[str, Mapping[str, dict[str, Any]]]
    reports: Mapping[str, str]
    seen: str | None
    rates: str | None
    history: str | None
    app_rates: Mapping[str, str]
    app_histories: Mapping[str, tuple[str, str]]
    open: bool
    awaits: int
    out: tuple[str, ...]
    on_time: tuple[str, ...] | None
    provisional: Mapping[str, str]
    waiting: tuple[str, ...]
    failed: Mapping[str, str]
    labels: Mapping[str, str]


STORED_NAMES = {name: "door" if name == "staged" else name for name in NightState.__annotations__}
"""The name in the document of each field."""
MAPPINGS = frozenset(
    {
        "apps",
        "evaluators",
        "samples",
        "reports",
        "provisional",
        "app_rates",
        "app_histories",
        "labels",
    }
)
TUPLES = frozenset({"out", "on_time", "waiting"})


def read_state(lake: Lake, night: date) -> NightState:
    """Reads a night's state."""
    return lake.read_document(f"{FOLDER}/{night}.json", parse_state) or NightState()


def read_intact_state(lake: Lake, night: date) -> NightState:
    """Reads a night's state to show it; an empty one for a damaged file, which is reported."""
    try:
        return read_state(lake, night)
    except DamagedFileError as error:
        report(str(error))
        return NightState()


def parse_state(row: dict[str, Any]) -> NightState:
    """Returns the document as a record."""
    values = {name: row[key] for name, key in STORED_NAMES.items() if row.get(key) is not None}
    for name in TUPLES.intersection(values):
        values[name] = tuple(values[name])
    for name in MAPPINGS.intersection(values):
        values[name] = {**values[name]}
    return NightState(**values)


def update_state(lake: Lake, night: date, **changes: Unpack[NightChanges]) -> NightState:
    """Changes fields of a night's state under a lock: parallel runs lose no change."""
    with lake.lock("night", night.isoformat()):
        state = replace(read_state(lake, night), **changes)
        values = {key: getattr(state, name) for name, key in STORED_NAMES.items()}
        row = {key: value for key, value in values.items() if value is not None}
        lake.replace_document(f"{FOLDER}/{night}.json", row)
    return state


def list_staged_sources(lake: Lake, night: date) -> list[str]:
    """Lists the inbox files with staged rows of a night or of turns carried over its midnight."""
    return sorted(
        {file.stem.split(".")[0] for file in lake.list_files("staged", [night, night + DAY])}
    )


def list_staged_inputs(lake: Lake, night: date) -> list[JsonLike]:
    """Lists a night's staged files, the turns carried over its midnights, the traces that left."""
    staged = sorted(file.name for file in lake.list_files("staged", [night]))
    carried = [read_carried(lake, day) for day in (night, night + DAY)]
    left = read_departures(lake, night)
    return [staged, *(turns.digest for turns in carried if turns), *filter(None, [left])]


def is_admission_current(lake: Lake, night: date) -> bool:
    """Whether a night was admitted from all rows that are staged now."""
    return read_state(lake, night).staged == digest(list_staged_inputs(lake, night))


def list_stored_nights(lake: Lake) -> list[date]:
    """Lists the nights that have a state, oldest first."""
    return list(map(date.fromisoformat, lake.store.list_stems(FOLDER, ".json")))


def digest_histories(lake: Lake) -> dict[date, str]:
    """Returns for each night a digest of the rates of those before, as they are now."""
    histories: dict[date, str] = {}
    so_far = ""
    for night in list_stored_nights(lake):
        histories[night] = so_far
        if rates := read_intact_state(lake, night).rates:
            so_far = digest([so_far, night.isoformat(), rates])
    return histories


class AppHistory(NamedTuple):
    """What an application's report depends on of the nights before, as digests."""

    whole: str
    """Of all their rates."""
    recent: str
    """Of the rates and the reports of the last weeks."""


def digest_app_histories(lake: Lake, night: date) -> dict[str, AppHistory]:
    """Returns what the reports of a night depend on of the nights before, by application."""
    nights = [day for day in list_stored_nights(lake) if day < night]
    before = {day: read_intact_state(lake, day) for day in nights}
    return {
        app: digest_app_history(app, night, before) for app in read_intact_state(lake, night).apps
    }


def digest_app_history(app: str, night: date, before: Mapping[date, NightState]) -> AppHistory:
    """Returns what an application's report of a night depends on of the nights before."""
    rates = {day: state.app_rates[app] for day, state in before.items() if app in state.app_rates}
    reports = {day: state.reports[app] for day, state in before.items() if app in state.reports}
    recent = [
        [[f"{day}", text] for day, text in texts.items() if night - day <= reach]
        for texts, reach in ((rates, RECENT_RATES), (reports, RECENT_REPORTS))
    ]
    whole: list[JsonLike] = [[f"{day}", text] for day, text in rates.items()]
    return AppHistory(digest(whole), digest(recent))


def find_provisional_until(lake: Lake, night: date, app: str, now: datetime) -> str | None:
    """Returns until when a night's report may still change; None if it is final."""
    until = read_intact_state(lake, night).provisional.get(app)
    return until if until and now.isoformat() < until else None


def list_provisional_nights(lake: Lake) -> list[ProvisionalNight]:
    """Lists the nights that are marked as provisional, oldest first."""
    return [
        ProvisionalNight(night, app, until)
        for night in list_stored_nights(lake)
        for app, until in sorted(read_intact_state(lake, night).provisional.items())
    ]


def group_consecutive(nights: Sequence[date]) -> list[tuple[date, date]]:
    """Returns nights as ranges without a gap, oldest first."""
    ranges: list[tuple[date, date]] = []
    for night in sorted(nights):
        if ranges and (night - ranges[-1][1]).days == 1:
            ranges[-1] = (ranges[-1][0], night)
        else:
            ranges.append((night, night))
    return ranges
