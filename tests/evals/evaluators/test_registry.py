"""Promises of the registry: one name, one evaluator, and a package's mistake is its own."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evals.evaluators import registry
from evals.evaluators.code_checks import CodeCheck, Params
from evals.evaluators.gold import GoldAndLabels
from evals.records import Failure, Outcome, Trace
from evals.specs import Evaluator

TRACE = Trace("t", datetime(2026, 10, 1, tzinfo=UTC), "app", "an answer")
NOTHING = GoldAndLabels(Path(), {}, {})
EVALUATOR = Evaluator(
    name="app.tone", app="app", dimension="tone", question="?", kind="classifier", check="tone"
)


def passes(*_: object) -> Outcome:
    """Every answer is fine."""
    return Outcome(True)


TONE = CodeCheck("tone", passes, Params, 1, kind="classifier")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Packages are looked for anew, before and after."""
    registry.forget_types()
    yield
    registry.forget_types()


def install(folder: Path, name: str, source: str) -> None:
    """Puts a module with an entry point on a path."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[andon.evaluators]\nours = {name}\n")


def test_an_evaluator_whose_package_is_gone_scores_errors_that_may_pass() -> None:
    """A night locked to it loses no other evaluator; the score is asked for again later."""
    (found,) = registry.code_of(EVALUATOR).evaluate(EVALUATOR, NOTHING)(TRACE)
    assert isinstance(found.result, Failure)
    assert (found.result.code, found.result.retryable) == ("no-evaluator", True)
    assert "install its package" in found.result.message


SOURCES = [
    ("FOUND = 1", "holds no evaluator"),
    ("raise RuntimeError('no licence')", "cannot be loaded: RuntimeError: no licence"),
    ("name, kind = 'contains', 'classifier'", "the name 'contains' is taken"),
    ("name, kind = 'tone', 'guardrail'", "the kind 'guardrail' is reserved"),
    ("name, kind = 'tone', 'recorded'", "the kind 'recorded' is reserved"),
]


@pytest.mark.parametrize(("source", "words"), SOURCES)
def test_a_package_that_cannot_be_used_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    """It adds nothing, takes nothing away, and the reason names it."""
    if source.startswith("name"):
        source += (
            "\nfrom evals.evaluators.code_checks import CodeCheck, Params"
            "\nTONE = CodeCheck(name, print, Params, 1, kind=kind)\n"
        )
    name = f"acme_{abs(hash((source, words))):x}"
    install(tmp_path, name, source)
    monkeypatch.syspath_prepend(tmp_path)
    mine = [one for one in registry.load_plugins() if one.package == f"{name} 1.0"]
    assert [one.types for one in mine] == [()]
    assert words in (mine[0].error or "")
    assert "tone" not in registry.all_types()
    assert registry.all_types()["contains"] is registry.shipped_types()["contains"]


def test_what_a_module_imports_from_andon_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package may build on a shipped check without taking its name."""
    install(
        tmp_path,
        "acme_builds",
        "from evals.evaluators.text_checks import pii\n"
        "from evals.evaluators.code_checks import Params, check\n"
        "@check('tone', kind='classifier', behaviour=1)\n"
        "def tone(trace, params: Params, gold):\n    '''The answer is fine.'''\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = registry.find_type("tone")
    assert found is not None
    assert (found.kind, found.describe()) == ("classifier", "The answer is fine.")


def test_only_traces_are_evaluated_so_far() -> None:
    """A type about sessions is refused, not run on traces by mistake."""
    about_sessions = dataclasses.replace(TONE)
    object.__setattr__(about_sessions, "subject", "session")
    assert "only traces are evaluated so far" in (
        registry.find_refusal(about_sessions, set()) or ""
    )


def test_alignment_is_asked_of_judges_alone_among_the_shipped() -> None:
    """What is decided by code needs no people to agree with it."""
    kinds = {one.kind for one in registry.shipped_types().values()}
    assert {kind for kind in kinds if registry.needs_alignment(kind)} == {"judge"}


ROOT = Path(__file__).parents[3]
WORDS = "assertion|reference|classifier|judge|guardrail|recorded"
COMPARED = re.compile(rf"\bkind\"?\]? (?:[!=]=|(?:not )?in) \W*(?:{WORDS})\b")


def test_no_other_module_tells_evaluators_apart_by_the_name_of_their_kind() -> None:
    """Adding a kind is one module: nowhere else is a kind compared with a word."""
    files = [
        path
        for folder in ("evals", "orchestration", "dbt_project")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".html") and "target" not in path.parts
    ]
    assert len(files) > 100
    assert COMPARED.search('if row["kind"] == "judge":')
    assert COMPARED.search("if one.kind not in ('recorded',)")
    found = [path.name for path in files if COMPARED.search(path.read_text("utf-8"))]
    assert found == []
