"""Promises of the registry: a name has one evaluator, and a broken package harms no other."""

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
from evals.specs import Check, Evaluator

TRACE = Trace("t", datetime(2026, 10, 1, tzinfo=UTC), "app", "an answer")
NOTHING = GoldAndLabels(Path(), {}, {})
EVALUATOR = Evaluator(
    name="app.tone", app="app", dimension="tone", question="?", kind="classifier", check="tone"
)


def pass_everything(*_: object) -> Outcome:
    """Passes every answer."""
    return Outcome(True)


TONE = CodeCheck("tone", pass_everything, Params, 1, kind="classifier")


@pytest.fixture(autouse=True)
def reload_types() -> Iterator[None]:
    """Reloads the packages before and after each test."""
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


def test_an_evaluator_without_its_package_yields_retryable_errors() -> None:
    """A night locked to it loses no other evaluator, and its score is retried later."""
    (finding,) = registry.code_of(EVALUATOR).evaluate(EVALUATOR, NOTHING)(TRACE)
    assert isinstance(finding.result, Failure)
    assert (finding.result.code, finding.result.retryable) == ("no-evaluator", True)
    assert "install its package" in finding.result.message


def test_a_package_s_evaluator_is_versioned_by_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another text of its module is another version; Andon's own evaluators have `behaviour`."""
    source = (
        "from evals.evaluators.code_checks import CodeCheck, Params"
        "\nTONE = CodeCheck('source-tone', print, Params, 1)\n"
    )
    install(tmp_path, "acme_sourced", source)
    monkeypatch.syspath_prepend(tmp_path)
    own = registry.all_types()["source-tone"]
    before = registry.source_parts(own)
    (tmp_path / "acme_sourced.py").write_text(f"{source}# another rule\n")
    registry.forget_types()
    after = registry.source_parts(registry.all_types()["source-tone"])
    assert before["source"] != after["source"]
    assert registry.source_parts(registry.all_types()["contains"]) == {}


SOURCES = [
    ("FOUND = 1", "holds no evaluator"),
    ("raise RuntimeError('no licence')", "cannot be loaded: RuntimeError: no licence"),
    ("name, kind = 'contains', 'classifier'", "the name 'contains' is taken"),
    ("name, kind = 'tone', 'guardrail'", "the kind 'guardrail' is reserved"),
    ("name, kind = 'tone', 'recorded'", "the kind 'recorded' is reserved"),
]


@pytest.mark.parametrize(("source", "words"), SOURCES)
def test_an_unusable_package_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    """It adds and removes no evaluator, and the error names the cause."""
    if source.startswith("name"):
        source += (
            "\nfrom evals.evaluators.code_checks import CodeCheck, Params"
            "\nTONE = CodeCheck(name, print, Params, 1, kind=kind)\n"
        )
    name = f"acme_{abs(hash((source, words))):x}"
    install(tmp_path, name, source)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = [plugin for plugin in registry.load_plugins() if plugin.package == f"{name} 1.0"]
    assert [plugin.types for plugin in plugins] == [()]
    assert words in (plugins[0].error or "")
    assert "tone" not in registry.all_types()
    assert registry.all_types()["contains"] is registry.shipped_types()["contains"]


def test_an_imported_shipped_check_is_not_registered_again(
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
    tone = registry.find_type("tone")
    assert tone is not None
    assert (tone.kind, tone.describe()) == ("classifier", "The answer is fine.")


def test_a_package_may_have_a_kind_that_andon_has_files_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its evaluator is named like any other; a name it does not have is a file's."""
    install(
        tmp_path,
        "acme_classifies",
        "from evals.evaluators.code_checks import Params, check\n"
        "@check('tone', kind='classifier', behaviour=1)\n"
        "def tone(trace, params: Params, gold):\n    '''The answer is fine.'''\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = [registry.find_declared_type(Check(kind="classifier", name=x)) for x in ("tone", "c")]
    assert [one.name for one in found] == ["tone", "classifier"]


def test_only_traces_are_evaluated_so_far() -> None:
    """A type about sessions is refused, not run on traces by mistake."""
    about_sessions = dataclasses.replace(TONE)
    object.__setattr__(about_sessions, "subject", "session")
    assert "only traces are evaluated so far" in (
        registry.find_refusal(about_sessions, set()) or ""
    )


def test_of_the_shipped_kinds_judges_classifiers_and_panels_need_alignment() -> None:
    """A verdict by a fixed rule needs no agreement with people; one that was learned does."""
    kinds = {shipped.kind for shipped in registry.shipped_types().values()}
    assert {kind for kind in kinds if registry.needs_alignment(kind)} == {
        "judge",
        "panel",
        "classifier",
    }


ROOT = Path(__file__).parents[3]
WORDS = "assertion|reference|classifier|judge|guardrail|recorded"
KIND_COMPARISON = re.compile(rf"\bkind\"?\]? (?:[!=]=|(?:not )?in) \W*(?:{WORDS})\b")


def test_no_other_module_compares_evaluators_kinds() -> None:
    """Adding a kind changes one module, since no other compares a kind with a literal."""
    files = [
        path
        for folder in ("evals", "orchestration", "dbt_project")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".html") and "target" not in path.parts
    ]
    assert len(files) > 100
    assert KIND_COMPARISON.search('if row["kind"] == "judge":')
    assert KIND_COMPARISON.search("if one.kind not in ('recorded',)")
    offenders = [path.name for path in files if KIND_COMPARISON.search(path.read_text("utf-8"))]
    assert offenders == []
