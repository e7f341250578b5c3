"""Resolves the catalog's declarations to evaluators, each with its version hashes.

Evaluates nothing; `evals.runs` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from evals.evaluators import registry
from evals.evaluators.peers import include_peers
from evals.evaluators.protocol import (
    POLICY_PARAMS,
    Configuration,
    Declaration,
    EvaluatorType,
    Params,
    WrongDeclaration,
    drop_policy,
    params_problem,
)
from evals.records import Json, digest
from evals.specs import (
    App,
    Catalog,
    CatalogError,
    Check,
    Dimension,
    Evaluator,
    Guardrail,
    Sample,
    describe,
)
from evals.specs.suites import OnError


def resolve_app(catalog: Catalog, name: str) -> tuple[Evaluator, ...]:
    """Resolves the evaluators of one application: its dimensions', then its guardrails.

    An application that the catalog does not declare has the default dimension and the guardrails.

    Raises:
        CatalogError: naming the file, line and key of a declaration that cannot work.
    """
    app = catalog.app(name)
    return (*resolve_dimensions(catalog, app), *resolve_guardrails(catalog, name))


def list_evaluators(catalog: Catalog) -> list[str]:
    """Returns the names of all evaluators the catalog declares, sorted."""
    declared = {e.name for app in catalog.apps for e in resolve_app(catalog, app)}
    return sorted(declared | set(catalog.guardrails))


class Place(NamedTuple):
    """The file and the key of a declaration."""

    file: Path
    at: tuple[str | int, ...]

    def build_error(self, problem: WrongDeclaration) -> CatalogError:
        """Returns the error that names file, line and key."""
        return CatalogError(describe(self.file, (*self.at, *problem.key), problem.words))


def resolve_dimensions(catalog: Catalog, app: App) -> Iterator[Evaluator]:
    """Resolves each dimension's own evaluator, and the verdicts others recorded on it."""
    declared = [
        one
        for index, dimension in enumerate(catalog.dimensions_of(app))
        for one in resolve_dimension(catalog, app, index, dimension)
    ]
    for place, evaluator in link_declared(declared):
        if isinstance(evaluator, WrongDeclaration):
            raise place.build_error(evaluator)
        yield evaluator


def link_declared(
    declared: Sequence[tuple[Place, Evaluator]],
) -> Iterator[tuple[Place, Evaluator | WrongDeclaration]]:
    """Yields each evaluator with its peers' versions, or why it cannot be beside the others."""
    evaluators = [evaluator for _, evaluator in declared]
    first: dict[str, str] = {}
    for place, evaluator in declared:
        try:
            check_name(evaluator, first)
            yield place, include_peers(evaluator, evaluators)
        except WrongDeclaration as problem:
            yield place, problem


def resolve_dimension(
    catalog: Catalog, app: App, index: int, dimension: Dimension
) -> list[tuple[Place, Evaluator]]:
    """Resolves what evaluates one dimension of an application's suite, without its peers.

    Raises:
        CatalogError: naming the file, line and key of a declaration that cannot work.
    """
    file = catalog.root / "suites" / f"{app.suite}.yaml"
    place = Place(file, ("dimensions", index))
    declared: list[tuple[Place, Evaluator]] = []
    if dimension.check:
        at = Place(file, (*place.at, "check"))
        declared.append((place, resolve_check(catalog, app, dimension, dimension.check, at)))
    if dimension.recorded:
        declared.append((place, resolve_recorded(catalog, app, dimension)))
    return declared


def find_wrong_dimensions(catalog: Catalog, app: App) -> Iterator[CatalogError]:
    """Yields the errors of an application's dimensions, one by one.

    Whether dimensions go together is checked once each of them can be resolved, so that one that
    depends on a broken one is not called broken too.
    """
    declared: list[tuple[Place, Evaluator]] = []
    errors: list[CatalogError] = []
    for index, dimension in enumerate(catalog.dimensions_of(app)):
        try:
            declared += resolve_dimension(catalog, app, index, dimension)
        except CatalogError as error:
            errors.append(error)
    if errors:
        yield from errors
        return
    for place, evaluator in link_declared(declared):
        if isinstance(evaluator, WrongDeclaration):
            yield place.build_error(evaluator)


