"""Evaluators that depend on others: a scanner's dear question, and a panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.calls.live import ask_live
from evals.evaluators.gold import GoldAndLabels
from evals.experiments.evaluator_trial import try_all, try_on_night
from evals.records import Trace
from evals.runs.model_servers import resolve_app
from evals.runs.runner import ScoringRun, score_evaluators
from evals.specs import Catalog, CatalogError, load_catalog
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.validation.catalog_checks import find_problems
from evals.worklist.night_contents import NightTraces

NIGHT = date(2026, 10, 1)
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
WORDS = ("apple", "pear", "plum")


def declare(name: str, word: str, more: str = "") -> str:
    """Declares a dimension that wants a word."""
    check = f"check: {{assertion: contains, params: {{values: [{word}]}}}}"
    return f"  - {{dimension: {name}, question: 'Is it?', {check}{more}}}\n"


def declare_panel(name: str, *members: str) -> str:
    """Declares a panel."""
    params = f"params: {{dimensions: [{', '.join(members)}]}}"
    return f"  - {{dimension: {name}, question: 'Is it?', check: {{panel: majority, {params}}}}}\n"


PANELS = declare_panel("x", "y", "z") + declare_panel("y", "x", "z") + declare_panel("z", "x", "y")
"""Three panels in a circle: among thirty dimensions there are a billion ways through them."""


@dataclass
class Home:
    """A home with one night, and the catalog that evaluates it."""

    root: Path

    def write(self, outputs: list[str], dimensions: str) -> None:
        """Writes a night's traces and a suite."""
        files = {
            "apps/chat.yaml": "{app: chat, suite: chat}",
            "suites/chat.yaml": f"suite: chat\ndimensions:\n{dimensions}",
        }
        for name, text in files.items():
            path = self.root / "catalog" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        traces = [
            Trace(f"t{n}", NOON, "chat", output, status="ok" if output else "error")
            for n, output in enumerate(outputs)
        ]
        self.lake.write("traces", NIGHT, traces, "day")

    @property
    def lake(self) -> Lake:
        """The home."""
        return Lake(self.root / "home").open()

    @property
    def catalog(self) -> Catalog:
        """The catalog, read again."""
        load_catalog.cache_clear()
        return load_catalog(self.root / "catalog")

    def score(self, dimension: str) -> dict[str, Mapping[str, Any]]:
        """Scores the night; returns a dimension's rows by trace."""
        lake, catalog = self.lake, self.catalog
        references = GoldAndLabels.of(catalog.root, ())
        with ledger.open_journal(lake, "run") as journal:
            run = ScoringRun(lake, references, journal, ask_live)
            score_evaluators(run, NightTraces(lake, NIGHT), resolve_app(lake, catalog, "chat"))
        columns = ("trace_id", "dimension", "verdict", "inclusion", "value", "code")
        rows = [row for rows in lake.stream_batches("scores", NIGHT, columns) for row in rows]
        return {row["trace_id"]: row for row in rows if row["dimension"] == dimension}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path)


def test_a_dear_question_is_asked_of_what_the_cheap_one_flags(home: Home) -> None:
    """All flagged traces are in, and a share of the others; the weights give the true rate."""
    outputs = ["apple"] * 1800 + ["pear"] * 200
    flagged = ", sample: {rate: 0.1, flagged: {by: scan}}"
    home.write(outputs, declare("deep", "apple", flagged) + declare("scan", "apple"))
    rows = home.score("deep").values()
    failed = [row for row in rows if row["verdict"] == "fail"]
    passed = [row for row in rows if row["verdict"] == "pass"]
    assert {row["inclusion"] for row in failed} == {1.0}
    assert len(failed) == 200
    assert {row["inclusion"] for row in passed} == {0.1}
    assert 130 < len(passed) < 230
    assert 1300 < sum(1 / row["inclusion"] for row in passed) < 2300


def test_a_trace_that_is_flagged_later_is_asked_about_later(home: Home) -> None:
    """A scanner that fails more asks more; what was looked at before stays in the sample."""
    flagged = ", sample: {rate: 0.1, flagged: {by: scan}}"
    outputs = ["apple"] * 150 + ["apple plum"] * 50
    home.write(outputs, declare("deep", "apple", flagged) + declare("scan", "apple"))
    before = set(home.score("deep"))
    home.write(outputs, declare("deep", "apple", flagged) + declare("scan", "plum"))
    after = home.score("deep")
    assert before < set(after)
    assert len(after) >= 150


@pytest.mark.parametrize(
    ("output", "verdict"),
    [("apple pear plum", "pass"), ("apple pear", "pass"), ("apple", "fail"), ("", None)],
)
def test_a_panel_decides_by_majority(home: Home, output: str, verdict: str | None) -> None:
    """Two of three votes decide; without votes there is no verdict."""
    panel = "  - {dimension: fruit, question: 'Is it?', check: {panel: majority, "
    panel += f"params: {{dimensions: [{', '.join(WORDS)}]}}}}}}\n"
    home.write([output], panel + "".join(declare(word, word) for word in WORDS))
    (row,) = home.score("fruit").values()
    assert row["verdict"] == verdict
    assert row["code"] == (None if verdict else "no-majority")


