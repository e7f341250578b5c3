"""The catalog's declarations resolved to evaluators, each with the hashes that name it.

Decides what would run and under which version; `runs` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from evals.evaluators import registry
from evals.evaluators.protocol import (
    POLICY_PARAMS,
    Configuration,
    Declaration,
    EvaluatorType,
    Params,
    WrongDeclaration,
    params_problem,
)
from evals.records import digest
from evals.specs import (
    App,
    Catalog,
    Check,
    Dimension,
    Evaluator,
    Guardrail,
    Sample,
    Suite,
    refuse,
)
from evals.specs.suites import OnError


def for_app(catalog: Catalog, name: str) -> tuple[Evaluator, ...]:
    """The evaluators of one application: its suite's, then the guardrails that cover it.

    An application the catalog does not know has the guardrails alone.

    Raises:
        CatalogError: naming the file, line and key of a declaration that cannot work.
    """
    app = catalog.app(name)
    suite = catalog.suites[app.suite] if app.suite else None
    dimensions = of_suite(catalog, app, suite) if suite else ()
    return (*dimensions, *guardrails_of(catalog, name))


def names(catalog: Catalog) -> list[str]:
    """Every evaluator's name the catalog declares, sorted."""
    apps = catalog.apps or {}
    declared = {e.name for app in apps for e in for_app(catalog, app)}
    return sorted(declared | set(catalog.guardrails))


class Place(NamedTuple):
    """Where something is declared."""

    file: Path
    at: tuple[str | int, ...]

    def refuse(self, problem: WrongDeclaration) -> None:
        """Raises a CatalogError that names file, line and key."""
        refuse(self.file, (*self.at, *problem.key), problem.words)


def of_suite(catalog: Catalog, app: App, suite: Suite) -> Iterator[Evaluator]:
    """Each dimension's own evaluator, and the verdicts others recorded on it."""
    file = catalog.root / "suites" / f"{suite.suite}.yaml"
    for index, dimension in enumerate(suite.dimensions):
        place = Place(file, ("dimensions", index, "check"))
        if dimension.check:
            yield from_check(catalog, app, dimension, dimension.check, place)
        if dimension.recorded:
            yield from_recorded(catalog, app, dimension)


def from_check(
    catalog: Catalog, app: App, dimension: Dimension, check: Check, place: Place
) -> Evaluator:
    """The evaluator a dimension names."""
    labels = dimension.labels or dimension.dimension
    declared = Declaration(catalog, app, check.name, check.params, check.gold, labels)
    try:
        found = registry.declared_type(check)
        check_params(found, check.params)
        configured = found.configure(declared)
    except WrongDeclaration as problem:
        place.refuse(problem)
        raise
    return from_dimension(declared, dimension, found, configured)


def from_recorded(catalog: Catalog, app: App, dimension: Dimension) -> Evaluator:
    """The verdicts others recorded on a dimension."""
    labels = dimension.labels or dimension.dimension
    params = {"map": dimension.mapping}
    declared = Declaration(catalog, app, "", params, labels=labels)
    found = registry.shipped()["recorded"]
    return from_dimension(declared, dimension, found, found.configure(declared))


def from_dimension(
    declared: Declaration, dimension: Dimension, found: EvaluatorType, configured: Configuration
) -> Evaluator:
    """A dimension's evaluator, with where it looks in its version."""
    app, name = declared.app.app, dimension.dimension
    parts = {
        "where": digest(dimension.where),
        "version": str(dimension.version),
        **configured.parts,
    }
    return Evaluator(
        **configured._replace(parts=parts)._asdict(),
        **sample_of(declared.catalog, dimension, found),
        app=app,
        dimension=name,
        question=dimension.question,
        where=dimension.where,
        labels=declared.labels,
        gold=declared.gold,
        name=found.evaluator_name(app, name, declared.name),
        kind=found.kind,
        check=found.name,
        subject=found.subject,
        version=digest(parts),
    )


