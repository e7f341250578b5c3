"""The pages in a real browser: from the disk, without a request, for every reader and printer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evals.records import Label, Trace
from evals.reports.differences import list_differences
from evals.reports.disagreements import Contradicted, Disagreement
from evals.reports.pages.board import render_month
from evals.reports.pages.cost import render_cost
from evals.reports.pages.evaluator import render_evaluator
from evals.reports.pages.slice import list_shown, render_slice, render_slices
from evals.reports.pages.topics import render_topics
from evals.reports.pages.trace_links import lack_page
from evals.reports.pages.traces import render_trace
from evals.reports.pages.versions import render_versions
from evals.reports.report import Report
from evals.reports.similar_traces import Similar
from evals.reports.slice_rates import SliceNights
from evals.reports.versions import NightVersion
from tests.evals.reports import report_bodies as bodies
from tests.evals.reports.page_text import render_bodies, render_body
from tests.evals.reports.test_answer_pages import build_night, build_trace, give, render_pages
from tests.evals.reports.test_linked_pages import BUDGETS, PIN, involve, judged, tell

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium on PATH to open pages with", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

ATTACK = '</pre><script>window.attacked=1</script><img src=x onerror="window.attacked=2">'
LINK = "https://traces.example.com/t-1"


def long() -> dict[str, Any]:
    """A slipped night whose names and answers are longer than any screen."""
    body = bodies.slipped()
    body["results"][0]["dimension"] = "price-as-shown-to-the-customer-" * 4
    spill = bodies.example(0, input="why " * 900, output="x" * 5000, trace_id="t" * 300)
    return body | {"examples": [spill]}


def busy() -> dict[str, Any]:
    """A slipped night with a dozen dimensions and five long answers."""
    body = bodies.slipped()
    more = [bodies.result(f"dim-{n}", 180, 20, evaluator=f"shop.dim-{n}") for n in range(8)]
    spills = [bodies.example(n, input="why " * 900, output="so " * 900) for n in range(5)]
    return body | {"results": [*body["results"], *more], "examples": spills}


def attack() -> Trace:
    """A trace in which every text is an attack or has no space."""
    steps = ({"kind": ATTACK, "name": "n" * 400, "documents": [{"id": ATTACK, "content": ATTACK}]},)
    messages = ({"role": ATTACK, "content": ATTACK}, {"role": "user", "content": "x" * 4000})
    return build_trace(
        "t" * 300, input=ATTACK, output=ATTACK, context=ATTACK * 9, messages=messages, steps=steps,
        metadata={"url": LINK}, versions={ATTACK: "v" * 200}, session_id=ATTACK,
    )  # fmt: skip


def render_answers(*shown: Trace, name: str) -> str:
    """One of the pages of some failing answers: the first whose name begins so."""
    ids = [trace.trace_id for trace in shown]
    given = [give(one, dimension) for one in ids for dimension in ("price", "tone")]
    slices = {one: ["source=web", f"word-{'o' * 90}"] if n else [] for n, one in enumerate(ids)}
    night = build_night(given, slices=slices)
    pages = render_pages(night, {trace.trace_id: trace for trace in shown})
    return next(page for key, page in sorted(pages.items()) if key.startswith(name))


def list_board() -> str:
    """A board of twenty nights of two applications."""
    return render_bodies(*bodies.nights(20, "extraction", drop=6), *bodies.nights(20, "summaries"))


def render_september() -> str:
    """The page of a month."""
    reports = [bodies.typed(one) for one in bodies.nights(30, "a", drop=6, last="2026-09-30")]
    return render_month(reports, month=date(2026, 9, 1), missing=(), stamp="0" * 16)


def render_passages() -> str:
    """The page of an answer with a passage that supports it, and similar requests."""
    passage = "Refunds take 14 days. Our store opens at nine."
    step = {"kind": "retrieval", "documents": [{"id": "faq", "content": passage}]}
    trace = build_trace(output="All refunds take 14 days.", steps=(step,))
    similar = [Similar("b", ["price"], "How long do refunds take?", 0.5), Similar("c", [], "", 0.3)]
    night = build_night([give("t-1"), give("b"), give("c", verdict="pass")])
    return render_trace(trace, bodies.typed(bodies.slipped()), night, None, similar)[1]


def render_part(*, worse: bool) -> str:
    """The page of a slice that does worse than the rest, or the list of all slices."""
    reports: list[Report] = []
    for body in bodies.nights(5, "a"):
        rows = [
            bodies.result(row["dimension"], 20, 40, slice=f"source=web-{'o' * 90}")
            for row in body["results"]
        ]
        reports.append(bodies.typed(bodies.sealed(body | {"results": [*body["results"], *rows]})))
    nights = SliceNights(reports)
    shown = list_shown(nights, {})
    return render_slice(shown[0], nights, lack_page) if worse else render_slices(shown, nights)


def render_blessed() -> str:
    """A slipped night with a blessed baseline, and versions compared in the same nights."""
    body = bodies.slipped()
    blessed = {"date": "2026-09-20", "rate": 0.9, "n": 200, "change": -0.2, "low": -0.3,
               "high": -0.1, "p": 0.001, "verdict": "slipped", "decided": True}  # fmt: skip
    for row in body["results"]:
        row["blessed"] = blessed
    body["causes"][0]["same_night"] = {
        "old": "v2", "new": "v3", "share": 0.3, "nights": 2, "change": -0.12, "low": -0.2,
        "high": -0.05, "p": 0.001,
    }  # fmt: skip
    return render_body(body, bodies.nights(13, last="2026-10-07"))


def render_two_versions() -> str:
    """The page of a night that was reported twice."""
    first, second = bodies.typed(bodies.night()), bodies.typed(bodies.slipped())
    moved = tuple(list_differences(first, second))
    versions = [
        NightVersion(first.version, "", "2026-10-09T05:00:00+00:00", ()),
        NightVersion(second.version, first.version, "2026-10-10T05:00:00+00:00", moved),
    ]
    return render_versions(versions, [first, second])


def render_contradicted() -> str:
    """The page of a judge that people contradict on an answer with an attack in it."""
    row = Contradicted(date(2026, 10, 8), "a", ATTACK, "tone", "polite", "v", "pass", "fail")
    label = Label(ATTACK, "tone", "fail", ATTACK, "human", critique=ATTACK * 20)
    found = Disagreement(row, ATTACK, [label], "x" * 4000, ATTACK)
    return render_evaluator("polite", [bodies.typed(judged())] * 3, [found, found], lack_page)


PAGES: dict[str, Callable[[], str]] = {
    "night": lambda: render_body(bodies.slipped(), bodies.nights(13, last="2026-10-07")),
    "long": lambda: render_body(long()),
    "busy": lambda: render_body(busy(), bodies.nights(13, last="2026-10-07")),
    "hostile": lambda: render_body(bodies.hostile()),
    "refused": lambda: render_body(bodies.refused()),
    "nothing": lambda: render_body(bodies.night(results=[])),
    "board": list_board,
    "empty board": lambda: render_bodies(),
    "first list": lambda: render_answers(attack(), build_trace("b"), name="failing/index"),
    "list": lambda: render_answers(attack(), build_trace("b"), name="failing/price-1"),
    "trace": lambda: render_answers(build_trace(), name="traces/"),
    "passages": render_passages,
    "month": render_september,
    "incident": lambda: tell(rates=[involve("price")]),
    "evaluator": lambda: render_evaluator("polite", [bodies.typed(judged())] * 3),
    "blessed": render_blessed,
    "versions": render_two_versions,
    "slice": lambda: render_part(worse=True),
    "slices": lambda: render_part(worse=False),
    "topics": lambda: render_topics(bodies.typed(busy()), {}, lack_page),
    "disagreements": render_contradicted,
    "cost": lambda: render_cost([bodies.typed(judged())], {"m": PIN}, BUDGETS),
    "attack": lambda: render_answers(attack(), name="traces/"),
}


READ = (
    "night",
    "board",
    "list",
    "passages",
    "incident",
    "cost",
    "slice",
    "disagreements",
    "blessed",
    "versions",
    "topics",
)
"""Pages that have every kind of element; a run of axe takes a second and more."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with playwright.sync_playwright() as started:
        quiet = ("--disable-background-networking", "--disable-component-update", "--no-sandbox")
        running = started.chromium.launch(executable_path=CHROMIUM, args=list(quiet))
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page in a file."""
    path = tmp_path_factory.mktemp("pages")
    for name, render in PAGES.items():
        (path / f"{name}.html").write_text(render(), "utf-8")
    return path


@pytest.fixture
def opened(browser: Browser) -> Iterator[Page]:
    """An empty tab."""
    context = browser.new_context()
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def count_printed(page: Page) -> int:
    """Returns how many sheets of A4 a page prints on."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


