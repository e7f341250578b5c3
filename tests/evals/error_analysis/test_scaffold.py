"""Drafts of evaluators, and the traces that are read before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from evals.error_analysis.check_choice import choose_check
from evals.error_analysis.examples import collect_examples
from evals.error_analysis.reading import choose_traces
from evals.error_analysis.scaffold import (
    Kind,
    ScaffoldError,
    draft_evaluator,
    has_own_steps,
    render_patch,
)
from evals.error_analysis.suite_text import UnusualSuiteError, insert_dimension
from evals.evaluators.resolution import resolve_app
from evals.specs import Catalog, load_catalog
from evals.specs.cases import Case, load_cases
from evals.storage.documents.failure_modes import FailureMode
from evals.storage.lake import Lake
from tests.evals.error_analysis.homes import NIGHT, NOW, make_catalog, make_home, make_trace
from tests.evals.error_analysis.test_modes import make_note

MODE = FailureMode("m1", "says-maybe", ("0", "1", "2"), "The answer hedges")
TRACES = [
    *(make_trace(f"t-{n}", f"Perhaps maybe it arrives on day {n}.") for n in range(3)),
    *(make_trace(f"t-{n}", f"It arrives on day {n}\u2028.") for n in range(3, 9)),
]
NOTES = [
    *(make_note(str(n), "it hedges") for n in range(3)),
    *(make_note(str(n), "", "pass") for n in range(3, 8)),
    make_note("8", "something else"),
]


@pytest.fixture
def home(tmp_path: Path) -> Lake:
    """A home with three hedging answers and six others."""
    return make_home(tmp_path, TRACES)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog with a suite of one dimension."""
    return make_catalog(tmp_path)


@pytest.fixture
def examples(home: Lake, catalog: Catalog) -> list[Case]:
    """The examples of the mode."""
    return collect_examples(home, catalog, MODE, NOTES, MODE.name, NOW)


def test_what_failed_otherwise_is_no_example(examples: list[Case]) -> None:
    """Nobody looked whether it fails in this way too."""
    verdicts = {case.origin.trace_id: case.verdict for case in examples}
    assert verdicts == {f"t-{n}": "fail" if n < 3 else "pass" for n in range(8)}


@pytest.mark.parametrize("kind", ["assertion", "guard"])
def test_a_drafted_check_applies_as_a_patch_and_gets_its_examples_right(
    kind: Kind, examples: list[Case], catalog: Catalog
) -> None:
    """The patch leaves comments alone; the catalog loads; the examples are read back."""
    drafted = draft_evaluator(catalog, "shop", MODE, kind, examples)
    assert "8 of 8 examples right" in drafted.words
    patch = render_patch(drafted, catalog.root)
    subprocess.run(["git", "apply", "-"], cwd=catalog.root, input=patch.encode(), check=True)
    load_catalog.cache_clear()
    loaded = load_catalog(catalog.root)
    assert not loaded.problems
    assert "says-maybe" in {one.dimension for one in resolve_app(loaded, "shop")}
    suite = (catalog.root / "suites/shop.yaml").read_text()
    assert suite.startswith("suite: shop  # ours")
    assert suite.endswith("# the end\n")
    path = catalog.root / "examples" / "says-maybe.jsonl"
    assert len(load_cases(path)) == 8
    with pytest.raises(ScaffoldError):
        draft_evaluator(loaded, "shop", MODE, kind, examples)


def test_a_check_that_the_suite_has_is_not_drafted_again(
    examples: list[Case], catalog: Catalog
) -> None:
    """The next best is; what a draft adds is something the night does not compute yet."""
    choice = choose_check(catalog, examples)
    assert choice
    row = {"assertion": choice.check, "params": dict(choice.params)}
    suite = catalog.root / "suites" / "shop.yaml"
    asked = {"dimension": "own", "question": "Is it?", "check": row}
    suite.write_text(yaml.safe_dump({"suite": "shop", "dimensions": [asked]}))
    load_catalog.cache_clear()
    other = choose_check(load_catalog(catalog.root), examples)
    assert other is None or (other.check, other.params) != (choice.check, choice.params)


