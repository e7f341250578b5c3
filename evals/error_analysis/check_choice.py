"""Chooses the check by code that separates a mode's failing examples from the passing ones best.

Pure but for the evaluators it tries; what is written of it is `scaffold`'s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import EvaluatorByCode
from evals.evaluators.resolution import resolve_app
from evals.records import Outcome
from evals.runs.runner import build_evaluate
from evals.specs import App, Catalog, CatalogError, Check, Dimension, Evaluator, Suite
from evals.specs.cases import Case

NEEDS_MODEL = frozenset({"toxicity", "prompt_injection"})
"""Checks that load a small model; they are not tried unasked."""
ENOUGH = 0.5
"""The share of failing examples caught minus that of passing ones refused, from which a check is
worth drafting."""
LONGEST_PHRASE = 3
"""Words of a phrase that failing answers share."""
PHRASES = 3


class Choice(NamedTuple):
    """A check with how it does on the examples."""

    check: str
    params: Mapping[str, Any]
    caught: int
    """Failing examples that it fails."""
    failing: int
    passed: int
    """Passing examples that it passes."""
    passing: int

    @property
    def gain(self) -> float:
        """The share of failing examples it catches, less that of passing ones it refuses."""
        refused = 1 - self.passed / self.passing if self.passing else 0.0
        return (self.caught / self.failing if self.failing else 0.0) - refused

    @property
    def is_enough(self) -> bool:
        """Whether it separates the examples well enough to be drafted as it is."""
        return self.passing > 0 and self.gain >= ENOUGH

    def describe(self) -> str:
        """Describes how it does in a phrase."""
        right, every = self.caught + self.passed, self.failing + self.passing
        return f"{right} of {every} examples right"


class Drafted(NamedTuple):
    """A check to try."""

    check: str
    params: Mapping[str, Any]


def choose_check(catalog: Catalog, examples: Sequence[Case]) -> Choice | None:
    """Chooses the check that does best on the examples; None where no check applies at all.

    Of equal ones the first: checks without parameters come before those fitted to the examples. A
    check that the application's suite has already is no draft.
    """
    own = list_own_checks(catalog, examples[0].app) if examples else []
    drafts = [one for one in (*list_plain_checks(), *fit_checks(examples)) if one not in own]
    tried = (try_check(catalog, draft, examples) for draft in drafts)
    choices = [choice for choice in tried if choice and choice.caught]
    return max(choices, key=lambda choice: choice.gain, default=None)


def list_own_checks(catalog: Catalog, app: str) -> list[Drafted]:
    """Lists the checks that an application's suite has."""
    checks = [dimension.check for dimension in catalog.dimensions_of(catalog.app(app))]
    return [Drafted(check.name, dict(check.params)) for check in checks if check]


def list_plain_checks() -> Iterator[Drafted]:
    """Yields the checks by code that need neither parameters nor gold nor a model."""
    for name, kind in registry.types_of("assertion").items():
        is_plain = not kind.needs_gold and name not in NEEDS_MODEL
        if is_plain and isinstance(kind, EvaluatorByCode) and takes_nothing(kind.params):
            yield Drafted(name, {})


def takes_nothing(params: type[Any]) -> bool:
    """Whether a check's parameters may all be left out."""
    try:
        params()
    except (ValidationError, TypeError):
        return False
    return True