def check_name(evaluator: Evaluator, first: dict[str, str]) -> None:
    """Refuses a second use of one judge: its scores would replace those of the first.

    Args:
        evaluator: the evaluator.
        first: the dimension of each evaluator before it, by name; this one is added.

    Raises:
        WrongDeclaration: another dimension has an evaluator of this name.
    """
    other = first.setdefault(evaluator.name, evaluator.dimension)
    if other != evaluator.dimension:
        problem = f"{evaluator.name!r} answers {other!r} already; copy it under another name"
        raise WrongDeclaration(("check", evaluator.kind), problem)


def resolve_check(
    catalog: Catalog, app: App, dimension: Dimension, check: Check, place: Place
) -> Evaluator:
    """Resolves the evaluator a dimension names."""
    declared = Declaration(
        catalog, app, check.name, check.params, check.gold, dimension.labels_name
    )
    try:
        evaluator_type = registry.find_declared_type(check)
        check_params(evaluator_type, check.params)
        configured = evaluator_type.configure(declared)
    except WrongDeclaration as problem:
        raise place.build_error(problem) from problem
    return build_evaluator(declared, dimension, evaluator_type, configured)


def resolve_recorded(catalog: Catalog, app: App, dimension: Dimension) -> Evaluator:
    """Resolves the verdicts others recorded on a dimension."""
    params: dict[str, Json] = dimension.label_rules.model_dump(exclude_defaults=True)
    params["map"] = {**dimension.mapping}
    declared = Declaration(catalog, app, "", params, labels=dimension.labels_name)
    evaluator_type = registry.shipped_types()["recorded"]
    return build_evaluator(declared, dimension, evaluator_type, evaluator_type.configure(declared))


def build_evaluator(
    declared: Declaration,
    dimension: Dimension,
    evaluator_type: EvaluatorType,
    configured: Configuration,
) -> Evaluator:
    """Builds a dimension's evaluator; its `where` is part of the version."""
    app, name = declared.app.app, dimension.dimension
    parts = {
        "where": digest(dimension.where),
        "version": str(dimension.version),
        **({} if dimension.subject == "trace" else {"subject": dimension.subject}),
        **configured.parts,
        **registry.source_parts(evaluator_type),
    }
    sampling = resolve_sample(declared.catalog, dimension, evaluator_type)
    return Evaluator(
        reads=configured.reads,
        parts=parts,
        params=configured.params,
        judge=configured.judge,
        pin=configured.pin,
        answer_version=configured.answer_version,
        sample=sampling.sample,
        stratum=sampling.stratum,
        app=app,
        dimension=name,
        question=dimension.question,
        where=dimension.where,
        labels=declared.labels,
        gold=declared.gold,
        name=evaluator_type.evaluator_name(app, name, declared.name),
        kind=evaluator_type.kind,
        check=evaluator_type.name,
        subject=dimension.subject,
        version=digest(parts),
    )


class Sampling(NamedTuple):
    """Which traces an evaluator looks at."""

    sample: Sample
    stratum: str | None = None
    """The SQL expression whose values are the strata."""


def resolve_sample(
    catalog: Catalog, dimension: Dimension, evaluator_type: EvaluatorType
) -> Sampling:
    """Resolves a dimension's sample, with its strata as SQL."""
    if not evaluator_type.is_sampled:
        return Sampling(Sample())
    declared = dimension.sample
    sample = evaluator_type.default_sample if declared is None else Sample.of(declared)
    if sample.strata is None:
        return Sampling(sample)
    by = sample.strata.by
    group = next((one for one in catalog.slices if one.slice == by), None)
    if group is None:
        return Sampling(sample, by)
    word = group.keyword and group.keyword.replace("'", "''")
    keyword = word and f"contains(lower(input), lower('{word}'))"
    return Sampling(sample, group.by or group.where or keyword)


