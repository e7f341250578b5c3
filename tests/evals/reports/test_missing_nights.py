"""A night without data is a fact: which nights an application owes, and why it owes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from evals.reports.missing_nights import find_last_night, find_missing_nights
from evals.specs import Catalog
from evals.specs.apps import App
from evals.specs.problems import BrokenApplication
from evals.storage.documents.missing_nights import MissingNight
from evals.storage.lake import Lake
from evals.storage.report_files import write_report

FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2026, 5, day) for day in (1, 2, 3, 4))
TUESDAY_MORNING = datetime(2026, 5, 5, 5, tzinfo=UTC)


def home(root: Path, nights: dict[str, list[date]]) -> Lake:
    """A home that has a report of each of some nights."""
    lake = Lake(root / "home").open()
    for app, days in nights.items():
        for day in days:
            write_report(lake, day, {"app": app, "version": "0123456789ab"}, "<p>page</p>", {})
    return lake


def catalog(**cadences: object) -> Catalog:
    """Applications with their cadences."""
    apps = {name: App.model_validate({"app": name, "cadence": c}) for name, c in cadences.items()}
    return Catalog(root=Path(), apps=apps)


def test_nights_after_the_last_traces_are_missing(tmp_path: Path) -> None:
    """Each has since when, so a page can show one outage as one."""
    lake = home(tmp_path, {"chat": [FRIDAY, SATURDAY]})
    assert find_missing_nights(lake, catalog(chat="nightly"), TUESDAY_MORNING) == [
        MissingNight("chat", SUNDAY, "no traces", SUNDAY),
        MissingNight("chat", MONDAY, "no traces", SUNDAY),
    ]


def test_a_night_that_has_not_ended_is_not_missing(tmp_path: Path) -> None:
    """The catalog's hour decides when a night ends."""
    lake, late = home(tmp_path, {"chat": [FRIDAY]}), datetime(2026, 5, 3, 4, tzinfo=UTC)
    at_six = catalog(chat="nightly").model_copy(update={"day_begins": 6})
    assert find_last_night(at_six, late) == FRIDAY
    assert find_missing_nights(lake, at_six, late) == []
    assert [m.date for m in find_missing_nights(lake, catalog(chat="nightly"), late)] == [SATURDAY]


@pytest.mark.parametrize(
    ("cadence", "missing"),
    [
        ("nightly", [SATURDAY, SUNDAY, MONDAY]),
        ("weekdays", [MONDAY]),
        (("sat", "mon"), [SATURDAY, MONDAY]),
        ("irregular", []),
    ],
)
def test_an_application_owes_the_nights_of_its_cadence(
    tmp_path: Path, cadence: object, missing: list[date]
) -> None:
    """A weekend without traffic is no outage for one that works on weekdays."""
    lake = home(tmp_path, {"chat": [FRIDAY]})
    gaps = find_missing_nights(lake, catalog(chat=cadence), TUESDAY_MORNING)
    assert [gap.date for gap in gaps] == missing


def test_all_applications_can_be_missing_at_once(tmp_path: Path) -> None:
    """No other application's night is needed to see that one is absent."""
    lake = home(tmp_path, {"chat": [SUNDAY], "search": [SUNDAY]})
    gaps = find_missing_nights(lake, catalog(chat="nightly", search="nightly"), TUESDAY_MORNING)
    assert [(gap.app, gap.date) for gap in gaps] == [("chat", MONDAY), ("search", MONDAY)]


def test_an_application_without_any_trace_is_missing_from_the_first_night(tmp_path: Path) -> None:
    """It was declared, so its first export is what is awaited."""
    lake = home(tmp_path, {"chat": [SUNDAY, MONDAY]})
    gaps = find_missing_nights(lake, catalog(chat="nightly", search="nightly"), TUESDAY_MORNING)
    assert [(gap.app, gap.date) for gap in gaps] == [("search", SUNDAY), ("search", MONDAY)]


def test_an_empty_home_owes_nothing_yet(tmp_path: Path) -> None:
    """The first night is the first one that has data."""
    assert find_missing_nights(home(tmp_path, {}), catalog(chat="nightly"), TUESDAY_MORNING) == []


def test_a_demo_ends_with_its_data(tmp_path: Path) -> None:
    """Its nights are recorded ones."""
    demo = catalog(chat="nightly").model_copy(update={"demo": True})
    assert find_missing_nights(home(tmp_path, {"chat": [FRIDAY]}), demo, TUESDAY_MORNING) == []


def test_a_broken_application_is_missing_because_it_waits(tmp_path: Path) -> None:
    """The remedy is another than for an export that stopped."""
    lake = home(tmp_path, {"chat": [SUNDAY]})
    broken = BrokenApplication(app="chat", messages=("apps/chat.yaml:3: no such key",), redact=None)
    stopped = Catalog(root=Path(), broken={"chat": broken})
    (gap,) = find_missing_nights(lake, stopped, TUESDAY_MORNING)
    assert gap.reason == "catalog broken"
    assert "andon doctor" in gap.describe()
