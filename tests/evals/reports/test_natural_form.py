"""Promises of the form in which people read a trace: how texts look, and that they are safe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from evals.records import GoldValue
from evals.reports.pages.forms import team_template
from evals.reports.pages.forms.differences import compare_texts
from evals.reports.pages.forms.team_template import CLASSES
from evals.reports.pages.forms.text import render_text
from evals.reports.pages.natural_form import render_natural_form
from evals.specs.review_templates import ReviewTemplate
from tests.evals.reports.page_text import Page
from tests.evals.reports.test_answer_pages import build_trace

ATTACK = (
    "</pre><script>window.attacked=1</script><img src=x onerror=alert(2)><svg onload=x><style>*{}"
)
ALLOWED = frozenset(
    {
        "a", "article", "bdi", "blockquote", "br", "code", "dd", "del", "details", "div", "dl",
        "dt", "em", "h2", "h3", "hr", "ins", "li", "mark", "ol", "p", "pre", "s", "section",
        "small", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
    }
)  # fmt: skip
"""Elements of the default form."""
ATTRIBUTES = frozenset(
    {
        "class", "data-label", "data-trace", "dir", "href", "open", "rel", "scope", "start",
        "tabindex", "target", "title",
    }
)  # fmt: skip


def read_markup(markup: str) -> Page:
    """The elements of a form, each of which is one that the form itself has."""
    page = Page(str(markup))
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= ALLOWED
    assert {name for _, attributes in page.tags for name in attributes} <= ATTRIBUTES
    return page


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ('{"price": 79.950, "name": "a"}', '<span class="hl-n">79.950</span>'),
        ('[{"a": 1, "b": "x"}, {"a": 2}]', '<td data-label="b"><span>x</span>'),
        ("name,price\\nkettle,39\\nlamp,12", '<td class="figure" data-label="price">'),
        ("SELECT name FROM t WHERE x = 'a'", '<span class="hl-k">SELECT</span>'),
        ("Hi **you**, see [it](https://example.com/a)", "</a> (example.com)"),
        ("|a|b|\\n|-|-:|\\n|1|2|", '<td data-label="b" class="figure">2</td>'),
        ("```sql\\nselect 1\\n```", '<span class="hl-k">select</span>'),
        ("<b>bold</b>", "&lt;b"),
        ("Select the best from the menu. It is nice.", "<pre dir"),
        ("Hello, friend\\nI am, well\\nYou are, good", "<pre dir"),
        ("red \\x1b[31m and \\u202e", "‹U+001B›[31m and ‹U+202E›"),
        ('{"a": 1, "a": 2}', '{&#34;a&#34;: 1, &#34;a&#34;: 2}'),
        ("[[[", "[[["),
    ],
)  # fmt: skip
def test_a_text_is_shown_in_the_form_that_suits_it(text: str, has: str) -> None:
    """JSON as a tree or a table, rows as a table, code in colours, Markdown set, others as are."""
    text = text.encode().decode("unicode_escape")
    markup = render_text(text, 10_000)
    read_markup(markup)
    assert has in markup


@pytest.mark.parametrize(
    "text",
    [
        ATTACK,
        f"# {ATTACK}\n\n`{ATTACK}`\n\n```{ATTACK}\n{ATTACK}\n```",
        json.dumps({ATTACK: [{ATTACK: ATTACK}]}),
        f"a,b\n{ATTACK},1\n{ATTACK},2",
        f"select 1 -- {ATTACK}",
        f"**x** [a](javascript:alert(1)) <{ATTACK}>",
        "**x** [a](data:text/html,x) ![i](https://evil.example/x.png) <javascript:alert(1)>",
        '**x** [a](https://example.com "onclick=1") [b][c]\n\n[c]: javascript:alert(1)',
        "**x** [a](https://user:pw@example.com/) [b](//example.com) [c](file:///etc/passwd)",
        "{{ 7*7 }} {% for x in y %} **x**", "<svg/onload=alert(1)>", "| a |\n|-|\n| <script> |",
    ],
)  # fmt: skip
def test_no_text_becomes_markup_of_its_own(text: str) -> None:
    """Scripts, styles, pictures, handlers, templates and addresses of other schemes are text."""
    page = read_markup(render_text(text, 10_000, written=True))
    links = [attributes for tag, attributes in page.tags if tag == "a"]
    assert all(link["href"].startswith(("https://example.com", "http://")) for link in links)
    assert all("noopener" in link["rel"] for link in links)
    assert "49" not in page.words


SLOW: dict[str, Callable[[], str]] = {
    "nested": lambda: "[" * 1_000_000,
    "deep": lambda: '{"a":' * 500 + "1" + "}" * 500,
    "brackets": lambda: "**b** " + "[" * 39_000,
    "images": lambda: "**b** " + "![" * 19_000,
    "quotes": lambda: "> " * 19_000 + "word",
    "stars": lambda: "**a** " + "_a_*" * 9_000,
    "digits": lambda: f"[{'9' * 100_000}]",
    "lists": lambda: "[" + "[1]," * 50_000 + "1]",
    "rows": lambda: "a,b\n" + "1,2\n" * 50_000,
    "sql": lambda: "select * from t where " + "a and " * 30_000,
    "tags": lambda: "<a>" + "<b " * 60_000 + ">",
    "answer": lambda: "word " * 40_000,
}


@pytest.mark.parametrize("name", SLOW)
def test_no_text_takes_long_or_makes_a_page_too_large(name: str) -> None:
    """Texts of up to a million characters are shown within bounds of time and size."""
    started = time.process_time()
    text = SLOW[name]()
    markup = render_natural_form([build_trace(output=text, input=text, context=text)])
    assert len(markup.encode()) < 750_000
    assert time.process_time() - started < 20
    read_markup(markup)


@pytest.mark.parametrize(
    "text",
    [
        "".join("  " * n + f"- item{n}\n" for n in range(90)),
        "- - - > > 1. 1. " * 20 + "deep",
        "**a** b\n\n[hidden]: https://example.com 'words nobody would see'",
        "|a|\n|-|\n|b|too much|\n",
    ],
)
def test_markdown_loses_no_word(text: str) -> None:
    """What the parser would leave out is shown as it was written."""
    shown = "".join(read_markup(render_text(text, 50_000)).words.split())
    for word in ("item89", "deep", "nobodywouldsee", "toomuch"):
        assert (word in "".join(text.split())) == (word in shown)


def test_a_long_text_is_folded_with_the_whole_one_below_it() -> None:
    """The beginning is shown; all of it is in a `details`, which is closed."""
    text = "\n".join(f"line {n}" for n in range(900))
    page = read_markup(render_text(text, 100_000))
    folds = [attributes for tag, attributes in page.tags if tag == "details"]
    assert folds == [{}]
    assert "line 899" in page.words
    assert "line 899" not in str(render_text(text, 100_000)).split("<details>")[0]


def test_a_session_shows_each_turn_once() -> None:
    """Messages that an earlier turn had are not repeated; an agent's calls are foldable."""
    first = build_trace(
        "a", input="Hello", output="Hi!", messages=({"role": "user", "content": "Hello"},)
    )
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "find", "arguments": '{"order": 7}'},
    }
    second = build_trace(
        "b", input="Order 7", output="Found.",
        messages=(
            {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"},
            {"role": "user", "content": "Order 7"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "name": "find", "content": '{"total": 63.90}'},
            {"role": "assistant", "content": "Found."},
        ),
    )  # fmt: skip
    page = read_markup(render_natural_form([first, second]))
    assert page.words.count("Hello") == page.words.count("Hi!") == page.words.count("Found.") == 1
    for words in ("Turn 1 of 2", "Turn 2 of 2", "called find", "order", "63.90"):
        assert words in " ".join(page.words.split()), words


@pytest.mark.parametrize(
    ("answer", "gold", "has"),
    [
        ('{"price": 4.6, "name": "a"}', {"price": 4.7, "name": "a"}, ["differs", "same"]),
        ('{"price": 4.6}', 4.7, ["differs"]),
        ("The fee is 5 for each of them.", "The fee is 9 for each of them.", ["<del>9 </del>"]),
        ("select 1", ["orders"], ["orders"]),
    ],
)
def test_an_answer_is_beside_the_right_one(answer: str, gold: Any, has: list[str]) -> None:
    """Field by field, word by word, or one by the other."""
    values = [GoldValue("t-1", "price", gold)]
    markup = render_natural_form([build_trace(output=answer)], gold=values)
    read_markup(markup)
    assert "Beside the right answer" in markup
    for one in has:
        assert one in markup


def test_an_answer_is_beside_that_of_the_prompt_before() -> None:
    """What went is struck out, what is new underlined, and a long equal part shortened."""
    before = build_trace("a", output="Old words. " + "Same. " * 400, prompt_version="v2")
    after = build_trace("b", output="New words. " + "Same. " * 400, prompt_version="v3")
    markup = render_natural_form([after], previous=before)
    assert "Beside the answer under prompt <bdi>v2</bdi>" in markup
    assert "<del>Old </del><ins>New </ins>words." in markup
    assert "equal characters" in markup
    assert "word for word" in render_natural_form([before], previous=before)
    assert compare_texts("", "", 10).count("<del>") == 0


def show_template(text: str, **more: Any) -> str:
    """The form of an answer by a team's template."""
    template = ReviewTemplate("review/shop.html", text)
    return str(render_natural_form([build_trace(**more)], template=template))


def test_a_team_shows_its_answers_by_its_own_template() -> None:
    """It gets the trace's values and the default form's filters, and the default form is folded."""
    made = show_template(
        "<h3 class='lead own'>{{ data.name }}</h3>{{ data | natural }}"
        "{{ output | difference('x') }}",
        output='{"name": "<b>"}',
    )
    assert '<h3 class="lead">&lt;b&gt;</h3>' in made
    assert '<dl class="json">' in made
    assert "In the default form" in made
    read_markup(made)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<p>\n{{ data.nmae }}", "review/shop.html, line 2: "),
        ("\n\n{% if %}", "review/shop.html, line 3: "),
        ("{% include '/etc/passwd' %}", "review/shop.html, line 1: "),
        ("{{ 'a' * 10 ** 9 }}", "review/shop.html, line 1: "),
        ("{% for a in range(99999) %}{{ 'a' ~ '%09d' }}{% endfor %}", "more than 400,000"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 'x' | center(1000000) }}", "center"),
        ("{{ range(90000) | join(range(90000) | join) }}", "review/shop.html: it takes more mem"),
    ],
)
def test_a_broken_template_is_named_and_the_default_form_shown(text: str, says: str) -> None:
    """The page has its file and line, and the answer in the default form."""
    made = show_template(text, output="{}")
    assert says in made
    assert "The application answered" in made


