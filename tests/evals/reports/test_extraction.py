"""The section about comparisons with gold: report, page and Markdown."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from evals.reports.pages.night import render_night
from evals.reports.pages.night_markdown import list_parts
from evals.reports.section import Parts
from evals.reports.sections import extraction
from evals.reports.sections.extraction import Extraction
from evals.statistics.ratios import FIGURES
from tests.evals.reports.chat_nights import BASE
from tests.evals.reports.night_rows import report_of

NONE = {f"{name}{end}": None for name in FIGURES for end in ("", "_low", "_high")}


def build_row(level: str, part: str, dimension: str = "facts", **values: Any) -> dict[str, Any]:
    """Builds a row of the table `parts`."""
    about = {"dimension": dimension, "evaluator": f"shop.{dimension}", "evaluator_version": "v"}
    counts = dict.fromkeys(("wrong", "missed", "invented", "absent"), 0)
    whole = {"date": datetime.date(2026, 10, 1), "app": "shop", "traces": 9, "sessions": 8}
    return {**whole, **about, **NONE, **counts, "right": 1, "level": level, "part": part, **values}


F1 = {"f1": 0.81234, "f1_low": 0.7, "f1_high": 0.9}
ROWS = [
    build_row("micro", "", right=7, **F1),
    build_row("macro", "", **F1),
    build_row("part", "brand | size", **F1),
    build_row("part", "price"),
]
ABSTAINED = build_row(
    "part", "answered", "abstains", right=8, missed=2, invented=3, absent=7,
    recall=0.8, recall_low=0.5, recall_high=0.9,
    specificity=0.7, specificity_low=0.4, specificity_high=0.9,
)  # fmt: skip


class Night:
    """A night with rows of the table `parts`."""

    def read_table_rows(self, name: str) -> list[dict[str, Any]]:
        """Returns them."""
        return {"parts": [*ROWS, ABSTAINED]}[name]


@pytest.fixture
def built() -> tuple[Extraction, ...]:
    """The section of that night."""
    night: Any = Night()
    return extraction.build(extraction.collect(night), Parts())


def test_micro_and_macro_are_beside_each_part(built: tuple[Extraction, ...]) -> None:
    """The whole, the mean, and each attribute with what could be counted."""
    facts = built[1]
    assert (facts.dimension, facts.micro.right, facts.traces) == ("facts", 7, 9)
    assert facts.macro
    assert facts.macro.f1
    assert facts.macro.f1.value == pytest.approx(0.8123, abs=1e-4)
    assert [part.part for part in facts.parts] == ["brand | size", "price"]
    assert facts.parts[1].f1 is None


def test_an_abstention_set_shows_both_errors(built: tuple[Extraction, ...]) -> None:
    """Not answering and answering wrongly are counted apart, also in Markdown."""
    assert [row.is_abstention for row in built] == [True, False]
    assert not built[0].is_one_sided
    rare = replace(built[0].micro, invented=1, absent=1)
    assert replace(built[0], micro=rare, parts=(rare,)).is_one_sided
    report: Any = {extraction.SECTION: built}
    lines = list_parts(report)
    assert lines[0] == (
        "- `abstains`: of 10 answerable questions 2 were not answered; of 10 others 3 were"
    )
    assert lines[1].startswith("- `facts`, micro: F1 81")
    assert len(lines) == 5


def test_the_page_shows_the_whole_its_parts_and_both_errors() -> None:
    """Micro, macro and each attribute in one table, abstention in another; names are no markup."""
    rows = [*ROWS, build_row("part", "<b>bold</b>"), ABSTAINED]
    page = render_night(report_of(replace(BASE, parts=rows)), history=[])
    assert "Compared with gold, value by value" in page
    assert "<bdi>facts</bdi>, micro" in page
    assert "<bdi>facts</bdi>, macro" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "Answered, and rightly not answered" in page
    assert "Compared with gold" not in render_night(report_of(BASE), history=[])
