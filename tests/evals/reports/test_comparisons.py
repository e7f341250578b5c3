"""Promises of what an answer is shown beside: right answers, and how the prompt before answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.records import GoldValue, Trace
from evals.reports.previous_answers import find_previous, list_recent_nights
from evals.reports.right_answers import RightAnswers
from evals.specs import App, load_catalog
from evals.specs.review_templates import LARGEST, read_review_template
from evals.storage import answer_pages
from evals.storage.lake import Lake

NIGHT = date(2026, 10, 8)


def answer(trace_id: str, days: int, prompt: str | None, **more: Any) -> Trace:
    """An answer so many days before the night."""
    at = datetime(2026, 10, 8, 9, tzinfo=UTC) - timedelta(days=days)
    values = {"ts": at, "output": trace_id, "input": "What's it cost?", "prompt_version": prompt}
    return Trace(trace_id=trace_id, **{"app": "shop", **values, **more})


def fill(home: Path, *traces: Trace) -> Lake:
    """A home with some traces."""
    lake = Lake(home).open()
    for night in sorted({trace.ts.date() for trace in traces}):
        lake.write("traces", night, [one for one in traces if one.ts.date() == night])
    return lake


OLD = answer("old", 3, "v2")


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([OLD], "old"),
        ([OLD, answer("older", 9, "v1")], "old"),
        ([OLD, answer("same prompt", 1, "v3")], "old"),
        ([answer("by hash", 2, None, prompt_hash="abc")], "by hash"),
        ([answer("that night", 0, "v2", ts=datetime(2026, 10, 8, 8, tzinfo=UTC))], "that night"),
        ([answer("other app", 3, "v2", app="chat")], None),
        ([answer("other request", 3, "v2", input="Hi")], None),
        ([answer("later turn", 3, "v2", turn=2)], None),
        ([answer("unknown prompt", 3, None)], None),
        ([answer("long ago", 40, "v2")], None),
        ([answer("afterwards", -1, "v4")], None),
        ([answer("newer prompt", 1, "v4")], "newer prompt"),
        ([answer("nothing", 2, "v2", output=" ")], None),
        ([answer("error", 2, "v2", status="error")], None),
        ([answer("first", 5, "v3"), answer("not older", 4, "v4")], None),
        ([], None),
    ],
)
def test_the_last_answer_of_another_prompt_is_found(
    tmp_path: Path, others: Sequence[Trace], found: str | None
) -> None:
    """Of the same application and request, earlier, within a month, and no later turn."""
    lake = fill(tmp_path, answer("it's {me}", 0, "v3"), *others)
    previous = find_previous(lake, NIGHT, "shop", ["it's {me}", "unknown"])
    assert {name: one.trace_id for name, one in previous.items()} == (
        {"it's {me}": found} if found else {}
    )


def test_nights_are_looked_through_up_to_a_size(tmp_path: Path) -> None:
    """The night itself always is; earlier ones while their files are small enough together."""
    lake = fill(tmp_path, *(answer(f"t{days}", days, "v1") for days in range(5)))
    assert len(list_recent_nights(lake, NIGHT, 1_000_000)) == 5
    assert list_recent_nights(lake, NIGHT, 1) == [NIGHT]


def test_right_answers_are_those_of_gold_sets_and_imported_ones(tmp_path: Path) -> None:
    """One that several dimensions share has no name, and an imported one comes before a set's."""
    catalog = load_catalog(Path("evals/catalog"))
    text = "Trailhead 30L Backpack, with a rain cover and three outer pockets. Price: $79.95. "
    trace = answer(
        "t", 0, "v3", app="extraction", input=f"{text}Rated 4.6 out of 5 by 108 customers."
    )
    right = RightAnswers(Lake(tmp_path).open(), catalog)
    shared = right.find(trace)
    assert [(one.dimension, one.value["price"]) for one in shared] == [("", 79.95)]
    imported = right.find(trace, [GoldValue("t", "price", 9.5)])
    assert [(one.dimension, one.subject_id) for one in imported] == [("price", "t"), ("", "t")]
    assert right.find(answer("u", 0, "v3", app="unknown")) == ()


def app_with(template: str | None) -> App:
    """An application with a template."""
    return App(app="shop", template=template)


@pytest.mark.parametrize(
    "path", ["/etc/passwd.html", "../a.html", "a/../../b.html", "a.txt", ".a.html", "a//b.html"]
)
def test_a_template_is_a_path_inside_the_catalog(path: str) -> None:
    """Any other path is refused with its key."""
    with pytest.raises(ValueError, match="template"):
        app_with(path)


def test_a_template_is_read_from_the_catalog_alone(tmp_path: Path) -> None:
    """One that is missing, outside by a link, too long or not UTF-8 is a problem with its path."""
    root = tmp_path / "catalog"
    (root / "review").mkdir(parents=True)
    (tmp_path / "secret.html").write_text("secret")
    (root / "review" / "out.html").symlink_to(tmp_path / "secret.html")
    (root / "review" / "long.html").write_text("x" * (LARGEST + 1))
    (root / "review" / "bytes.html").write_bytes(b"\xff\xfe")
    (root / "review" / "shop.html").write_text("{{ output }}")
    assert read_review_template(root, None) is None
    assert read_review_template(root, app_with(None)) is None
    good = read_review_template(root, app_with("review/shop.html"))
    assert good == ("review/shop.html", "{{ output }}", "")
    for name, problem in {
        "out": "outside",
        "long": "more than",
        "bytes": "UTF-8",
        "no": "cannot be read",
    }.items():
        read = read_review_template(root, app_with(f"review/{name}.html"))
        assert read
        assert problem in read.problem
        assert read.text == ""


def test_a_page_that_shows_a_deleted_answer_beside_its_own_is_written_again(tmp_path: Path) -> None:
    """An answer that is forgotten is on no other trace's page."""
    lake = Lake(tmp_path).open()
    mark = f'<section data-trace="{answer_pages.name_trace_page("old")}">'
    pages = {"failing/index.html": "a", f"traces/{answer_pages.name_trace_page('new')}": mark}
    answer_pages.write_answer_pages(lake, NIGHT, "shop", pages.items())
    assert answer_pages.list_about(lake, ["other"]) == []
    assert answer_pages.list_about(lake, ["old"]) == [(NIGHT, "shop")]