def fit_checks(examples: Sequence[Case]) -> Iterator[Drafted]:
    """Yields checks with parameters: that something is cited; phrases and lengths of examples."""
    failing = [case.trace.output for case in examples if case.verdict == "fail"]
    passing = [case.trace.output for case in examples if case.verdict == "pass"]
    yield Drafted("citations_resolve", {"needed": True})
    if phrases := find_phrases(failing, passing):
        yield Drafted("not_contains", {"values": phrases, "ignore_case": True})
    if failing and passing:
        if missing := find_common(passing, failing):
            yield Drafted("contains", {"values": [missing], "ignore_case": True})
        longest, shortest = max(map(count_words, passing)), min(map(count_words, failing))
        if longest < shortest:
            yield Drafted("length", {"unit": "words", "max": (longest + shortest) // 2})


def count_words(text: str) -> int:
    """Counts the words of a text."""
    return len(text.split())


def find_phrases(failing: Sequence[str], passing: Sequence[str]) -> list[str]:
    """Finds phrases that several failing answers have and no passing one: few, and frequent."""
    folded = [text.casefold() for text in passing]
    counts: Counter[str] = Counter()
    for text in failing:
        counts.update(set(list_phrases(text)))
    own = [(phrase, n) for phrase, n in counts.items() if n > 1]
    own = [(phrase, n) for phrase, n in own if not any(phrase in text for text in folded)]
    ranked = sorted(own, key=lambda one: (-one[1], -len(one[0]), one[0]))
    chosen: list[str] = []
    caught: set[int] = set()
    for phrase, _ in ranked:
        new = {at for at, text in enumerate(failing) if phrase in text.casefold()} - caught
        if new and len(chosen) < PHRASES:
            chosen.append(phrase)
            caught |= new
    return chosen


def find_common(texts: Sequence[str], others: Sequence[str]) -> str | None:
    """Finds the longest phrase that all of some texts have and none of others."""
    folded, lacking = [text.casefold() for text in texts], [text.casefold() for text in others]
    phrases = sorted(set(list_phrases(texts[0])), key=lambda phrase: (-len(phrase), phrase))
    return next(
        (
            phrase
            for phrase in phrases
            if all(phrase in text for text in folded)
            and not any(phrase in text for text in lacking)
        ),
        None,
    )


def list_phrases(text: str) -> Iterator[str]:
    """Yields the phrases of one to three words of a text, as they are written, in lower case."""
    words = [match.span() for match in re.finditer(r"[^\W_]{2,}", text[:TRIED_CHARACTERS])]
    for length in range(1, LONGEST_PHRASE + 1):
        for first, last in zip(words, words[length - 1 :], strict=False):
            phrase = text[first[0] : last[1]].casefold()
            if "\n" not in phrase and len(phrase) >= SHORTEST_PHRASE:
                yield phrase


TRIED_CHARACTERS = 4000
"""The beginning of an answer in which phrases are looked for."""
SHORTEST_PHRASE = 4


def try_check(catalog: Catalog, draft: Drafted, examples: Sequence[Case]) -> Choice | None:
    """Tries a check on the examples; None where it cannot be declared without more."""
    evaluator = declare(catalog, draft, examples[0].app)
    if evaluator is None:
        return None
    evaluate = build_evaluate(evaluator, GoldAndLabels.of(catalog.root, ()))
    counts: Counter[tuple[str, bool]] = Counter()
    for case in examples:
        for finding in evaluate(case.build_trace()):
            if isinstance(finding.result, Outcome):
                counts[case.verdict, finding.result.passed] += 1
    failing = sum(case.verdict == "fail" for case in examples)
    return Choice(
        draft.check,
        draft.params,
        caught=counts["fail", False],
        failing=failing,
        passed=len(examples) - failing - counts["pass", False],
        passing=len(examples) - failing,
    )


def declare(catalog: Catalog, draft: Drafted, app: str) -> Evaluator | None:
    """Resolves a check as the only one of an application."""
    check = Check(kind="assertion", name=draft.check, params=dict(draft.params))
    suite = Suite(
        suite="draft", dimensions=(Dimension(dimension="draft", question="", check=check),)
    )
    spec = catalog.app(app).model_copy(update={"suite": "draft", "app": app})
    own: dict[str, App] = {app: spec}
    update = {"apps": own, "suites": {"draft": suite}, "guardrails": {}}
    try:
        found = resolve_app(catalog.model_copy(update=update), app)
    except CatalogError:
        return None
    return next((one for one in found if one.dimension == "draft"), None)
