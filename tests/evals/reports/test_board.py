"""The board: its first line, its marks, and what changed between nights."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from evals.reports import board_pages
from evals.reports.pages import board, charts
from evals.storage import night_state, report_files
from evals.storage.documents.failed_sources import FailedSource
from evals.storage.documents.missing_nights import MissingNight
from evals.storage.lake import Lake
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, follow_links, read_heading, render_bodies


def test_board_reports_how_last_night_went() -> None:
    """The board's first line counts what held and names what did not."""
    reports = [
        *bodies.nights(3, "extraction", drop=1),
        *bodies.nights(3, "summaries"),
        *bodies.nights(3, "sql"),
    ]
    line = read_heading(render_bodies(*reports))
    assert line == "Two of three held last night; extraction slipped."
    only = read_heading(render_bodies(bodies.night()))
    assert only == "Shop held last night."
    both = [bodies.refused(app="a"), bodies.night(app="b", verdict="too close to call")]
    line = read_heading(render_bodies(*both))
    assert (
        line == "None of two held last night; b was too close to call; a was refused at validation."
    )
    assert read_heading(render_bodies(*both[:1])) == "a was refused at validation last night."


def test_board_shows_missing_refused_and_undue_nights_apart() -> None:
    """A night that is owed, a night that was not due and a refused night are three things."""
    reports = [r for r in bodies.nights(6, "a") if r["date"] != "2026-10-06"]
    reports += [r for r in bodies.nights(6, "b") if r["date"] not in ("2026-10-06", "2026-10-07")]
    reports[-1] = bodies.refused(app="b")
    sixth, seventh = date(2026, 10, 6), date(2026, 10, 7)
    missing = [
        MissingNight("b", sixth, "no traces", sixth),
        MissingNight("b", seventh, "no traces", sixth),
    ]
    typed = [bodies.typed(one) for one in reports]
    rows = {
        row.app: [cell.verdict for cell in row.cells]
        for row in board.build_board_rows(typed, missing)
    }
    assert rows == {
        "a": ["held", "held", "held", "not due", "held", "held"],
        "b": ["held", "held", "held", "missing", "missing", "refused"],
    }
    words = Page(board.render_board(typed, run=None, missing=missing)).words
    assert "A, 6 October 2026: not due. No report was due." in words
    assert "b has no traces for 2026-10-06 to 2026-10-07; check its export" in words
    assert "B, 8 October 2026: Refused: 61 of 200" in words


def test_board_names_a_missing_last_night() -> None:
    """An older verdict is never last night's, also where every application is missing."""
    reports = [bodies.typed(one) for app in "ab" for one in bodies.nights(3, app)]
    night = date(2026, 10, 9)
    missing = [MissingNight(app, night, "no traces", night) for app in "ab"]
    one = board.render_board(reports, run=None, missing=missing[:1])
    assert read_heading(one) == "a was missing last night."
    both = board.render_board(reports, run=None, missing=missing)
    assert read_heading(both) == "None of two held last night; a and b were missing."
    never = [MissingNight("c", night, "no traces", night)]
    page = board.render_board(reports, run=None, missing=never)
    assert "c was missing" in read_heading(page)
    words = Page(page).words
    assert "c, 9 October 2026: missing. C has no traces for 2026-10-09" in words
    assert "three applications" in words


def test_board_names_a_source_that_could_not_be_pulled() -> None:
    """With the reason, and since when: its nights may be without some of their traces."""
    reason = "langfuse: received 95 of 100 traces between 1 and 2; all are asked for again"
    failed = FailedSource("langfuse", "2026-10-08T05:00:00+00:00", (reason,))
    reports = [bodies.typed(one) for one in bodies.nights(3, "a")]
    words = Page(board.render_board(reports, run=None, failed_sources=[failed])).words
    assert f"A source could not be pulled. {reason} (failing since 2026-10-08 05:00 UTC)" in words


def test_board_shows_the_newest_version_of_a_night() -> None:
    """Of several reports of a night the last given is shown, and the page mentions the others."""
    first, repaired = bodies.night(), bodies.night(verdict="slipped", sentence="Slipped: repaired.")
    (row,) = board.build_board_rows([bodies.typed(first), bodies.typed(repaired)])
    assert (row.cells[0].verdict, row.cells[0].versions) == ("slipped", 2)


