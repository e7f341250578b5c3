"""Every evaluator by name: those that come with Andon, and those of a team's own packages.

A package declares entry points in the group `andon.evaluators`; each is an evaluator, a list of
them, or a module that contains some. No other module depends on the name of a kind.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import cast

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import (
    Configuration,
    Declaration,
    Evaluate,
    EvaluatorByCode,
    EvaluatorByModel,
    EvaluatorByVerdicts,
    EvaluatorType,
    Finding,
    Params,
    WrongDeclaration,
)
from evals.records import Failure, digest
from evals.specs import Check, Evaluator, TraceField
from evals.specs.spec_errors import find_nearest

GROUP = "andon.evaluators"
ORDER = (
    "requests", "form", "wording", "documents", "source", "summaries", "queries", "tools",
    "conversations", "syntax",
    "likeness", "extraction", "retrieval", "abstention",
)  # fmt: skip
"""The families of checks in the order of the documentation; others come after them, by name."""


def list_modules(folder: str) -> list[str]:
    """Lists the modules of a folder beside this module, by name."""
    return sorted(one.name for one in pkgutil.iter_modules([str(Path(__file__).parent / folder)]))


FAMILIES = (*ORDER, *(name for name in list_modules("checks") if name not in ORDER))
"""The modules of `checks/`, those that only help others among them."""
GUARD_FAMILIES = tuple(list_modules("guard_checks"))
"""The modules of `guard_checks/`."""
SHIPPED = (
    *(f"checks.{family}" for family in FAMILIES),
    *("text_checks", "judges", "classifiers", "panels", "recorded"),
    *(f"guard_checks.{family}" for family in GUARD_FAMILIES),
)
"""The modules of this folder that contain evaluators."""
KINDS = {
    "assertion": "code that says what an output must be like",
    "reference": "a comparison with gold",
    "judge": "a judge in `judges/`",
    "panel": "what several dimensions of one question conclude together",
    "classifier": "a classifier in `classifiers/`",
}
"""What the shipped kinds are, for the catalog's documentation."""
UNDECLARED = frozenset({"recorded"})
"""Kinds that have a key of their own in a dimension, beside `check:`."""
JUDGE = "judge"
"""The kind of the catalog's `judges/`."""
POLICY = "guardrail"
"""The kind of the scores of an evaluator under a guardrail's policy."""


@dataclass(frozen=True)
class Plugin:
    """An entry point of a team's package, with its evaluators or its error."""

    package: str
    """The distribution and its version."""
    entry_point: str
    types: tuple[EvaluatorType, ...] = ()
    error: str | None = None
    """Why it cannot be used, and what to do."""
    source: str = ""
    """The hash of the module that the entry point names; empty where it has no file."""


@functools.cache
def shipped_types() -> dict[str, EvaluatorType]:
    """Returns the evaluators that come with Andon."""
    modules = (importlib.import_module(f"evals.evaluators.{name}") for name in SHIPPED)
    return {one.name: one for module in modules for one in types_in(module)}


@functools.cache
def load_plugins() -> tuple[Plugin, ...]:
    """Loads the entry points of installed packages; one that fails is kept with its error."""
    loaded: list[Plugin] = []
    taken = set(shipped_types())
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (one.name, one.value)):
        plugin = load_plugin(entry, taken)
        taken |= {one.name for one in plugin.types}
        loaded.append(plugin)
    return tuple(loaded)


def load_plugin(entry: EntryPoint, taken: set[str]) -> Plugin:
    """Loads one entry point; whatever it raises becomes its error."""
    dist = entry.dist
    package = f"{dist.name} {dist.version}" if dist else entry.value
    own = shipped_types().values()
    try:
        types = tuple(one for one in types_in(entry.load()) if one not in own)
    except Exception as error:
        problem = f"{entry.value} cannot be loaded: {type(error).__name__}: {error}"
        return Plugin(package, entry.name, error=f"{problem}; mend or remove {package}")
    problem = next(filter(None, (find_refusal(one, taken) for one in types)), None)
    if not types:
        problem = f"{entry.value} holds no evaluator; make one with `evals.evaluators.code_checks`"
    return Plugin(package, entry.name, () if problem else types, problem, hash_source(entry))


def hash_source(entry: EntryPoint) -> str:
    """Hashes the file of an entry point's module, which is part of its evaluators' versions."""
    file = getattr(importlib.import_module(entry.module), "__file__", None)
    return digest(Path(file).read_text(encoding="utf-8", errors="replace")) if file else ""


def source_parts(one: EvaluatorType) -> dict[str, str]:
    """Returns the part of a version that is a package's source; none of Andon's own evaluators."""
    if one.name in shipped_types():
        return {}
    owners = (plugin for plugin in load_plugins() if one in plugin.types)
    source = next((plugin.source for plugin in owners), "")
    return {"source": source} if source else {}


def find_refusal(new: EvaluatorType, taken: set[str]) -> str | None:
    """Returns why an evaluator of a package cannot be used, or None."""
    if new.name in taken:
        return f"the name {new.name!r} is taken; name the evaluator otherwise"
    if new.kind in UNDECLARED or new.kind in (POLICY, "params", "gold", "kind", "name"):
        return f"{new.name}: the kind {new.kind!r} is reserved; name it otherwise"
    if new.subject != "trace":
        return f"{new.name}: evaluates a {new.subject}; only traces are evaluated so far"
    return None


