"""What two versions of a night differ in: every setting and figure, with old and new values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from evals.reports.archive import read_report
from evals.reports.decide.incident_records import Decision
from evals.reports.differences import GROUPS, list_differences
from evals.reports.pages.night import render_night
from evals.reports.pages.versions import render_versions
from evals.reports.report import Report
from evals.reports.sections import settings
from evals.reports.versions import list_versions
from evals.specs import App, Dimension, Gate, Slice
from evals.storage.lake import Lake
from evals.storage.report_files import write_report
from tests.evals.reports.chat_nights import BASE, TONIGHT, make_rate, make_week
from tests.evals.reports.night_rows import Night, report_of
from tests.evals.reports.page_text import Page, read_heading

OLD = BASE.app


def under(gate: dict[str, Any] | None = None, **changes: Any) -> Night:
    """The night of a drop of 16 points, under another gate."""
    app = OLD.model_copy(update={"gate": Gate(**{"max_drop": 0.05, **(gate or {})})})
    return replace(BASE, app=app, rates=[make_rate(134, 66)], history=make_week(166, 34), **changes)


def differ(before: Night, after: Night) -> list[str]:
    """What differs between the reports of two nights, in words."""
    return [one.text for one in list_differences(report_of(before), report_of(after))]


def test_a_loosened_gate_is_named_as_the_reason_of_another_verdict() -> None:
    """With both values, and first."""
    words = differ(under(), under({"max_drop": 0.5}))
    assert words[0] == (
        "verdict: slipped → held (gate regressed → pass), because the gate was loosened: "
        "gate.max_drop 5% → 50%"
    )
    assert "gate.max_drop 5% → 50%" in words
    assert differ(under({"max_drop": 0.5}), under())[0].count("tightened") == 1


def test_a_gate_is_no_reason_where_figures_changed_too() -> None:
    """Both are named, and neither is blamed."""
    words = differ(under(), replace(under({"max_drop": 0.5}), rates=[make_rate(170, 30)]))
    assert words[0] == "verdict: slipped → held (gate regressed → pass)"
    assert "gate.max_drop 5% → 50%" in words
    assert "over-refusal (chat.over-refusal): passed 134 → 170" in words


def test_every_setting_that_may_change_a_verdict_is_named() -> None:
    """The gate, a target, a dimension's gate, slices, limits, attacks and the baseline."""
    dimension = Dimension(dimension="over-refusal", question="?", recorded=True)
    slices = (Slice(slice="refund", keyword="refund"),)
    before = under(dimensions={"over-refusal": dimension}, slices=slices)
    other = dimension.model_copy(update={"target": 0.9, "gate": False})
    after = under(
        {"alpha": 0.01, "baseline_nights": 3},
        dimensions={"over-refusal": other},
        slices=(Slice(slice="refund", keyword="money"), Slice(slice="long", where="true")),
        versions={date(2026, 10, 1): "b" * 16},
        attacks=BASE.attacks.model_copy(update={"max_success": 0.1}),
    )
    words = differ(replace(before, versions={date(2026, 10, 1): "a" * 16}), after)
    for expected in (
        "gate.alpha 0.05 → 0.01",
        "gate.baseline_nights 7 → 3",
        "dimensions over-refusal.target none → 90%",
        "dimensions over-refusal.gate true → false",
        "slices refund keyword.definition refund → money",
        "slices long where.definition none → true",
        "max_attack_success 30% → 10%",
    ):
        assert expected in words, words
    assert any("a" * 16 in one and "b" * 16 in one for one in words)


def test_every_figure_is_named_with_both_values() -> None:
    """Also one that has no words of its own."""
    assert differ(under(), under()) == []
    more = [make_rate(134, 66), make_rate(40, 10, slice="refund")]
    words = differ(under(), replace(under(), rates=more, statuses=[{"status": "ok", "n": 9}]))
    assert words == ["slice refund is new", "requests.n: 0 → 9", *words[2:]]
    assert "requests.share: none → 0" in words


def test_decisions_on_incidents_are_matched_by_who_decided_what() -> None:
    """A decision that is added in front of another moves none, and is named itself."""
    reopen = Decision("chat-2026-10-06", TONIGHT, "reopen", "Bo", "look again")
    accept = Decision("chat-2026-10-06", TONIGHT, "accept", "Ann", "wanted")
    words = differ(
        replace(BASE, incident_decisions=[reopen]),
        replace(BASE, incident_decisions=[accept, reopen]),
    )
    found = [one for one in words if ".done" in one]
    assert found == [
        f"incidents.rows chat-2026-10-06.done accept Ann {TONIGHT}.action: none → accept"
    ]


def test_an_older_version_does_not_hold_the_settings() -> None:
    """It is read, and the diff names it instead of calling every setting new."""
    body = report_of(under()).to_json()
    del body["settings"]
    old = Report.from_json(body)
    assert old[settings.SECTION].gate is None
    assert list_differences(old, report_of(under())) == [
        ("settings", "the older version does not hold the settings")
    ]


def test_settings_are_the_applications_own() -> None:
    """A slice of another application is none of them."""
    slices = (Slice(slice="a", by="model", apps=("mail",)), Slice(slice="b", by="model"))
    found = report_of(under(slices=slices))[settings.SECTION]
    assert [one.slice for one in found.slices] == ["b"]
    assert App(app="x").gate.max_drop == 0.05


def test_a_page_lists_the_versions_of_its_night(tmp_path: Path) -> None:
    """With date, reason and link, and why the verdict is another one."""
    lake = Lake(tmp_path).open()
    first, second = report_of(under()), report_of(under({"max_drop": 0.5}))
    for hour, report in enumerate((first, second)):
        run = {"reported_at": f"2026-10-09T0{hour}:00:00+00:00"}
        write_report(lake, TONIGHT, report.to_json(), "", run)
    versions = list_versions(lake, TONIGHT, "chat")
    assert [one.version for one in versions] == [first.version, second.version]
    stored = read_report(lake, TONIGHT, "chat", second.version)
    assert stored is not None
    html = render_night(stored, history=[], versions=versions)
    assert "because the gate was loosened: gate.max_drop 5% → 50%" in html
    assert f'href="../{first.version}/index.html"' in html
    assert "2026-10-09 01:00 UTC" in html
    page = render_versions(versions, [second, first])
    assert read_heading(page).startswith("Two versions of this night; ")
    assert f"../{first.version}/index.html" in Page(page).links
    assert "gate.max_drop 5% → 50%" in Page(page).words
    older = render_night(first, history=[], versions=versions)
    assert f'href="../{second.version}/index.html"' in older
    assert "Another verdict" not in older
    assert "Versions of this night" not in render_night(first, history=[], versions=versions[:1])


def test_differences_come_by_group() -> None:
    """Verdict, settings, versions, figures, traces: each group once, in this order."""
    other = [make_rate(170, 30, evaluator_version="b" * 16)]
    more = replace(BASE.accounting, read=BASE.accounting.read + 1)
    after = replace(under({"max_drop": 0.5}), rates=other, accounting=more)
    groups = [one.group for one in list_differences(report_of(under()), report_of(after))]
    assert list(dict.fromkeys(groups)) == list(GROUPS)
    assert groups == sorted(groups, key=GROUPS.index)