def sample_of(catalog: Catalog, dimension: Dimension, found: EvaluatorType) -> dict[str, Any]:
    """A dimension's sample, and its strata as SQL."""
    if not found.is_sampled:
        return {"sample": Sample(), "stratum": None}
    none = dimension.sample is None
    sample = found.default_sample if none else Sample.of(dimension.sample)
    if sample.strata is None:
        return {"sample": sample, "stratum": None}
    by = sample.strata.by
    named = next((one for one in catalog.slices if one.slice == by), None)
    if named is None:
        return {"sample": sample, "stratum": by}
    word = named.keyword and named.keyword.replace("'", "''")
    keyword = word and f"contains(lower(input), lower('{word}'))"
    return {"sample": sample, "stratum": named.by or named.where or keyword}


def check_params(found: EvaluatorType, params: dict[str, Any]) -> None:
    """Refuses params an evaluator does not take.

    Raises:
        WrongDeclaration: naming the key.
    """
    if problem := params_problem(found.params, params):
        raise WrongDeclaration(("params",), str(problem))


def guardrails_of(catalog: Catalog, app: str) -> tuple[Evaluator, ...]:
    """The guardrails that cover an application."""
    return tuple(
        from_guardrail(catalog, catalog.app(app), spec)
        for spec in catalog.guardrails.values()
        if not spec.apps or app in spec.apps
    )


def from_guardrail(catalog: Catalog, app: App, spec: Guardrail) -> Evaluator:
    """An evaluator under a guardrail's policy."""
    place = Place(catalog.root / "guardrails" / f"{spec.guardrail}.yaml", ())
    try:
        return under_policy(catalog, app, spec)
    except WrongDeclaration as problem:
        place.refuse(problem)
        raise


def under_policy(catalog: Catalog, app: App, spec: Guardrail) -> Evaluator:
    """An evaluator under a guardrail's policy.

    Raises:
        WrongDeclaration: naming the key that is wrong.
    """
    found = guarding_type(spec)
    check_policy(spec, found)
    name = spec.check if isinstance(spec.check, str) else spec.check.name
    reads = spec.reads if "reads" in spec.model_fields_set else None
    configured = found.configure(Declaration(catalog, app, name, spec.params, reads=reads))
    parts = {
        "reads": digest(configured.reads),
        "version": str(spec.version),
        **configured.parts,
    }
    return Evaluator(
        **configured._replace(parts=parts)._asdict(),
        app=app.app,
        dimension=spec.guardrail,
        question=spec.question,
        name=spec.guardrail,
        kind=registry.POLICY,
        check=found.name,
        subject=found.subject,
        sample=found.default_sample,
        guardrail=spec,
        version=digest(parts),
    )


def guarding_type(spec: Guardrail) -> EvaluatorType:
    """The evaluator a guardrail is a policy over.

    Raises:
        WrongDeclaration: there is none of this name, or it needs gold.
    """
    if isinstance(spec.check, str):
        found = registry.named_type(spec.check)
    else:
        found = registry.declared_type(spec.check)
    if found.needs_gold:
        words = f"`{found.name}` compares with gold, which a request has not; name another"
        raise WrongDeclaration(("check",), words)
    return found


class PolicyParams(Params):
    """What `params` of a guardrail may hold beside its evaluator's own."""

    on_error: OnError = "flag"


def check_policy(spec: Guardrail, found: EvaluatorType) -> None:
    """Refuses a policy that cannot work over its evaluator.

    Raises:
        WrongDeclaration: naming the key that is wrong.
    """
    policy = {key: value for key, value in spec.params.items() if key in POLICY_PARAMS}
    own = {key: value for key, value in spec.params.items() if key not in POLICY_PARAMS}
    for kind, params in ((PolicyParams, policy), (found.params, own)):
        if problem := params_problem(kind, params):
            raise WrongDeclaration(("params", *problem.key), problem.words)
    if not isinstance(spec.check, str) and (spec.check.params or spec.check.gold):
        raise WrongDeclaration(("check",), "a guardrail has its `params` beside `check`, no gold")
    if spec.action == "redact" and not found.can_redact():
        words = f"{spec.check!r} finds no place to redact; use `flag` or `block`"
        raise WrongDeclaration(("action",), words)
