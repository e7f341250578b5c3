"""Promises of a slice beside the rest: nights together, none confounded, all slices corrected."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from evals.reports.pages.slice import list_shown, render_slice, render_slices
from evals.reports.pages.trace_links import lack_page
from evals.reports.report import Report
from evals.reports.slice_rates import SliceNights
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import Page, read_heading

Counts = tuple[int, int]
"""Passed and failed."""


def build_nights(nights: Sequence[tuple[Counts, Counts]]) -> list[Report]:
    """Nights with the counts of all answers and of one slice."""
    return [
        bodies.typed(
            bodies.night(
                f"2026-10-{day:02d}",
                results=[
                    bodies.result("price", *whole),
                    bodies.result("price", *part, slice="web"),
                ],
            )
        )
        for day, (whole, part) in enumerate(nights, 1)
    ]


@pytest.mark.parametrize(
    ("nights", "is_worse"),
    [
        ([((28, 2), (2, 1))] * 10, True),
        ([((28, 2), (2, 1))], False),
        ([((27, 3), (3, 0))] * 10, False),
        ([((95, 5), (2, 0))] * 5 + [((60, 60), (30, 30))] * 5, False),
    ],
)
def test_nights_together_show_what_one_cannot_and_do_not_confound(
    nights: list[tuple[Counts, Counts]], is_worse: bool
) -> None:
    """A slice that is mostly of bad nights is compared with the others of those nights."""
    (shown,) = list_shown(SliceNights(build_nights(nights)), {})
    assert bool(shown.worse) == is_worse


def test_a_slice_begins_with_how_good_it_is_against_the_rest() -> None:
    """Its first line has both rates and the nights; the list of slices names it."""
    nights = SliceNights(build_nights([((28, 2), (2, 1))] * 10))
    (shown,) = list_shown(nights, {})
    page = render_slice(shown, nights, lack_page)
    assert read_heading(page) == (
        "web passes less than the rest on price (67% of 30 answers in ten nights, all others 96%), "
        "to 10 October 2026."
    )
    assert "below it on every night since 1 Oct" in Page(page).words
    listed = render_slices([shown], nights)
    assert read_heading(listed) == "web does worse than the rest beyond chance, to 10 October 2026."


def test_a_slice_with_every_answer_has_no_rest() -> None:
    """That is what its first line states, not a comparison with nothing."""
    nights = SliceNights(build_nights([((9, 1), (9, 1))]))
    (shown,) = list_shown(nights, {})
    assert read_heading(render_slice(shown, nights, lack_page)) == (
        "Every answer of 1 October 2026 is in web, so there is no rest to compare it with."
    )