def types_in(value: object) -> Iterator[EvaluatorType]:
    """Yields the evaluators of a module, a list or a single object."""
    if isinstance(value, EvaluatorType):
        yield value
    elif isinstance(value, ModuleType):
        members = {id(one): one for one in vars(value).values() if isinstance(one, EvaluatorType)}
        yield from members.values()
    elif isinstance(value, Iterable):
        members = cast("Iterable[object]", value)
        yield from (one for one in members if isinstance(one, EvaluatorType))


def all_types() -> dict[str, EvaluatorType]:
    """Returns every evaluator by name."""
    own = {one.name: one for plugin in load_plugins() for one in plugin.types}
    return {**shipped_types(), **own}


def find_type(name: str) -> EvaluatorType | None:
    """Finds an evaluator by name; loads packages only for a name that Andon does not have."""
    return shipped_types().get(name) or all_types().get(name)


def type_of(evaluator: Evaluator) -> EvaluatorType:
    """Returns a resolved evaluator's type; where its package is gone, its scores are errors."""
    return find_type(evaluator.check) or Missing(evaluator.check)


def code_of(evaluator: Evaluator) -> EvaluatorByCode:
    """Returns the type of an evaluator that asks no model."""
    evaluator_type = type_of(evaluator)
    assert isinstance(evaluator_type, EvaluatorByCode)  # noqa: S101  it has no answer version
    return evaluator_type


def model_of(evaluator: Evaluator) -> EvaluatorByModel:
    """Returns the type of an evaluator that asks a model."""
    evaluator_type = type_of(evaluator)
    assert isinstance(evaluator_type, EvaluatorByModel)  # noqa: S101  it has an answer version
    return evaluator_type


def find_declared_type(check: Check) -> EvaluatorType:
    """Finds the evaluator that a suite's check names.

    Raises:
        WrongDeclaration: no kind, or no evaluator of that kind, has this name.
    """
    of_kind = types_of(check.kind)
    if not of_kind:
        names = list_known(check.kind, declared_kinds())
        raise WrongDeclaration((check.kind,), f"no kind {check.kind!r}; {names}{describe_broken()}")
    by_spec = next((one for one in of_kind.values() if one.names_specs), None)
    named = of_kind.get(check.name)
    evaluator_type = named if named and not named.names_specs else by_spec
    if evaluator_type is None:
        names = list_known(check.name, of_kind)
        raise WrongDeclaration(
            (check.kind,), f"no check {check.name!r}; {names}{describe_broken()}"
        )
    return evaluator_type


def find_guarding_type(name: str) -> EvaluatorType:
    """Finds the evaluator that a guardrail names without its kind.

    Raises:
        WrongDeclaration: there is none.
    """
    evaluator_type = find_type(name)
    if evaluator_type is None or not can_guard(evaluator_type):
        names = list_known(name, reference_free())
        raise WrongDeclaration(("check",), f"no check {name!r}; {names}{describe_broken()}")
    return evaluator_type


def list_known(name: str, names: Iterable[str]) -> str:
    """Names what was probably meant, else everything that a name may be."""
    every = sorted(names)
    near = find_nearest(name, every)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(every)}"


def describe_broken() -> str:
    """Lists the packages that failed to load, for a message about an unknown name."""
    return "".join(f" ({one.error})" for one in load_plugins() if one.error)


def types_of(kind: str) -> dict[str, EvaluatorType]:
    """Returns the evaluators of a kind by name."""
    if kind in UNDECLARED:
        return {}
    shipped = {name: one for name, one in shipped_types().items() if one.kind == kind}
    return shipped | {name: one for name, one in all_types().items() if one.kind == kind}


def declared_kinds() -> dict[str, str]:
    """Returns the kinds a suite may name, each with its description."""
    own = (one.kind for one in all_types().values() if one.kind not in UNDECLARED)
    return {
        **KINDS,
        **{kind: f"{kind} of an installed package" for kind in own if kind not in KINDS},
    }


def reference_free() -> dict[str, EvaluatorType]:
    """Returns the evaluators a guardrail may name: those that need no gold."""
    return {name: one for name, one in all_types().items() if can_guard(one) and not one.needs_gold}


def can_guard(one: EvaluatorType) -> bool:
    """Whether a guardrail may name it: it has a name of its own and judges a request alone."""
    is_alone = not isinstance(one, EvaluatorByVerdicts)
    return is_alone and not one.names_specs and one.kind not in UNDECLARED


def is_recorded(kind: str) -> bool:
    """Whether scores of a kind are verdicts that somebody else gave."""
    return kind in UNDECLARED


def is_judge(kind: str) -> bool:
    """Whether a kind is that of the catalog's judges."""
    return kind == JUDGE


def needs_alignment(kind: str) -> bool:
    """Whether people have to agree with a kind of evaluator before it may gate a night."""
    return any(one.needs_alignment for one in types_of(kind).values())


def forget_types() -> None:
    """Clears the caches, so that newly installed packages are seen."""
    shipped_types.cache_clear()
    load_plugins.cache_clear()


@dataclass(frozen=True)
class Missing(EvaluatorByCode):
    """Replaces an evaluator whose package is not installed here: each score is an error."""

    name: str
    kind: str = ""
    reads: tuple[TraceField, ...] = ()
    params: type[Params] = Params
    behaviour: int = 0

    def describe(self) -> str:
        """Returns nothing: no subject passes."""
        return ""

    def configure(self, declared: Declaration) -> Configuration:
        """Refuses: no suite can declare it."""
        raise WrongDeclaration(("check",), f"no check {self.name!r}")

    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Returns a retryable failure for each trace."""
        problem = f"no evaluator {self.name!r} here; install its package{describe_broken()}"
        failure = Failure("no-evaluator", problem, retryable=True)
        return lambda trace: (Finding(failure),)