@pytest.mark.parametrize("name", PAGES)
def test_page_is_quiet_and_fits_every_width(name: str, folder: Path, opened: Page) -> None:
    """A page from the disk asks for nothing, logs nothing, runs nothing and never scrolls aside."""
    asked, logged = list[str](), list[str]()
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: logged.append(message.text))
    opened.on("pageerror", lambda error: logged.append(str(error)))
    opened.on("dialog", lambda dialog: dialog.dismiss())
    url = (folder / f"{name}.html").as_uri()
    opened.goto(url)
    opened.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for width in (390, 1280):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("window.attacked") is None
    assert asked == [url]
    assert logged == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", READ)
def test_everybody_can_read_it(name: str, scheme: Any, folder: Path, opened: Page) -> None:
    """Axe finds nothing, in light and in dark: contrast, names, landmarks, headings, tables."""
    opened.emulate_media(color_scheme=scheme)
    opened.goto((folder / f"{name}.html").as_uri())
    found = axe.Axe().run(opened).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


@pytest.mark.parametrize("name", ["night", "trace"])
def test_a_page_can_be_read_by_keyboard(name: str, folder: Path, opened: Page) -> None:
    """Tab reaches every link and every fold, each with a visible frame, and Enter unfolds it."""
    opened.goto((folder / f"{name}.html").as_uri())
    opened.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
    reached = list[str]()
    for _ in range(opened.locator("a, summary, pre").count()):
        opened.keyboard.press("Tab")
        tag, line, style = opened.evaluate(
            "(e => [e.tagName, getComputedStyle(e).outlineWidth, getComputedStyle(e).outlineStyle])"
            "(document.activeElement)"
        )
        if tag == "BODY":
            break
        reached.append(tag)
        assert (line, style) == ("3px", "solid")
        if tag == "SUMMARY" and reached.count("SUMMARY") == 1:
            opened.keyboard.press("Enter")
            assert opened.evaluate("document.activeElement.parentElement.open")
    assert reached.count("SUMMARY") == opened.locator("details:visible > summary").count()
    assert reached.count("A") >= opened.locator("header a").count()


@pytest.mark.parametrize(("name", "most"), [("busy", 4), ("board", 2), ("refused", 1)])
def test_a_page_prints_on_few_sheets(name: str, most: int, folder: Path, opened: Page) -> None:
    """A night takes at most four sheets of A4, and the board two."""
    opened.goto((folder / f"{name}.html").as_uri())
    assert 1 <= count_printed(opened) <= most


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_drawn(scheme: Any, folder: Path, opened: Page) -> None:
    """A night has a light ground and dark text, or the reverse, as the reader prefers."""
    opened.emulate_media(color_scheme=scheme)
    opened.goto((folder / "night.html").as_uri())
    ground, ink = opened.evaluate(
        "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
    )
    brightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (ground, ink)]
    assert (brightness[0] > brightness[1]) == (scheme == "light")
    assert len(opened.screenshot()) > 20_000


def test_a_link_to_the_source_of_a_trace_is_followed_on_a_click_alone(
    folder: Path, opened: Page
) -> None:
    """The only address of the web on a page is the one its trace came with, as a link."""
    opened.goto((folder / "attack.html").as_uri())
    links = opened.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert [link for link in links if not link.startswith("file:")] == [LINK]