def test_failures_alone_draft_no_check(examples: list[Case], catalog: Catalog) -> None:
    """A check that fails every answer gets them right, and shows nothing."""
    failing = [case for case in examples if case.verdict == "fail"]
    drafted = draft_evaluator(catalog, "shop", MODE, "assertion", failing)
    assert "no example passes" in drafted.words
    assert "WRITE WHAT A BAD ANSWER CONTAINS" in drafted.files[0].after


def test_nothing_is_drafted_over_a_file_or_without_a_model(
    examples: list[Case], catalog: Catalog
) -> None:
    """Each refusal names what to do."""
    with pytest.raises(ScaffoldError, match="declare a pin"):
        draft_evaluator(catalog, "shop", MODE, "judge", examples)
    with pytest.raises(ScaffoldError, match="does not declare"):
        draft_evaluator(catalog, "other", MODE, "assertion", examples)
    with pytest.raises(ScaffoldError, match="nothing to draft from"):
        draft_evaluator(catalog, "shop", MODE, "assertion", examples[3:])
    path = catalog.root / "examples" / "says-maybe.jsonl"
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(ScaffoldError, match="never overwritten"):
        draft_evaluator(catalog, "shop", MODE, "assertion", examples)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "suite",
    [
        "suite: a\ndimensions:\n- dimension: x\n  question: q",
        "# top\ndimensions:\n    - {dimension: x, question: q}\n\n# end\nsuite: a\n",
        "dimensions:\n- {dimension: x,\n   question: q}\nsuite: a\n",
        "dimensions:\n  - dimension: x\n    question: |\n      two\n      lines\n\nsuite: a\n",
    ],
)
def test_a_dimension_is_inserted_at_the_end_of_the_list(suite: str) -> None:
    """Whatever the indentation, and whatever follows the list."""
    text = insert_dimension(suite, "- dimension: new\n  question: n\n")
    before, after = yaml.safe_load(suite), yaml.safe_load(text)
    assert after["dimensions"] == [*before["dimensions"], {"dimension": "new", "question": "n"}]
    assert after["suite"] == "a"


@pytest.mark.parametrize("suite", ["dimensions: [{dimension: x}]", "suite: a", "", "dimensions:\n"])
def test_a_list_within_brackets_is_left_to_its_team(suite: str) -> None:
    """Nothing is rewritten."""
    with pytest.raises(UnusualSuiteError):
        insert_dimension(suite, "- dimension: new\n")


def test_half_is_read_at_random_and_half_by_topic(tmp_path: Path) -> None:
    """No trace twice, none that was read; a rare kind of request is among them."""
    traces = [make_trace(f"t-{n}", input=f"Where is my parcel number {n}?") for n in range(60)]
    rare = make_trace("rare", input="Cancel the subscription of my grandmother, she died")
    lake = make_home(tmp_path, [*traces, rare])
    chosen = choose_traces(lake, "shop", 10, [NIGHT], {"t-1"}, "seed")
    ids = [one.trace_id for one in chosen]
    assert len(set(ids)) == len(ids) == 10
    assert "t-1" not in ids
    assert "rare" in ids
    assert [one.reason for one in chosen].count("random") == 5
    assert choose_traces(lake, "shop", 10, [NIGHT], {"t-1"}, "seed") == chosen
    assert choose_traces(lake, "nobody", 10, [NIGHT], (), "seed") == []
    assert len(choose_traces(lake, "shop", 500, [NIGHT], (), "seed")) == 61


@pytest.mark.parametrize(
    ("kinds", "context", "read"),
    [
        (("retrieval", "llm"), "a passage", False),
        (("retrieval", "llm"), None, True),
        (("retrieval", "tool", "llm"), "a passage", True),
        ((), None, False),
    ],
)
def test_a_drafted_judge_pays_for_steps_only_where_they_show_more(
    kinds: tuple[str, ...], context: str | None, read: bool, examples: list[Case]
) -> None:
    """Passages that are the context already would be sent, and paid, twice."""
    recorded = {"steps": tuple({"kind": kind} for kind in kinds), "context": context}
    case = examples[0].model_copy(update={"trace": examples[0].trace.model_copy(update=recorded)})
    assert has_own_steps(case) is read
