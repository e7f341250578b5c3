"""The board: its first line, its marks, and what changed between nights."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from evals.reports.pages import board, charts
from evals.storage.documents.failed_sources import FailedSource
from evals.storage.documents.missing_nights import MissingNight
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, read_heading, render_bodies


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
