"""Regression cases: what is kept of a trace, and what a run of them promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from evals.calls.day_budget import open_budget
from evals.cases.adding import CaseError, CaseRequest, add_case, remove_cases
from evals.cases.judging import CaseRun, load_set, read_answers, run_cases
from evals.cases.showing import describe_input, list_lines, list_tests
from evals.evaluators.gold import GoldAndLabels
from evals.models.protocol import Client
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Label, Trace
from evals.runs.runner import ScoringRun
from evals.specs import Catalog, CatalogError
from evals.specs.cases import hash_cases, load_cases, locate_cases
from evals.storage import ledger
from evals.storage.lake import Lake
from tests.evals.error_analysis.homes import NIGHT, NOW, make_catalog, make_home, make_trace

RUDE = make_trace(
    "t-1", "You idiot, it arrives on Friday.", session_id="s-1", user_id="user-1",
    messages=({"role": "user", "content": "Where?"}, {"role": "assistant", "content": "You"}),
    prompt_version="v3",
)  # fmt: skip
ASKED = CaseRequest(by="Ann", dimension="polite", why="rude; write to ann@example.org")
TODAY = date(2026, 10, 2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with one rude answer."""
    return make_home(tmp_path, [RUDE])


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog whose suite asks for politeness."""
    return make_catalog(tmp_path)


@pytest.fixture
def run(lake: Lake, catalog: Catalog) -> Iterator[ScoringRun]:
    """A run that asks nobody."""

    def refuse(*_: object, **__: object) -> Client:
        raise AssertionError("no model is asked")

    references = GoldAndLabels.of(catalog.root, ())
    with (
        open_budget(lake, "run", TODAY, catalog) as budget,
        ledger.open_journal(lake, "run") as journal,
    ):
        yield ScoringRun(lake, references, journal, refuse, budget)  # type: ignore[arg-type]


def add(lake: Lake, catalog: Catalog, trace: Trace = RUDE, request: CaseRequest = ASKED) -> None:
    """Adds a trace to the set."""
    add_case(lake, catalog, GoldAndLabels.of(catalog.root, ()), trace, NIGHT, request, NOW)


def judge(
    run: ScoringRun, lake: Lake, catalog: Catalog, rows: list[dict[str, object]], folder: Path
) -> CaseRun:
    """Judges a candidate's answers."""
    path = folder / "answers.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    privacy = PrivacyFilter.load(lake, catalog)
    answers = read_answers(privacy, catalog, "shop", path, TODAY)
    return run_cases(run, catalog, "shop", load_set(catalog, "shop"), answers=answers, today=TODAY)


def test_a_case_keeps_the_answer_and_its_origin_but_no_person(lake: Lake, catalog: Catalog) -> None:
    """Redacted, with verdict, why, trace, night and prompt; adding it again replaces it."""
    add(lake, catalog)
    add(lake, catalog)
    path = locate_cases(catalog.root, "shop")
    (case,) = load_cases(path)
    assert (case.verdict, case.dimension, case.trace.output) == ("fail", "polite", RUDE.output)
    assert (case.origin.trace_id, case.origin.night, case.origin.prompt_version) == (
        "t-1", NIGHT, "v3",
    )  # fmt: skip
    text = path.read_text()
    assert "example.org" not in text
    assert "user-1" not in text
    assert "s-1" not in text
    assert "You idiot" not in json.dumps(describe_input(case))
    version = hash_cases([case])
    assert remove_cases(lake, catalog, "shop", ["t-1"]) == [case]
    assert load_cases(path) == []
    assert version != hash_cases([])


