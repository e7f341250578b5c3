"""The review page in a real browser: by keyboard, by touch, by two people, and under attack."""

from __future__ import annotations

import re
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from evals.records import Label, Trace
from evals.storage.documents.failure_modes import FailureMode, Taxonomy, write_taxonomies
from evals.storage.documents.review_queues import read_review_queue, write_review_queue
from orchestration.settings import Settings
from orchestration.web.review import ReviewAddress, serve_review
from orchestration.web.serve import make_server, open_socket
from tests.evals.review_app.review_home import ANSWER, NIGHT, ask, list_labels, write_apps
from tests.orchestration.ui import find_free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium on PATH to open pages with", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

ATTACK = (
    '</pre></article><script>window.attacked=1</script><img src=x onerror="window.attacked=2">'
    '<form action="/undo" method="post"><button data-key="p">x</button></form>'
)
MARKUP = (
    "**go** [on](javascript:window.attacked=4) <javascript:window.attacked=5> {{7-7}} "
    "\u202e\x1b[31m "
    "![i](https://evil.example/x.png) [d](data:text/html,x) <style>*{display:none}</style>"
)
QUEUED = 50_000
APPS = {
    "notes": 3,
    "keys": 3,
    "reload": 2,
    "pairs": 6,
    "touch": 2,
    "idle": 1,
    "attack": 1,
    "axe": 3,
    "bulk": 10,
}


class Served(NamedTuple):
    """A review page that listens."""

    settings: Settings
    url: str
    link: str

    def list_labels(self, app: str) -> list[Label]:
        """The labels of an application that count."""
        return [one for one in list_labels(self.settings) if one.subject_id.startswith(app)]