@pytest.mark.parametrize(
    ("draws", "chance"), [(("x", "x"), 0.5), (("x", "y"), 0.3), ((None, None), 0.3)]
)
def test_a_panel_s_answers_have_the_chance_of_its_members(
    home: Home, draws: tuple[str | None, str | None], chance: float
) -> None:
    """Members with one word draw the same traces: their chances multiply only without one."""
    panel = "  - {dimension: both, question: 'Is it?', check: {panel: majority, "
    panel += "params: {dimensions: [a, b], at_least: 1}}}\n"
    samples = [
        f", sample: {{rate: {rate}{f', draw: {draw}' if draw else ''}}}"
        for rate, draw in zip((0.5, 0.6), draws, strict=True)
    ]
    members = declare("a", "apple", samples[0]) + declare("b", "apple", samples[1])
    home.write(["apple"] * 400, panel + members)
    rows = home.score("both").values()
    assert {row["inclusion"] for row in rows} == {chance}
    assert abs(len(rows) - 400 * chance) < 40


def test_a_panel_s_version_has_those_of_its_members(home: Home) -> None:
    """A changed member makes another panel; the member's scores are read under the new version."""
    panel = "  - {dimension: both, question: 'Is it?', check: {panel: majority, "
    panel += "params: {dimensions: [a, b], at_least: 2}}}\n"
    versions = set[str]()
    for word in ("apple", "pear"):
        home.write(["apple pear"], panel + declare("a", "apple") + declare("b", word))
        assert home.score("both")["t0"]["verdict"] == "pass"
        evaluators = resolve_app(home.lake, home.catalog, "chat")
        versions.add(next(one.version for one in evaluators if one.dimension == "both"))
    assert len(versions) == 2


def test_one_judge_answers_one_dimension(home: Home) -> None:
    """A second dimension of the same judge is refused: one's scores would replace the other's."""
    judge = "  - {{dimension: {}, question: 'Is it?', check: {{judge: kind}}}}\n"
    home.write(["apple"], judge.format("a") + judge.format("b"))
    judges = home.root / "catalog" / "judges"
    judges.mkdir()
    (judges / "kind.yaml").write_text("{judge: kind, asks: Kind, model: m, system: Judge.}")
    pin = "m: {model: m-2026-01-01, base_url: 'http://127.0.0.1:1/v1'}"
    (home.root / "catalog" / "models.yaml").write_text(pin)
    with pytest.raises(CatalogError, match=r"suites/chat.yaml:4: .*'kind' answers 'a' already"):
        resolve_app(home.lake, home.catalog, "chat")


@pytest.mark.parametrize(
    ("dimensions", "message"),
    [
        (declare("deep", "apple", ", sample: {rate: 0.1, flagged: {by: scna}}"), "'scna'"),
        (declare("deep", "apple", ", sample: {rate: 0.1, flagged: {by: deep}}"), "on itself"),
        (
            declare("a", "apple", ", sample: {rate: 0.1, flagged: {by: b}}")
            + declare("b", "apple", ", sample: {rate: 0.1, flagged: {by: a}}"),
            "on itself",
        ),
        (PANELS + "".join(declare(f"d{n}", "apple") for n in range(30)), "on itself"),
    ],
)
def test_what_cannot_be_asked_first_is_refused(home: Home, dimensions: str, message: str) -> None:
    """A dimension that does not exist, or that waits for itself, is an error of the catalog."""
    home.write(["apple"], dimensions)
    with pytest.raises(CatalogError, match=message):
        resolve_app(home.lake, home.catalog, "chat")


def test_a_night_checks_a_dimension_together_with_those_it_depends_on(home: Home) -> None:
    """A right scanner and a right panel are no problem, though each needs other dimensions."""
    panel = "  - {dimension: both, question: 'Is it?', check: {panel: majority, "
    panel += "params: {dimensions: [a, deep], at_least: 2}}}\n"
    flagged = declare("deep", "pear", ", sample: {rate: 0.1, flagged: {by: a}}")
    home.write(["apple"], panel + flagged + declare("a", "apple"))
    assert list(find_problems(home.catalog)) == []


def test_each_wrong_dimension_is_a_problem_of_its_own(home: Home) -> None:
    """All wrong dimensions are named; one that depends on a broken one is not among them."""
    wrong = "  - {dimension: a, question: 'Is it?', check: {assertion: nope}}\n"
    flagged = ", sample: {flagged: {by: a}}"
    home.write(["apple"], wrong + declare("b", "apple", flagged))
    assert [one.message.split(": ")[0][-13:] for one in find_problems(home.catalog)] == [
        "suites/chat.yaml:3"[-13:]
    ]
    flagged = ", sample: {flagged: {by: none}}"
    home.write(["apple"], declare("a", "apple", flagged) + declare("b", "apple", flagged))
    problems = list(find_problems(home.catalog))
    assert [one.apps for one in problems] == [("chat",), ("chat",)]
    assert all("no dimension 'none'" in one.message for one in problems)


def test_a_trial_of_a_panel_shows_the_votes(home: Home) -> None:
    """The stored verdicts of its dimensions are what it reads; without them it has no verdict."""
    panel = "  - {dimension: both, question: 'Is it?', check: {panel: majority, "
    panel += "params: {dimensions: [a, b, c]}}}\n"
    members = "".join(declare(name, word) for name, word in zip("abc", WORDS, strict=True))
    home.write(["apple pear"], panel + members)
    home.score("both")
    lake, catalog = home.lake, home.catalog
    own = next(one for one in resolve_app(lake, catalog, "chat") if one.dimension == "both")
    with ledger.open_journal(lake, "trial") as journal:
        run = ScoringRun(lake, GoldAndLabels.of(catalog.root, ()), journal, ask_live)
        (shown,) = try_on_night(run, own, NIGHT, count=1).tried
        (alone,) = try_all(run, own, [shown.trace])
    assert (shown.status, shown.read) == ("pass", {"a": "pass", "b": "pass", "c": "fail"})
    assert alone.status == "skipped"