def test_people_decide_the_dimension_and_the_verdict(lake: Lake, catalog: Catalog) -> None:
    """Without --dimension it is the one that people failed, with their words."""
    label = Label("t-1", "polite", "fail", "Bo", "human", critique="calls names")
    references = GoldAndLabels.of(catalog.root, [label])
    added = add_case(lake, catalog, references, RUDE, NIGHT, CaseRequest(by="Ann"), NOW)
    assert (added.case.dimension, added.case.why) == ("polite", "calls names")
    with pytest.raises(CaseError, match="name a --dimension: answered, polite"):
        add(lake, catalog, make_trace("t-2"), CaseRequest(by="Ann"))
    with pytest.raises(CaseError, match="no dimension 'nope'"):
        add(lake, catalog, RUDE, CaseRequest(by="Ann", dimension="nope"))


def test_an_evaluator_that_judges_otherwise_than_people_regressed(
    lake: Lake, catalog: Catalog, run: ScoringRun
) -> None:
    """The check still fails the rude answer; it would be a regression if people had passed it."""
    add(lake, catalog)
    held = run_cases(run, catalog, "shop", load_set(catalog, "shop"), today=TODAY)
    assert (held.outcome, held.describe()) == (
        "pass", "1 regression case, recorded answers: 1 held",
    )  # fmt: skip
    add(lake, catalog, RUDE, CaseRequest(by="Ann", dimension="polite", verdict="pass"))
    other = run_cases(run, catalog, "shop", load_set(catalog, "shop"), today=TODAY)
    assert other.outcome == "regressed"
    assert "now fails what people passed" in other.judged[0].words
    assert [test.ending for test in list_tests(other)] == ["failure"]
    assert "t-1" not in "".join(list_lines(other)) or list_lines(other)


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({"output": "It arrives on Friday."}, "pass"),
        ({"output": "Idiot? You idiot!"}, "regressed"),
        ({"output": "", "status": "empty"}, "regressed"),
        ({"output": "", "status": "timeout"}, "infrastructure"),
        (None, "inconclusive"),
    ],
)
def test_a_candidate_passes_only_where_its_answer_was_judged_so(
    row: dict[str, object] | None,
    outcome: str,
    lake: Lake,
    catalog: Catalog,
    run: ScoringRun,
    tmp_path: Path,
) -> None:
    """A bad or empty answer regresses; a request that failed or is missing never passes."""
    add(lake, catalog)
    (case,) = load_set(catalog, "shop")
    rows = [] if row is None else [{**describe_input(case), **row}]
    rows = [*rows, {"trace_id": "another", "app": "shop", "input": "Else?", "output": "Yes."}]
    judged = judge(run, lake, catalog, rows, tmp_path)
    assert judged.outcome == outcome, judged.judged


def test_a_case_without_an_evaluator_or_that_may_not_gate_decides_nothing(
    lake: Lake, catalog: Catalog, run: ScoringRun
) -> None:
    """It is inconclusive, never a pass, and the words name what to do."""
    add(lake, catalog)
    path = locate_cases(catalog.root, "shop")
    path.write_text(path.read_text().replace('"polite"', '"kind"'))
    cases = load_set(catalog, "shop")
    judged = run_cases(run, catalog, "shop", cases, today=TODAY)
    assert judged.outcome == "inconclusive"
    assert "andon scaffold" in judged.judged[0].words
    path.unlink()
    add(lake, catalog, RUDE, CaseRequest(by="Ann", dimension="polite", verdict="pass"))
    cases = load_set(catalog, "shop")
    quiet = run_cases(run, catalog, "shop", cases, unaligned={"shop.polite"}, today=TODAY)
    assert quiet.outcome == "inconclusive"


def test_a_broken_line_is_named(lake: Lake, catalog: Catalog) -> None:
    """With file, line and key; nothing is written over it."""
    add(lake, catalog)
    path = locate_cases(catalog.root, "shop")
    before = path.read_text() + "{}\nnot json\n"
    path.write_text(before)
    with pytest.raises(CatalogError, match=r"shop\.jsonl:2: id: ") as caught:
        add(lake, catalog)
    assert "shop.jsonl:3: expected one JSON object" in caught.value.messages[1]
    assert path.read_text() == before