def test_an_endless_template_is_ended_and_not_tried_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is named, the default form is shown, and others are rendered again at once."""
    loops = "".join(f"{{% for {name} in range(99999) %}}" for name in "abc")
    monkeypatch.setattr(team_template, "LONGEST_S", 0.3)
    for problem in (*["not done within 0.3 s"] * 2, "it took too long repeatedly"):
        made = show_template(f"{loops}{'{% endfor %}' * 3}", output="{}")
        assert f"review/shop.html: {problem}" in made
        assert "The application answered" in made
    monkeypatch.undo()
    assert "<b>mended</b>" in show_template("<b>mended</b>", output="{}")


@pytest.mark.parametrize(
    "text",
    [
        "{{ output | safe }}",
        "<script>x</script>{{ output }}",
        "<p style='position:fixed' onclick=x id=a>b</p>",
        "<form action=/><input name=csrf><button>go</button></form>",
        "<iframe src=x></iframe><base href=x>",
        "<a href='javascript:x'>b</a><a href='https://example.com'>c</a>",
        "<link rel=stylesheet href=x><style>*{}</style>",
        "<div class='vh skip call'>x</div>",
        "<meta http-equiv=refresh content=0>",
        "<svg><script>x</script></svg>",
    ],
)
def test_no_template_makes_a_page_unsafe(text: str) -> None:
    """No mistake in a template and no text makes a script, a style, a form or an address."""
    page = read_markup(show_template(text, output=ATTACK))
    classes = {word for _, one in page.tags for word in (one.get("class") or "").split()}
    assert classes <= CLASSES | {"team", "default", "code", "answered"}
