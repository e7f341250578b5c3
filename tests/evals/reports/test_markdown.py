"""Promises of `report.md`: short, made from `report.json` alone, and safe whatever names hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from evals.reports.pages.markdown_text import quote_code, quote_command, quote_prose
from evals.reports.pages.night_markdown import LONGEST, render_markdown
from evals.reports.redact_text import redact_reports
from evals.reports.report import Report
from evals.storage.lake import Lake
from evals.storage.report_files import write_markdown, write_report
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.report_bodies import (
    Body,
    against,
    example,
    night,
    refused,
    result,
    sealed,
    typed,
)  # fmt: skip

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MEANING = re.compile(r"@\w|://|www\.|#\d|<|:\w+:")
"""What GitHub or GitLab would make a mention, a link, a reference, an element or an emoji."""
HOSTILE = (
    "a|b\n# c", "`x` ``y", "<script>alert(1)</script>", "![i](http://e.example/i.png)", "@octocat",
    "[click](javascript:alert)", "www.evil.example", "**bold** _it_ ~~no~~", "#12 GH-3 :tada:",
    "\u202eabc\x1b[31m", "- - x", "\\", "a\\|b", "x@y.example", "&lt;b&gt; $x$", "```\nfence",
)  # fmt: skip


def list_types(text: str) -> list[str]:
    """Returns the structure of a Markdown text: the types of its tokens, whatever their text."""
    tokens = [one for token in PARSER.parse(text) for one in (token, *(token.children or ()))]
    return [one.type for one in tokens if one.type not in ("text", "code_inline")]


def read_words(tokens: list[Token]) -> str:
    """Returns the text of a parsed Markdown that is not code."""
    inside = (one for token in tokens for one in (token, *(token.children or ())))
    return " ".join(one.content for one in inside if one.type == "text")


def make_night(name: Callable[[int], str], count: int) -> Report:
    """A night whose every list has so many rows, each with a name in every place of a name."""
    names = [name(i) for i in range(count)]
    rows = [
        against(
            result(f"d{i}", 120, 80, slice="all") | {"reason": f"why {n}", "evaluator": n},
            0.9, 0.05, "slipped", "2026-10-01", "2026-10-07",
        )
        for i, n in enumerate(names)
    ]  # fmt: skip
    changes = [
        {"dimension": row["dimension"], "evaluator": row["evaluator"], "slice": names[i],
         "before": 0.9, "after": 0.6, "change": -0.3, "low": -0.4, "high": -0.2, "p": 0.001,
         "verdict": "slipped"}
        for i, row in enumerate(rows)
    ]  # fmt: skip
    causes = [
        {"dimension": n, "evaluator": n, "cause": "prompt_version", "before": [], "after": [],
         "words": f"prompt {n} replaced v2"}
        for n in names
    ]  # fmt: skip
    open_rows = [
        {"name": n, "state": "ongoing", "decides": True, "from": "2026-10-01", "to": "2026-10-08",
         "opened": "2026-10-02", "owner": n,
         "rates": [{"dimension": n, "evaluator": n, "before": 0.9, "after": 0.6, "nights": 7,
                    "from": "2026-10-01"}] * 8}
        for n in names
    ]  # fmt: skip
    slices = [
        {"dimension": n, "evaluator": n, "slice": n, "n": 40, "rate": 0.5, "low": 0.4, "high": 0.6,
         "parent_rate": 0.8, "excess": 0.3, "q": 0.01}
        for n in names
    ]  # fmt: skip
    return typed(
        sealed(night(
            title=names[0], owner=names[0], sentence=f"Slipped: {'; '.join(names[:9])}.",
            verdict="slipped", gate={"outcome": "regressed", "reasons": names}, results=rows,
            changes=changes, causes=causes, slices=slices,
            incidents={"rows": open_rows},
            examples=[example(i, trace_id=n, evaluator=n) for i, n in enumerate(names)],
            errors=[{"dimension": n, "evaluator": n, "code": n, "status": "error", "count": 3}
                    for n in names],
            alarms=[{"code": "no-answers", "evaluator": n, "words": n, "n": 3} for n in names],
        ))
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 40, 500])
def test_a_night_has_at_most_200_lines(count: int) -> None:
    """Each part is cut, and the cut names how many are left and the command that shows them."""
    text = render_markdown(make_night(lambda i: f"name-{i}", count))
    assert len(text.splitlines()) <= LONGEST
    if count == 500:
        assert "487 more: `andon report show --app shop --date 2026-10-08 --json`" in text
        assert "482 more: `andon incident list`" in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_name_becomes_markup(hostile: str) -> None:
    """Whatever names hold, the text has the structure it has with plain ones, and no reference."""
    tame = render_markdown(make_night(lambda i: f"name{i}", 4))
    text = render_markdown(make_night(lambda i: f"{hostile} {i}", 4))
    assert list_types(text) == list_types(tame)
    tokens = PARSER.parse(text)
    assert not MEANING.search(read_words(tokens))
    ends = [i for i, one in enumerate(tokens) if one.type == "tr_close"]
    cells = [tokens[end - 2].content for end in ends[1:]]
    assert [cell.startswith("slipped: why ") for cell in cells] == [True] * 4


@given(st.text(alphabet=st.sampled_from("ab1 `*_[]()<>!|\\~#@:/.-+=&$\n\"'{}")) | st.text())
def test_any_text_is_words_and_code(text: str) -> None:
    """A sentence and a name are one paragraph of words and code spans, with no reference in it."""
    for shown in (quote_prose(f"Slipped: {text}"), f"x {quote_code(text)}"):
        tokens = PARSER.parse(shown)
        assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
        assert {one.type for one in tokens[1].children or ()} <= {"text", "code_inline"}
        assert not MEANING.search(read_words(tokens))


def test_what_people_decided_is_beside_its_incident() -> None:
    """With name, reason and night, none of which can be markup."""
    done = {"action": "accept", "by": "Ann", "reason": "a *wanted* tone", "night": "2026-10-08"}
    row = {"name": "shop-1", "state": "accepted", "decides": True, "opened": "2026-10-06"}
    row |= {"from": "2026-10-06", "to": "2026-10-08", "rates": [], "done": [done]}
    text = render_markdown(typed(sealed(night(incidents={"rows": [row]}))))
    assert "; accepted by Ann from 2026-10-08 on: a `*wanted*` tone\n" in text


def test_a_worse_version_of_the_night_is_what_to_repair() -> None:
    """A canary that is worse is the next step, also where no rate slipped."""
    effect = {"old": "v1", "new": "v2", "change": -0.3, "low": -0.4, "high": -0.2, "p": 0.0,
              "share": 0.1, "nights": 1}  # fmt: skip
    cause = {"dimension": "price", "evaluator": "shop.price", "cause": "prompt_version",
             "before": [], "after": [], "words": "", "same_night": effect}  # fmt: skip
    step = "Undo or repair the version below that is worse than another of the same night."
    assert step in render_markdown(bodies.typed(bodies.night(causes=[cause])))
    assert step not in render_markdown(bodies.typed(bodies.night()))


def test_a_command_is_safe_to_run() -> None:
    """An id from a trace is one word of a shell's command, whatever it holds."""
    assert quote_command("andon", "--answer=x; rm -rf $(pwd)") == (
        "`andon '--answer=x; rm -rf $(pwd)'`"
    )


