"""Every evaluator by name: those that come with Andon, and those of a team's own packages.

A package declares entry points in the group `andon.evaluators`; each is an evaluator, a list of
them, or a module that holds some. Only here does one sort of evaluator differ from another by name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    EvaluatorByModel,
    EvaluatorType,
    Finding,
    Params,
    WrongDeclaration,
)
from evals.records import Failure
from evals.specs import Check, Evaluator, Reads

GROUP = "andon.evaluators"
SHIPPED = ("assertions", "references", "text_checks", "judges", "recorded")
"""The modules of this folder that hold evaluators."""
KINDS = {
    "assertion": "code that says what an output must be like",
    "reference": "a comparison with gold",
    "judge": "a judge in `judges/`",
}
"""What the shipped kinds are, for the catalog's documentation."""
UNDECLARED = frozenset({"recorded"})
"""Kinds that have a key of their own in a dimension, beside `check:`."""
POLICY = "guardrail"
"""What the scores of an evaluator under a guardrail's policy are called, whatever scores them."""


@dataclass(frozen=True)
class Plugin:
    """An entry point of a team's package, and what came of it."""

    package: str
    """The distribution and its version."""
    entry_point: str
    types: tuple[EvaluatorType, ...] = ()
    error: str | None = None
    """Why it cannot be used, and what to do."""


@functools.cache
def shipped() -> dict[str, EvaluatorType]:
    """The evaluators that come with Andon."""
    modules = (importlib.import_module(f"evals.evaluators.{name}") for name in SHIPPED)
    return {one.name: one for module in modules for one in types_in(module)}


@functools.cache
def plugins() -> tuple[Plugin, ...]:
    """The entry points of installed packages, each loaded on its own: one that fails is named."""
    found: list[Plugin] = []
    taken = set(shipped())
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        plugin = load_plugin(entry, taken)
        taken |= {one.name for one in plugin.types}
        found.append(plugin)
    return tuple(found)


def load_plugin(entry: EntryPoint, taken: set[str]) -> Plugin:
    """Loads one entry point; whatever it raises becomes its error."""
    dist = entry.dist
    package = f"{dist.name} {dist.version}" if dist else entry.value
    own = shipped().values()
    try:
        types = tuple(one for one in types_in(entry.load()) if one not in own)
    except Exception as error:
        words = f"{entry.value} cannot be loaded: {type(error).__name__}: {error}"
        return Plugin(package, entry.name, error=f"{words}; mend or remove {package}")
    problem = next((words for one in types if (words := refusal(one, taken))), None)
    if not types:
        problem = f"{entry.value} holds no evaluator; make one with `evals.evaluators.code_checks`"
    return Plugin(package, entry.name, () if problem else types, problem)


def refusal(found: EvaluatorType, taken: set[str]) -> str | None:
    """Why an evaluator of a package cannot be used."""
    if found.name in taken:
        return f"the name {found.name!r} is taken; name the evaluator otherwise"
    if found.kind in UNDECLARED or found.kind in (POLICY, "params", "gold", "kind", "name"):
        return f"{found.name}: the kind {found.kind!r} is reserved; name it otherwise"
    if found.subject != "trace":
        return f"{found.name}: evaluates a {found.subject}; only traces are evaluated so far"
    return None


def types_in(value: Any) -> Iterator[EvaluatorType]:
    """The evaluators a module, a list or a single object holds."""
    if isinstance(value, EvaluatorType):
        yield value
    elif isinstance(value, ModuleType):
        found = {id(one): one for one in vars(value).values() if isinstance(one, EvaluatorType)}
        yield from found.values()
    elif isinstance(value, Iterable):
        for one in value:
            yield from types_in(one) if isinstance(one, EvaluatorType) else ()


def all_types() -> dict[str, EvaluatorType]:
    """Every evaluator by name."""
    own = {one.name: one for plugin in plugins() for one in plugin.types}
    return {**shipped(), **own}


def find_type(name: str) -> EvaluatorType | None:
    """An evaluator by name; packages are only loaded for one that Andon does not have."""
    return shipped().get(name) or all_types().get(name)