def list_traces() -> list[Trace]:
    """Some answers of each application; those of `attack` and `notes` are hostile."""
    traces = [
        replace(ANSWER, trace_id=f"{app}-{n}", app=app, output=f"Answer {n} of {app}.")
        for app, count in APPS.items()
        for n in range(count)
    ]
    hostile: Any = {
        "input": ATTACK,
        "output": f"# {ATTACK}\n\n{MARKUP}\n\n```{ATTACK}\n{ATTACK}\n```\n" + "x" * 4_000,
        "context": ATTACK,
        "messages": ({"role": ATTACK, "content": ATTACK}, {"role": "user", "content": ATTACK}),
        "steps": ({"kind": "retrieval", "documents": [{"id": ATTACK, "content": ATTACK}]},),
        "metadata": {ATTACK: ATTACK, "url": "https://evil.example"},
    }
    return [replace(one, **hostile) if one.app in ("attack", "notes") else one for one in traces]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server over a home with 50,000 questions in its queue."""
    settings = write_apps(tmp_path_factory.mktemp("review"), list_traces())
    lake, port = settings.open_lake(), find_free_ports()
    modes = [FailureMode(f"m{n}", f"a-failure-mode-{n}", ()) for n in range(12)]
    write_taxonomies(lake, "touch", [Taxonomy("touch", 1, tuple(modes))])
    bulk = [ask(f"many-{n}", "bulk") for n in range(QUEUED)]
    write_review_queue(lake, NIGHT, [*read_review_queue(lake, NIGHT), *bulk])
    review = serve_review(settings, ReviewAddress(f"http://127.0.0.1:{port}", port))
    server = make_server(review.app)
    sockets = {"sockets": [open_socket(port)]}
    thread = threading.Thread(target=server.run, kwargs=sockets, daemon=True)
    thread.start()
    yield Served(settings, f"http://127.0.0.1:{port}", review.link)
    server.should_exit = True
    thread.join(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with playwright.sync_playwright() as started:
        quiet = ("--disable-background-networking", "--disable-component-update", "--no-sandbox")
        running = started.chromium.launch(executable_path=CHROMIUM, args=list(quiet))
        yield running
        running.close()


class Desk:
    """Somebody who reviews in a window of their own."""

    def __init__(self, context: BrowserContext, served: Served, name: str, path: str) -> None:
        context.set_default_timeout(60_000)
        self.page, self.served = context.new_page(), served
        self.logged, self.asked = list[str](), list[str]()
        self.page.on("console", lambda message: self.logged.append(message.text))
        self.page.on("pageerror", lambda error: self.logged.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(served.link)
        self.page.wait_for_url("**/name")
        self.page.wait_for_selector("#name:focus")  # nobody types before the cursor is there
        self.page.keyboard.type(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")
        self.page.goto(served.url + path)

    def press(self, *keys: str) -> Page:
        """Presses keys, of which the last leads to another page."""
        for key in keys[:-1]:
            self.page.keyboard.press(key)
        with self.page.expect_navigation():
            self.page.keyboard.press(keys[-1])
        return self.page

    @property
    def answer(self) -> str:
        """What the application answered on this page."""
        found = re.search(r"Answer \d+ of \w+", self.page.locator(".subject").inner_text())
        return found[0] if found else ""


@pytest.fixture
def desks(browser: Browser) -> Iterator[Any]:
    """Opens windows of their own, and closes them."""
    contexts: list[BrowserContext] = []

    def open_desk(served: Served, name: str, path: str, **options: Any) -> Desk:
        contexts.append(browser.new_context(**options))
        return Desk(contexts[-1], served, name, path)

    yield open_desk
    for context in contexts:
        context.close()


def test_a_whole_session_by_keyboard(served: Served, desks: Any) -> None:
    """From the list to the last verdict, with a note, an undo, a jump and the list of keys."""
    desk = desks(served, "kim", "/?app=keys")
    page = desk.press("Enter")
    page.keyboard.press("?")
    shown = page.locator("#keys").inner_text()
    assert all(words in shown for words in ("Pass", "Fail", "Defer", "note", "Take back", "number"))
    page.keyboard.press("p")  # a key of the page behind does nothing
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    assert "What is wrong?" in page.locator("#hint").inner_text()
    page.keyboard.type("pf d: keys are text here")
    desk.press("Control+Enter")
    assert "You failed it" in page.locator(".last").inner_text()
    assert "the judge says blue" in page.locator(".last").inner_text()
    assert "1 of 3" in page.locator("#progress").inner_text()
    desk.press("d")
    desk.press("p")
    assert "3 of 3 judged, nothing left" in page.locator("h1").inner_text()
    desk.press("u")
    assert desk.answer == "Answer 2 of keys"
    desk.press("g", "1", "Enter")
    assert desk.answer == "Answer 0 of keys"
    desk.press("ArrowRight")
    desk.press("p")
    verdicts = {one.subject_id: (one.verdict, one.critique) for one in served.list_labels("keys")}
    assert verdicts == {
        "keys-0": ("wrong", "pf d: keys are text here"),
        "keys-2": ("correct", ""),
    }
    assert all(one.seconds_spent for one in served.list_labels("keys"))
    assert desk.logged == []


def test_keys_of_one_letter_can_be_switched_off(served: Served, desks: Any) -> None:
    """They then do nothing, also after a reload; and none does where an input method composes."""
    desk = desks(served, "joy", "/?app=bulk")
    page = desk.press("Enter")
    before = page.url
    for made in ({"key": "p", "isComposing": True}, {"key": "p", "keyCode": 229}):
        page.evaluate(
            "made => document.body.dispatchEvent("
            "new KeyboardEvent('keydown', {...made, bubbles: true, cancelable: true}))",
            made,
        )
    page.locator("#open-help").click()
    page.locator("#letter-keys").uncheck()
    page.keyboard.press("Escape")
    for _ in range(2):
        for key in "pd?nu1/":
            page.keyboard.press(key)
        assert page.url == before
        assert page.evaluate("document.activeElement.tagName") not in ("TEXTAREA", "INPUT")
        assert not page.locator("button[value=pass] kbd").is_visible()
        page.reload()
    assert page.evaluate("localStorage.getItem('keys joy')") == "off"
    desk.press("ArrowRight")
    page.locator("#open-help").click()
    assert "Pass" not in page.locator("#keys").inner_text()
    page.locator("#letter-keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert page.locator("#note").evaluate("one => one === document.activeElement")
    assert desk.logged == []


def test_a_note_survives_a_reload(served: Served, desks: Any) -> None:
    """A moment after the last word, and when the page is left in the middle of one."""
    desk = desks(served, "rae", "/?app=reload")
    page = desk.press("Enter")
    page.keyboard.press("n")
    with page.expect_response(re.compile("/draft$")):
        page.keyboard.type("half a thou")
    page.reload()
    assert page.locator("#note").input_value() == "half a thou"
    page.locator("#note").press("End")
    page.keyboard.type("ght")
    page.reload()
    assert page.locator("#note").input_value() == "half a thought"
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    desk.press("p")
    (label,) = served.list_labels("reload")
    assert label.critique == "half a thought"


def test_two_people_at_once(served: Served, desks: Any) -> None:
    """They read different answers, and no verdict is lost or given twice."""
    one, two = (desks(served, name, "/?app=pairs") for name in ("one", "two"))
    one.press("Enter")
    two.press("Enter")
    for _ in range(3):
        assert one.answer != two.answer
        one.press("p")
        two.page.keyboard.press("f")
        two.page.keyboard.type("wrong")
        two.press("Control+Enter")
    labels = served.list_labels("pairs")
    assert len({one.subject_id for one in labels}) == len(labels) == 6
    assert sorted(one.annotator for one in labels) == ["one"] * 3 + ["two"] * 3


def test_time_away_is_no_work(served: Served, desks: Any) -> None:
    """After a minute without a sign of life the seconds stop, and go on with the next one."""
    desk = desks(served, "ida", "/?app=idle")
    page = desk.page
    page.clock.install()
    desk.press("Enter")
    page.clock.run_for(20_000)
    page.mouse.move(5, 5)
    page.clock.run_for(3_600_000)
    page.mouse.move(9, 9)
    page.clock.run_for(10_000)
    desk.press("p")
    (label,) = served.list_labels("idle")
    assert label.seconds_spent
    assert 80 <= label.seconds_spent <= 100


def test_a_hostile_trace_runs_nothing(served: Served, desks: Any) -> None:
    """No script of it runs, nothing is loaded from elsewhere, and its keys are not the page's."""
    desk = desks(served, "eve", "/?app=attack")
    page = desk.press("Enter")
    assert "window.attacked" in page.locator(".subject").inner_text()
    assert page.evaluate("window.attacked") is None
    made = page.locator(".subject").locator("script, img, svg, style, iframe, form, [id], [style]")
    assert made.count() == 0
    assert "{{7-7}} ‹U+202E›‹U+001B›[31m" in page.locator(".subject").inner_text()
    assert page.locator("[data-key=p]").count() == 1
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.attacked=3>')"
    )
    page.keyboard.press("f")
    page.keyboard.type(ATTACK)
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    assert page.evaluate("window.attacked") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert all(url.startswith((served.url, "data:")) for url in desk.asked)