def check_params(evaluator_type: EvaluatorType, params: dict[str, Json]) -> None:
    """Refuses params an evaluator does not take.

    Raises:
        WrongDeclaration: naming the key.
    """
    if problem := params_problem(evaluator_type.params, params):
        raise WrongDeclaration(("params", *problem.key), problem.words)


def resolve_guardrails(catalog: Catalog, app: str) -> tuple[Evaluator, ...]:
    """Resolves the guardrails that cover an application."""
    return tuple(
        resolve_guardrail(catalog, catalog.app(app), spec)
        for spec in catalog.guardrails.values()
        if not spec.apps or app in spec.apps
    )


def resolve_guardrail(catalog: Catalog, app: App, spec: Guardrail) -> Evaluator:
    """Resolves a guardrail; a CatalogError names its file, line and key."""
    place = Place(catalog.root / "guardrails" / f"{spec.guardrail}.yaml", ())
    try:
        return build_guardrail(catalog, app, spec)
    except WrongDeclaration as problem:
        raise place.build_error(problem) from problem


def build_guardrail(catalog: Catalog, app: App, spec: Guardrail) -> Evaluator:
    """Builds the evaluator under a guardrail's policy.

    Raises:
        WrongDeclaration: naming the key that is wrong.
    """
    evaluator_type = find_type_of(spec)
    check_policy(spec, evaluator_type)
    name = spec.check if isinstance(spec.check, str) else spec.check.name
    reads = spec.reads if "reads" in spec.model_fields_set else None
    try:
        configured = evaluator_type.configure(
            Declaration(catalog, app, name, spec.params, reads=reads)
        )
    except WrongDeclaration as problem:
        if problem.key == (evaluator_type.kind,):  # its name, which is below `check` here
            raise WrongDeclaration(("check", *problem.key), problem.words) from problem
        raise
    parts = {
        "reads": digest(configured.reads),
        "version": str(spec.version),
        **configured.parts,
        **registry.source_parts(evaluator_type),
    }
    return Evaluator(
        reads=configured.reads,
        parts=parts,
        params=configured.params,
        judge=configured.judge,
        pin=configured.pin,
        answer_version=configured.answer_version,
        app=app.app,
        dimension=spec.guardrail,
        question=spec.question,
        name=spec.guardrail,
        kind=registry.POLICY,
        check=evaluator_type.name,
        subject=evaluator_type.subject,
        sample=evaluator_type.default_sample,
        guardrail=spec,
        version=digest(parts),
    )


def find_type_of(spec: Guardrail) -> EvaluatorType:
    """Finds the evaluator that a guardrail is a policy over.

    Raises:
        WrongDeclaration: there is none of this name, or it needs gold.
    """
    if isinstance(spec.check, str):
        evaluator_type = registry.find_guarding_type(spec.check)
    else:
        evaluator_type = registry.find_declared_type(spec.check)
    if evaluator_type.needs_gold:
        name = evaluator_type.name
        problem = f"`{name}` compares with gold, which a request does not have; name another"
        raise WrongDeclaration(("check",), problem)
    return evaluator_type


class PolicyParams(Params):
    """What `params` of a guardrail may hold beside its evaluator's own."""

    on_error: OnError = "flag"


def check_policy(spec: Guardrail, evaluator_type: EvaluatorType) -> None:
    """Refuses a policy that cannot work over its evaluator.

    Raises:
        WrongDeclaration: naming the key that is wrong.
    """
    policy = {key: value for key, value in spec.params.items() if key in POLICY_PARAMS}
    own = drop_policy(spec.params)
    for kind, params in ((PolicyParams, policy), (evaluator_type.params, own)):
        if problem := params_problem(kind, params):
            raise WrongDeclaration(("params", *problem.key), problem.words)
    if not isinstance(spec.check, str) and (spec.check.params or spec.check.gold):
        raise WrongDeclaration(("check",), "a guardrail has its `params` beside `check`, no gold")
    if spec.action == "redact" and not evaluator_type.can_redact():
        message = f"{spec.check!r} finds no place to redact; use `flag` or `block`"
        raise WrongDeclaration(("action",), message)
