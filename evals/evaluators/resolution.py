"""The catalog's declarations resolved to evaluators, each with the hashes that name it.

Says what would run and under which version; `run` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evals.evaluators import guardrails, judges, registry
from evals.records import digest
from evals.specs import JUDGED, App, Catalog, Dimension, Evaluator, Guardrail, Sample, refuse

RECORDED_BEHAVIOUR = 1


def for_app(catalog: Catalog, name: str) -> tuple[Evaluator, ...]:
    """The evaluators of one application: its suite's, then the guardrails that cover it.

    An application the catalog does not know has the guardrails alone.
    """
    app = catalog.app(name)
    suite = catalog.suites[app.suite] if app.suite else None
    found: list[Evaluator] = []
    for dimension in suite.dimensions if suite else ():
        found += from_dimension(catalog, app, dimension)
    found += [
        from_guardrail(catalog.root, app, spec)
        for spec in catalog.guardrails.values()
        if not spec.apps or name in spec.apps
    ]
    return tuple(found)


def names(catalog: Catalog) -> list[str]:
    """Every evaluator's name the catalog declares, sorted."""
    apps = catalog.apps or {}
    declared = {e.name for app in apps for e in for_app(catalog, app)}
    return sorted(declared | set(catalog.guardrails))


def from_dimension(catalog: Catalog, app: App, dimension: Dimension) -> Iterable[Evaluator]:
    """A dimension's own check, and the verdicts others recorded on it."""
    check = dimension.check
    common: dict[str, Any] = {
        "app": app.app,
        "dimension": dimension.dimension,
        "question": dimension.question,
        "where": dimension.where,
        "labels": dimension.labels or dimension.dimension,
        **sampled(catalog, dimension),
    }
    if check and check.judge:
        yield from_judge(catalog, check.judge, common)
    elif check and (check.assertion or check.reference):
        yield from_scorer(catalog, app, dimension, common)
    if dimension.recorded:
        params = {"map": dimension.mapping}
        parts = {
            "labels": common["labels"],
            "mapping": digest(params),
            "where": digest(dimension.where),
            "behaviour": str(RECORDED_BEHAVIOUR),
            "version": str(dimension.version),
        }
        yield Evaluator(
            **{**common, "sample": Sample(), "stratum": None},
            name=f"{app.app}.{dimension.dimension}.recorded",
            kind="recorded",
            check="recorded",
            reads=("input", "context", "output"),  # a label is bound to these
            params=params,
            parts=parts,
            version=digest(parts),
        )


def sampled(catalog: Catalog, dimension: Dimension) -> dict[str, Any]:
    """A dimension's sample, and its strata as SQL."""
    judged = dimension.check is not None and dimension.check.judge is not None
    sample = JUDGED if judged and dimension.sample is None else Sample.of(dimension.sample)
    if sample.strata is None:
        return {"sample": sample, "stratum": None}
    by = sample.strata.by
    named = next((one for one in catalog.slices if one.slice == by), None)
    if named is None:
        return {"sample": sample, "stratum": by}
    word = named.keyword and named.keyword.replace("'", "''")
    keyword = word and f"contains(lower(input), lower('{word}'))"
    return {"sample": sample, "stratum": named.by or named.where or keyword}


def from_judge(catalog: Catalog, name: str, common: dict[str, Any]) -> Evaluator:
    """A judge, with the two hashes of the ledger."""
    judge = catalog.judges[name]
    pin = catalog.models[judge.model]
    asked = judges.answer_parts(judge, pin)
    parts = {
        **asked,
        "threshold": digest(judge.threshold),
        "parser": str(judges.BEHAVIOUR),
        "where": digest(common["where"]),
        "version": str(judge.version),
        **({"repeats": str(judge.repeats)} if judge.repeats > 1 else {}),
    }
    return Evaluator(
        **common,
        name=name,
        kind="judge",
        check="judge",
        reads=judge.reads,
        judge=judge,
        pin=pin,
        answer_version=digest(asked),
        parts=parts,
        version=digest(parts),
    )


def from_scorer(
    catalog: Catalog, app: App, dimension: Dimension, common: dict[str, Any]
) -> Evaluator:
    """An assertion or a comparison with gold."""
    check = dimension.check
    assert check is not None  # noqa: S101  the caller looked
    name = check.assertion or check.reference or ""
    scorer = registry.SCORERS.get(name)
    path = catalog.root / "suites" / f"{app.suite}.yaml"
    at = ("dimensions", catalog.suites[app.suite or ""].dimensions.index(dimension), "check")
    if scorer is None:
        known = ", ".join(sorted(registry.SCORERS))
        refuse(path, at, f"no check {name!r}; known: {known}")
    problem = scorer.check_params(check.params)
    if problem:
        refuse(path, (*at, "params"), problem)
    parts = {
        "check": name,
        "behaviour": str(scorer.behaviour),
        "params": digest(check.params),
        "where": digest(dimension.where),
        "version": str(dimension.version),
    }
    return Evaluator(
        **common,
        name=f"{app.app}.{dimension.dimension}",
        kind=scorer.kind,
        check=name,
        reads=scorer.reads,
        params=check.params,
        gold=check.gold,
        parts=parts,
        version=digest(parts),
    )


def from_guardrail(root: Path, app: App, spec: Guardrail) -> Evaluator:
    """A guardrail, as the nightly run scores it."""
    params = guardrails.guard_params(spec, app.language)
    problem = guardrails.guardrail_problem(spec)
    if problem:
        key, _, words = problem.partition(": ")
        refuse(root / "guardrails" / f"{spec.guardrail}.yaml", tuple(key.split(".")), words)
    parts = {
        "check": spec.check,
        "behaviour": str(guardrails.GUARDRAILS[spec.check].behaviour),
        "params": digest(params),
        "reads": digest(spec.reads),
        "version": str(spec.version),
    }
    return Evaluator(
        app=app.app,
        dimension=spec.guardrail,
        question=spec.question,
        name=spec.guardrail,
        kind="guardrail",
        check=spec.check,
        reads=spec.reads,
        params=params,
        guardrail=spec,
        parts=parts,
        version=digest(parts),
    )