def test_a_phone_is_enough(served: Served, desks: Any) -> None:
    """At 390 pixels nothing scrolls aside, and the buttons are in reach of a thumb at once."""
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    desk = desks(served, "pia", "/?app=touch", **phone)
    page = desk.page
    with page.expect_navigation():
        page.get_by_text("Begin").tap()
    assert page.locator("[name=tag]").count() == 12
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("pass", "fail", "defer"):
        box = page.locator(f"button.{name}").bounding_box()
        assert box
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
    page.locator("button.fail").tap()
    page.keyboard.type("It is blue.")
    with page.expect_navigation():
        page.locator("button.fail").tap()
    with page.expect_navigation():
        page.locator("button.pass").tap()
    assert [one.verdict for one in served.list_labels("touch")] == ["wrong", "correct"]
    for path in ("/?app=touch&state=all", "/agreement", "/name"):
        page.goto(served.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(served: Served, desks: Any, scheme: str) -> None:
    """Axe finds nothing on any page: contrast, names, landmarks, headings."""
    desk = desks(served, f"axel {scheme}", "/?app=axe", color_scheme=scheme)
    page = desk.press("Enter")
    desk.press("p")
    for path in (page.url, f"{served.url}/", f"{served.url}/agreement", f"{served.url}/name"):
        page.goto(path)
        found = axe.Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []


def test_error_analysis_by_keyboard(served: Served, desks: Any) -> None:
    """Hostile traces are read, noted, grouped and kept as a case, at 390 pixels and by keys."""
    desk = desks(served, "lee", "/reading", viewport={"width": 390, "height": 844})
    page = desk.page
    with page.expect_navigation():
        page.locator("form:has(input[value=notes]) button").click()
    pages = [page.url]
    for words in ("searched in the wrong shop", "wrong shop again", ATTACK):
        page.keyboard.press("f")
        assert "What is wrong?" in page.locator("#hint").inner_text()
        page.keyboard.type(words)
        page.locator("#place").select_option("step:1")
        page.locator("#note").focus()
        desk.press("Control+Enter")
    assert "3 notes wait" in page.locator("h1").inner_text()
    desk.press("g")
    assert "retrieval" in page.locator(".matrix").inner_text()
    pages.append(page.url)
    page.goto(f"{served.url}/?app=notes")
    desk.press("Enter")
    page.keyboard.press("f")
    page.keyboard.type("names the wrong shop")
    desk.press("Control+Enter")
    desk.press("c")
    assert "A regression case" in page.locator(".last").inner_text()
    for path in (*pages, f"{served.url}/reading", f"{served.url}/cases"):
        page.goto(path)
        assert page.evaluate("window.attacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        found = axe.Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert all(url.startswith((served.url, "data:")) for url in desk.asked)


def test_a_queue_of_50000_is_fast(served: Served, desks: Any) -> None:
    """A verdict and the next page take about as long as with three questions."""
    desk = desks(served, "max", "/?app=bulk")
    assert "of 50,010" in desk.page.locator("h1").inner_text()
    desk.press("Enter")
    taken: list[float] = []
    for _ in range(8):
        began = time.monotonic()
        desk.press("p")
        taken.append(time.monotonic() - began)
    assert "8 of 50,010" in desk.page.locator("#progress").inner_text()
    assert statistics.median(taken) < 4