@pytest.mark.parametrize("body", [night(), refused(), make_night(str, 3).to_json()])
def test_it_is_made_from_report_json_alone(body: Body) -> None:
    """The body as it is stored gives the same text, links to the files beside it, and no other."""
    report = typed(body)
    again = Report.from_json(json.loads(json.dumps(report.to_json())))
    text = render_markdown(report)
    assert text == render_markdown(again)
    links = [one for token in PARSER.parse(text) for one in token.children or () if one.attrs]
    assert [one.attrs["href"] for one in links] == ["index.html", "report.json"]


def test_a_forgotten_trace_is_gone_from_the_markdown(tmp_path: Path) -> None:
    """It is written again with the report: figures stay, ids of forgotten answers do not."""
    lake, day = Lake(tmp_path), date(2026, 10, 8)
    report = typed(sealed(night(examples=[example(1), example(2)])))
    folder = write_report(lake, day, report.to_json(), "<p>", {})
    write_markdown(lake, day, "shop", report.version, render_markdown(report))
    before = (folder / "report.md").read_text()
    redact_reports(lake, lambda one: one.trace_id.endswith("1"), "[forgotten]")
    after = (folder / "report.md").read_text()
    assert "shop-10-08-0001" in before
    assert "shop-10-08-0001" not in after
    assert after.count("[forgotten]") == 1
    assert before.split("## Failing")[0] == after.split("## Failing")[0]