def type_of(evaluator: Evaluator) -> EvaluatorType:
    """What evaluates a resolved evaluator; where its package is gone, its scores are errors."""
    return find_type(evaluator.check) or Missing(evaluator.check)


def code_of(evaluator: Evaluator) -> EvaluatorByCode:
    """What evaluates an evaluator that asks no model."""
    found = type_of(evaluator)
    assert isinstance(found, EvaluatorByCode)  # noqa: S101  it has no answer version
    return found


def model_of(evaluator: Evaluator) -> EvaluatorByModel:
    """What puts an evaluator's questions to a model, and reads the answers."""
    found = type_of(evaluator)
    assert isinstance(found, EvaluatorByModel)  # noqa: S101  it has an answer version
    return found


def declared_type(check: Check) -> EvaluatorType:
    """The evaluator a suite's check names.

    Raises:
        WrongDeclaration: no kind, or no evaluator of that kind, has this name.
    """
    of_kind = types_of(check.kind)
    if not of_kind:
        known = ", ".join(sorted(declared_kinds()))
        raise WrongDeclaration((check.kind,), f"no kind {check.kind!r}; known: {known}{broken()}")
    by_spec = next((one for one in of_kind.values() if one.names_specs), None)
    found = by_spec or of_kind.get(check.name)
    if found is None:
        known = ", ".join(sorted(of_kind))
        raise WrongDeclaration((check.kind,), f"no check {check.name!r}; known: {known}{broken()}")
    return found


def named_type(name: str) -> EvaluatorType:
    """The evaluator a guardrail names, without its kind.

    Raises:
        WrongDeclaration: there is none.
    """
    found = find_type(name)
    if found is None or found.kind in UNDECLARED or found.names_specs:
        known = ", ".join(sorted(reference_free()))
        raise WrongDeclaration(("check",), f"no check {name!r}; known: {known}{broken()}")
    return found


def broken() -> str:
    """The packages that could not be loaded, for a message about a name nobody has."""
    return "".join(f" ({one.error})" for one in plugins() if one.error)


def types_of(kind: str) -> dict[str, EvaluatorType]:
    """The evaluators of a kind by name."""
    if kind in UNDECLARED:
        return {}
    found = {name: one for name, one in shipped().items() if one.kind == kind}
    return found | {name: one for name, one in all_types().items() if one.kind == kind}


def declared_kinds() -> dict[str, str]:
    """The kinds a suite may name, with what each is."""
    own = (one.kind for one in all_types().values() if one.kind not in UNDECLARED)
    return {
        **KINDS,
        **{kind: f"{kind} of an installed package" for kind in own if kind not in KINDS},
    }


def reference_free() -> dict[str, EvaluatorType]:
    """The evaluators a guardrail may name: they need no gold."""
    return {
        name: one
        for name, one in all_types().items()
        if not (one.needs_gold or one.names_specs or one.kind in UNDECLARED)
    }


def is_recorded(kind: str) -> bool:
    """Whether scores of a kind are verdicts that somebody else gave."""
    return kind in UNDECLARED


def needs_alignment(kind: str) -> bool:
    """Whether people have to agree with a kind of evaluator before it may decide a night."""
    return any(one.needs_alignment for one in types_of(kind).values())


def forget_types() -> None:
    """Looks for installed packages anew."""
    shipped.cache_clear()
    plugins.cache_clear()


@dataclass(frozen=True)
class Missing(EvaluatorByCode):
    """Stands for an evaluator whose package is not installed here: each score is an error."""

    name: str
    kind: str = ""
    reads: tuple[Reads, ...] = ()
    params: type[Params] = Params
    behaviour: int = 0

    def describe(self) -> str:
        """Nothing passes."""
        return ""

    def configure(self, declared: Declaration) -> Configuration:
        """Refuses: nothing declares it."""
        raise WrongDeclaration(("check",), f"no check {self.name!r}")

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """An error that another run may not have."""
        words = f"no evaluator {self.name!r} here; install its package{broken()}"
        failure = Failure("no-evaluator", words, retryable=True)
        return lambda trace: (Finding(failure),)