def changed_by(reports: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What changed at each report."""
    return charts.list_version_changes([bodies.typed(one) for one in reports])


def test_version_marks_name_what_changed() -> None:
    """A night is marked when its prompt, model or evaluator differs from those before it."""
    quiet, loud = bodies.nights(4), bodies.nights(4, drop=1)
    assert changed_by(quiet) == [(), (), (), ()]
    assert changed_by(loud) == [(), (), ("prompt v2 → v3",), ()]
    changed = json.loads(json.dumps(quiet[-1]))
    changed["provenance"]["evaluators"][0]["version"] = "0" * 16
    assert changed_by([*quiet[:3], changed])[-1] == ("evaluator shop.title",)


def test_mixed_models_do_not_flicker() -> None:
    """Two models that share the traffic and take turns in leading it mark no night."""
    reports = []
    for a, b in ((60, 70), (70, 60), (64, 66)):
        models = [{"value": "a", "n": a}, {"value": "b", "n": b}, {"value": "c", "n": 70}]
        reports.append(
            bodies.night(provenance={"evaluators": [], "traces": {"model": models}, "baseline": []})
        )
    assert changed_by(reports) == [(), (), ()]


def store(lake: Lake, *reports: dict[str, Any]) -> None:
    """Stores reports as the current ones of their nights, with a page that leads nowhere."""
    by_night: dict[date, dict[str, str]] = {}
    for body in reports:
        night = date.fromisoformat(body["date"])
        report_files.write_report(lake, night, body, "<title>a night</title>", {})
        by_night.setdefault(night, {})[body["app"]] = body["version"]
    for night, versions in by_night.items():
        known = night_state.read_state(lake, night).reports
        night_state.update_state(lake, night, reports={**known, **versions})


def test_every_night_is_reached_from_a_board_of_the_newest(tmp_path: Path) -> None:
    """The board has 28 nights and links the months before, which have all the others."""
    lake = Lake(tmp_path).open()
    store(lake, *bodies.nights(70, "a"), *bodies.nights(40, "b"), bodies.night("2026-08-10", "c"))
    page = board_pages.write_board(lake)
    html = page.read_text()
    assert html.count('class="night"') == 3 * 28
    assert "28 nights to Thursday 8 October 2026 · three applications" in Page(html).words
    months = sorted(path.name for path in (tmp_path / "reports" / "months").iterdir())
    assert months == ["2026-07.html", "2026-08.html", "2026-09.html"]
    crawl = follow_links(page)
    assert not [link for link in crawl.broken if "/failing/" not in link]
    assert (
        len(
            [
                path
                for path in crawl.reached
                if path.parent.parent.parent.parent == tmp_path / "reports"
            ]
        )
        == 111
    )
    august = (tmp_path / "reports" / "months" / "2026-08.html").read_text()
    assert read_heading(august) == "August 2026: 34 held."


def test_a_past_month_is_read_and_written_again_only_when_it_changed(tmp_path: Path) -> None:
    """What a night costs does not grow with the home; a corrected old night is shown."""
    lake = Lake(tmp_path).open()
    reports = bodies.nights(100, "a")
    store(lake, *reports)
    board_pages.write_board(lake)
    july = tmp_path / "reports" / "months" / "2026-07.html"
    before, inode = july.read_bytes(), july.stat().st_ino
    for path in (tmp_path / "reports").glob("2026-0[67]-*/*/*/report.json"):
        path.write_text("{")  # whoever reads it again reports it as damaged
    board_pages.write_board(lake)
    assert (july.read_bytes(), july.stat().st_ino) == (before, inode)
    store(lake, bodies.night("2026-07-14", "a", verdict="slipped", sentence="Slipped: price."))
    board_pages.write_board(lake)
    assert "Slipped: price." in july.read_text()


def test_marks_of_changes_know_the_night_before_the_board(tmp_path: Path) -> None:
    """The first night of the board is compared with the one before it."""
    lake = Lake(tmp_path).open()
    store(lake, *bodies.nights(29, "a", drop=27))
    html = board_pages.write_board(lake).read_text()
    assert "prompt v2 → v3" in html
